"""`erya corpus`: raw text to documents to shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from erya.cli.console import messages, print_json, print_table
from erya.cli.corpus_options import (
    Address,
    BlockedWords,
    ConvertNames,
    Decontaminate,
    EngineOption,
    FieldName,
    Heldout,
    Json,
    MaskNames,
    Memory,
    MinCharacters,
    MixBy,
    MixSize,
    Near,
    Out,
    Overrides,
    PairField,
    Raw,
    RecipeFile,
    Replace,
    Restart,
    SegmenterModel,
    SegmenterOption,
    Strict,
    Temperature,
    TokenizerDirectory,
    UnitName,
    UserWords,
    Weights,
    Workers,
    conversions,
    load_recipe,
    mixture,
    parse_bytes,
    size_of,
    yaml_value,
)
from erya.cli.reading_progress import phases, reading
from erya.errors import ConfigError

if TYPE_CHECKING:
    from erya.corpus.clean_report import CleanReport
    from erya.corpus.engines.engine import Engine
    from erya.corpus.mixture import MixtureOptions
    from erya.corpus.recipe import CorpusRecipe
    from erya.data.shards import Manifest


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
    field: FieldName = None,
    pair_field: PairField = None,
    unit: UnitName = None,
    min_characters: MinCharacters = None,
    mask: MaskNames = None,
    near: Near = None,
    convert: ConvertNames = None,
    heldout: Heldout = None,
    segmenter: SegmenterOption = None,
    segmenter_model: SegmenterModel = None,
    user_words: UserWords = None,
    blocked_words: BlockedWords = None,
    decontaminate: Decontaminate = None,
    recipe: RecipeFile = None,
    overrides: Overrides = None,
    workers: Workers = None,
    memory: Memory = "2GiB",
    engine: EngineOption = "local",
    address: Address = None,
    strict: Strict = False,
    restart: Restart = False,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Clean raw text into documents: filtered, duplicates dropped, words and sentences marked, split drawn.

    Documents depend on no vocabulary: train one on them with `erya vocab train`, then make shards with
    `erya corpus tokenize`. Nothing goes silently: what was left out is counted, shown, and kept with samples
    in report.html and report.json beside the documents.

    The job can be stopped or killed at any point: the same command goes on where it stopped.

    \b
    Examples:
      erya corpus clean news.jsonl.xz books/ --out documents
      erya corpus clean 'web/*.jsonl.gz' --out documents --convert t2s --mask phone --near mark
      erya corpus clean web/ --out documents --decontaminate test.tsv --decontaminate 'dev/*.json'
      erya corpus clean web/ --out documents --recipe recipes/corpus/web.yaml --set filters.min_characters=50
    """
    given = {
        "read.field": field,
        "read.pair_field": pair_field,
        "read.unit": unit,
        "filters.min_characters": min_characters,
        "filters.mask": mask,
        "decontaminate.files": decontaminate,
        "deduplicate.near": near,
        "convert": conversions(convert),
        "heldout": heldout,
        "segmenter.name": segmenter,
        "segmenter.model": str(segmenter_model) if segmenter_model else None,
    }
    flags = [f"{key}={yaml_value(value)}" for key, value in given.items() if value is not None]
    options = load_recipe(recipe, [*flags, *(overrides or ())], user_words, blocked_words)
    opened = _engine(workers, memory, engine, address, work_bytes=size_of(raw))
    with _kept_work(out), closing(opened) as running:
        report = _clean(raw, out, options, running, memory, strict=strict, restart=restart, replace=replace)
    _show(report, out, as_json=as_json)


