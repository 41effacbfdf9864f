"""A network that is always right: the outputs of each head that say just what the targets say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from erya.tasks.tag.reading import Entity, Example
from erya.tasks.tag.recipe import TagSettings
from erya.tasks.tag.schemes import TagSet
from erya.tasks.tag.targets import ENTITIES, TAGS
from erya.tasks.tag.task import TagTask
from erya.tasks.task import Encoded
from erya.tokenizer.wordpiece import Tokenizer

SURE = 12.0


def made_task(head: str, types: tuple[str, ...], **options) -> TagTask:
    """A task with some types."""
    settings = TagSettings(head=head, **options)
    if head == "span_pairs":
        return TagTask(types, settings)
    return TagTask(TagSet.of_types(settings.scheme, types).labels, settings)


def right_outputs(task: TagTask, encoded: Encoded) -> list[np.ndarray]:
    """What a network would give that knows the targets."""
    outputs = []
    for item in encoded.features:
        if task.options.head == "span_pairs":
            pairs = item.row_targets[ENTITIES]
            outputs.append(np.column_stack([pairs, np.full(len(pairs), SURE)]).astype(np.float64))
            continue
        tags = item.row_targets[TAGS]
        rows = np.zeros((len(tags), len(task.labels)), dtype=np.float32)
        known = tags >= 0
        rows[np.flatnonzero(known), tags[known]] = SURE
        moves = np.zeros((len(task.labels) + 2 if task.options.head == "crf" else 0, len(task.labels)))
        outputs.append(np.concatenate([moves, rows]))
    return outputs


def example(text: str, *places: tuple[int, int, str]) -> Example:
    """A text with entities at places."""
    entities = tuple(Entity(a, b, kind, text[a:b]) for a, b, kind in sorted(places))
    return Example(text, entities, f"{text!r}", 1)


def places_of(entities: tuple[Entity, ...]) -> set[tuple[int, int, str]]:
    """Start, end and type of each."""
    return {(entity.start, entity.end, entity.type) for entity in entities}


def open_vocabulary(directory: Path, pieces: str, *words: str, mode: str = "native") -> Tokenizer:
    """A tokenizer whose vocabulary has these characters, letters also within words, and these words."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [f"##{letter}" for letter in pieces if letter.isascii() and letter.isalnum()]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "vocab.txt").write_text(
        "\n".join([*special, *dict.fromkeys(pieces), *letters, *words]) + "\n"
    )
    (directory / "tokenizer_config.json").write_text(f'{{"erya_mode": "{mode}"}}')
    return Tokenizer.open(directory)
