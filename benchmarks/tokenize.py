"""Megabytes of UTF-8 a second of one thread, text to ids, beside Hugging Face's `tokenizers`.

In `reference` mode both have the vocabulary and rules of bert-base-chinese; in `native` mode both have a
vocabulary trained on other news: Erya itself, the library by the `tokenizer.json` we write (36 of whose steps
fold full-width letters and digits, which costs the library about a fifth). Both must give the same ids in the
last round. Every round takes other texts, the same for all, so that nobody profits from texts met before.
`encode_batch_fast` leaves the places of tokens out; `encode_batch` and Erya give them.

The texts are whole news stories, short reviews, technical articles that mix Chinese with English and code,
and English: sentences, and the same joined to paragraphs.

A page of its own is of news in `native` mode with words added to the vocabulary: the commonest of this very
news, the worst case, of which 20,000 cover seven tenths of the text; and the ten last of those.

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
import statistics
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
# The slice of the 20,000 commonest words that each row adds.
ADDED_WORDS = {
    "the 20,000th and nine before": slice(19_990, 20_000),
    "1": slice(1),
    "10": slice(10),
    "100": slice(100),
    "1,000": slice(1_000),
    "20,000": slice(20_000),
}
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


def common_words() -> list[str]:
    """The 20,000 commonest words of the news' first stories."""
    import rjieba

    counts: Counter[str] = Counter()
    for story in islice(chinese("news"), 12_000):
        counts.update(word for word in rjieba.cut(story) if re.fullmatch("[一-龥]{2,}", word))
    return [word for word, _ in counts.most_common(20_000)]


def extended(spec: TokenizerSpec, words: list[str]) -> TokenizerSpec:
    """The tokenizer with these words."""
    from erya.tokenizer.spec import AddedToken

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


def contest(spec_file: Path, name: str, rounds: int, title: str) -> str:
    """One table: the library's two methods and Erya."""
    total = rounds + WARMUP
    contenders = {
        f"tokenizers, {method}": functools.partial(hugging_face, spec_file, name, total, method)
        for method in ("encode_batch", "encode_batch_fast")
    }
    contenders["Erya"] = functools.partial(erya, spec_file, name, total)
    results = compete(contenders, rounds=rounds, threads=1, warmup=WARMUP)
    return table(title, results, unit="MB/s", ours="Erya")


def cost_of_words(spec_files: dict[str, Path], rounds: int) -> str:
    """One table: Erya with ever more words; every round of each beside the same round without any."""
    total = rounds + WARMUP
    contenders = {
        words: functools.partial(erya, spec_file, "news", total) for words, spec_file in spec_files.items()
    }
    results = compete(contenders, rounds=rounds, threads=1, warmup=WARMUP)
    lines = [
        "### news stories, `native` mode, by words added",
        "",
        "| words added | MB/s, median | min to max | of the speed without, median |",
        "| --- | ---: | ---: | ---: |",
    ]
    for result in results:
        shares = (mine / plain for mine, plain in zip(result.rates, results[0].rates, strict=True))
        spread = f"{min(result.rates):,.1f} to {max(result.rates):,.1f}"
        lines.append(f"| {result.name} | {result.median:,.1f} | {spread} | {statistics.median(shares):.2f} |")
    return "\n".join(lines) + "\n"


def pickled(spec: TokenizerSpec, path: Path) -> Path:
    path.write_bytes(pickle.dumps(spec))
    return path


def pages_of_modes(native: Path, rounds: int) -> Iterator[str]:
    modes = {"reference": pickled(reference_spec(), native.with_name("reference")), "native": native}
    for mode, spec_file in modes.items():
        for name, title in NAMES.items():
            yield contest(spec_file, name, rounds, f"{title}, `{mode}` mode")


def pages_of_words(native: Path, rounds: int) -> Iterator[str]:
    spec, words = pickle.loads(native.read_bytes()), common_words()
    files = {
        title: pickled(extended(spec, words[part]), native.with_name(title))
        for title, part in ADDED_WORDS.items()
    }
    yield contest(files["20,000"], "news", rounds, "news stories, `native` mode, 20,000 words added")
    yield cost_of_words({"none": native, **files}, rounds)


def main() -> None:
    """Run and write `results/tokenize-*.md` and `results/tokenize-added-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["tokenize", "tokenize-added"], help="one of the two pages")
    options = parser.parse_args()
    pages = {"tokenize": pages_of_modes, "tokenize-added": pages_of_words}
    with tempfile.TemporaryDirectory() as folder:
        native = pickled(native_spec(), Path(folder) / "native")
        for page in [options.only] if options.only else pages:
            head = f"# Tokenising speed\n\n{machine()}, 1 thread.\n\n{__doc__}\n"
            save(page, "\n".join([head, *pages[page](native, options.rounds)]))


if __name__ == "__main__":
    main()
