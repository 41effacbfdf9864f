"""`erya vocab train`: a vocabulary from text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from erya.cli.console import messages, print_json
from erya.cli.vocab_report import coverage_report, print_coverage, print_summary, tell_problems

if TYPE_CHECKING:
    from erya.tokenizer.train import Digits, TrainedVocabulary, VocabularyPlan

HELP = """Train a vocabulary and write a tokenizer directory.

Every Hanzi, sign and emoji is a token of its own: the most frequent ones get a place. Words of letters and
digits are cut into pieces, which are trained on the words of the text. ASCII, Chinese punctuation, the five
special tokens and places to spare ([unused1] ...) are always in. The same text gives the same vocabulary.

How many? --size says how many tokens in all (rounded up to a multiple of 64, which matrix products like);
characters come first, and pieces of words get 15% of the room or what is left. --coverage says which
characters: the most frequent, until they make up that share of the running text; the pieces get the rest.
With --coverage alone the size is what that takes: of 47 million characters of news, 3,420 Hanzi make up
0.9995 and 5,085 make up 0.99999.

--digits split makes a token of every digit, so that a number is read digit by digit and never cut at
another place; keep gives frequent numbers (2024, 100) tokens of their own and shorter sequences.

DOCUMENTS is a documents directory from `erya corpus clean`: the vocabulary is trained on its training split
and measured on the held-out one. Raw text and JSON lines (compressed or not; field --field) work too: they
are cleaned on the way, one document in fifty is held out, and repeats are not dropped. Of a large corpus a
sample is read, spread over all of it (--sample).

`transformers` opens the directory (AutoTokenizer), and so does `tokenizers` (tokenizer.json): same ids.
training.json in it holds every figure that is printed.

\b
Examples:
  erya vocab train documents --size 12000 --out tokenizer
  erya vocab train documents --coverage 0.9999 --digits split --out tokenizer
  erya vocab train news.jsonl.xz --size 8000 --min-frequency 5 --cased --out tokenizer
"""
REPORT = "training.json"
_SIZE = 12_000
_SAMPLE = 200_000_000
# A tenth of the sample, or of this, is plenty to measure with.
_MEASURED = 10


def register(app: typer.Typer) -> None:
    """Add `train`."""
    app.command("train", help=HELP)(_train)


def _train(
    text: list[str] = typer.Argument(..., metavar="DOCUMENTS|TEXT...", help="What to train on."),
    out: Path = typer.Option(..., help="Directory to make."),
    size: int = typer.Option(
        0, min=0, help=f"Tokens wanted; 0: as many as --coverage takes, {_SIZE:,} without it."
    ),
    coverage: float = typer.Option(
        None, help="Share of the running text whose characters get a place, for example 0.9995."
    ),
    min_frequency: int = typer.Option(2, min=1, help="A character or piece met less often gets no place."),
    digits: str = typer.Option("keep", help="split: each digit is a token; keep: numbers get pieces."),
    unused: int = typer.Option(100, min=0, help="Places to keep free, as [unused1] ..., for later words."),
    cased: bool = typer.Option(False, "--cased", help="Keep upper and lower case apart."),
    sample: int = typer.Option(
        _SAMPLE, min=0, help="Characters to train on, spread over the whole corpus; 0: all there are."
    ),
    field: str = typer.Option("text", help="Field of the text in JSON lines."),
    replace: bool = typer.Option(False, "--replace", help="Replace OUT if erya vocab train wrote it."),
    as_json: bool = typer.Option(False, "--json", help="Print the counts as JSON."),
) -> None:
    from erya.files import atomic_directory, to_json
    from erya.tokenizer.train import VocabularyPlan

    plan = VocabularyPlan(
        size=size or (None if coverage is not None else _SIZE),
        coverage=coverage,
        min_frequency=min_frequency,
        lowercase=not cased,
        digits=cast("Digits", digits),
        unused=unused,
    )
    plan.check()
    with atomic_directory(out, replace=replace, marker=REPORT) as directory:
        report = _trained(text, directory, plan, sample=sample, field=field)
        (directory / REPORT).write_text(to_json(report, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(report)
        return
    print_summary(f"vocabulary: {out}", {key: value for key, value in report.items() if key != "heldout"})
    print_coverage(report.get("heldout", []))
    _tell(report, plan)


def _trained(
    paths: list[str], directory: Path, plan: VocabularyPlan, *, sample: int, field: str
) -> dict[str, Any]:
    """Train, measure, and write the tokenizer; gives the report."""
    from erya.cli.reading_progress import reading
    from erya.corpus.texts import open_texts
    from erya.tokenizer.counts import TextCounts
    from erya.tokenizer.coverage import measure_coverage
    from erya.tokenizer.train import vocabulary_of
    from erya.tokenizer.wordpiece import Tokenizer

    with reading("counting") as on_progress:
        source = open_texts(paths, field=field, on_progress=on_progress)
        counts = TextCounts(lowercase=plan.lowercase)
        for text in source.train(sample=sample or None):
            counts.add(text)
        counts.flush()
        trained = vocabulary_of(counts, plan)
        tokenizer = Tokenizer(trained.spec)
        coverage = measure_coverage(tokenizer, source.heldout(sample=sample // _MEASURED or None))
    tell_problems(source)
    tokenizer.save(directory)
    return _report(trained, plan, sample=sample) | coverage_report(coverage)


def _report(trained: TrainedVocabulary, plan: VocabularyPlan, *, sample: int) -> dict[str, Any]:
    wanted = {"size_wanted": plan.size, "coverage_wanted": plan.coverage}
    return {name: value for name, value in wanted.items() if value is not None} | {
        "size": len(trained.spec.vocab),
        "hanzi": trained.hanzi,
        "other_characters": trained.signs,
        "letter_pieces": trained.pieces,
        "unused_places": trained.unused,
        "digits": plan.digits,
        "sample_characters_wanted": sample or "all",
        "training_documents": trained.documents,
        "training_characters": trained.characters,
        "training_coverage": round(trained.coverage, 6),
        "characters_left_out": trained.rare,
    }


def _tell(report: dict[str, Any], plan: VocabularyPlan) -> None:
    """What a reader of the table might not see."""
    if not report["heldout_documents"]:
        messages.print("no text is held out, so nothing says how well the vocabulary fits")
    if plan.size is not None and report["size"] < plan.size:
        messages.print(f"the text has no more that is frequent enough: {report['size']:,} tokens")
    if plan.coverage is not None and report["training_coverage"] < plan.coverage:
        messages.print(
            f"characters met {plan.min_frequency} times or more cover {report['training_coverage']:.4%} of"
            " the text, less than was asked for; a lower --min-frequency gives the others a place"
        )
