"""What the outcome of a cleaning job depends on, besides the raw files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erya.corpus.decontaminate.reading import EvaluationFile
from erya.corpus.recipe import CorpusRecipe


def clean_identity(recipe: CorpusRecipe, evaluation: Sequence[EvaluationFile]) -> dict[str, Any]:
    """The options as plain values; of evaluation files what is in them, not where they are.

    Args:
        recipe: what happens to a record.
        evaluation: the evaluation files that the recipe names.
    """
    identity = recipe.model_dump(mode="json")
    del identity["decontaminate"]
    if evaluation:
        contents = [file.sha256 for file in evaluation]
        identity["decontaminate"] = {"files": contents, "share": recipe.decontaminate.share}
    return identity
