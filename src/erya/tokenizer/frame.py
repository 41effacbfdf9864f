"""The special tokens around texts: which, where, and of which segment."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import tokenizers

from erya.errors import CheckpointError

Special = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around one text, or around the two of a pair.

    Attributes:
        specials: the special tokens, (id, segment) each, before the first text, before the second, behind the
            last: one group more than there are texts.
        segments: the segment of the tokens of each text.
    """

    specials: tuple[tuple[Special, ...], ...]
    segments: tuple[int, ...]

    @property
    def num_special(self) -> int:
        """How many special tokens there are."""
        return sum(map(len, self.specials))


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a tokenizer.

    Attributes:
        single: around one text.
        pair: around a pair.
    """

    single: Frame
    pair: Frame


def bert_frames(cls_id: int, sep_id: int) -> Frames:
    """[CLS] a [SEP], and [CLS] a [SEP] b [SEP] with the second text and its [SEP] in segment 1."""
    cls, sep = (cls_id, 0), (sep_id, 0)
    return Frames(Frame(((cls,), (sep,)), (0,)), Frame(((cls,), (sep,), ((sep_id, 1),)), (0, 1)))


def learned_frames(library: tokenizers.Tokenizer, probe: str, *, where: str) -> Frames:
    """What the post-processor of a library's tokenizer puts around texts.

    Args:
        library: the tokenizer.
        probe: a text of at least one token.
        where: its file, for the message.
    Raises:
        CheckpointError: it puts more than special tokens around them.
    """
    single = _frame(library.encode(probe), 1, where)
    return Frames(single, _frame(library.encode(probe, probe), 2, where))


def _frame(encoding: tokenizers.Encoding, num_texts: int, where: str) -> Frame:
    tokens = zip(encoding.sequence_ids, encoding.ids, encoding.type_ids, strict=True)
    runs = [(text, list(run)) for text, run in itertools.groupby(tokens, key=lambda token: token[0])]
    if [text for text, _ in runs if text is not None] != list(range(num_texts)):
        raise CheckpointError("the post-processor repeats or swaps texts", where=where)
    specials: list[tuple[Special, ...]] = [()]
    segments = []
    for text, run in runs:
        if text is None:
            specials[-1] = tuple((id, segment) for _, id, segment in run)
        else:
            segments.append(run[0][2])
            specials.append(())
    return Frame(tuple(specials), tuple(segments))


def is_bert_frame(post_processor: object) -> bool:
    """Whether a post-processor of `tokenizer.json` frames texts as `bert_frames` does; none at all counts."""
    if not isinstance(post_processor, dict):
        return post_processor is None
    kind = post_processor.get("type")
    if kind != "TemplateProcessing":
        return kind == "BertProcessing"
    single, pair = (_shape(post_processor.get(name)) for name in ("single", "pair"))
    if len(single) != 3:
        return False
    (cls, _), _, (sep, _) = single
    return single == [(cls, 0), ("A", 0), (sep, 0)] and pair == [*single, ("B", 1), (sep, 1)]


def _shape(template: object) -> Sequence[tuple[object, object]]:
    """The names and segments of a template's parts."""
    listed = template if isinstance(template, list) else []
    parts = [value for part in listed for value in part.values()]
    return [(part.get("id"), part.get("type_id")) for part in parts]
