"""A fine-tuning run for each part of a file that is held out, and what they say together."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from erya.checkpoints.info import KindName
from erya.errors import ConfigError, StorageError
from erya.files import atomic_write, to_json
from erya.tasks.ensemble import write_ensemble
from erya.tasks.finetune import FOLDS_FILE, finetune, require_no_others
from erya.tasks.folds.recipe import FoldRecipe
from erya.tasks.predictor import Predictor
from erya.tasks.recipe import FinetuneRecipe
from erya.tasks.splits import read_split
from erya.tasks.table import KINDS
from erya.train.directory import MODEL_DIRECTORY, RECIPE_FILE
from erya.train.protocols import Callback, Tell
from erya.train.ranks import environment_ranks

OUT_OF_FOLD_FILE = "out_of_fold.jsonl"
# What is known of an example, as plain JSON values, by kind of task.
_TRUTHS: Mapping[KindName, Callable[[Any], Any]] = {
    "classify": lambda example: example.label if example.sets is None else dict(example.sets),
    "tag": lambda example: [asdict(entity) for entity in example.entities or ()],
    "answer": lambda example: [asdict(answer) for answer in example.answers or ()],
    "match": lambda example: example.target,
    "embed": lambda example: example.score,
}


@dataclass(frozen=True, slots=True)
class FoldsSummary:
    """Scores over the parts of a file, each held out once.

    Attributes:
        scores: of each fold, on what it held out, with its saved weights; fewer when interrupted.
        mean: of each score over the folds.
        deviation: sample standard deviation of each score.
        together: the scores of all held-out answers as one set; empty when interrupted.
        model: the directory that answers with the mean of the folds' models; None when interrupted, and
            where such models cannot be averaged.
        interrupted: whether a run was, before all had ended.
    """

    scores: tuple[Mapping[str, float], ...]
    mean: Mapping[str, float]
    deviation: Mapping[str, float]
    together: Mapping[str, float]
    model: Path | None
    interrupted: bool


def finetune_folds(
    recipe: FinetuneRecipe,
    directory: Path,
    *,
    num_folds: int,
    callbacks: Callable[[int], Sequence[Callback]],
    tell: Tell,
    resume: bool = True,
) -> FoldsSummary:
    """Deal the training file into parts, hold out each once, and make an ensemble of the models.

    Args:
        recipe: what to do; its `dev_file` is not looked at.
        directory: holds `fold-K/` for each run, `out_of_fold.jsonl` (what each example was answered by the
            model that had not seen it), `folds.json`, and the ensemble as `model/`.
        num_folds: how many parts, at least 2; dealt by the recipe's seed.
        callbacks: for a fold, who is told what happens during its training.
        tell: is given sentences a user should read.
        resume: go on with the runs in `directory`.
    Raises:
        ConfigError: the recipe holds out a part of its own, or several processes train.
        StorageError: `directory` holds a run of its own, whose model would be overwritten.
        EryaError: as `finetune` does.
    """
    assert num_folds >= 2
    _require_possible(recipe, directory)
    scores: list[Mapping[str, float]] = []
    for index in range(num_folds):
        own = _held_out(recipe, index, num_folds)
        tell(f"fold {index}, the part held out of {num_folds}")
        place = directory / f"fold-{index}"
        run = finetune(own, place, callbacks=callbacks(index), tell=tell, resume=resume)
        if run.model is None:
            return FoldsSummary(tuple(scores), *_spread(scores), {}, None, True)
        scores.append(dict(run.result.state.best_metrics))
    return _publish(recipe, directory, scores, tell)


def _require_possible(recipe: FinetuneRecipe, directory: Path) -> None:
    if recipe.fold is not None:
        raise ConfigError("fold is given, and so are several folds", hint="leave fold out of the recipe")
    if not environment_ranks().is_alone:
        raise ConfigError("folds are trained by one process", hint="run it without torchrun")
    require_no_others(directory, file=FOLDS_FILE)
    if (directory / RECIPE_FILE).exists():
        raise StorageError(
            "the directory holds a run of its own, whose model would be overwritten",
            where=str(directory),
            hint="choose another --out",
        )


def _held_out(recipe: FinetuneRecipe, index: int, num_folds: int) -> FinetuneRecipe:
    """The recipe of a fold."""
    fold = FoldRecipe(index=index, of=num_folds, seed=recipe.train.seed)
    return recipe.model_copy(update={"fold": fold, "dev_file": recipe.train_file})


def _spread(scores: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and deviation of each score."""
    values = {name: [each[name] for each in scores] for name in (scores[0] if scores else {})}
    return (
        {name: statistics.fmean(several) for name, several in values.items()},
        {name: statistics.stdev(several) for name, several in values.items() if len(several) > 1},
    )


def _publish(
    recipe: FinetuneRecipe, directory: Path, scores: Sequence[Mapping[str, float]], tell: Tell
) -> FoldsSummary:
    """Write the answers out of fold, the scores and the ensemble, all anew, so of the same runs."""
    together = _write_out_of_fold(recipe, directory, len(scores))
    model: Path | None = directory / MODEL_DIRECTORY
    members = [directory / f"fold-{index}" / MODEL_DIRECTORY for index in range(len(scores))]
    try:
        write_ensemble(directory / MODEL_DIRECTORY, members, replace=True)
    except ConfigError as error:
        tell(f"note: no ensemble: {error.what}")
        model = None
    mean, deviation = _spread(scores)
    content = {"folds": len(scores), "mean": mean, "deviation": deviation, "together": together}
    with atomic_write(directory / FOLDS_FILE) as stream:
        stream.write(to_json({**content, "scores": list(scores)}, indent=2).encode())
    return FoldsSummary(tuple(scores), mean, deviation, together, model, False)


def _write_out_of_fold(recipe: FinetuneRecipe, directory: Path, num_folds: int) -> dict[str, float]:
    """What each example was answered by the model that had not seen it, in the order of the file.

    Returns:
        The scores of all answers together.
    """
    rows: list[tuple[int, str]] = []
    kind, tally = KINDS[recipe.kind], None
    for index in range(num_folds):
        own = _held_out(recipe, index, num_folds)
        _, _, held = read_split(kind, own)
        predictor = Predictor.open(directory / f"fold-{index}" / MODEL_DIRECTORY, device=recipe.train.device)
        answers, _ = predictor.predict_examples(
            held,
            truncate=recipe.truncate,
            max_length=recipe.max_length,
            batch_tokens=recipe.eval_batch_tokens,
        )
        tally = tally or predictor.task.tally()
        tally.add(answers, held)
        rows += _rows(index, held, answers, _TRUTHS[recipe.kind])
    assert tally is not None
    with atomic_write(directory / OUT_OF_FOLD_FILE) as stream:
        for _, line in sorted(rows, key=lambda row: row[0]):
            stream.write(line.encode() + b"\n")
    return {f"eval_{name}": float(value) for name, value in tally.scores().numbers().items()}


def _rows(
    fold: int, held: Sequence[Any], answers: Sequence[Any], truth: Callable[[Any], Any]
) -> Iterator[tuple[int, str]]:
    for example, answer in zip(held, answers, strict=True):
        row = {"line": example.line, "fold": fold, "truth": truth(example), **answer.to_dict()}
        yield example.line, to_json(row)
