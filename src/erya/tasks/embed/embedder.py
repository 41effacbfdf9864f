"""Texts to vectors of length 1, for indexes: queries and passages, perhaps cut to fewer numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from erya.checkpoints.weights import find_weights
from erya.errors import CheckpointError, ConfigError
from erya.files import sha256_of, to_json
from erya.tasks.embed.examples import Example, Role
from erya.tasks.embed.task import EmbedTask
from erya.tasks.texts import EncodingReport

if TYPE_CHECKING:
    from erya.tasks.predictor import Predictor


class Embedder:
    """A model that makes vectors for an index.

    Args:
        predictor: an open model of sentence vectors.
        directory: where it was opened.
        size: how many numbers of each vector are kept; None: all.
        batch_tokens: tokens computed at once, at most.
    Attributes:
        report: what encoding did to all texts so far.
    Raises:
        CheckpointError: the model is for another task.
        ConfigError: the model was not trained to have its vectors cut to `size`.
    """

    def __init__(
        self, predictor: Predictor, directory: Path, *, size: int | None = None, batch_tokens: int = 8192
    ) -> None:
        from erya.checkpoints.saving import encoder_of

        if not isinstance(predictor.task, EmbedTask):
            raise CheckpointError(
                f"the model is for {predictor.kind.name}, not for sentence vectors",
                where=str(directory),
                hint=f"train one: erya finetune embed --model {directory} --train F --dev F --out DIR",
            )
        self._predictor, self._batch_tokens = predictor, batch_tokens
        self._directory, self._options = directory, predictor.task.options
        width = encoder_of(predictor.learner.network).config.hidden_size
        _require_size(size, width, self._options.sizes)
        self.size = width if size is None else size
        self.report = EncodingReport()

    @property
    def room(self) -> int:
        """Characters of a passage that fit into an input, where each is a token."""
        return self._predictor.info.max_length - 2 - len(self._options.passage_prefix)

    def fingerprint(self) -> str:
        """What tells this model from others: its weights, its vocabulary, its settings."""
        digest = hashlib.sha256()
        for path in find_weights(self._directory).paths:
            digest.update(sha256_of(path).encode())
        digest.update(self._predictor.tokenizer.hash.encode())
        settings = self._options.model_dump(mode="json", exclude={"threshold", "similar_from", "sizes"})
        digest.update(to_json(settings).encode())
        return digest.hexdigest()

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts that are to be found, shape (texts, size)."""
        return self._vectors(texts, "passage")

    def query(self, text: str) -> NDArray[np.float32]:
        """The vector of a text that asks, shape (size,)."""
        vector: NDArray[np.float32] = self._vectors([text], "query")[0]
        return vector

    def _vectors(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        examples = [
            Example(text, None, (), None, f"text {number}", number, role)
            for number, text in enumerate(texts, 1)
        ]
        predictions, report = self._predictor.predict_examples(
            examples, truncate=True, batch_tokens=self._batch_tokens
        )
        self.report += report
        vectors = np.stack([prediction.embedding for prediction in predictions])[:, : self.size]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


def _require_size(size: int | None, width: int, sizes: tuple[int, ...]) -> None:
    if size is None or size in (width, *sizes):
        return
    known = ", ".join(map(str, sorted({*sizes, width})))
    raise ConfigError(
        f"vectors of {size} numbers are not possible with this model",
        hint=f"it has {known}; train it with sizes=[{size}] to have vectors cut so",
    )
