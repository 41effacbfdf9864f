"""`erya search`: a folder of texts indexed by meaning, and asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import typer
from rich.text import Text

from erya.cli.console import messages, print_json, results
from erya.cli.options import PrecisionOption, parse_precision
from erya.errors import ConfigError, InputError

if TYPE_CHECKING:
    from erya.tasks.embed.embedder import Embedder
    from erya.tasks.embed.index.build import IndexReport
    from erya.tasks.embed.index.store import Hit, IndexOptions

HELP = "Search a folder of texts by meaning: index it once, ask it often."
EPILOG = "Example: erya search index MODEL FOLDER --out index; erya search query index 怎么还款"
INDEX_HELP = """Index the texts of a folder.

Every text below FOLDER is cut into passages where sentences end, and MODEL (of `erya finetune embed`, or one
of sentence-transformers) makes a vector of each. Run it again when texts have changed: vectors of unchanged
files are kept, whatever they are called now. The index is replaced as a whole when it is done.

\b
Example:
  erya search index runs/vectors/model documents/ --out index
  erya search index runs/vectors/model notes/ --out index --ending .md --ending .txt --max-chars 120
"""
QUERY_HELP = """Find the passages closest in meaning to a text.

Prints file, place in the text (in characters), cosine and passage, in which what the text says, too, is
marked. The search looks at every passage: nothing is missed for speed.

\b
Example:
  erya search query index 怎么还款
  erya search query index 怎么还款 --top 20 --json
"""
_USUAL_CHARS = 200


def register(app: typer.Typer) -> None:
    """Add `erya search`."""
    verbs = typer.Typer(help=HELP, epilog=EPILOG, no_args_is_help=True, rich_markup_mode=None)
    verbs.command("index", help=INDEX_HELP)(_index)
    verbs.command("query", help=QUERY_HELP)(_query)
    app.add_typer(verbs, name="search")


def _index(
    model: Path = typer.Argument(
        ..., metavar="MODEL", help="Model directory, or the name of a bundled model."
    ),
    folder: Path = typer.Argument(..., metavar="FOLDER", help="The texts."),
    out: Path = typer.Option(..., help="The index, a directory; an existing index is brought up to date."),
    ending: list[str] = typer.Option([".txt", ".md"], help="What names of texts end in; may be repeated."),
    max_chars: int = typer.Option(
        None, min=1, help="Longest passage in characters.  [default: 200, or what the model takes]"
    ),
    size: int = typer.Option(None, min=1, help="Numbers kept of a vector.  [default: all]"),
    dtype: str = typer.Option(
        "float16", help="Number format of vectors; float32 is twice the size and asked far faster."
    ),
    batch_tokens: int = typer.Option(8192, min=1, help="Tokens computed at once."),
    precision: str = PrecisionOption,
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    as_json: bool = typer.Option(False, "--json", help="Print what was done as JSON."),
) -> None:
    from erya.cli.progress import counting
    from erya.tasks.embed.index.build import build_index

    embedder = _open(model, size=size, batch_tokens=batch_tokens, precision=precision, device=device)
    options = _options(embedder, max_chars=max_chars, dtype=dtype)
    with counting("indexing", unit="passages") as progress:
        report = build_index(
            folder,
            out,
            embed=embedder.passages,
            options=options,
            model_directory=str(model.resolve()),
            endings=ending,
            progress=progress,
        )
    for line in report.skipped:
        messages.print(f"warning: left out {line}", markup=False)
    if embedder.report.truncated_texts or embedder.report.has_many_unknown:
        for line in embedder.report.lines():
            messages.print(line, markup=False)
    if as_json:
        print_json(report.to_dict())
    else:
        _say(report, out)


def _options(embedder: Embedder, *, max_chars: int | None, dtype: str) -> IndexOptions:
    """What the vectors depend on.

    Raises:
        ConfigError: there is no such number format, or the model cannot take passages that long.
    """
    from erya.tasks.embed.index.store import IndexOptions

    known = get_args(IndexOptions.model_fields["dtype"].annotation)
    if dtype not in known:
        raise ConfigError(f"unknown number format {dtype!r}", hint=f"--dtype {' or '.join(known)}")
    if max_chars is not None and max_chars > embedder.room:
        raise ConfigError(
            f"passages of {max_chars} characters are too long", hint=f"the model takes {embedder.room}"
        )
    return IndexOptions.model_validate(
        {
            "model": embedder.fingerprint(),
            "size": embedder.size,
            "max_chars": max_chars or min(_USUAL_CHARS, embedder.room),
            "dtype": dtype,
        }
    )


def _say(report: IndexReport, out: Path) -> None:
    messages.print(
        f"{report.files:,} files ({report.kept_files:,} unchanged), {report.passages:,} passages "
        f"({report.computed:,} computed)\nnext: erya search query {out} TEXT",
        markup=False,
    )


def _query(
    index: Path = typer.Argument(..., metavar="INDEX", help="Directory of the index."),
    text: str = typer.Argument(..., metavar="TEXT", help="What is looked for."),
    top: int = typer.Option(5, min=1, help="How many passages."),
    model: Path = typer.Option(None, help="Model directory, where it has moved since."),
    precision: str = PrecisionOption,
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON object a passage."),
) -> None:
    from erya.tasks.embed.index.store import SearchIndex, require_same_model

    if not text.strip():
        raise InputError("the text to look for is empty")
    opened = SearchIndex.open(index)
    place = model or Path(opened.record.model_directory)
    embedder = _open(
        place, size=opened.record.options.size, batch_tokens=8192, precision=precision, device=device
    )
    require_same_model(opened, embedder.fingerprint(), where=str(place))
    hits = opened.search(embedder.query(text), top=top)
    for number, hit in enumerate(hits, 1):
        if as_json:
            print_json({"rank": number, **hit.to_dict()})
        else:
            results.print(_shown(number, hit, text))
    if not hits:
        messages.print("the index holds no passage")


def _open(model: Path, *, size: int | None, batch_tokens: int, precision: str, device: str) -> Embedder:
    from erya.tasks.embed.embedder import Embedder
    from erya.tasks.predictor import Predictor

    predictor = Predictor.open(model, device=device, precision=parse_precision(precision))
    return Embedder(predictor, model, size=size, batch_tokens=batch_tokens)


def _shown(number: int, hit: Hit, query: str) -> Text:
    """A hit for people: where it stands, then the passage with what the query says, too."""
    from erya.tasks.embed.index.shared import shared_stretches

    line = Text(f"{number}  {hit.score:.3f}  {hit.path} [{hit.start}:{hit.end}]\n")
    if hit.text is None:
        return line.append("   the file is gone or has changed since: index again\n", style="dim")
    passage = Text(" ".join(hit.text.split("\n")))
    for start, end in shared_stretches(query, hit.text):
        passage.stylize("bold reverse", start, end)
    return line.append("   ").append_text(passage).append("\n")
