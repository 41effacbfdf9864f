"""CoNLL: a token a line with its tag in another column, an empty line between sentences.

    我 O
    在 O
    北 B-LOC
    京 I-LOC

Tokens are characters or words; columns are parted by a tab, or by spaces. A line that begins with the
separator has a space for its token.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from erya.data.annotations.annotated import Annotated, Claim, checked
from erya.data.annotations.tags import Scheme, find_scheme, spans_of
from erya.data.lines import numbered_lines
from erya.data.problems import Problem, Report, refuse
from erya.errors import InputError
from erya.files import open_binary

_DOCUMENT_START = "-DOCSTART-"
# A sentence of more lines is a file without empty lines.
_MAX_TOKENS = 200_000
# So many sentences show every tag of the scheme.
_SAMPLE = 5000


@dataclass(slots=True)
class _Sentence:
    """The lines of one sentence."""

    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add(self, token: str, tag: str, line: int) -> None:
        self.tokens.append(token)
        self.tags.append(tag)
        self.lines.append(line)


def read_conll(
    path: Path,
    *,
    token_column: int = 0,
    tag_column: int | None = -1,
    scheme: Scheme | None = None,
    separator: str = "",
    report: Report = refuse,
) -> Iterator[Annotated]:
    """Read a file sentence by sentence.

    Args:
        path: UTF-8, perhaps compressed.
        token_column: which column holds the token, from 0; negative counts from the right.
        tag_column: which holds the tag; None where there is none: `entities` is None then.
        scheme: how to read the tags; None finds it in the first few thousand sentences.
        separator: what stands between two tokens in the text; nothing in Chinese.
        report: told of each tag that breaks the rules of its scheme (it is repaired), by its line.
    Yields:
        The sentences; the text is the tokens joined.
    Raises:
        InputError: the file or a line cannot be read, or `report` refuses.
    """
    if tag_column is not None and scheme is None:
        sentences = _sentences(path, token_column, tag_column)
        scheme = find_scheme({tag for sentence in islice(sentences, _SAMPLE) for tag in sentence.tags})
    found = False
    for sentence in _sentences(path, token_column, tag_column):
        found = True
        yield _annotated(str(path), sentence, scheme, separator, report)
    if not found:
        raise InputError("the file holds no sentence", where=str(path))


def _annotated(
    path: str, sentence: _Sentence, scheme: Scheme | None, separator: str, report: Report
) -> Annotated:
    line = sentence.lines[0]
    where = f"{path}, line {line}"
    text = separator.join(sentence.tokens)
    if scheme is None:
        return Annotated(text, None, None, where, line)
    starts, place = [], 0
    for token in sentence.tokens:
        starts.append(place)
        place += len(token) + len(separator)
    spans, breaks = spans_of(sentence.tags, scheme)
    for broken in breaks:
        at = sentence.lines[broken.index]
        report(Problem("a broken tag", broken.what, f"{path}, line {at}", at, "the nearest reading is taken"))
    claims = [
        Claim(starts[span.start], starts[span.end - 1] + len(sentence.tokens[span.end - 1]), span.type)
        for span in spans
    ]
    return Annotated(text, checked(claims, text, where=where, line=line, report=report), None, where, line)


def _sentences(path: Path, token_column: int, tag_column: int | None) -> Iterator[_Sentence]:
    sentence = _Sentence()
    num_columns = 0
    with open_binary(path) as stream:
        for number, line in numbered_lines(str(path), stream):
            if line.isspace():
                if sentence.tokens:
                    yield sentence
                    sentence = _Sentence()
                continue
            if line.startswith(_DOCUMENT_START):
                continue
            cells = _cells(line.rstrip("\r\n"))
            if len(cells) != num_columns:
                _require_columns(cells, num_columns, (token_column, tag_column), f"{path}, line {number}")
                num_columns = len(cells)
            sentence.add(cells[token_column], "" if tag_column is None else cells[tag_column], number)
            if len(sentence.tokens) > _MAX_TOKENS:
                raise InputError(
                    f"a sentence of more than {_MAX_TOKENS:,} tokens",
                    where=f"{path}, line {sentence.lines[0]}",
                    hint="put an empty line between sentences",
                )
    if sentence.tokens:
        yield sentence


def _cells(line: str) -> list[str]:
    if "\t" in line:
        cells = line.rstrip("\t").split("\t")
        return [cells[0] or " ", *cells[1:]]
    cells = line.split(" ")
    if "" not in cells:
        return cells
    is_space = line.startswith(" ")
    cells = [cell for cell in cells if cell]
    return [" ", *cells] if is_space else cells


def _require_columns(cells: list[str], num_columns: int, wanted: tuple[int | None, ...], where: str) -> None:
    if num_columns:
        raise InputError(
            f"the line has {len(cells)} columns, the lines before have {num_columns}",
            where=where,
            hint="a token and its tag on each line, an empty line between sentences",
        )
    for column in wanted:
        if column is not None and not -len(cells) <= column < len(cells):
            raise InputError(f"there is no column {column}: the line has {len(cells)}", where=where)
