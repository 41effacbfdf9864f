"""Learning from a teacher: its guesses at masked tokens, and how its tokens relate within a layer.

Knows models and batches, no recipe. What a row of logits teaches (`soft_loss`) is for every room.

N tokens, M chosen positions, H width, E width of the embeddings, V vocabulary size, R relation heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from erya.data.batches import PackedBatch
from erya.models.encoder import Encoder
from erya.models.masked_lm import MaskedLanguageModel
from erya.nn.block import PostNormBlock
from erya.nn.layout import Group, layout_of
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors

LOGITS_LOSS, RELATIONS_LOSS = "teacher_logits", "teacher_relations"
# Rows that meet the vocabulary at once: logits of student and teacher are never all there.
_CHUNK_ROWS = 128


@dataclass(frozen=True, slots=True)
class LogitsGoal:
    """Guess as the teacher does.

    Attributes:
        weight: of the loss.
        temperature: logits of both are divided by it, and the loss multiplied by its square.
        top_k: how many of the teacher's best guesses count, as if there were no others; None: all.
    Source: Hinton et al. 2015, Distilling the Knowledge in a Neural Network, section 2.
    """

    weight: float = 1.0
    temperature: float = 1.0
    top_k: int | None = None


@dataclass(frozen=True, slots=True)
class RelationsGoal:
    """Relate tokens as a layer of the teacher does.

    Attributes:
        weight: of the loss.
        num_heads: R, relation heads: divides both widths, and need not be anybody's attention heads.
        teacher_layer, student_layer: which layers, from 0; None: the last one.
    Source: Wang et al. 2021, MiniLMv2: Multi-Head Self-Attention Relation Distillation, section 3.
    """

    weight: float = 1.0
    num_heads: int = 12
    teacher_layer: int | None = None
    student_layer: int | None = None


class Distillation:
    """What a student learns from a teacher besides the text.

    It is no module, so that the teacher is neither trained nor saved.

    Args:
        teacher: a masked language model with the student's vocabulary.
        logits: whether and how guesses are taught.
        relations: whether and how relations are taught.
    """

    def __init__(
        self, teacher: MaskedLanguageModel, *, logits: LogitsGoal | None, relations: RelationsGoal | None
    ) -> None:
        self._teacher = teacher.eval().requires_grad_(False)
        self._logits, self._relations = logits, relations

    def __deepcopy__(self, memo: dict[int, object]) -> Distillation:
        """Copies of a student have one teacher: nobody changes it."""
        return self

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """How many targets each of its loss terms has."""
        counts = {LOGITS_LOSS: len(batch.targets["masked_labels"]), RELATIONS_LOSS: batch.num_tokens}
        wanted = {LOGITS_LOSS: self._logits, RELATIONS_LOSS: self._relations}
        return {name: count for name, count in counts.items() if wanted[name] is not None}

    @contextmanager
    def listening(self, student: Encoder) -> Iterator[list[Tensor]]:
        """Keep what the student's layer projects while it runs: queries, keys and values, (N, 3 * H)."""
        if self._relations is None:
            yield []
            return
        with _listening(student, self._relations.student_layer) as heard:
            yield heard

    def terms(
        self, batch: PackedTensors, student: MaskedLanguageModel, chosen: Tensor, heard: list[Tensor]
    ) -> list[LossTerm]:
        """The losses of a batch.

        Args:
            batch: what the student has just read.
            student: it.
            chosen: its states at the chosen positions, shape (M, H).
            heard: what `listening` kept.
        """
        if next(self._teacher.parameters()).device != chosen.device:
            self._teacher.to(chosen.device)
        layer = None if self._relations is None else self._relations.teacher_layer
        with torch.no_grad(), _listening(self._teacher.encoder, layer) as told:
            taught = self._teacher.encoder(batch, rows=batch.targets["masked_positions"]).hidden
        terms = []
        if (logits := self._logits) is not None:
            total = _guess_loss(student, chosen, self._teacher, taught, logits)
            terms.append(LossTerm(LOGITS_LOSS, total, len(chosen), logits.weight))
        if (relations := self._relations) is not None:
            occurrence = _occurrence(student.encoder, relations.student_layer)
            total = relation_loss(
                heard[occurrence],
                told[_occurrence(self._teacher.encoder, layer)],
                batch,
                num_heads=relations.num_heads,
            )
            terms.append(LossTerm(RELATIONS_LOSS, total, len(batch.ids), relations.weight))
        return terms


def soft_loss(
    logits: Tensor, taught: Tensor, *, temperature: float = 1.0, top_k: int | None = None
) -> Tensor:
    """Divergence of a student's guesses from a teacher's, summed over rows, times the temperature squared.

    Args:
        logits, taught: of student and teacher, shape (M, V).
        temperature: both are divided by it.
        top_k: how many of the teacher's best guesses count; None: all.
    Source: Hinton et al. 2015, Distilling the Knowledge in a Neural Network, section 2.
    """
    own = functional.log_softmax(logits.float() / temperature, dim=-1)
    wanted = taught.float() / temperature
    if top_k is not None and top_k < wanted.shape[-1]:
        wanted, best = wanted.topk(top_k, dim=-1)
        own = own.gather(-1, best)
    log_probs = functional.log_softmax(wanted, dim=-1)
    return functional.kl_div(own, log_probs, reduction="sum", log_target=True) * temperature**2


