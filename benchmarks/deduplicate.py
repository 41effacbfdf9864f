"""Near duplicates: planted ones found and missed, and the time it takes, beside `datasketch`.

To each of some hundred documents that have nothing in common (no two share 0.3 of their bigrams) a copy is
added in which a twentieth, a tenth or a fifth of the characters is edited: a third of the edits replaces a
character, a third removes one, a third inserts one, drawn from the text's own. A pair is predicted if both
documents are in one cluster. datasketch gets the same bigrams, threshold and permutations, once as it comes
and once with its candidates checked against the estimated similarity, as Erya does.

The texts are read from `$ERYA_DATA/text` (default `../shared/data`).
"""

from __future__ import annotations

import argparse
import functools
import json
import lzma
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import compete, machine, save, table
from erya.corpus.deduplicate.cluster import find_duplicates
from erya.corpus.deduplicate.folding import LETTER, fold
from erya.corpus.deduplicate.lines import line_batch
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.deduplicate.signatures import signature_batch

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data"))
NAMES = {"news": "news stories", "law": "laws and judgments", "tech": "technical articles"}
SHARES = (0.05, 0.1, 0.2)
OPTIONS = DeduplicateOptions()
BLOCK_BYTES = 4 << 20
UNRELATED = 0.3
STORIES = 6000
Pairs = set[tuple[int, int]]


def read(name: str) -> Iterator[str]:
    with lzma.open(DATA / "text" / f"{name}.jsonl.xz", "rt", encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)["text"]


def bigrams(text: str) -> set[str]:
    """As Erya sees them: folded, letters only."""
    folded = fold([text])
    letters = folded.codes[folded.kinds == LETTER].tobytes().decode("utf-32-le")
    return {letters[place : place + 2] for place in range(len(letters) - 1)}


def unrelated(texts: Iterable[str], number: int) -> list[str]:
    """The first texts of middle length of which no two share UNRELATED of their bigrams."""
    kept: list[str] = []
    sets: list[set[str]] = []
    for text in texts:
        if not 100 <= len(text) <= 3000:
            continue
        grams = bigrams(text)
        if all(len(grams & other) < UNRELATED * len(grams | other) for other in sets):
            kept.append(text)
            sets.append(grams)
        if len(kept) == number:
            break
    return kept


def edited(text: str, share: float, rng: random.Random) -> str:
    characters = list(text)
    for _ in range(round(share * len(text))):
        place, kind = rng.randrange(len(characters)), rng.randrange(3)
        drawn = [] if kind == 1 else [rng.choice(text)]
        characters[place : place + (kind < 2)] = drawn
    return "".join(characters)


def erya_pairs(texts: list[str]) -> Pairs:
    with tempfile.TemporaryDirectory() as directory:
        signatures, out = Path(directory) / "signatures", Path(directory) / "duplicates"
        batch = signature_batch(np.arange(len(texts)), fold(texts), OPTIONS)
        pq.write_table(pa.Table.from_batches([batch]), signatures)
        find_duplicates([signatures], out, OPTIONS, memory_bytes=1 << 30, threads=1, scratch=Path(directory))
        found = pq.read_table(out, columns=["doc", "cluster"]).to_pydict()
    clusters: dict[int, list[int]] = {}
    for doc, cluster in zip(found["doc"], found["cluster"], strict=True):
        clusters.setdefault(cluster, []).append(doc)
    return {pair for docs in clusters.values() for pair in combinations(docs, 2)}


def datasketch_pairs(texts: list[str], *, check: bool) -> Pairs:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=OPTIONS.threshold, num_perm=OPTIONS.permutations)
    sketches, pairs = [], set()
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=OPTIONS.permutations)
        sketch.update_batch([gram.encode() for gram in bigrams(text)])
        for other in index.query(sketch):
            if not check or sketch.jaccard(sketches[other]) >= OPTIONS.threshold:
                pairs.add((other, number))
        index.insert(number, sketch)
        sketches.append(sketch)
    return pairs


FINDERS: dict[str, Callable[[list[str]], Pairs]] = {
    "datasketch": functools.partial(datasketch_pairs, check=False),
    "datasketch, candidates checked": functools.partial(datasketch_pairs, check=True),
    "Erya": erya_pairs,
}


def quality(name: str, number: int) -> Iterator[str]:
    """Rows of the table: precision, recall and F1 by share of edits."""
    base = unrelated(read(name), number)
    for share in SHARES:
        rng = random.Random(f"{name} {share}")
        copies = [edited(text, share, rng) for text in base]
        alike = [bigrams(text) for text in base], [bigrams(text) for text in copies]
        similarity = np.mean([len(one & two) / len(one | two) for one, two in zip(*alike, strict=True)])
        truth = {(place, place + len(base)) for place in range(len(base))}
        for finder, find in FINDERS.items():
            found = find(base + copies)
            precision = len(found & truth) / max(len(found), 1)
            recall = len(found & truth) / len(truth)
            f1 = 2 * precision * recall / max(precision + recall, 1e-9)
            yield (
                f"| {NAMES[name]} ({len(base)}) | {share:.0%} | {similarity:.2f} | {finder} "
                f"| {precision:.4f} | {recall:.4f} | {f1:.4f} |"
            )


def pairs_round(finder: str, number: int) -> Callable[[], float]:
    texts = list(islice(read("news"), number))

    def one_round() -> float:
        FINDERS[finder](texts)
        return sum(len(text.encode()) for text in texts) / 1e6

    return one_round


def stages(name: str) -> str:
    """A row of the table: megabytes a CPU second, of signatures and of lines on one block."""
    texts, size = [], 0
    for text in read(name):
        texts.append(text)
        size += len(text.encode())
        if size >= BLOCK_BYTES:
            break
    docs, rates = np.arange(len(texts)), []
    seconds = []
    for stage in (signature_batch, line_batch):
        stage(docs, fold(texts), OPTIONS)
        times = []
        for _ in range(5):
            start = time.process_time()
            stage(docs, fold(texts), OPTIONS)
            times.append(time.process_time() - start)
        seconds.append(sorted(times)[2])
        rates.append(size / 1e6 / seconds[-1])
    both = size / 1e6 / sum(seconds)
    return f"| {name} | {len(texts):,} | {rates[0]:.0f} | {rates[1]:.0f} | {both:.0f} |"


def main() -> None:
    """Run and write `results/deduplicate-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=800, help="documents of each kind that get a copy")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    pages = [f"# Near duplicates\n\n{machine()}.\n\n{__doc__}\n"]
    # First: a process begins with the peak memory of the one that starts it.
    contenders = {finder: functools.partial(pairs_round, finder, STORIES) for finder in FINDERS}
    results = compete(contenders, rounds=arguments.rounds, threads=1, warmup=1)
    pages.append(
        table(f"Texts to pairs, {STORIES:,} news stories, 1 thread", results, unit="MB/s", ours="Erya")
    )
    pages.append(
        "### Planted near duplicates\n\n"
        "| documents | edited | mean similarity | finder | precision | recall | F1 |\n"
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |"
    )
    pages += [row for name in NAMES for row in quality(name, arguments.documents)]
    pages.append(
        "\n### One block of 4 MiB, MB of UTF-8 a CPU second\n\n"
        "| text | documents | signatures | lines | both |\n| --- | ---: | ---: | ---: | ---: |"
    )
    pages += [stages(name) for name in (*NAMES, "reviews")]
    save("deduplicate", "\n".join(pages) + "\n")


if __name__ == "__main__":
    main()
