"""What a frozen encoder says of each text, kept in a file: an epoch then trains the head alone.

N tokens, S sequences, H width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erya.data.batches import bounds_of, pack
from erya.data.features import Features
from erya.errors import ConfigError
from erya.files import atomic_write
from erya.models.outputs import EncoderOutput
from erya.nn.packing import PackedTensors
from erya.runtime import Precision, pick_dtype
from erya.tasks.batches import split
from erya.tasks.craft.replay import Forward, encoder_of, replaced
from erya.tasks.learner import Learner

# Targets in rows that hold states: of all tokens, or of each sequence's first alone.
_ALL, _FIRSTS = "encoder_states", "encoder_firsts"


class StatesCache:
    """Files of encoder states in a directory, each named after what it was computed from.

    Args:
        directory: made when it is needed; files of another model or of other texts are left alone.
        learner: whose encoder is asked; on the device it is to run on.
        number_format: of the files.
        precision: of matrix products.
        batch_tokens: computed at once, at most.
    Source: Peters et al. 2019, To Tune or Not to Tune?, on feature extraction.
    """

    def __init__(
        self,
        directory: Path,
        learner: Learner,
        *,
        number_format: Literal["float16", "float32"],
        precision: Precision = "auto",
        batch_tokens: int = 8192,
    ) -> None:
        self._directory, self._learner, self._batch_tokens = directory, learner, batch_tokens
        self._encoder = encoder_of(learner.network)
        self._number_format = np.dtype(number_format)
        self._device = next(self._encoder.parameters()).device
        self._dtype = pick_dtype(precision, self._device)

    def with_states(self, features: Sequence[Features]) -> list[Features]:
        """Features that carry what the encoder says of them; computed where no file has it yet.

        Raises:
            ConfigError: the head wants the states of all blocks, which are not kept.
            StorageError: the disk refuses.
        """
        target = self._wanted(features)
        rows = np.array([1 if target == _FIRSTS else len(item.ids) for item in features])
        path = self._directory / f"{self._fingerprint(features, target)}.states"
        shape = int(rows.sum()), self._encoder.config.hidden_size
        if not path.exists():
            # Written, not mapped: a full disk is then an error, not a crash.
            with atomic_write(path) as stream:
                for part in self._states(features, target):
                    stream.write(part.tobytes())
        states = np.asarray(np.memmap(path, dtype=self._number_format, mode="r", shape=shape))
        bounds = np.concatenate([[0], np.cumsum(rows)]).tolist()
        return [
            replace(item, row_targets=item.row_targets | {target: states[bounds[i] : bounds[i + 1]]})
            for i, item in enumerate(features)
        ]

    def _wanted(self, features: Sequence[Features]) -> str:
        """Which states the head looks at: it is run on two texts."""
        asked: list[Tensor | None] = []

        def note(
            batch: PackedTensors,
            *,
            rows: Tensor | None = None,
            keep_all_hidden: bool = False,
            keep_attentions: bool = False,
        ) -> EncoderOutput:
            if keep_all_hidden or keep_attentions:
                raise ConfigError(
                    "this head looks into all blocks of the encoder, of which cached_states keeps the last",
                    hint="leave craft.cached_states out, or choose another head or pooling",
                )
            asked.append(rows)
            return EncoderOutput(torch.zeros(len(batch.ids if rows is None else rows), size, device=device))

        size, device = self._encoder.config.hidden_size, self._device
        batch = PackedTensors.from_batch(pack(features[:2]), device)
        with torch.no_grad(), replaced(self._encoder, note):
            self._learner.logits(batch)
        firsts = batch.bounds[:-1]
        of_firsts = [rows is not None and torch.equal(rows, firsts.to(rows.dtype)) for rows in asked]
        return _FIRSTS if asked and all(of_firsts) else _ALL

    def _states(self, features: Sequence[Features], target: str) -> Iterator[NDArray[np.generic]]:
        """What the encoder says, batch by batch in the order of `features`, with dropout off."""
        was_training = self._encoder.training
        self._encoder.eval()
        lengths = [len(item.ids) for item in features]
        for run in split(lengths, size=len(features), tokens=self._batch_tokens):
            some = [replace(item, targets={}, row_targets={}) for item in features[run.start : run.stop]]
            batch = PackedTensors.from_batch(pack(some), self._device)
            rows = batch.bounds[:-1].long() if target == _FIRSTS else None
            enabled = self._dtype != torch.float32
            with torch.no_grad(), torch.autocast(self._device.type, dtype=self._dtype, enabled=enabled):
                hidden = self._encoder(batch, rows=rows).hidden
            yield hidden.float().cpu().numpy().astype(self._number_format)
        self._encoder.train(was_training)

    def _fingerprint(self, features: Sequence[Features], target: str) -> str:
        """Of all that decides about the states."""
        digest = hashlib.sha256(f"{target} {self._number_format} {self._dtype}".encode())
        digest.update(self._encoder.config.model_dump_json().encode())
        for name, tensor in self._encoder.state_dict().items():
            if not name.startswith("pooler."):
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        digest.update(bounds_of(np.array([len(item.ids) for item in features])).tobytes())
        for item in features:
            digest.update(item.ids.tobytes() + item.type_ids.tobytes())
        return digest.hexdigest()[:32]


def forward_of(batch: PackedTensors) -> Forward | None:
    """In place of the encoder's: the states a batch carries; None where it carries none."""
    name = next((name for name in (_ALL, _FIRSTS) if name in batch.targets), None)
    if name is None:
        return None
    states = batch.targets[name].float()

    def forward(
        batch: PackedTensors,
        *,
        rows: Tensor | None = None,
        keep_all_hidden: bool = False,
        keep_attentions: bool = False,
    ) -> EncoderOutput:
        assert not (keep_all_hidden or keep_attentions), "refused when states were computed"
        if name == _FIRSTS:
            assert rows is not None and len(rows) == len(states), "the head asks for first tokens"
            return EncoderOutput(states)
        return EncoderOutput(states if rows is None else states.index_select(0, rows))

    return forward
