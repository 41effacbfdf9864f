"""Replaced-token detection: a small generator fills masks, a discriminator finds what it filled in wrongly.

N tokens, M chosen positions, H width, E width of the embeddings, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from erya.data.batches import PackedBatch
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.heads.replaced_token import ReplacedTokenModel
from erya.models.masked_lm import LOSS_NAME, MaskedLanguageModel
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.pretrain.objectives.masked import masked_metrics, score_masked
from erya.pretrain.objectives.module import ObjectiveModule, Part
from erya.pretrain.objectives.sums import Sums
from erya.train.directory import GENERATOR_DIRECTORY, MODEL_DIRECTORY

REPLACED_LOSS = "replaced_token"
# Rows that meet the vocabulary at once when samples are drawn.
_CHUNK_ROWS = 128
_SCALE = 2.0**40
_EVALUATION_SEED = 0  # held-out text is always filled in by the same random numbers


class ReplacedTraining(ObjectiveModule):
    """ELECTRA: the generator learns to guess masked tokens, the discriminator to tell guesses from the text.

    Args:
        generator: a masked language model; one made by `share_embeddings` shares the discriminator's.
        discriminator: the model that is wanted.
        weight: of the discriminator's loss.
        temperature: the generator's logits are divided by it before a token is drawn.
    Source: Clark et al. 2020, ELECTRA, section 2 and appendix A.
    """

    def __init__(
        self,
        generator: MaskedLanguageModel,
        discriminator: ReplacedTokenModel,
        *,
        weight: float = 50.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.weight, self.temperature = weight, temperature

    def forward(self, batch: PackedTensors, *, sums: Sums | None = None) -> list[LossTerm]:
        """See `ObjectiveModule.forward`. Draws from torch's own generator, which a step has seeded."""
        labels = batch.targets["masked_labels"]
        chosen = self.generator.encoder(batch, rows=batch.targets["masked_positions"]).hidden
        if sums is None:
            masked = LossTerm(LOSS_NAME, self.generator.loss_of(chosen, labels), len(labels))
            noise = None
        else:
            masked = score_masked(self.generator, chosen, labels, sums)
            noise = torch.Generator(labels.device).manual_seed(_EVALUATION_SEED)
        samples = draw_tokens(self.generator, chosen, temperature=self.temperature, generator=noise)
        filled, replaced = fill_in(batch, samples)
        logits = self.discriminator(filled)
        total = functional.binary_cross_entropy_with_logits(logits.float(), replaced.float(), reduction="sum")
        if sums is not None:
            sums.add({"replaced_loss": total, "tokens": len(replaced), **_agreement(logits > 0, replaced)})
        return [masked, LossTerm(REPLACED_LOSS, total, len(replaced), self.weight)]

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """See `ObjectiveModule.counts`: the discriminator judges every token."""
        return {LOSS_NAME: len(batch.targets["masked_labels"]), REPLACED_LOSS: batch.num_tokens}

    def metrics(self, sums: Mapping[str, float]) -> dict[str, float]:
        """The generator's, as of every masked language model, and the discriminator's as `replaced_...`."""
        tokens = max(sums["tokens"], 1)
        return masked_metrics(sums) | {
            "replaced_loss": sums["replaced_loss"] / tokens,
            "replaced_accuracy": (sums["found"] + sums["passed"]) / tokens,
            "replaced_precision": sums["found"] / max(sums["suspected"], 1),
            "replaced_recall": sums["found"] / max(sums["replaced"], 1),
        }

    def parts(self) -> dict[str, Part]:
        """The discriminator is the model; the generator lies beside it."""
        return {
            MODEL_DIRECTORY: Part(self.discriminator, "replaced_token"),
            GENERATOR_DIRECTORY: Part(self.generator, "masked_lm"),
        }

    def encoders(self) -> list[Encoder]:
        """The discriminator's, then the generator's."""
        return [self.discriminator.encoder, self.generator.encoder]


