"""Small documents with their boundaries written in the text, a tokenizer for them, directories of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from document_batches import to_batch

from erya.data.documents import Document, DocumentsWriter, write_manifest
from erya.data.splits import Split
from erya.text.script_of import Script
from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Mode, Rules, TokenizerSpec
from erya.tokenizer.wordpiece import Tokenizer

PIECES = (*SPECIAL_TOKENS, *"我爱北京天安门。你好", *"abc", "##a", "##b", "##c", "ab", "ᄒ", "##ᅡ", "##ᆫ")


def document(
    marked: str, *, split: Split = "train", source: str = "test", script: Script = "neutral"
) -> Document:
    """`|` stands before each word, `/` behind each sentence, `=` before the second text of a pair."""
    text = marked.translate(str.maketrans("", "", "|/="))
    starts, ends = np.zeros(len(text), dtype=bool), np.zeros(len(text), dtype=bool)
    place, pair = 0, None
    for char in marked:
        if char == "|":
            # No word begins behind the last character.
            starts[place : place + 1] = True
        elif char == "/":
            ends[place - 1] = True
        elif char == "=":
            pair = place
        else:
            place += 1
    cluster = int.from_bytes(hashlib.blake2b(marked.encode(), digest_size=8).digest(), "little")
    return Document(text, source, None, starts, ends, cluster, split, pair, script)


def small_tokenizer(mode: Mode) -> Tokenizer:
    native = mode == "native"
    added = tuple(AddedToken(name, id) for id, name in enumerate(SPECIAL_TOKENS))
    rules = Rules(strip_accents=not native, clean=not native)
    return Tokenizer(TokenizerSpec(mode, rules, PIECES, added))


def write_tokenizer(directory: Path) -> Path:
    directory.mkdir(parents=True)
    small_tokenizer("native").save(directory)
    return directory


def write_documents(directory: Path, documents: Iterable[Document]) -> Path:
    """A documents directory; rows are added one by one, so that row groups may be as small as one."""
    directory.mkdir(parents=True)
    writer = DocumentsWriter(directory)
    for one in documents:
        writer.write(to_batch([one]))
    write_manifest(directory, writer.finish(), report={"records": 9})
    return directory
