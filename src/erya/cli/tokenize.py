"""`erya tokenize`: lines in, ids with their places out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import typer

from erya.cli.console import decode_line, messages, read_lines, standard_input

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

    from erya.tokenizer.any_tokenizer import AnyTokenizer
    from erya.tokenizer.encoding import Encoding

HELP = """Turn lines of text into tokens.

Prints one JSON object for each line, in order: `ids`, `tokens`, and `spans`, where each token stands in the
input line as [start, end] in characters, end not included ([0, 0] for [CLS] and [SEP]). `line[start:end]` is
the text a token was cut from, letter case, width and all.

With a tokenizer trained by `erya vocab train` every character but white space is in exactly one token. With
the tokenizer of a foreign BERT the ids are those of Hugging Face's tokenizer, which drops control characters
and accents and makes one [UNK] of a word it does not know. A directory with another kind of `tokenizer.json`
(RoBERTa, XLM-R, DeBERTa, ModernBERT) gives its own ids, as the library `tokenizers` does; a piece that only
says that a word begins stands at an empty place. What is unknown is counted at the end.

Half a character (a lone surrogate, which broken converters write) is read as U+FFFD. With `--surrogates
error` its line is refused, like any other that is not UTF-8.

\b
Example:
  echo 我爱北京天安门 | erya tokenize --tokenizer bert-base-chinese/
  erya tokenize --tokenizer tokenizer --no-special news.txt.xz > news.jsonl
"""
_BATCH_LINES = 1024
_BATCH_CHARACTERS = 1 << 18
_READ_BYTES = 1 << 18


def register(app: typer.Typer) -> None:
    """Add `erya tokenize`."""
    app.command("tokenize", help=HELP)(_tokenize)


def _tokenize(
    source: str = typer.Argument("-", metavar="[FILE|-]", help="UTF-8 lines; - is stdin."),
    tokenizer: Path = typer.Option(..., help="Tokenizer or model directory, ours or Hugging Face's."),
    special: bool = typer.Option(
        True,
        "--special/--no-special",
        help="Put [CLS] and [SEP] (or what the model has for them) around each line.",
    ),
    surrogates: Literal["replace", "error"] = typer.Option(
        "replace", help="Lone surrogates: read U+FFFD for them, or refuse the line."
    ),
) -> None:
    from erya.tokenizer.opening import open_tokenizer

    opened = open_tokenizer(tokenizer)
    if source == "-" and standard_input().isatty():
        messages.print("reading lines from the terminal; Ctrl-D ends")
    tokens = unknown = 0
    errors = "surrogatepass" if surrogates == "replace" else "strict"
    for batch in _batches(source, errors):
        encodings = opened.encode_batch(batch)
        sys.stdout.write("".join(_line(opened, encoding, special) for encoding in encodings))
        if source == "-":
            sys.stdout.flush()
        tokens += int((encodings.text_ids >= 0).sum())
        unknown += int((encodings.ids == opened.unk_id).sum())
    if unknown:
        messages.print(f"{unknown:,} of {tokens:,} tokens are unknown ({unknown / tokens:.2%})")


def _line(tokenizer: AnyTokenizer, encoding: Encoding, special: bool) -> str:
    shown = slice(None) if special else encoding.text_ids >= 0
    ids = encoding.ids[shown].tolist()
    found = {
        "ids": ids,
        "tokens": [tokenizer.vocab[id] for id in ids],
        "spans": encoding.spans[shown].tolist(),
    }
    return json.dumps(found, ensure_ascii=False) + "\n"


def _batches(source: str, errors: str) -> Iterator[list[str]]:
    """Lines in batches: of a file as many as are worth it, of stdin as many as have come."""
    if source == "-":
        yield from _arriving(cast("BufferedReader", standard_input()), errors)
        return
    batch, characters = [], 0
    for line in read_lines(source, errors=errors):
        batch.append(line)
        characters += len(line) + 1
        if len(batch) == _BATCH_LINES or characters > _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    yield batch


def _arriving(stream: BufferedReader, errors: str) -> Iterator[list[str]]:
    """Whole lines as they come in, so that nobody waits for an answer and nothing waits for a batch."""
    rest: list[bytes] = []
    number = 1
    while chunk := stream.read1(_READ_BYTES):
        *lines, last = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join((*rest, lines[0]))
            rest = []
            yield [
                decode_line(line, "stdin", place, errors=errors) for place, line in enumerate(lines, number)
            ]
            number += len(lines)
        rest.append(last)
    if any(rest):
        yield [decode_line(b"".join(rest), "stdin", number, errors=errors)]