def generator_config(config: EncoderConfig, *, width: float, depth: float = 1.0) -> EncoderConfig:
    """The configuration of a generator for a discriminator of this one.

    Args:
        config: the discriminator's.
        width: the generator's share of its width, inner width and heads, in (0, 1].
        depth: the generator's share of its layers, in (0, 1].
    Source: Clark et al. 2020, ELECTRA, section 3.2 and appendix A.
    """
    head_size = config.hidden_size // config.num_heads
    num_heads = max(1, round(config.num_heads * width))
    size = num_heads * head_size
    return config.model_copy(
        update={
            "hidden_size": size,
            "num_heads": num_heads,
            "intermediate_size": max(1, round(config.intermediate_size * width)),
            "num_layers": max(1, round(config.num_layers * depth)),
            "embedding_size": None if config.words_size == size else config.words_size,
        }
    )


def share_embeddings(generator: Encoder, discriminator: Encoder) -> None:
    """Let a generator use a discriminator's embeddings; what widens or narrows them stays its own.

    Source: Clark et al. 2020, ELECTRA, section 3.2, and its reference implementation.
    """
    own, shared = generator.embeddings, discriminator.embeddings
    own.words, own.positions, own.segments, own.tasks = (
        shared.words,
        shared.positions,
        shared.segments,
        shared.tasks,
    )
    if not shared.norm_after_projection:
        own.norm = shared.norm


@torch.no_grad()
def draw_tokens(
    model: MaskedLanguageModel,
    chosen: Tensor,
    *,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw a token for each chosen position from a model's guesses, int64, shape (M,).

    The law is that of Gumbel noise on the logits, with one random number a row and not one a piece of the
    vocabulary. Probabilities are whole numbers of 1/2**40: their sums are the same in any order.

    Args:
        model: whose guesses.
        chosen: states at the chosen positions, shape (M, H).
        temperature: logits are divided by it.
        generator: of the noise; None: torch's own.
    """
    places = torch.rand(len(chosen), 1, dtype=torch.float64, device=chosen.device, generator=generator)
    drawn = [
        _draw_rows(model, rows, place, temperature)
        for rows, place in zip(
            torch.split(chosen, _CHUNK_ROWS), torch.split(places, _CHUNK_ROWS), strict=True
        )
    ]
    return torch.cat(drawn)


def _draw_rows(model: MaskedLanguageModel, rows: Tensor, places: Tensor, temperature: float) -> Tensor:
    logits = model.head(rows, model.encoder.embeddings.words.weight)
    probs = torch.softmax(logits.float() / temperature, dim=-1)
    ends = (probs * _SCALE).long().cumsum(dim=-1)
    wanted = (places * ends[:, -1:]).long()
    drawn = torch.searchsorted(ends, wanted, right=True).squeeze(1)
    # Probabilities that are not numbers may lead beyond the last token; the loss says what is wrong.
    return drawn.clamp(max=ends.shape[-1] - 1)


def fill_in(batch: PackedTensors, samples: Tensor) -> tuple[PackedTensors, Tensor]:
    """The text with samples at the chosen positions, and which tokens are not those of the text.

    Args:
        batch: with the targets `masked_positions` and `masked_labels`.
        samples: int64, shape (M,).
    Returns:
        The batch without targets, and bool, shape (N,): a sample that happens to be right is not replaced.
    """
    positions, labels = batch.targets["masked_positions"], batch.targets["masked_labels"]
    replaced = torch.zeros(len(batch.ids), dtype=torch.bool, device=batch.ids.device)
    replaced[positions] = samples != labels
    return replace(batch, ids=batch.ids.index_copy(0, positions, samples), targets={}), replaced


def _agreement(suspected: Tensor, replaced: Tensor) -> dict[str, Tensor]:
    """How many tokens are suspected, are replaced, are both and are neither."""
    return {
        "suspected": suspected.sum(),
        "replaced": replaced.sum(),
        "found": (suspected & replaced).sum(),
        "passed": (~suspected & ~replaced).sum(),
    }
