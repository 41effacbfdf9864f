"""A look into a masked language model: what it guesses for hidden tokens of a sentence everybody knows.

M masked tokens, V vocabulary size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from erya.checkpoints.directory import ModelDirectory, load_masked_language_model
from erya.checkpoints.loading import LoadReport
from erya.data.batches import pack
from erya.data.features import Features
from erya.nn.packing import PackedTensors
from erya.tokenizer.any_tokenizer import AnyTokenizer

# The first that the vocabulary can write is asked. "Beijing is the capital of China."
SENTENCES = ("中国的首都是{mask}{mask}。", "The capital of France is {mask}.")
# Of the entropy of blind guessing. A decoder with random weights of the usual size stays above it; knowing no
# more than how frequent each character is, one comes well below.
_BLIND_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Guess:
    """A token that may stand at a masked place, and its probability in [0, 1]."""

    token: str
    probability: float


@dataclass(frozen=True, slots=True)
class Probe:
    """What a model guesses.

    Attributes:
        text: the sentence with its masks.
        guesses: for each mask the likeliest tokens, the likeliest first.
        mean_best: probability of the best guess, the mean over masks.
        entropy_share: entropy of the guesses as a share of that of blind guessing, the mean over masks.
        num_rows: V.
        num_unknown: tokens of the sentence that the vocabulary does not have.
    """

    text: str
    guesses: tuple[tuple[Guess, ...], ...]
    mean_best: float
    entropy_share: float
    num_rows: int
    num_unknown: int

    @property
    def looks_untrained(self) -> bool:
        """Whether the guesses are nearly those of a model that knows nothing."""
        return self.entropy_share > _BLIND_SHARE

    @property
    def verdict(self) -> str:
        """How concentrated the guesses are, in a sentence."""
        best, blind = _percent(self.mean_best), _percent(1 / self.num_rows)
        if self.looks_untrained:
            return (
                f"looks untrained: the best guess has {best} on average, near the {blind} of blind guessing"
            )
        unknown = f"; {self.num_unknown} tokens of the sentence are unknown to the vocabulary"
        return (
            f"the best guess has {best} on average, a blind one {blind}: not random; whether it makes sense"
            f" is for you to see{unknown if self.num_unknown else ''}"
        )

    def lines(self) -> list[str]:
        """For a person: the sentence, a line a mask, the verdict."""
        shown = [
            f"mask {number}: "
            + "  ".join(f"{guess.token} {_percent(guess.probability)}" for guess in guesses)
            for number, guesses in enumerate(self.guesses, 1)
        ]
        return [self.text, *shown, self.verdict]


@torch.inference_mode()
def probe_masked_tokens(model: ModelDirectory, *, text: str | None = None, top: int = 5) -> Probe:
    """Ask a model with a masked-language head for hidden tokens.

    Args:
        model: the open directory.
        text: the sentence, `{mask}` where a token is hidden; None: one of `SENTENCES`.
        top: how many guesses a mask.
    Raises:
        CheckpointError: there is no such head, or tensors are missing.
        InputError: there is no tokenizer.
    """
    tokenizer = model.tokenizer
    sentence = text if text is not None else _sentence_for(tokenizer)
    shown = sentence.format(mask=tokenizer.vocab[tokenizer.mask_id])
    encoding = tokenizer.encode(shown)
    batch = PackedTensors.from_batch(
        pack([Features(encoding.ids, encoding.type_ids, {})]), torch.device("cpu")
    )
    (places,) = np.nonzero(encoding.ids == tokenizer.mask_id)
    batch.targets["masked_positions"] = torch.from_numpy(places)
    module = load_masked_language_model(model, report=_unsaid).float().eval()
    probabilities = module(batch).softmax(dim=-1)
    best = probabilities.topk(min(top, probabilities.shape[1]), dim=-1)
    entropy = torch.special.entr(probabilities).sum(dim=-1).mean()
    return Probe(
        text=shown,
        guesses=tuple(
            tuple(Guess(_token(tokenizer, id), value) for id, value in zip(ids, values, strict=True))
            for ids, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ),
        mean_best=float(best.values[:, 0].mean()),
        entropy_share=float(entropy) / math.log(probabilities.shape[1]),
        num_rows=probabilities.shape[1],
        num_unknown=int((encoding.ids == tokenizer.unk_id).sum()),
    )


def _sentence_for(tokenizer: AnyTokenizer) -> str:
    """The first sentence without unknown tokens; the first one where all have some."""
    for sentence in SENTENCES:
        text = sentence.format(mask=tokenizer.vocab[tokenizer.mask_id])
        if tokenizer.unk_id not in tokenizer.encode(text).ids:
            return sentence
    return SENTENCES[0]


def _token(tokenizer: AnyTokenizer, id: int) -> str:
    """A token as it is written; a row without one by its number."""
    piece = tokenizer.vocab[id] if id < tokenizer.vocab_size else ""
    return piece or f"row {id}"


def _percent(share: float) -> str:
    """Three digits are enough, however small the share is."""
    return f"{100 * share:.3g} %"


def _unsaid(report: LoadReport) -> None:
    """Whoever describes the directory says what was not used."""
