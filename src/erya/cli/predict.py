"""`erya predict`: texts in, one JSON object a line out."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from erya.cli.console import messages, print_json, read_lines, standard_input
from erya.cli.options import PrecisionOption, parse_precision
from erya.errors import InputError

if TYPE_CHECKING:
    from erya.tasks.classify.task import Example

HELP = """Predict the label of texts.

Prints one JSON object a line, in the order of the texts: `text`, `label`, and `scores`, which gives each
label its probability. MODEL is a directory that `erya finetune classify` wrote or any Hugging Face
sequence classifier's (BERT, ERNIE, RoBERTa, ...).

What is predicted is, in this order: `-` (or nothing), the lines of stdin; an existing file; otherwise the
argument itself. A file or stdin holds a text a line. With --tab each line holds two texts with a tab between
them. A .tsv, .csv or .jsonl file (perhaps compressed) is read by columns: --text, and --pair for pairs;
--jsonl says that stdin holds JSON objects.

\b
Example:
  erya predict runs/sentiment/model 房间很大，服务周到
  erya predict runs/sentiment/model reviews.txt > predictions.jsonl
  erya predict runs/sentiment/model test.tsv --text text_a --truncate
  printf '怎么还款\\t如何还款\\n' | erya predict runs/same_question/model - --tab
"""
_TABLES = re.compile(r"\.(tsv|csv|jsonl)(\.(gz|xz|bz2|zst))?$", re.IGNORECASE)
# What nobody would ask to have classified: a name without spaces that ends like a data file.
_LOOKS_LIKE_A_FILE = re.compile(r"\S+\.(txt|tsv|csv|jsonl|json|gz|xz|bz2|zst)", re.IGNORECASE)


def register(app: typer.Typer) -> None:
    """Add `erya predict`."""
    app.command("predict", help=HELP)(_predict)


def _predict(
    model: Path = typer.Argument(..., metavar="MODEL", help="Model directory."),
    source: str = typer.Argument("-", metavar="[TEXT|FILE|-]", help="What to predict."),
    text: str = typer.Option("text", help="Column of the text in a .tsv, .csv or .jsonl file."),
    pair: str = typer.Option(None, help="Column of the second text there."),
    tab: bool = typer.Option(False, "--tab", help="A line holds two texts with a tab between."),
    jsonl: bool = typer.Option(False, "--jsonl", help="Stdin holds JSON objects, one a line."),
    truncate: bool = typer.Option(False, "--truncate", help="Cut texts longer than the limit."),
    max_length: int = typer.Option(None, help="Longest input in tokens.  [default: the model's]"),
    batch_tokens: int = typer.Option(8192, min=1, help="Tokens computed at once."),
    chunk: int = typer.Option(256, min=1, help="Texts read before answering; 1 answers each line at once."),
    precision: str = PrecisionOption,
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
) -> None:
    from erya.cli.progress import counting
    from erya.tasks.classify.predict import Predictor
    from erya.tasks.texts import EncodingReport

    columns = {"text": text, **({"pair": pair} if pair is not None else {})}
    examples = _examples(source, columns=columns, tab=tab, jsonl=jsonl)
    predictor = Predictor.open(model, device=device, precision=parse_precision(precision))
    total = EncodingReport()
    with counting("predicting", unit="texts") as progress:
        while group := list(itertools.islice(examples, chunk)):
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


def _examples(source: str, *, columns: dict[str, str], tab: bool, jsonl: bool) -> Iterator[Example]:
    """The texts `source` stands for; a missing or empty file is found before the model is opened."""
    from erya.data.records import read_json_lines, read_records
    from erya.tasks.classify.task import Example, read_example

    if source == "-":
        if standard_input().isatty():
            messages.print("reading texts from the terminal, one a line; Ctrl-D ends")
        if jsonl:
            records = read_json_lines("stdin", standard_input(), columns=columns)
            return (read_example(record) for record in records)
        return _line_examples("-", "stdin", tab=tab)
    path = Path(source)
    if not _exists(path):
        if _LOOKS_LIKE_A_FILE.fullmatch(source):
            raise InputError(
                "no such file", where=source, hint="to predict these words as a text, send them to stdin: -"
            )
        first, second = _cut(source, "the text", tab=tab)
        return iter([Example(first, second, None, "the text", 1)])
    if _TABLES.search(path.name):
        return _started(read_example(record) for record in read_records(path, columns=columns))
    return _started(_line_examples(source, source, tab=tab))


def _exists(path: Path) -> bool:
    """Whether there is such a file or directory; a long text is no name the system would even look up."""
    try:
        return path.exists()
    except OSError:
        return False


def _line_examples(source: str, name: str, *, tab: bool) -> Iterator[Example]:
    from erya.tasks.classify.task import Example

    for number, line in enumerate(read_lines(source), 1):
        where = f"{name}, line {number}"
        first, second = _cut(line, where, tab=tab)
        yield Example(first, second, None, where, number)


def _cut(line: str, where: str, *, tab: bool) -> tuple[str, str | None]:
    """The text, or with `tab` the two texts, of a line."""
    if not tab:
        return line, None
    first, *others = line.split("\t")
    if len(others) != 1:
        raise InputError(
            f"two texts with one tab between are wanted, there are {len(others)} tabs", where=where
        )
    return first, others[0]


def _started(examples: Iterator[Example]) -> Iterator[Example]:
    """`examples` of a file with the first one already read, so that a bad file is noticed now."""
    first = next(examples)  # there is one: who reads a file refuses an empty one
    return itertools.chain([first], examples)
