"""Megabytes of UTF-8 a second of one thread, text to ids, beside Hugging Face's `tokenizers`.

In `reference` mode both have the vocabulary and rules of bert-base-chinese; in `native` mode both have a
vocabulary trained on other news: Erya itself, the library by the `tokenizer.json` we write (36 of whose steps
fold full-width letters and digits, which costs the library about a fifth). Both must give the same ids in the
last round. Every round takes other texts, the same for all, so that nobody profits from texts met before.
`encode_batch_fast` leaves the places of tokens out; `encode_batch` and Erya give them.

The texts are whole news stories, short reviews, technical articles that mix Chinese with English and code,
and English: sentences, and the same joined to paragraphs. The last table is news in `native` mode with 20,000
words added to the vocabulary that are frequent there.

They are read from `$ERYA_DATA` (default `../shared/data`).
"""

from __future__ import annotations

import argparse
import functools
import json
import lzma
import os
import pickle
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import compete, machine, save, table

if TYPE_CHECKING:
    from erya.tokenizer.spec import TokenizerSpec

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data"))
ROUND_BYTES = {
    "news": 6_000_000,
    "tech": 6_000_000,
    "reviews": 900_000,
    "english": 300_000,
    "paragraphs": 300_000,
}
NAMES = {
    "news": "news stories",
    "tech": "technical articles",
    "reviews": "reviews",
    "english": "English sentences",
    "paragraphs": "English paragraphs",
}
WARMUP = 1
TRAINING_BYTES = 20_000_000
NATIVE_SIZE = 12_032
ADDED_WORDS = 20_000
PARAGRAPH = 40


def chinese(name: str) -> Iterator[str]:
    with lzma.open(DATA / "text" / f"{name}.jsonl.xz", "rt", encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)["text"]


def english() -> Iterator[str]:
    """The English half of sentence pairs."""
    for folder in ("tatoeba_en_zh", "ted_en_zh_20k"):
        for path in sorted((DATA / "tasks" / folder).glob("*.tsv*")):
            with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as stream:
                yield from (line.split("\t")[0].strip() for line in stream)


def texts_of(name: str) -> Iterator[str]:
    if name not in ("english", "paragraphs"):
        return chinese(name)
    if name == "english":
        return english()
    sentences = english()
    return iter(lambda: " ".join(islice(sentences, PARAGRAPH)), "")


def slices(name: str, rounds: int) -> list[list[str]]:
    """Texts of about ROUND_BYTES for each round."""
    found: list[list[str]] = [[]]
    size = 0
    for text in texts_of(name):
        found[-1].append(text)
        size += len(text.encode())
        if size >= ROUND_BYTES[name]:
            if len(found) == rounds:
                return found
            found.append([])
            size = 0
    return found[:-1]


def reference_spec() -> TokenizerSpec:
    from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Rules, TokenizerSpec
    from erya.tokenizer.vocabulary import read_vocabulary

    pieces = read_vocabulary(next((DATA / "tasks" / "vocab").glob("*.txt")))
    added = tuple(AddedToken(name, pieces.index(name)) for name in SPECIAL_TOKENS)
    return TokenizerSpec("reference", Rules(), pieces, added)


def native_spec() -> TokenizerSpec:
    """A vocabulary trained on the end of the news, which no round reaches."""
    from erya.tokenizer.train import train_vocabulary

    texts = list(chinese("news"))[::-1]
    sizes, kept = 0, []
    for text in texts:
        kept.append(text)
        sizes += len(text.encode())
        if sizes > TRAINING_BYTES:
            break
    return train_vocabulary(kept, size=NATIVE_SIZE).spec


def extended(spec: TokenizerSpec) -> TokenizerSpec:
    """The tokenizer with the commonest words of the news' first stories."""
    import rjieba

    from erya.tokenizer.spec import AddedToken

    counts: Counter[str] = Counter()
    for story in islice(chinese("news"), 12_000):
        counts.update(word for word in rjieba.cut(story) if re.fullmatch("[一-龥]{2,}", word))
    words = [word for word, _ in counts.most_common(ADDED_WORDS)]
    first = len(spec.vocab)
    tokens = [AddedToken(word, id, special=False, normalized=True) for id, word in enumerate(words, first)]
    return replace(spec, added=(*spec.added, *tokens))


def rounds_of(encode: Callable[[list[str]], object], texts: Iterator[list[str]]) -> Callable[[], float]:
    def one_round() -> float:
        batch = next(texts)
        encode(batch)
        return sum(len(text.encode()) for text in batch) / 1e6

    return one_round


def hugging_face(spec_file: Path, name: str, rounds: int, method: str) -> Callable[[], float]:
    from erya.tokenizer.huggingface import build
    from erya.tokenizer.vocabulary import run_alphabet

    spec = pickle.loads(spec_file.read_bytes())
    return rounds_of(getattr(build(spec, run_alphabet(spec)), method), cycle(slices(name, rounds)))


def erya(spec_file: Path, name: str, rounds: int) -> Callable[[], float]:
    from erya.tokenizer.huggingface import build
    from erya.tokenizer.vocabulary import run_alphabet
    from erya.tokenizer.wordpiece import Tokenizer

    spec = pickle.loads(spec_file.read_bytes())
    texts = slices(name, rounds)
    expected = build(spec, run_alphabet(spec)).encode_batch_fast(texts[-1])
    for text, encoding, theirs in zip(
        texts[-1], Tokenizer(spec).encode_batch(texts[-1]), expected, strict=True
    ):
        assert encoding.ids.tolist() == theirs.ids, text
    return rounds_of(Tokenizer(spec).encode_batch, cycle(texts))


def contest(spec_file: Path, name: str, rounds: int, title: str, *, also_plain: Path | None = None) -> str:
    """One table: the library's two methods and Erya; `also_plain` for a vocabulary to compare speed with."""
    total = rounds + WARMUP
    contenders = {
        f"tokenizers, {method}": functools.partial(hugging_face, spec_file, name, total, method)
        for method in ("encode_batch", "encode_batch_fast")
    }
    if also_plain is not None:
        contenders["Erya, no words added"] = functools.partial(erya, also_plain, name, total)
    contenders["Erya"] = functools.partial(erya, spec_file, name, total)
    results = compete(contenders, rounds=rounds, threads=1, warmup=WARMUP)
    return table(title, results, unit="MB/s", ours="Erya")


def main() -> None:
    """Run and write `results/tokenize-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    pages = [f"# Tokenising speed\n\n{machine()}, 1 thread.\n\n{__doc__}\n"]
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        native = native_spec()
        for mode, spec in {
            "reference": reference_spec(),
            "native": native,
            "added": extended(native),
        }.items():
            files[mode] = Path(folder) / mode
            files[mode].write_bytes(pickle.dumps(spec))
        for mode in ("reference", "native"):
            for name, title in NAMES.items():
                pages.append(contest(files[mode], name, rounds, f"{title}, `{mode}` mode"))
        title = f"news stories, `native` mode, {ADDED_WORDS:,} words added"
        pages.append(contest(files["added"], "news", rounds, title, also_plain=files["native"]))
    save("tokenize", "\n".join(pages))


if __name__ == "__main__":
    main()
