"""The options of `erya corpus`, and what is made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from erya.errors import ConfigError

if TYPE_CHECKING:
    from erya.corpus.mixture import MixtureOptions
    from erya.corpus.recipe import CorpusRecipe

RAW_HELP = (
    "Text (.txt), JSON lines (.jsonl), .csv, .tsv, .parquet, Wikipedia extractor output, also .gz .bz2 .xz"
    " .zst; directories, globs in quotes, URLs."
)
Raw = Annotated[list[str], typer.Argument(help=RAW_HELP)]
Out = Annotated[Path, typer.Option("--out", help="The directory to make; it appears when it is whole.")]
FieldName = Annotated[
    str | None,
    typer.Option(
        "--field", help='Field or column of the text ("text"); a number: of a table without header.'
    ),
]
PairField = Annotated[
    str | None,
    typer.Option("--pair-field", help="Field of the second text: makes parallel pairs, kept together."),
]
UnitName = Annotated[
    Literal["line", "paragraph", "file"] | None,
    typer.Option(
        "--unit", help="Text files: what one document is (line; paragraphs are set apart by blank lines)."
    ),
]
MinCharacters = Annotated[
    int | None,
    typer.Option("--min-characters", min=1, help="Leave out texts shorter than this after cleaning."),
]
MaskNames = Annotated[
    list[str] | None,
    typer.Option("--mask", help="Replace phone, email or identity numbers by a tag; may be repeated."),
]
Near = Annotated[
    Literal["drop", "mark", "off"] | None,
    typer.Option("--near", help="Near-duplicates: drop all but the first, keep them marked, or do not look."),
]
ConvertNames = Annotated[
    list[str] | None,
    typer.Option(
        "--convert",
        help="Convert the script: t2s, s2t, s2twp, ... of all texts, or s2t:0.2 of a share; may be repeated.",
    ),
]
Heldout = Annotated[
    float | None,
    typer.Option("--heldout", min=0.0, max=0.5, help="Share of documents kept out of training (0.01)."),
]
SegmenterOption = Annotated[
    Literal["rjieba", "pkuseg", "none"] | None,
    typer.Option("--segmenter", help="What finds words (rjieba); none: every character is one."),
]
SegmenterModel = Annotated[
    Path | None, typer.Option("--segmenter-model", help="The directory of a pkuseg model.")
]
UserWords = Annotated[
    Path | None, typer.Option("--user-words", help="Your dictionary for word boundaries, a word a line.")
]
BlockedWords = Annotated[
    Path | None,
    typer.Option("--blocked-words", help="Leave out documents with one of these words, a word a line."),
]
Decontaminate = Annotated[
    list[str] | None,
    typer.Option(
        "--decontaminate",
        help="Leave out documents that hold a text of this file, directory or quoted glob; may be repeated.",
    ),
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="All options as YAML; recipes/corpus/web.yaml shows them.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set an option of the recipe; may be repeated."),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes; as many as cores where input and memory allow it."),
]
Memory = Annotated[str, typer.Option("--memory", help="What all processes together may use: 2GiB, 800MiB.")]
EngineOption = Annotated[
    Literal["local", "ray"], typer.Option("--engine", help="Processes of this machine, or a Ray cluster.")
]
Address = Annotated[
    str | None, typer.Option("--address", help="Ray: the cluster's address; without one a local one is made.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first record that cannot be read.")]
Restart = Annotated[bool, typer.Option("--restart", help="Throw away what a stopped run left unfinished.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace --out if this command wrote it.")]
Json = Annotated[bool, typer.Option("--json", help="The report as one JSON object on a line.")]
TokenizerDirectory = Annotated[
    Path, typer.Option("--tokenizer", help="A tokenizer directory, from erya vocab train or Hugging Face.")
]
MixBy = Annotated[
    Literal["source", "directory", "script"],
    typer.Option("--mix-by", help="What --weight and --temperature speak of."),
]
Weights = Annotated[
    list[str] | None,
    typer.Option("--weight", metavar="NAME=WEIGHT", help='Share wanted, relative; "*" is the rest.'),
]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", min=1.0, help="Shares as size^(1/T): 1 leaves them, more levels them."),
]
MixSize = Annotated[
    int | None, typer.Option("--mix-size", min=1, help="Characters wanted in all; as many as there are.")
]

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def parse_bytes(text: str) -> int:
    """A number of bytes as people write it: 2GiB, 800 MB, 1500000.

    Raises:
        ConfigError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]I?)?B?", text.strip().upper())
    if match is None:
        raise ConfigError(f"not a size: {text!r}", where="--memory", hint="write 2GiB or 800MiB")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def load_recipe(
    path: Path | None,
    overrides: Sequence[str],
    user_words: Path | None = None,
    blocked_words: Path | None = None,
) -> CorpusRecipe:
    """The recipe of a file with what the command line says on top.

    Args:
        path: the recipe's file; None: all as usual.
        overrides: `key.sub=value`.
        user_words, blocked_words: files of words, a word a line.
    Raises:
        ConfigError: a key or value is not allowed.
        InputError: a file of words cannot be read.
    """
    from erya.config import load_config
    from erya.corpus.recipe import CorpusRecipe

    recipe = load_config(CorpusRecipe, path, overrides)
    if user_words is not None:
        from erya.text.words import read_user_words

        segmenter = recipe.segmenter.model_copy(update={"user_words": tuple(read_user_words(user_words))})
        recipe = recipe.model_copy(update={"segmenter": segmenter})
    if blocked_words is not None:
        from erya.corpus.filters.blocked import read_blocked_words

        filters = recipe.filters.model_copy(update={"blocked_words": read_blocked_words(blocked_words)})
        recipe = recipe.model_copy(update={"filters": filters})
    return recipe


def conversions(names: Sequence[str] | None) -> list[dict[str, Any]] | None:
    """`t2s` and `s2t:0.2` as the recipe has them.

    Raises:
        ConfigError: what stands after the colon is no share.
    """
    if names is None:
        return None
    from erya.text.script import named

    found = []
    for name in names:
        kind, colon, share = name.partition(":")
        try:
            found.append({"name": named(kind), "share": float(share) if colon else 1.0})
        except ValueError:
            raise ConfigError(f"not a share: {share!r}", where="--convert", hint="write s2t:0.2") from None
    return found


def mixture(
    by: Literal["source", "directory", "script"],
    weights: Sequence[str] | None,
    temperature: float | None,
    size: int | None,
) -> MixtureOptions | None:
    """The mixture that the flags ask for; None: the documents as they are.

    Raises:
        ConfigError: a weight is not NAME=NUMBER, or both kinds of shares were asked for.
    """
    if not weights and temperature is None and size is None:
        return None
    from erya.config import validate
    from erya.corpus.mixture import MixtureOptions

    wanted = {}
    for weight in weights or ():
        name, equals, number = weight.rpartition("=")
        if not equals or not name or name in wanted:
            raise ConfigError(f"not NAME=WEIGHT, or a name twice: {weight!r}", where="--weight")
        wanted[name] = number
    given = {"by": by, "weights": wanted, "temperature": temperature, "size": size}
    return validate(MixtureOptions, given, where="the command line")


def size_of(raw: Sequence[str]) -> int:
    """Bytes of the raw files as they are stored; of URLs and globs nothing is known: as if large."""
    total = 0
    for name in raw:
        path = Path(name)
        if not path.exists():
            return 1 << 40
        inner = path.rglob("*") if path.is_dir() else [path]
        total += sum(file.stat().st_size for file in inner if file.is_file())
    return total


def yaml_value(value: Any) -> str:
    """A value as an override has it: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
