"""`erya text`: cleaning, script conversion, words and sentences on stdin and stdout, line by line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from erya.cli.console import messages, not_empty, print_json, read_lines, standard_input

File = Annotated[
    str, typer.Argument(metavar="[FILE|-]", help="A text file (.gz .xz .bz2 .zst too); - is stdin.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, with places in the input line.")]


def register(app: typer.Typer) -> None:
    """Add the verb `text`."""
    text = typer.Typer(
        help="Work on text line by line: clean it, convert its script, cut it into words or sentences.",
        epilog="Example: erya text clean page.txt | erya text words --tags",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for command in (clean, convert, words, sentences):
        text.command()(command)
    app.add_typer(text, name="text")


def clean(
    file: File = "-",
    width: Annotated[
        Literal["letters", "all", "keep"],
        typer.Option(
            help="Full-width ASCII to half-width: letters and digits, Chinese punctuation too, or none."
        ),
    ] = "letters",
    references: Annotated[bool, typer.Option(help="Replace HTML references such as &amp;nbsp;.")] = True,
    mojibake: Annotated[bool, typer.Option(help="Repair UTF-8 that was read as Latin-1.")] = True,
    as_json: Json = False,
) -> None:
    """Repair encoding, width, invisible characters and white space.

    The input may be UTF-8, GB18030, Big5 or UTF-16; the output is UTF-8. With --json every character's
    place in the input line comes along: "spans"[i] is where character i comes from.

    Example: erya text clean old-web-page.txt > clean.txt
    """
    from erya.text.clean import CleanOptions
    from erya.text.clean import clean as clean_line

    options = CleanOptions(width=width, references=references, mojibake=mojibake)
    for line in _lines_of_any_encoding(file):
        result = clean_line(line, options)
        if as_json:
            spans = list(zip(result.alignment.starts.tolist(), result.alignment.ends.tolist(), strict=True))
            print_json({"text": result.text, "spans": spans})
        else:
            # A line stays a line: a vertical tab or page feed inside it must not make two.
            _print(result.text.replace("\n", " "))


def convert(
    file: File = "-",
    to: Annotated[
        str,
        typer.Option(
            help="simplified, traditional, or OpenCC's name: s2t t2s s2tw tw2s s2twp tw2sp s2hk hk2s t2tw"
            " tw2t t2hk hk2t (s simplified, t traditional, tw Taiwan, hk Hong Kong; p changes words too)."
        ),
    ] = "simplified",
    as_json: Json = False,
) -> None:
    """Convert between simplified and traditional Chinese.

    With --json every character's place in the input line comes along; the characters of a replaced phrase
    (内存, 記憶體) share the place of the whole phrase.

    Example: echo 鼠标和内存 | erya text convert --to s2twp
    """
    from erya.text.script import convert as convert_line
    from erya.text.script import convert_text, named

    conversion = named(to)
    for line in read_lines(file):
        if not as_json:
            _print(convert_text(line, conversion))
            continue
        result = convert_line(line, conversion)
        spans = list(zip(result.alignment.starts.tolist(), result.alignment.ends.tolist(), strict=True))
        print_json({"text": result.text, "spans": spans})


def words(
    file: File = "-",
    user_words: Annotated[
        Path | None, typer.Option(help="Your dictionary: a word a line, with frequency and tag if you like.")
    ] = None,
    tags: Annotated[
        bool, typer.Option("--tags", help="Write word/tag (n noun, v verb, nr person, ...).")
    ] = False,
    remove_stopwords: Annotated[
        bool, typer.Option("--remove-stopwords", help="Leave out function words and punctuation.")
    ] = False,
    stopwords: Annotated[
        Path | None, typer.Option(help="Your own list for --remove-stopwords, a word a line.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Cut every line into words, set apart by spaces.

    Example: echo 我来到北京清华大学 | erya text words --tags
    """
    from erya.text.stopwords import STOPWORDS, is_content, read_stopwords
    from erya.text.stopwords import remove_stopwords as without_stopwords
    from erya.text.words import Segmenter, read_user_words

    segmenter = Segmenter(read_user_words(user_words) if user_words else ())
    unwanted = read_stopwords(stopwords) if stopwords else STOPWORDS
    removing = remove_stopwords or stopwords is not None
    for line in read_lines(file):
        found = [word for word in segmenter.words(line) if not line[word.start : word.end].isspace()]
        if removing:
            found = without_stopwords(line, found, is_kept=lambda token: is_content(token, unwanted))
        if as_json:
            items = [
                {"word": line[word.start : word.end], "span": [word.start, word.end], "tag": word.tag}
                for word in found
            ]
            print_json({"text": line, "words": items})
        else:
            _print(" ".join(line[word.start : word.end] + (f"/{word.tag}" if tags else "") for word in found))


def sentences(
    file: File = "-",
    semicolon: Annotated[bool, typer.Option("--semicolon", help="End a sentence at ； too.")] = False,
    ellipsis: Annotated[bool, typer.Option(help="End a sentence at …….")] = True,
    as_json: Json = False,
) -> None:
    """Split every line into sentences, one a line.

    Closing quotes and brackets stay with their sentence; decimal points, addresses and abbreviations do
    not end one.

    Example: echo '他说：“好。”我走了。' | erya text sentences
    """
    from erya.text.sentences import SentenceOptions
    from erya.text.sentences import sentences as split

    options = SentenceOptions(semicolon=semicolon, ellipsis=ellipsis)
    for line in read_lines(file):
        spans = split(line, options)
        if as_json:
            items = [{"text": line[start:end], "span": [start, end]} for start, end in spans]
            print_json({"text": line, "sentences": items})
        else:
            for start, end in spans:
                _print(line[start:end])


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _lines_of_any_encoding(file: str) -> Iterator[str]:
    """The lines of a file or of stdin, whatever their encoding; says at the end what was damaged."""
    from erya.files import open_binary
    from erya.text.decode import decode_lines

    damaged = 0
    name = "stdin" if file == "-" else file
    with nullcontext(standard_input()) if file == "-" else open_binary(Path(file)) as stream:
        lines = decode_lines(stream, name=name)
        for line, is_damaged in lines if file == "-" else not_empty(lines, name):
            damaged += is_damaged
            yield line
    if damaged:
        said = f"{name}: {damaged} lines held bytes that could not be read; U+FFFD stands for them"
        messages.print(said, markup=False)
