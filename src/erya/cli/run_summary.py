"""What there is to say about a run: where it stands, its numbers and curves, what went wrong. Torch-free."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from erya.cli.curves import plot
from erya.errors import InputError
from erya.files import is_held, sha256_of
from erya.train.metrics_file import read_metrics
from erya.train.run_file import RunFile, read_run_file

Row = Mapping[str, Any]

_MOST_POINTS = 400
_READ_BYTES = 1 << 20  # a larger file of a checkpoint is not read through
_RECENT = 50  # logged steps that say how fast a run is
_CURVE_HEIGHT, _NARROWEST, _WIDEST = 6, 40, 100
_NAMES = 22  # columns that the names of a description take


def summarise(directory: Path) -> dict[str, Any]:
    """Status, place, numbers, curves, skips and checkpoints of the run in `directory`.

    Also of one that is being written at this moment, or that ended before its first step.

    Raises:
        InputError: a file of it is damaged.
    """
    recipe, file = _recipe(directory / "recipe.yaml"), read_run_file(directory)
    rows = list(read_metrics(directory))
    steps = [row for row in rows if "loss" in row]
    evaluations = [row for row in rows if any(name.startswith("eval_") for name in row)]
    skips = [row for row in rows if "skipped" in row]
    whole, damaged = _checkpoints(directory / "checkpoints")
    status = _status(file, directory, has_checkpoint=bool(whole), has_damage=bool(damaged))
    return {
        "what": _what(recipe, file),
        "status": status,
        "error": file.error,
        "place": _place(recipe, file, steps, running=status == "running"),
        "last_step": _last(steps or skips),
        "last_evaluation": _last(evaluations),
        "skipped": {"steps": len(skips), **Counter(str(row["skipped"]) for row in skips)} if skips else {},
        "curves": _curves(steps, evaluations),
        "recipe": [f"{key}: {_shown(value)}" for key, value in recipe.items() if value is not None],
        "checkpoints": whole,
        "damaged_checkpoints": damaged,
        "model": str(directory / "model") if (directory / "model").is_dir() else None,
    }


def numbers(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    """(step, value) of the rows in which `name` is a number."""
    return [
        (row["step"], row[name])
        for row in rows
        if isinstance(row.get(name), int | float) and isinstance(row.get("step"), int)
    ]


def _status(file: RunFile, directory: Path, *, has_checkpoint: bool, has_damage: bool) -> str:
    """What the run says of itself, unless its process shows otherwise, and how it goes on."""
    if is_held(directory):
        return "running"
    if file.status == "running" and not file.started:
        return "unknown"
    if file.status == "finished":
        return "finished"
    ended = "killed" if file.status == "running" else file.status
    if has_checkpoint:
        return f"{ended}: the same command goes on from the last checkpoint"
    if has_damage:
        return f"{ended}: no checkpoint is whole, start over with --no-resume"
    return f"{ended} before its first checkpoint: the same command starts from the beginning"


def _what(recipe: Row, file: RunFile) -> list[str]:
    """Verb, size and data in a line each."""
    model, data = recipe.get("model"), recipe.get("data")
    lines = ["pre-training" if "masking" in recipe else "fine-tuning"]
    if isinstance(model, Mapping):
        lines[0] += f" of {model.get('num_layers')} layers x {model.get('hidden_size')}"
    elif recipe.get("init_from") or model:
        lines[0] += f" from {recipe.get('init_from') or model}"
    if file.num_parameters is not None:
        lines[0] += f", {file.num_parameters / 1e6:,.1f} M parameters"
    source = data.get("shards") if isinstance(data, Mapping) else recipe.get("train_file")
    return [*lines, f"on {source}"] if source else lines


def _place(recipe: Row, file: RunFile, steps: Sequence[Row], *, running: bool) -> dict[str, Any]:
    """How far the run is, how fast, and how long it still takes at that speed."""
    if not steps:
        return {}
    last = steps[-1]
    speeds = [value for _, value in numbers(steps[-_RECENT:], "tokens_per_s")]
    speed = sum(speeds) / len(speeds) if speeds else 0.0
    train = recipe.get("train")
    most_tokens = train.get("max_tokens") if isinstance(train, Mapping) else None
    place = {
        "step": last["step"],
        "of": file.total_steps,
        "tokens": last.get("tokens"),
        "of_tokens": most_tokens,
    }
    place["tokens_per_s"] = round(speed) if speed else None
    if running and speed and last.get("tokens"):
        left = [most_tokens - last["tokens"]] if most_tokens else []
        if file.total_steps:
            left.append((file.total_steps - last["step"]) * last["tokens"] / last["step"])
        # Evaluation and checkpoints come on top.
        place["left"] = _duration(max(min(left), 0) / speed) if left else None
    return {name: value for name, value in place.items() if value is not None}


def _curves(steps: Sequence[Row], evaluations: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    """The series worth a picture, each of at most some hundred points."""
    names = [name for row in evaluations for name in row if name.startswith("eval_")]
    series = {"loss": numbers(steps, "loss")}
    series |= {name: numbers(evaluations, name) for name in dict.fromkeys(names)}
    return {name: _thinned(points) for name, points in series.items() if points}


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of neighbours where there are too many points."""
    size = -(-len(points) // _MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)] if points else []
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def _checkpoints(directory: Path) -> tuple[list[int], list[str]]:
    """The steps whose checkpoints look whole, and the names of those that are not."""
    found = {path: re.fullmatch(r"(damaged-)?step-(\d+)", path.name) for path in directory.glob("*step-*")}
    whole = {path: int(name[2]) for path, name in found.items() if name and not name[1] and _is_whole(path)}
    return sorted(whole.values()), sorted(path.name for path in found if found[path] and path not in whole)


def _is_whole(checkpoint: Path) -> bool:
    """Whether all its files are there, and those that are read in no time as they were written."""
    try:
        sums = [line.split("  ") for line in (checkpoint / "SHA256SUMS").read_text("utf-8").splitlines()]
        sizes = {name: (checkpoint / name).stat().st_size for _, name in sums}
        return bool(sums) and all(
            sizes[name] > _READ_BYTES or sha256_of(checkpoint / name) == expected for expected, name in sums
        )
    except (OSError, ValueError):
        return False


def _last(rows: Sequence[Row]) -> Row:
    return rows[-1] if rows else {}


def _recipe(path: Path) -> dict[str, Any]:
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"not a YAML file: {error}", where=str(path)) from None
    if not isinstance(recipe, dict):
        raise InputError("the recipe is not a mapping", where=str(path))
    return recipe


