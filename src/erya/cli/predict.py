"""`erya predict`: texts in, one JSON object a line out."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from erya.cli.console import messages, print_json, read_lines, standard_input
from erya.cli.options import PrecisionOption, parse_precision
from erya.errors import InputError

if TYPE_CHECKING:
    from erya.data.records import Record
    from erya.tasks.predictor import Predictor

HELP = """Predict with a fine-tuned model, or fill masks with one that is not.

Prints one JSON object a line, in the order of the texts. What it holds is the task's: `classify` gives
`label` and the probability of each label, `tag` gives `entities` and `answer` gives `answers` (with `start`
and `end` in characters of the text as it was given), `match` gives `score`, `embed` gives `embedding`; a
masked language model gives the likeliest tokens at each [MASK]. MODEL is a directory that `erya pretrain` or
`erya finetune` wrote, any Hugging Face model's with such a head (BERT, ERNIE, RoBERTa, ...), or the name of
one that comes with Erya (erya models).

What is predicted is, in this order: `-` (or nothing), the lines of stdin; an existing file; otherwise the
argument itself. A file or stdin holds a text a line. With --tab each line holds two texts with a tab between
them (for `answer` question and context). A .tsv, .csv, .jsonl or .parquet file is read by columns:
--text (for `answer` the question), and --pair for second texts (for `answer` the context), their names or,
in a table without a line of names, their numbers from 1. With these options a .txt is such a table, too;
--jsonl says that stdin holds JSON objects. A .json file is read as the task's training files are (for
`answer`, SQuAD's form).

\b
Example:
  erya predict erya-mini 今天天气真[MASK]。
  erya predict runs/sentiment/model 房间很大，服务周到
  erya predict runs/sentiment/model reviews.txt > predictions.jsonl
  erya predict runs/sentiment/model test.tsv --text text_a --truncate
  printf '怎么还款\\t如何还款\\n' | erya predict runs/same_question/model - --tab
