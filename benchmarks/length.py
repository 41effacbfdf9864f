"""Masked accuracy of a model on sequences longer than it was trained on, by way of lengthening its positions.

The held-out part of shards is cut into sequences of the longest length and masked once (15 %, four draws).
Every other length sees the same tokens with the same masks, cut into as many sequences as it takes; so a row
differs from another only in how far a token sees. Only sequences of nearly the longest length count.

    python -m benchmarks.length --model runs/law/model --shards shards --lengths 512 1024 2048
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import machine, save

PROB, DRAWS, SEQUENCES_AT_ONCE = 0.15, 4, 4
# [CLS], ids, [SEP]; and what stood there, -1 where nothing is asked.
Masked = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Run and write `results/length-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a masked language model's directory")
    parser.add_argument("--shards", type=Path, required=True, help="with held-out text of long documents")
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048])
    arguments = parser.parse_args()
    lengths = sorted(arguments.lengths)
    texts = list(masked_texts(arguments.shards, lengths[-1]))
    asked = sum(int((labels >= 0).sum()) for _, labels in texts)
    lines = [
        f"# Longer sequences\n\n{machine()}\n\n{__doc__}\n",
        f"{len(texts)} masked sequences of {lengths[-1]} tokens, {asked:,} predictions a row.\n",
        "| tokens a sequence | positions | masked accuracy | difference |",
        "| ---: | --- | ---: | ---: |",
    ]
    first = None
    for length in lengths:
        for name, model in models(arguments.model, length):
            accuracy = score(model, texts, length)
            first = accuracy if first is None else first
            lines.append(f"| {length} | {name} | {accuracy:.2%} | {100 * (accuracy - first):+.2f} points |")
            print(lines[-1], flush=True)
    save("length", "\n".join(lines) + "\n")


def masked_texts(directory: Path, length: int) -> Iterator[Masked]:
    """Held-out sequences of about `length` tokens, masked."""
    from erya.data.shards import Shards
    from erya.pretrain.masking.masker import Masker
    from erya.pretrain.masking.units import TOKENS
    from erya.pretrain.sequences import ShardSequences
    from erya.tokenizer.wordpiece import Tokenizer

    shards = Shards.open(directory, split="heldout")
    tokenizer = Tokenizer.open(shards.tokenizer_directory)
    sequences = ShardSequences(
        shards.shards, max_length=length, cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id
    )
    numbers = np.flatnonzero(sequences.lengths >= length - 64)
    for draw in range(DRAWS):
        masker = Masker(
            prob=PROB,
            units=TOKENS,
            vocab_size=tokenizer.vocab_size,
            special_ids=tokenizer.special_ids | {tokenizer.unk_id},
            mask_id=tokenizer.mask_id,
            seed=draw,
        )
        for number in numbers:
            one = np.array([number])
            packed = sequences.read(one)
            masked = masker.mask(packed.ids, packed.word_starts, packed.lengths, epoch=0, numbers=one)
            labels = np.full(len(masked.ids), -1, dtype=np.int64)
            labels[masked.positions] = masked.labels
            yield masked.ids, labels


def models(directory: Path, length: int) -> Iterator[tuple[str, Any]]:
    """The model, for sequences of up to `length` tokens, in every way there is."""
    from erya.checkpoints.directory import load_masked_language_model
    from erya.models.lengthen import lengthen

    model = load_masked_language_model(directory).eval()
    config = model.encoder.config
    if length <= config.max_positions:
        yield "as trained", model
        return
    if config.positions.kind != "absolute":
        yield "unchanged", with_encoder(model, unchanged(model.encoder, length))
        yield "lengthened", with_encoder(model, lengthen(model.encoder, length))
        return
    for method in ("hierarchical", "interpolate"):
        yield method, with_encoder(model, lengthen(model.encoder, length, method=method))


def unchanged(encoder: Any, length: int) -> Any:
    """Only the limit is another."""
    from erya.models.encoder import Encoder

    longer = Encoder(encoder.config.model_copy(update={"max_positions": length}), pooler=False)
    longer.load_state_dict(encoder.state_dict())
    return longer.eval()


def with_encoder(model: Any, encoder: Any) -> Any:
    """The same head on another encoder."""
    from erya.models.masked_lm import MaskedLanguageModel

    other = MaskedLanguageModel(encoder)
    other.head.load_state_dict(model.head.state_dict())
    return other.eval()


def score(model: Any, texts: list[Masked], length: int) -> float:
    """Share of right predictions when a sequence has at most `length` tokens."""
    import torch

    right = asked = 0
    for start in range(0, len(texts), SEQUENCES_AT_ONCE):
        pieces = [piece for text in texts[start : start + SEQUENCES_AT_ONCE] for piece in cut(text, length)]
        batch = packed(pieces)
        labels = batch.targets["masked_labels"]
        with torch.inference_mode():
            right += int((model(batch).argmax(dim=-1) == labels).sum())
        asked += len(labels)
    return right / asked


def cut(text: Masked, length: int) -> Iterator[Masked]:
    """Equal pieces, each with a [CLS] and a [SEP]."""
    ids, labels = text
    count = -(-(len(ids) - 2) // (length - 2))
    for own, asked in zip(np.array_split(ids[1:-1], count), np.array_split(labels[1:-1], count), strict=True):
        yield np.concatenate([ids[:1], own, ids[-1:]]), np.concatenate([[-1], asked, [-1]])


def packed(pieces: list[Masked]) -> Any:
    import torch

    from erya.data.batches import PackedBatch, bounds_of, positions_of
    from erya.nn.packing import PackedTensors

    ids, labels = [own for own, _ in pieces], np.concatenate([own for _, own in pieces])
    lengths = np.array([len(own) for own in ids])
    places = np.flatnonzero(labels >= 0)
    batch = PackedBatch(
        ids=np.concatenate(ids).astype(np.int32),
        type_ids=np.zeros(int(lengths.sum()), dtype=np.uint8),
        positions=positions_of(lengths),
        bounds=bounds_of(lengths),
        max_length=int(lengths.max()),
        targets={"masked_positions": places, "masked_labels": labels[places]},
    )
    return PackedTensors.from_batch(batch, torch.device("cpu"))


if __name__ == "__main__":
    main()