def _shown(value: Any) -> str:
    """A part of a recipe in one line, options that are off left out."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items() if inner is not None)
    return str(value)


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def _drawn(curves: Mapping[str, Sequence[tuple[float, float]]], width: int) -> str:
    """The loss and the held-out scores, a plot each; what has two points or more."""
    across = max(_NARROWEST, min(width - _NAMES, _WIDEST))
    wanted = [name for name in curves if name in ("loss", "eval_masked_accuracy")] or list(curves)
    if "eval_masked_accuracy" not in curves:
        wanted += [name for name in curves if name.startswith("eval_") and name not in wanted][:1]
    lines: list[str] = []
    for name in wanted[:2]:
        if len(curves[name]) > 1:
            lines += [_readable(name), *plot(curves[name], width=across, height=_CURVE_HEIGHT)]
    return "\n".join(lines)


def _readable(name: str) -> str:
    return f"held-out {name.removeprefix('eval_').replace('_', ' ')}" if name.startswith("eval_") else name


def _brief_row(row: Row, width: int) -> dict[str, Any]:
    """A line of metrics.jsonl without what only a page has room for."""
    return {
        name: value for name, value in row.items() if not name.startswith(("grad_norm_", "update_ratio_"))
    }


# What a person gets in place of what a program gets, given the columns of the screen.
FOR_A_PERSON: Mapping[str, Callable[[Any, int], Any]] = {
    "curves": lambda curves, width: _drawn(curves, width) or None,
    "recipe": lambda recipe, width: None,  # longer than a screen; it lies in recipe.yaml
    "last_step": _brief_row,
}
