"""What an objective leaves behind: model directories that say where they come from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from erya import __version__
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.pretrain.objectives.module import Part
from erya.pretrain.recipe import PretrainRecipe
from erya.tokenizer.wordpiece import Tokenizer


def save_part(
    part: Part,
    directory: Path,
    *,
    recipe: PretrainRecipe,
    tokenizer: Tokenizer,
    told: dict[str, Any],
    replace: bool,
) -> None:
    """Write a model directory.

    Args:
        part: the model and what it does.
        directory: where.
        recipe: of the run.
        tokenizer: of the shards.
        told: what else the model's provenance says besides version, date and recipe.
        replace: whether `directory` may be replaced.
    Raises:
        StorageError: `directory` exists, or the disk refuses.
    """
    provenance = {
        "erya": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": recipe.model_dump(mode="json"),
    }
    info = ModelInfo(
        task=part.task,
        max_length=recipe.data.max_length,
        tokenizer_mode=tokenizer.mode,
        provenance=provenance | told,
    )
    save_model(directory, module=part.module, tokenizer=tokenizer, info=info, replace=replace)
