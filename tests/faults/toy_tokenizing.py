"""Small documents made into many shards; `python toy_tokenizing.py DIRECTORY OUT` is a child to be killed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / "unit" / room) for room in ("", "corpus")]

from marked_documents import document, write_documents, write_tokenizer

import erya.data.documents
from erya.corpus.engines.local import LocalEngine
from erya.corpus.mixture import MixtureOptions
from erya.corpus.tokenize import tokenize_corpus

MIXTURE = MixtureOptions(by="source", weights={"news": 2, "*": 1}, size=60_000)


def prepare(directory: Path) -> None:
    """Write the documents and the tokenizer."""
    usual, erya.data.documents.ROW_GROUP_CHARACTERS = erya.data.documents.ROW_GROUP_CHARACTERS, 500
    text = "|我|爱|北京|天安门|。/|abc"
    documents = [
        document(
            text * (1 + number % 17) + "\n=|你好" * (number % 2) + "你" * (number % 101),
            source=("news", "web")[number % 3 == 0],
            split="heldout" if number % 40 == 0 else "train",
        )
        for number in range(400)
    ]
    write_documents(directory / "documents", documents)
    erya.data.documents.ROW_GROUP_CHARACTERS = usual
    write_tokenizer(directory / "tokenizer")


def run(directory: Path, out: Path, *, workers: int = 2) -> None:
    """Tokenise, or go on with it."""
    tokenize_corpus(
        [directory / "documents"],
        directory / "tokenizer",
        out,
        engine=LocalEngine(workers),
        mixture=MIXTURE,
        shard_characters=2000,
    )


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
