"""`erya vocab`: vocabularies from text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.cli.console import messages, print_json, print_table

if TYPE_CHECKING:
    from erya.tokenizer.coverage import Coverage
    from erya.tokenizer.train import TrainedVocabulary

TRAIN_HELP = """Train a vocabulary and write a tokenizer directory.

Every Hanzi, sign and emoji is a token of its own: the most frequent ones get a place. Words of letters and
digits are cut into pieces, which are trained on the words of the text. ASCII, Chinese punctuation, the five
special tokens and places to spare ([unused1] ...) are always in. The same text gives the same vocabulary.

DOCUMENTS is a documents directory from `erya corpus clean`: the vocabulary is trained on its training split
and measured on the held-out one. Raw text and JSON lines (compressed or not; field --field) work too: they
are cleaned on the way, one document in fifty is held out, and repeats are not dropped.

`transformers` opens the directory (AutoTokenizer), and so does `tokenizers` (tokenizer.json): same ids.

\b
Example:
  erya vocab train documents --size 12000 --out tokenizer
  erya vocab train news.jsonl.xz --size 8000 --min-frequency 5 --cased --out tokenizer
"""
_ON_DISPLAY = 30
REPORT = "training.json"


def register(app: typer.Typer) -> None:
    """Add `erya vocab`."""
    vocab = typer.Typer(
        help="Vocabularies: train one on your text.",
        epilog="Example: erya vocab train documents --size 12000 --out tokenizer",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    vocab.command("train", help=TRAIN_HELP)(_train)
    app.add_typer(vocab, name="vocab")


def _train(
    text: list[Path] = typer.Argument(..., metavar="DOCUMENTS|TEXT...", help="What to train on."),
    out: Path = typer.Option(..., help="Directory to make."),
    size: int = typer.Option(12000, min=1, help="Tokens wanted."),
    min_frequency: int = typer.Option(2, min=1, help="A character or piece met less often gets no place."),
    cased: bool = typer.Option(False, "--cased", help="Keep upper and lower case apart."),
    field: str = typer.Option("text", help="Field of the text in JSON lines."),
    replace: bool = typer.Option(False, "--replace", help="Replace OUT if erya vocab train wrote it."),
    as_json: bool = typer.Option(False, "--json", help="Print the counts as JSON."),
) -> None:
    from erya.cli.reading_progress import reading
    from erya.corpus.texts import open_texts
    from erya.files import atomic_directory
    from erya.tokenizer.coverage import measure_coverage
    from erya.tokenizer.train import train_vocabulary
    from erya.tokenizer.wordpiece import Tokenizer

    with atomic_directory(out, replace=replace, marker=REPORT) as directory:
        with reading("counting") as on_progress:
            source = open_texts(text, field=field, on_progress=on_progress)
            trained = train_vocabulary(
                source.train(), size=size, min_frequency=min_frequency, lowercase=not cased
            )
            tokenizer = Tokenizer(trained.spec)
            coverage = measure_coverage(tokenizer, source.heldout())
        for problem in source.problems:
            messages.print(problem, markup=False, style="yellow")
        report = _report(trained, coverage, size=size)
        tokenizer.save(directory)
        (directory / REPORT).write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    if as_json:
        print_json(report)
        return
    rows = [{"": name.replace("_", " "), "count": _shown(value)} for name, value in report.items()]
    print_table(f"vocabulary: {out}", rows, as_json=False)
    if not coverage.documents:
        messages.print("no text is held out, so nothing says how well the vocabulary fits")
    if len(trained.spec.vocab) < size:
        messages.print(f"the text has no more that is frequent enough: {len(trained.spec.vocab):,} tokens")


def _report(trained: TrainedVocabulary, coverage: Coverage, *, size: int) -> dict[str, Any]:
    report: dict[str, Any] = {
        "size_wanted": size,
        "size": len(trained.spec.vocab),
        "hanzi": trained.hanzi,
        "other_characters": trained.signs,
        "letter_pieces": trained.pieces,
        "training_documents": trained.documents,
        "training_characters": trained.characters,
        "characters_left_out": trained.rare,
        "heldout_documents": coverage.documents,
    }
    if coverage.documents:
        report |= {
            "heldout_characters": coverage.characters,
            "heldout_tokens": coverage.tokens,
            "heldout_characters_covered": round(coverage.covered_share, 6),
            "heldout_unknown_tokens": coverage.unknown,
            "heldout_unknown_share": round(coverage.unknown_share, 6),
            "most_frequent_unknown": coverage.worst(_ON_DISPLAY),
        }
    return report


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4%}"
    return f"{value:,}" if isinstance(value, int) else str(value)
