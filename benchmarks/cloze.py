"""What a masked language model guesses for one hidden word of texts of some test splits.

The bundled models have not seen these texts. In each that has two words of Hanzi or more one of them is
hidden, each of its characters by a mask; which one depends on the text alone. Counted are characters guessed
right, those among the five likeliest, and whole words. A bigram model, counted on five million tokens of the
shards, guesses the same places from both neighbours, as far as they are not hidden themselves.

    python -m benchmarks.cloze --model erya-mini --shards DIR
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import machine, save
from benchmarks.quality_tasks import DATA, TASKS
from erya.text.words import Segmenter

MASK = "[MASK]"
SETS = ("ChnSentiCorp", "THUCNews titles", "MSRA NER", "STS-B")
MOST_TEXTS = 2000
_LONGEST = 120


@dataclass(frozen=True)
class Gap:
    """A text with a hidden word."""

    text: str
    start: int
    word: str

    @property
    def masked(self) -> str:
        """The text with a mask for each character of the word."""
        return self.text[: self.start] + MASK * len(self.word) + self.text[self.start + len(self.word) :]


def gaps(texts: Sequence[str], segmenter: Segmenter) -> Iterator[Gap]:
    """One hidden word a text: of Hanzi alone, drawn by a hash of the text."""
    for text in dict.fromkeys(text[:_LONGEST] for text in texts):
        cut = segmenter.words(text)
        words = [text[word.start : word.end] for word in cut]
        places = [place for place, word in enumerate(words) if all("一" <= letter <= "鿿" for letter in word)]
        if len(places) >= 2 and MASK not in text:
            number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
            place = places[number % len(places)]
            yield Gap(text, cut[place].start, words[place])


def test_texts(name: str) -> list[str]:
    """The texts of a test split, evenly drawn where there are many."""
    from erya.config import validate
    from erya.tasks.table import KINDS

    task = TASKS[name]
    files = {"train_file": "a", "dev_file": "b"}
    recipe: Any = validate(KINDS[task.kind].recipe, {"model": "m", **files, **task.keys}, where="the task")
    rows = KINDS[task.kind].examples(DATA / task.files[2], columns=recipe.columns, labelled=True)
    texts = [row.text for row in rows]
    return texts[:: -(-len(texts) // MOST_TEXTS)]


def guessed(predictor: Any, found: Sequence[Gap]) -> np.ndarray:
    """Of each gap: characters right, those among the five likeliest, whether it is right whole; (G, 3)."""
    rows = []
    for gap, answer in zip(found, predictor.predict([gap.masked for gap in found]), strict=True):
        guesses = [list(mask.guesses) for mask in answer.masks]
        first = [best[0] == letter for best, letter in zip(guesses, gap.word, strict=True)]
        among = [letter in best for best, letter in zip(guesses, gap.word, strict=True)]
        rows.append((sum(first), sum(among), all(first)))
    return np.array(rows)


def by_pairs(bigrams: Any, tokenizer: Any, found: Sequence[Gap]) -> np.ndarray:
    """The same of a bigram model, without the five likeliest; (G, 3)."""
    neighbours = []
    for gap in found:
        ids = tokenizer.encode(gap.masked).ids
        (places,) = np.nonzero(ids == tokenizer.mask_id)
        neighbours.append(np.stack([ids[places - 1], ids[places + 1], ids[places]]))
    left, right, seen = np.concatenate(neighbours, axis=1)
    best = iter(bigrams.guess(left, right, seen, mask_id=tokenizer.mask_id).tolist())
    rights = [[tokenizer.vocab[next(best)] == letter for letter in gap.word] for gap in found]
    return np.array([(sum(right), 0, all(right)) for right in rights])


def row(name: str, found: Sequence[Gap], model: np.ndarray, pairs: np.ndarray) -> str:
    """A line of the table."""
    letters = sum(len(gap.word) for gap in found)
    shares = (model[:, 0].sum() / letters, model[:, 1].sum() / letters, model[:, 2].mean())
    others = (pairs[:, 0].sum() / letters, pairs[:, 2].mean())
    cells = " | ".join(f"{100 * share:.1f}" for share in (*shares, *others))
    return f"| {name} | {len(found):,} | {letters:,} | {cells} |"


def main() -> None:
    """Ask the model and write `results/cloze-*.md`."""
    from erya.data.shards import Shards
    from erya.pretrain.baseline import BigramModel
    from erya.pretrain.sequences import ShardSequences
    from erya.tasks.predictor import Predictor

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--shards", type=Path, required=True, help="what the bigram model is counted on")
    arguments = parser.parse_args()
    predictor, segmenter = Predictor.open(arguments.model, device="cpu"), Segmenter()
    tokenizer = predictor.tokenizer
    shards = Shards.open(arguments.shards, split="train")
    shards.require_tokenizer(tokenizer.hash, of=str(arguments.model))
    ids = {"cls_id": tokenizer.cls_id, "sep_id": tokenizer.sep_id}
    sequences = ShardSequences(shards.shards, max_length=128, **ids)
    bigrams = BigramModel.count(sequences, vocab_size=tokenizer.vocab_size)
    lines = []
    for name in SETS:
        found = list(gaps(test_texts(name), segmenter))
        lines.append(row(name, found, guessed(predictor, found), by_pairs(bigrams, tokenizer, found)))
        print(lines[-1], flush=True)
    page = [
        f"# Guessing hidden words\n\n{machine()}.\n\n{__doc__}",
        f"The model: {arguments.model.name}. In percent.\n",
        "| test split | texts | characters | right | among five | words | bigrams: right | words |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *lines,
    ]
    save("cloze", "\n".join(page) + "\n")


if __name__ == "__main__":
    main()
