"""Raw text to shards, end to end: megabytes of UTF-8 a second, memory, and the peers of three of the stages.

The text is all of `$ERYA_DATA/text` (default `../shared/data`), and, for sizes beyond it, the same sentences
shuffled among the documents of a file (seeded), so that no copy is a near-duplicate of what it is made of.
`erya corpus build` runs as a person would run it, with one worker and with two; memory is that of the whole
tree of processes. jieba, datasketch and `tokenizers` do the part of the work that they can do, in one thread,
on one sample, beside the stage that does it here.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import psutil

from benchmarks.harness import machine, save

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data"))
FILES = ("news", "law", "tech", "reviews", "science", "wiki", "literature", "classics_modern")
SENTENCE = re.compile(r"[^。！？\n]*[。！？\n]?")
WINDOW = 400
SAMPLE_BYTES = 8_000_000


@dataclass(frozen=True)
class Build:
    """One run: raw megabytes, seconds, the most memory of all processes together, and what it wrote."""

    workers: int
    raw_mb: float
    seconds: float
    peak_bytes: int
    shard_bytes: int
    report: dict

    @property
    def rate(self) -> float:
        return self.raw_mb / self.seconds


def documents(name: str) -> Iterator[str]:
    with lzma.open(DATA / "text" / f"{name}.jsonl.xz", "rt", encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)["text"]


def shuffled(texts: Iterator[str], rng: random.Random) -> Iterator[str]:
    """New documents of the same lengths: the sentences of some hundred documents, mixed."""
    while window := list(islice(texts, WINDOW)):
        sentences = [sentence for text in window for sentence in SENTENCE.findall(text) if sentence]
        rng.shuffle(sentences)
        left = iter(sentences)
        for text in window:
            taken: list[str] = []
            while sum(map(len, taken)) < len(text) and (sentence := next(left, None)) is not None:
                taken.append(sentence)
            if taken:
                yield "".join(taken)


def write_raw(folder: Path, megabytes: int) -> float:
    """Fill `folder` with JSON lines of about so many megabytes of text; gives how many they are."""
    folder.mkdir(parents=True)
    size, copy = 0, 0
    while size < megabytes * 1e6:
        for name in FILES:
            rng = random.Random(f"{name} {copy}")
            texts = documents(name) if copy == 0 else shuffled(documents(name), rng)
            with (folder / f"{copy}-{name}.jsonl").open("w", encoding="utf-8") as stream:
                for text in texts:
                    stream.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
                    size += len(text.encode())
                    if size >= megabytes * 1e6:
                        return size / 1e6
        copy += 1
    return size / 1e6


def build(raw: Path, out: Path, *, workers: int, raw_mb: float, tokenizer: Path, memory: str) -> Build:
    program = Path(sys.executable).with_name("erya")
    command = [str(program), "corpus", "build", str(raw), "--tokenizer", str(tokenizer)]
    command += ["--out", str(out), "--workers", str(workers), "--memory", memory]
    begin = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, memory_of(process))
        time.sleep(0.1)
    seconds = time.perf_counter() - begin
    assert process.returncode == 0, "the build failed"
    shards = sum(path.stat().st_size for path in (out / "shards").rglob("*.bi*"))
    report = json.loads((out / "documents" / "report.json").read_text(encoding="utf-8"))
    return Build(workers, raw_mb, seconds, peak, shards, report)


def memory_of(process: psutil.Process) -> int:
    """Resident memory of a process and all that come from it; what they share is counted once."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def peers(tokenizer: Path) -> str:
    """The stages that peers can do, MB/s in one thread, medians of three turns."""
    sample = list(islice(chain(documents("news")), 6000))
    size, texts = 0, []
    for text in sample:
        texts.append(text)
        size += len(text.encode())
        if size > SAMPLE_BYTES:
            break
    rows = [
        ("segmentation", "jieba", jieba_words(), "rjieba, as used here", erya_words()),
        ("near-duplicate signatures", "datasketch", datasketch_signatures(), "here (rensa)", signatures()),
        ("tokens", "tokenizers, encode_batch_fast", library_ids(tokenizer), "here", erya_ids(tokenizer)),
    ]
    lines = ["| stage | peer | MB/s | here | MB/s | ratio |", "| --- | --- | ---: | --- | ---: | ---: |"]
    for stage, peer, theirs, name, ours in rows:
        # The slow peers see a part of the sample: they would take minutes.
        few = texts[: len(texts) // (20 if peer != "tokenizers, encode_batch_fast" else 1)]
        slow, quick = [], []
        for _ in range(3):
            slow.append(rate(theirs, few))
            quick.append(rate(ours, texts))
        mine, other = sorted(quick)[1], sorted(slow)[1]
        lines.append(f"| {stage} | {peer} | {other:.2f} | {name} | {mine:.1f} | {mine / other:.0f}x |")
    return "\n".join(lines) + "\n"


def rate(work: Callable[[list[str]], object], texts: list[str]) -> float:
    begin = time.perf_counter()
    work(texts)
    return sum(len(text.encode()) for text in texts) / 1e6 / (time.perf_counter() - begin)


def jieba_words() -> Callable[[list[str]], object]:
    import jieba

    jieba.setLogLevel(60)
    jieba.initialize()
    return lambda texts: [jieba.lcut(text) for text in texts]


def erya_words() -> Callable[[list[str]], object]:
    from erya.text.words import Segmenter

    segmenter = Segmenter()
    segmenter.starts("好")
    return lambda texts: segmenter.starts("\n".join(texts))


def datasketch_signatures() -> Callable[[list[str]], object]:
    from datasketch import MinHash

    def sign(texts: list[str]) -> None:
        grams = [{text[i : i + 2].encode() for i in range(len(text) - 1)} for text in texts]
        MinHash.bulk(grams, num_perm=128)

    return sign


def signatures() -> Callable[[list[str]], object]:
    import numpy as np

    from erya.corpus.deduplicate.folding import fold
    from erya.corpus.deduplicate.options import DeduplicateOptions
    from erya.corpus.deduplicate.signatures import signature_batch

    options = DeduplicateOptions()
    return lambda texts: signature_batch(np.arange(len(texts)), fold(texts), options)


def library_ids(directory: Path) -> Callable[[list[str]], object]:
    import tokenizers

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    return tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json")).encode_batch_fast


def erya_ids(directory: Path) -> Callable[[list[str]], object]:
    from erya.tokenizer.wordpiece import Tokenizer

    tokenizer = Tokenizer.open(directory)
    return lambda texts: tokenizer.flat_pieces(texts, literals=False)


def builds_table(builds: list[Build]) -> str:
    one = builds[0]
    lines = [
        "| workers | raw, MB | seconds | MB/s | against one | peak memory, MiB | shards by raw bytes |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for run in builds:
        ratio = f"{run.rate / one.rate:.2f}x" if one.workers == 1 else ""
        lines.append(
            f"| {run.workers} | {run.raw_mb:,.0f} | {run.seconds:,.0f} | {run.rate:.2f} "
            f"| {ratio} | {run.peak_bytes / 2**20:,.0f} "
            f"| {run.shard_bytes / run.raw_mb / 1e6:.2f} |"
        )
    return "\n".join(lines) + "\n"


def stages_table(build: Build) -> str:
    lines = ["| stage | seconds of one worker | MB/s |", "| --- | ---: | ---: |"]
    for stage in build.report["stages"]:
        if "seconds" in stage:
            lines.append(f"| {stage['name']} | {stage['seconds']:.1f} | {stage['megabytes_per_s']:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run and write `results/corpus-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="raw text for one and for two workers")
    parser.add_argument("--large", type=int, default=1000, help="raw text for the run with a bound; 0: none")
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(dir=arguments.scratch))
    try:
        from tokenizers import BertWordPieceTokenizer

        tokenizer = scratch / "tokenizer"
        tokenizer.mkdir()
        vocabulary = next((DATA / "tasks" / "vocab").glob("*.txt"))
        BertWordPieceTokenizer(str(vocabulary)).save(str(tokenizer / "tokenizer.json"))
        pages = [f"# Corpus building\n\n{machine()}.\n\n{__doc__}\n", "## Peers\n", peers(tokenizer)]
        size = write_raw(scratch / "raw", arguments.megabytes)
        options = {"raw_mb": size, "tokenizer": tokenizer, "memory": arguments.memory}
        builds = [build(scratch / "raw", scratch / f"{n}", workers=n, **options) for n in (1, 2)]
        pages += ["## One worker and two\n", builds_table(builds), "## Stages\n", stages_table(builds[0])]
        if arguments.large:
            options["raw_mb"] = write_raw(scratch / "large", arguments.large)
            run = build(scratch / "large", scratch / "large-out", workers=2, **options)
            pages += [f"## {arguments.large} MB within {arguments.memory}\n", builds_table([run])]
            pages.append(stages_table(run))
        save("corpus", "\n".join(pages))
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
