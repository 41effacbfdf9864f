"""Megabytes of UTF-8 a second of one thread, text to ids, beside Hugging Face's `tokenizers`.

Both have the vocabulary and rules of bert-base-chinese and give the same ids, which is checked. Every round
takes other texts, the same for all, so that nobody profits from words met before. `encode_batch_fast` leaves
the places of tokens out; `encode_batch` and Erya give them. The texts are whole news stories, short reviews
and technical articles that mix Chinese with English and code.

They are read from `$ERYA_DATA/text` (default `../shared/data`).
"""

from __future__ import annotations

import argparse
import functools
import json
import lzma
import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

from benchmarks.harness import compete, machine, save, table

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data"))
ROUND_BYTES = {"news": 6_000_000, "tech": 6_000_000, "reviews": 900_000}
NAMES = {"news": "news stories", "tech": "technical articles", "reviews": "reviews"}
WARMUP = 1


def slices(name: str, rounds: int) -> list[list[str]]:
    """Texts of about ROUND_BYTES for each round."""
    found: list[list[str]] = [[]]
    size = 0
    with lzma.open(DATA / "text" / f"{name}.jsonl.xz", "rt", encoding="utf-8") as stream:
        for line in stream:
            text = json.loads(line)["text"]
            found[-1].append(text)
            size += len(text.encode())
            if size >= ROUND_BYTES[name]:
                if len(found) == rounds:
                    return found
                found.append([])
                size = 0
    return found[:-1]


def rounds_of(encode: Callable[[list[str]], object], texts: Iterator[list[str]]) -> Callable[[], float]:
    def one_round() -> float:
        batch = next(texts)
        encode(batch)
        return sum(len(text.encode()) for text in batch) / 1e6

    return one_round


def hugging_face(name: str, rounds: int, method: str) -> Callable[[], float]:
    from tokenizers import BertWordPieceTokenizer, Tokenizer

    vocabulary = next((DATA / "tasks" / "vocab").glob("*.txt"))
    tokenizer = Tokenizer.from_str(BertWordPieceTokenizer(str(vocabulary)).to_str())
    return rounds_of(getattr(tokenizer, method), cycle(slices(name, rounds)))


def erya(name: str, rounds: int) -> Callable[[], float]:
    from tokenizers import BertWordPieceTokenizer

    from erya.tokenizer.wordpiece import Tokenizer

    theirs = BertWordPieceTokenizer(str(next((DATA / "tasks" / "vocab").glob("*.txt"))))
    with tempfile.TemporaryDirectory() as directory:
        theirs.save(str(Path(directory) / "tokenizer.json"))
        tokenizer = Tokenizer.open(Path(directory))
    texts = slices(name, rounds)
    for text, encoding in zip(texts[-1], tokenizer.encode_batch(texts[-1]), strict=True):
        assert encoding.ids.tolist() == theirs.encode(text).ids, text
    fresh = Tokenizer(tokenizer.spec)
    return rounds_of(fresh.encode_batch, cycle(texts))


def main() -> None:
    """Run and write `results/tokenize-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    pages = [f"# Tokenising speed\n\n{machine()}, 1 thread.\n\n{__doc__}\n"]
    for name, title in NAMES.items():
        rounds = arguments.rounds + WARMUP
        contenders = {
            "tokenizers, encode_batch": functools.partial(hugging_face, name, rounds, "encode_batch"),
            "tokenizers, encode_batch_fast": functools.partial(
                hugging_face, name, rounds, "encode_batch_fast"
            ),
            "Erya": functools.partial(erya, name, rounds),
        }
        results = compete(contenders, rounds=arguments.rounds, threads=1, warmup=WARMUP)
        pages.append(table(title, results, unit="MB/s", ours="Erya"))
    save("tokenize", "\n".join(pages))


if __name__ == "__main__":
    main()
