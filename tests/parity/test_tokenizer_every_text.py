"""Every text of every file of the data folder, in both modes, cased and uncased, against the library.

The tokenizers come from what is written: in `reference` mode the library writes a `tokenizer.json` and we
open it, in `native` mode it opens ours. It takes many minutes; `-k "news and native and lower"` runs a part.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tokenizer_cases import DATA, GOOGLE, lines_of, needs_data

from erya.tokenizer.spec import Mode
from erya.tokenizer.train import train_vocabulary
from erya.tokenizer.wordpiece import Tokenizer

RUNNING_TEXT = sorted((DATA / "text").glob("*.jsonl.xz"))
# All other files are one group: the tasks, and what is written about them.
GROUPS = [path.name.removesuffix(".jsonl.xz") for path in RUNNING_TEXT] + ["tasks"]
TRAINING_TEXTS = 300
VOCABULARY_SIZE = 12_032
# The library's tokens take some two hundred bytes each.
BATCH_CHARACTERS = 400_000

Both = tuple[Tokenizer, tokenizers.Tokenizer]


@cache
def in_reference_mode(folder: Path, *, lowercase: bool) -> Both:
    """Google's vocabulary, written by the library, opened by both."""
    pieces = {piece: id for id, piece in enumerate(lines_of(GOOGLE))}
    path = folder / "tokenizer.json"
    tokenizers.BertWordPieceTokenizer(pieces, lowercase=lowercase).save(str(path))
    return Tokenizer.open(folder), tokenizers.Tokenizer.from_file(str(path))


@cache
def in_native_mode(folder: Path, *, lowercase: bool) -> Both:
    """A vocabulary trained on the beginnings of the files, written by us, opened by both."""
    beginnings = (itertools.islice(strings_of(path), TRAINING_TEXTS) for path in RUNNING_TEXT)
    trained = train_vocabulary(
        itertools.chain.from_iterable(beginnings), size=VOCABULARY_SIZE, lowercase=lowercase
    )
    Tokenizer(trained.spec).save(folder)
    return Tokenizer.open(folder), tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Mode, bool], Path]:
    """A folder for each tokenizer."""
    modes: tuple[Mode, ...] = ("reference", "native")
    cases = itertools.product(modes, (True, False))
    return {(mode, lower): tmp_path_factory.mktemp(f"{mode}-{lower}") for mode, lower in cases}


def texts_of(group: str) -> Iterator[str]:
    """Every text of a group: the strings of running text; elsewhere the lines as they are, too."""
    if group != "tasks":
        return strings_of(DATA / "text" / f"{group}.jsonl.xz")
    files = sorted(path for path in DATA.rglob("*") if path.is_file() and path not in RUNNING_TEXT)
    return itertools.chain.from_iterable(itertools.chain(lines_of(path), strings_of(path)) for path in files)


def strings_of(path: Path) -> Iterator[str]:
    """The strings in all lines of a file that are JSON."""
    for line in lines_of(path):
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        yield from strings_in(value)


def strings_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings_in(inner)


def batches_of(texts: Iterator[str]) -> Iterator[list[str]]:
    """Lists of texts that together just reach BATCH_CHARACTERS, and what is left."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def compare(ours: Tokenizer, theirs: tokenizers.Tokenizer, batch: list[str]) -> None:
    encodings = ours.encode_batch(batch)
    expected = [np.array(encoding.ids, dtype=np.int32) for encoding in theirs.encode_batch_fast(batch)]
    same_lengths = np.array_equal(np.diff(encodings.bounds), [len(ids) for ids in expected])
    if same_lengths and np.array_equal(encodings.ids, np.concatenate(expected)):
        return
    for text, encoding, ids in zip(batch, encodings, expected, strict=True):
        assert encoding.ids.tolist() == ids.tolist(), text
    raise AssertionError("the batch differs but none of its texts does")


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("case", ["lower", "cased"])
@pytest.mark.parametrize("mode", ["reference", "native"])
@pytest.mark.parametrize("group", GROUPS)
def test_every_text_has_the_ids_of_the_library(
    group: str,
    mode: Mode,
    case: str,
    folders: dict[tuple[Mode, bool], Path],
    record_property: pytest.RecordProperty,
) -> None:
    lowercase = case == "lower"
    prepare = in_reference_mode if mode == "reference" else in_native_mode
    ours, theirs = prepare(folders[mode, lowercase], lowercase=lowercase)
    texts = characters = 0
    for batch in batches_of(texts_of(group)):
        compare(ours, theirs, batch)
        texts += len(batch)
        characters += sum(map(len, batch))
    record_property("texts", texts)
    record_property("characters", characters)
    assert texts > 1000


@needs_data
def test_a_wrong_id_is_found(folders: dict[tuple[Mode, bool], Path]) -> None:
    ours, theirs = in_reference_mode(folders["reference", True], lowercase=True)
    swap = {"宇": "宙", "宙": "宇"}
    wrong = Tokenizer(replace(ours.spec, pieces=tuple(swap.get(piece, piece) for piece in ours.spec.pieces)))
    compare(wrong, theirs, ["天地玄黄", "洪荒"])
    with pytest.raises(AssertionError, match="宇宙洪荒"):
        compare(wrong, theirs, ["天地玄黄", "宇宙洪荒"])


@needs_data
def test_a_missing_token_is_found(folders: dict[tuple[Mode, bool], Path]) -> None:
    ours, theirs = in_reference_mode(folders["reference", True], lowercase=True)
    extended = tokenizers.Tokenizer.from_str(theirs.to_str())
    extended.add_tokens(["宇宙"])
    with pytest.raises(AssertionError, match="宇宙洪荒"):
        compare(ours, extended, ["天地玄黄", "宇宙洪荒"])