"""
_Row = TypeVar("_Row")
# Characters of the texts that are in memory at once, about: a book is answered by itself.
_GROUP_CHARACTERS = 1 << 19
_TABLES = re.compile(r"\.((tsv|csv|jsonl)(\.(gz|xz|bz2|zst))?|parquet)$", re.IGNORECASE)
# Read as the task's training files are: questions on passages, texts with their entities.
_DOCUMENTS = re.compile(r"\.json(\.(gz|xz|bz2|zst))?$", re.IGNORECASE)
# What nobody would ask to have classified: a name without spaces that ends like a data file.
_LOOKS_LIKE_A_FILE = re.compile(r"\S+\.(txt|tsv|csv|jsonl|json|parquet|gz|xz|bz2|zst)", re.IGNORECASE)


def register(app: typer.Typer) -> None:
    """Add `erya predict`."""
    app.command("predict", help=HELP)(_predict)


def _predict(
    model: Path = typer.Argument(
        ..., metavar="MODEL", help="Model directory, or the name of a bundled model."
    ),
    source: str = typer.Argument("-", metavar="[TEXT|FILE|-]", help="What to predict."),
    text: str = typer.Option(None, help="Column of the text in a file that has columns.  [default: text]"),
    pair: str = typer.Option(None, help="Column of the second text there."),
    tab: bool = typer.Option(False, "--tab", help="A line holds two texts with a tab between."),
    jsonl: bool = typer.Option(False, "--jsonl", help="Stdin holds JSON objects, one a line."),
    truncate: bool = typer.Option(False, "--truncate", help="Cut texts longer than the limit."),
    max_length: int = typer.Option(None, help="Longest input in tokens.  [default: the model's]"),
    batch_tokens: int = typer.Option(8192, min=1, help="Tokens computed at once."),
    chunk: int = typer.Option(256, min=1, help="Most texts read before answering; 1: each line at once."),
    precision: str = PrecisionOption,
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
) -> None:
    from erya.cli.progress import counting
    from erya.tasks.predictor import Predictor, predicted_kind_of
    from erya.tasks.texts import EncodingReport

    kind = predicted_kind_of(model)
    fields = _fields(kind.inputs, text=text, pair=pair, tab=tab)
    examples: Iterator[Any]
    if tab and (jsonl or (_has_columns(source) and _exists(Path(source)))):
        raise InputError("--tab is for lines of text; where there are columns, --text and --pair name them")
    if jsonl and source != "-":
        raise InputError("--jsonl is for stdin; what a file holds its name says", where=source)
    if _DOCUMENTS.search(source) and _exists(Path(source)):
        examples = _started(kind.examples(Path(source), columns=fields, labelled=False))
        predictor = Predictor.open(model, device=device, precision=parse_precision(precision))
    else:
        columns = [name for name, column in (("--text", text), ("--pair", pair)) if column is not None]
        records = _records(source, fields=fields, columns=columns, tab=tab, jsonl=jsonl)
        predictor = Predictor.open(model, device=device, precision=parse_precision(precision))
        examples = _examples(records, predictor)
    total = EncodingReport()
    with counting("predicting", unit="texts") as progress:
        for group in _groups(examples, kind.inputs, chunk):
            predictions, report = predictor.predict_examples(
                group, truncate=truncate, max_length=max_length, batch_tokens=batch_tokens
            )
            for prediction in predictions:
                print_json(prediction.to_dict())
            sys.stdout.flush()
            total += report
            progress(len(group))
    if total.truncated_texts or total.unknown_tokens or total.texts == 0:
        for line in total.lines():
            messages.print(line, markup=False)


def _fields(inputs: tuple[str, ...], *, text: str | None, pair: str | None, tab: bool) -> dict[str, str]:
    """The fields the task takes, as far as they are given, and the columns they stand in."""
    first, *others = inputs
    fields = {first: text or first}
    if (pair is not None or tab) and not others:
        option = "--tab" if pair is None else "--pair"
        raise InputError(f"{option} was given, but this model takes one text at a time")
    if others and (pair is not None or others[0] != "pair"):
        fields[others[0]] = pair or others[0]
    return fields


def _has_columns(source: str) -> bool:
    return bool(_TABLES.search(source) or _DOCUMENTS.search(source))


def _records(
    source: str, *, fields: dict[str, str], columns: list[str], tab: bool, jsonl: bool
) -> Iterator[Record]:
    """The rows `source` stands for; a missing or empty file is found before the model is opened."""
    from erya.data.records import Record, is_table, read_json_lines, read_records

    names = tuple(fields)
    if tab and len(names) < 2:
        names = (*names, "pair")
    if source == "-":
        if not jsonl:
            _require_none(columns, "lines of stdin", hint="--jsonl says that they are JSON objects")
        if standard_input().isatty():
            messages.print("reading texts from the terminal, one a line; Ctrl-D ends")
        if jsonl:
            return read_json_lines("stdin", standard_input(), columns=fields)
        return _line_records("-", "stdin", names, tab=tab)
    path = Path(source)
    if not _exists(path):
        if _LOOKS_LIKE_A_FILE.fullmatch(source):
            raise InputError(
                "no such file", where=source, hint="to predict these words as a text, send them to stdin: -"
            )
        _require_none(columns, "a text", hint="leave it out")
        return iter([Record("the text", 0, _cut(source, "the text", names, tab=tab))])
    if _TABLES.search(path.name) or (columns and not tab and is_table(path)):
        return _started(read_records(path, columns=fields))
    _require_none(columns, "lines of text", hint=".tsv, .txt, .csv, .jsonl and .parquet files have columns")
    return _started(_line_records(source, source, names, tab=tab))


def _require_none(columns: list[str], what: str, *, hint: str) -> None:
    """Refuse options that name columns of what has none."""
    if columns:
        raise InputError(f"{columns[0]} names a column, and there are none in {what}", hint=hint)


def _examples(records: Iterator[Record], predictor: Predictor) -> Iterator[Any]:
    return map(predictor.task.read, records)


def _groups(examples: Iterator[Any], inputs: tuple[str, ...], chunk: int) -> Iterator[list[Any]]:
    """`chunk` examples at a time, or fewer where they are long; each group ends as soon as it is full."""
    group: list[Any] = []
    size = 0
    for example in examples:
        group.append(example)
        size += sum(len(getattr(example, name) or "") for name in inputs)
        if len(group) == chunk or size >= _GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _exists(path: Path) -> bool:
    """Whether there is such a file or directory; a long text is no name the system would even look up."""
    try:
        return path.exists()
    except OSError:
        return False


def _line_records(source: str, name: str, fields: tuple[str, ...], *, tab: bool) -> Iterator[Record]:
    from erya.data.records import Record

    for number, line in enumerate(read_lines(source), 1):
        yield Record(name, number, _cut(line, f"{name}, line {number}", fields, tab=tab))


def _cut(line: str, where: str, fields: tuple[str, ...], *, tab: bool) -> dict[str, str]:
    """The text, or with `tab` the two texts, of a line."""
    if not tab:
        if len(fields) > 1:
            raise InputError(
                f"this model takes two texts, {fields[0]} and {fields[1]}",
                where=where,
                hint=f"--tab: a line holds both with a tab between; or a .jsonl with {' and '.join(fields)}",
            )
        return {fields[0]: line}
    first, *others = line.split("\t")
    if len(others) != 1:
        raise InputError(
            f"two texts with one tab between are wanted, there are {len(others)} tabs", where=where
        )
    return {fields[0]: first, fields[1]: others[0]}


def _started(records: Iterator[_Row]) -> Iterator[_Row]:
    """`records` of a file with the first one already read, so that a bad file is noticed now."""
    first = next(records)  # there is one: who reads a file refuses an empty one
    return itertools.chain([first], records)
