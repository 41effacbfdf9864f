"""`erya corpus`: raw text to documents to shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from erya.cli.console import messages, print_json, print_table
from erya.cli.reading_progress import reading

if TYPE_CHECKING:
    from erya.corpus.report import CleanReport
    from erya.corpus.stages import StageOptions
    from erya.data.shards import Manifest

Raw = Annotated[
    list[Path],
    typer.Argument(help="Text (.txt) or JSON lines (.jsonl), also .gz .xz .bz2 .zst; directories of these."),
]
Out = Annotated[Path, typer.Option("--out", help="The directory to make; it appears when it is whole.")]
FieldName = Annotated[str, typer.Option("--field", help="JSON lines: the field that holds the text.")]
UnitName = Annotated[
    Literal["line", "paragraph", "file"],
    typer.Option(
        "--unit", help="Text files: what one document is (paragraphs are set apart by blank lines)."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes; as many as cores where the input is worth it."),
]
Heldout = Annotated[
    float, typer.Option("--heldout", min=0.0, max=0.5, help="Share of documents kept out of training.")
]
Convert = Annotated[
    str | None, typer.Option("--convert", help="Convert the script of every text, for example t2s or s2twp.")
]
MinCharacters = Annotated[
    int, typer.Option("--min-characters", min=1, help="Leave out texts shorter than this after cleaning.")
]
UserWords = Annotated[
    Path | None, typer.Option("--user-words", help="Your dictionary for word boundaries, a word a line.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first record that cannot be read.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace --out if this command wrote it.")]
Json = Annotated[bool, typer.Option("--json", help="The report as one JSON object on a line.")]
TokenizerDirectory = Annotated[
    Path, typer.Option("--tokenizer", help="A tokenizer directory, from erya vocab train or Hugging Face.")
]


def register(app: typer.Typer) -> None:
    """Add the verb `corpus`."""
    corpus = typer.Typer(
        help="Make raw text ready for pre-training: clean it to documents, tokenise these to shards.",
        epilog="Example: erya corpus clean news.jsonl.xz books/ --out documents",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for command in (clean, tokenize, build):
        corpus.command()(command)
    app.add_typer(corpus, name="corpus")


def clean(
    raw: Raw,
    out: Out,
    field: FieldName = "text",
    unit: UnitName = "line",
    workers: Workers = None,
    heldout: Heldout = 0.01,
    convert: Convert = None,
    min_characters: MinCharacters = 5,
    user_words: UserWords = None,
    strict: Strict = False,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Clean raw text into documents: exact duplicates dropped, words and sentences marked, split drawn.

    Documents depend on no vocabulary: train one on them with `erya vocab train`, then make shards with
    `erya corpus tokenize`. Nothing goes silently: what was left out is counted, shown, and kept in
    report.json beside the documents.

    Example: erya corpus clean news.jsonl.xz books/ --out documents
    """
    options = _options(field, heldout, convert, min_characters, user_words)
    _show(_clean(raw, out, options, unit, workers, strict=strict, replace=replace), out, as_json=as_json)


def tokenize(
    documents: Annotated[Path, typer.Argument(help="A documents directory from erya corpus clean.")],
    tokenizer: TokenizerDirectory,
    out: Out,
    workers: Workers = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Turn documents into shards: token ids with word, sentence and document boundaries as bits.

    Example: erya corpus tokenize documents --tokenizer tokenizer --out shards
    """
    _tokenize(documents, tokenizer, out, workers, replace=replace, as_json=as_json)


def build(
    raw: Raw,
    tokenizer: TokenizerDirectory,
    out: Out,
    field: FieldName = "text",
    unit: UnitName = "line",
    workers: Workers = None,
    heldout: Heldout = 0.01,
    convert: Convert = None,
    min_characters: MinCharacters = 5,
    user_words: UserWords = None,
    strict: Strict = False,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Clean and tokenise in one go: OUT/documents and OUT/shards.

    Example: erya corpus build news.jsonl.xz --tokenizer bert-base-chinese/ --out corpus
    """
    from erya.data import documents, shards
    from erya.files import require_free
    from erya.tokenizer.wordpiece import Tokenizer

    # A wrong tokenizer or a taken place shows before the cleaning, not after.
    Tokenizer.open(tokenizer)
    require_free(out / "documents", replace=replace, marker=documents.MANIFEST)
    require_free(out / "shards", replace=replace, marker=shards.MANIFEST)
    options = _options(field, heldout, convert, min_characters, user_words)
    report = _clean(raw, out / "documents", options, unit, workers, strict=strict, replace=replace)
    _show(report, out / "documents", as_json=as_json)
    _tokenize(out / "documents", tokenizer, out / "shards", workers, replace=replace, as_json=as_json)


def _options(
    field: str, heldout: float, convert: str | None, min_characters: int, user_words: Path | None
) -> StageOptions:
    from erya.corpus.stages import StageOptions
    from erya.text.script import named
    from erya.text.words import read_user_words

    return StageOptions(
        field=field,
        heldout=heldout,
        conversion=named(convert) if convert else None,
        min_characters=min_characters,
        user_words=tuple(read_user_words(user_words)) if user_words else (),
    )


def _clean(
    raw: list[Path],
    out: Path,
    options: StageOptions,
    unit: Literal["line", "paragraph", "file"],
    workers: int | None,
    *,
    strict: bool,
    replace: bool,
) -> CleanReport:
    from erya.corpus.clean import clean_corpus

    with reading("cleaning") as on_progress:
        return clean_corpus(
            raw,
            out,
            options,
            unit=unit,
            workers=workers,
            strict=strict,
            replace=replace,
            on_progress=on_progress,
        )


def _tokenize(
    documents: Path, tokenizer: Path, out: Path, workers: int | None, *, replace: bool, as_json: bool
) -> None:
    from erya.corpus.tokenize import tokenize_corpus

    with reading("tokenising") as on_progress:
        manifest = tokenize_corpus(
            documents, tokenizer, out, workers=workers, replace=replace, on_progress=on_progress
        )
    if as_json:
        print_json(manifest.model_dump(mode="json"))
    else:
        print_table(f"shards: {out}", _shard_rows(manifest), as_json=False)


def _shard_rows(manifest: Manifest) -> list[dict[str, str]]:
    tokens, unknown = manifest.num_tokens(), manifest.unknown_tokens
    counts = [
        ("characters", f"{manifest.characters:,}"),
        ("characters no token covers", f"{manifest.uncovered_characters:,}"),
        ("documents without a token, left out", f"{manifest.empty_documents:,}"),
        ("tokens to train on", f"{manifest.num_tokens('train'):,}"),
        ("tokens held out", f"{manifest.num_tokens('heldout'):,}"),
        ("of these [UNK]", f"{unknown:,} ({unknown / max(tokens, 1):.3%})"),
    ]
    return [{"what": what, "count": count} for what, count in counts]


def _show(report: CleanReport, out: Path, *, as_json: bool) -> None:
    for problem in report.problems:
        messages.print(problem, markup=False, style="yellow")
    if as_json:
        print_json(report.as_dict())
    else:
        print_table(f"documents: {out}", report.rows(), as_json=False)
    if not report.heldout:
        messages.print(
            "no document was held out: pre-training will have nothing to evaluate on; raise --heldout"
        )