def relation_loss(student: Tensor, teacher: Tensor, batch: PackedTensors, *, num_heads: int) -> Tensor:
    """Divergence of how a student's tokens relate from how a teacher's do, summed over tokens.

    Queries relate to queries, keys to keys, values to values, each by a softmax of scaled products within the
    sequence; the three are added up, the mean over relation heads is taken.

    Args:
        student, teacher: queries, keys and values side by side, shape (N or more, 3 * H), widths may differ.
        batch: where the sequences are.
        num_heads: R.
    Source: Wang et al. 2021, MiniLMv2, equations 3 to 5.
    """
    # What a token may see is the attention's business: here all tokens of a sequence relate.
    groups = layout_of(replace(batch, prefixes=None)).groups
    total = student.new_zeros((), dtype=torch.float32)
    for own, wanted in zip(student.chunk(3, dim=1), teacher.chunk(3, dim=1), strict=True):
        for group in groups:
            # Worked out again for the gradient: a group's relations are as large as its attention's.
            part = checkpoint(_group_loss, own, wanted, group, num_heads, use_reentrant=False)
            total = total + part
    return total / num_heads


def _group_loss(student: Tensor, teacher: Tensor, group: Group, num_heads: int) -> Tensor:
    """Summed over the tokens of the group and relation heads; padding neither relates nor is related to."""
    own, wanted = _relations_of(student, group, num_heads), _relations_of(teacher, group, num_heads)
    divergence = wanted.exp() * (wanted - own).nan_to_num(nan=0.0)  # padding: -inf less -inf
    if group.padding is not None:
        divergence = divergence.masked_fill(group.padding.view(group.num_sequences, 1, group.length, 1), 0.0)
    return divergence.sum()


def _relations_of(vectors: Tensor, group: Group, num_heads: int) -> Tensor:
    """Log-probabilities, float32, shape (G, R, L, L), from vectors (N or more, H)."""
    cells = vectors if group.rows is None else vectors.index_select(0, group.rows)
    heads = cells[: group.num_sequences * group.length].view(group.num_sequences, group.length, num_heads, -1)
    heads = heads.transpose(1, 2)
    scores = (heads @ heads.transpose(2, 3)).float() / heads.shape[-1] ** 0.5
    if group.key_bias is not None:
        scores = scores + group.key_bias.unsqueeze(1)
    return functional.log_softmax(scores, dim=-1)


def _guess_loss(
    student: MaskedLanguageModel,
    chosen: Tensor,
    teacher: MaskedLanguageModel,
    taught: Tensor,
    goal: LogitsGoal,
) -> Tensor:
    """`soft_loss` of all chosen tokens, some rows at a time; logits are worked out again for gradients."""

    def of_rows(own: Tensor, wanted: Tensor) -> Tensor:
        with torch.no_grad():
            guesses = teacher.head(wanted, teacher.encoder.embeddings.words.weight)
        logits = student.head(own, student.encoder.embeddings.words.weight)
        # Either may have more rows than the vocabulary has pieces.
        size = min(logits.shape[-1], guesses.shape[-1])
        return soft_loss(logits[:, :size], guesses[:, :size], temperature=goal.temperature, top_k=goal.top_k)

    total = chosen.new_zeros((), dtype=torch.float32)
    for own, wanted in zip(torch.split(chosen, _CHUNK_ROWS), torch.split(taught, _CHUNK_ROWS), strict=True):
        total = total + checkpoint(of_rows, own, wanted, use_reentrant=False)
    return total


@contextmanager
def _listening(encoder: Encoder, layer: int | None) -> Iterator[list[Tensor]]:
    """Collect what the projection of a layer gives; a block that serves several layers is heard for each."""
    heard: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        heard.append(output)

    block = encoder.blocks[_steps(encoder)[_last_step(encoder, layer)]]
    assert isinstance(block, PostNormBlock), "a block is one of erya.nn.block"
    handle = block.attention.qkv.register_forward_hook(keep)
    try:
        yield heard
    finally:
        handle.remove()


def _occurrence(encoder: Encoder, layer: int | None) -> int:
    """Which of the runs of its block is the layer's."""
    steps, step = _steps(encoder), _last_step(encoder, layer)
    return steps[: step + 1].count(steps[step]) - 1


def _steps(encoder: Encoder) -> list[int]:
    """The blocks a token goes through, one after the other."""
    config = encoder.config
    return [block for layer in range(config.num_layers) for block in config.block_of(layer)]


def _last_step(encoder: Encoder, layer: int | None) -> int:
    """The last block of a layer among `_steps`."""
    number = encoder.config.num_layers - 1 if layer is None else layer
    return (number + 1) * encoder.config.group_size - 1