def tokenize(
    documents: Annotated[
        list[Path], typer.Argument(help="Documents directories from erya corpus clean; several are mixed.")
    ],
    tokenizer: TokenizerDirectory,
    out: Out,
    mix_by: MixBy = "source",
    weight: Weights = None,
    temperature: Temperature = None,
    mix_size: MixSize = None,
    workers: Workers = None,
    memory: Memory = "2GiB",
    engine: EngineOption = "local",
    address: Address = None,
    restart: Restart = False,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Turn documents into shards: token ids with word, sentence and document boundaries as bits.

    Mixing: `--weight news=2 --weight "*=1"` gives news twice the characters of all other sources together,
    `--temperature 2` brings sources of unlike sizes nearer to each other; documents are left out or repeated
    as that asks, the held-out ones never. The manifest says what came of it.

    \b
    Examples:
      erya corpus tokenize documents --tokenizer tokenizer --out shards
      erya corpus tokenize news/ books/ --mix-by directory --weight news=2 --weight books=1 \\
        --tokenizer tokenizer --out shards
    """
    chosen = mixture(mix_by, weight, temperature, mix_size)
    worth = sum(path.stat().st_size for directory in documents for path in directory.glob("*.parquet"))
    opened = _engine(workers, memory, engine, address, work_bytes=4 * worth)
    with _kept_work(out), closing(opened) as running:
        _tokenize(
            documents, tokenizer, out, chosen, running, restart=restart, replace=replace, as_json=as_json
        )


def build(
    raw: Raw,
    tokenizer: TokenizerDirectory,
    out: Out,
    decontaminate: Decontaminate = None,
    recipe: RecipeFile = None,
    overrides: Overrides = None,
    workers: Workers = None,
    memory: Memory = "2GiB",
    engine: EngineOption = "local",
    address: Address = None,
    strict: Strict = False,
    restart: Restart = False,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Clean and tokenise in one go: OUT/documents and OUT/shards.

    Whatever else `erya corpus clean` has a flag for is set by the recipe here, or by --set:
    `--set read.field=body`.

    Example: erya corpus build news.jsonl.xz --tokenizer bert-base-chinese/ --out corpus
    """
    from erya.corpus.build import open_build
    from erya.tokenizer.wordpiece import Tokenizer

    Tokenizer.open(tokenizer)  # a wrong one shows before the cleaning, not after
    flags_given = [f"decontaminate.files={yaml_value(decontaminate)}"] if decontaminate else []
    options = load_recipe(recipe, [*flags_given, *(overrides or ())])
    opened = _engine(workers, memory, engine, address, work_bytes=size_of(raw))
    flags = {"restart": restart, "replace": replace}
    with (
        _kept_work(out),
        closing(opened) as running,
        open_build(raw, out, options, **flags) as halves,
    ):
        if halves.has_documents:
            messages.print("the documents of a stopped run are whole: going on with the shards")
        else:
            report = _clean(raw, halves.documents, options, running, memory, strict=strict, **flags)
            _show(report, halves.documents, as_json=as_json)
        _tokenize([halves.documents], tokenizer, halves.shards, None, running, as_json=as_json, **flags)


@contextmanager
def _kept_work(out: Path) -> Iterator[None]:
    """Say where the work of a job is that somebody stops with Ctrl-C."""
    from erya.corpus.job import work_directory

    try:
        yield
    except KeyboardInterrupt:
        if work_directory(out).exists():
            said = f"stopped; the work so far is kept in {work_directory(out)}: the same command goes on"
            messages.print(said, markup=False)
        raise


def _engine(
    workers: int | None, memory: str, engine: Literal["local", "ray"], address: str | None, *, work_bytes: int
) -> Engine:
    from erya.corpus.engines.engine import CLUSTER_BYTES, open_engine
    from erya.corpus.limits import plan_workers

    if address is not None and engine != "ray":
        raise ConfigError("--address is for --engine ray only", where="the command line")
    memory_bytes = parse_bytes(memory)
    if address is None:  # the work is done on this machine
        workers = plan_workers(
            workers,
            memory_bytes=memory_bytes,
            work_bytes=work_bytes,
            engine_bytes=CLUSTER_BYTES if engine == "ray" else 0,
        )
    return open_engine(engine, workers=workers, address=address, memory_bytes=memory_bytes)


def _clean(
    raw: list[str],
    out: Path,
    options: CorpusRecipe,
    engine: Engine,
    memory: str,
    *,
    strict: bool,
    restart: bool,
    replace: bool,
) -> CleanReport:
    from erya.corpus.clean import clean_corpus

    with phases() as on_progress:
        return clean_corpus(
            raw,
            out,
            options,
            engine=engine,
            memory_bytes=parse_bytes(memory),
            strict=strict,
            restart=restart,
            replace=replace,
            on_progress=on_progress,
        )


def _tokenize(
    documents: list[Path],
    tokenizer: Path,
    out: Path,
    mixture: MixtureOptions | None,
    engine: Engine,
    *,
    restart: bool,
    replace: bool,
    as_json: bool,
) -> None:
    from erya.corpus.tokenize import tokenize_corpus

    with reading("tokenising") as on_progress:
        manifest = tokenize_corpus(
            documents,
            tokenizer,
            out,
            mixture=mixture,
            engine=engine,
            restart=restart,
            replace=replace,
            on_progress=on_progress,
        )
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    print_table(f"shards: {out}", _shard_rows(manifest), as_json=False)
    messages.print(f"a page to look at: {out / 'report.html'}", markup=False)


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
    if report.problems:
        messages.print("(the first few of each kind; all are counted)")
    if as_json:
        print_json(report.as_dict())
    else:
        print_table(f"documents: {out}", report.rows(), as_json=False)
        messages.print(f"a page to look at: {out / 'report.html'}", markup=False)
    if not report.heldout:
        messages.print(
            "no document was held out: pre-training will have nothing to evaluate on; raise --heldout"
        )
