"""The files by which `sentence-transformers` knows how a directory's encoder makes vectors. Torch-free.

They stand beside Hugging Face's: `modules.json` lists the parts, `1_Pooling/config.json` says which states
are averaged, `sentence_bert_config.json` the longest input, `config_sentence_transformers.json` the prefixes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from erya.checkpoints.info import read_json, write_json
from erya.errors import CheckpointError

MODULES_FILE = "modules.json"
_POOLING = "1_Pooling"
_LENGTH_FILE = "sentence_bert_config.json"
_PROMPTS_FILE = "config_sentence_transformers.json"
_MODES = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens"}
_OTHER_MODES = (
    "pooling_mode_max_tokens",
    "pooling_mode_mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens",
    "pooling_mode_lasttoken",
)
_TYPES = "sentence_transformers.models"


def write_sentence_files(directory: Path, settings: Mapping[str, Any], *, max_length: int, size: int) -> None:
    """Write the files; none where that library has no such pooling.

    Args:
        directory: of the model, with its other files.
        settings: `pooling`, `normalise`, `query_prefix` and `passage_prefix`, as `erya.json` has them.
        max_length: longest input in tokens.
        size: width of a vector.
    """
    if settings["pooling"] not in _MODES:
        return
    parts = [("", "Transformer"), (_POOLING, "Pooling")]
    parts += [("2_Normalize", "Normalize")] if settings["normalise"] else []
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"{_TYPES}.{kind}"}
        for number, (path, kind) in enumerate(parts)
    ]
    (directory / MODULES_FILE).write_text(json.dumps(modules, indent=2) + "\n", encoding="utf-8")
    for path, _ in parts[1:]:
        (directory / path).mkdir()
    modes = {name: mode == settings["pooling"] for mode, name in _MODES.items()}
    pooling = {"word_embedding_dimension": size, **modes, **dict.fromkeys(_OTHER_MODES, False)}
    write_json(directory / _POOLING / "config.json", pooling)
    write_json(directory / _LENGTH_FILE, {"max_seq_length": max_length, "do_lower_case": False})
    prompts = {"query": settings["query_prefix"], "passage": settings["passage_prefix"]}
    if any(prompts.values()):
        write_json(directory / _PROMPTS_FILE, {"prompts": prompts, "default_prompt_name": None})


def read_sentence_files(directory: Path) -> dict[str, Any] | None:
    """The settings that the files of a directory amount to.

    Args:
        directory: of the model.
    Returns:
        `pooling`, `normalise`, `query_prefix` and `passage_prefix`, and where it says so `max_length`; None
        where there are no such files.
    Raises:
        CheckpointError: the parts are others than an encoder, its pooling and a norm.
    """
    path = directory / MODULES_FILE
    if not path.is_file():
        return None
    kinds, folders = _parts(path)
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise CheckpointError(
            f"Erya has no sentence vectors of these parts: {', '.join(kinds)}", where=str(path)
        )
    length = read_json(directory / _LENGTH_FILE) if (directory / _LENGTH_FILE).is_file() else {}
    prompts: Any = {}
    if (directory / _PROMPTS_FILE).is_file():
        prompts = read_json(directory / _PROMPTS_FILE).get("prompts") or {}
    settings = {
        "pooling": _pooling(read_json(directory / folders[1] / "config.json"), path),
        "normalise": len(kinds) == 3,
        "query_prefix": str(prompts.get("query") or ""),
        "passage_prefix": str(prompts.get("passage") or prompts.get("document") or ""),
    }
    return settings | ({"max_length": int(length["max_seq_length"])} if length.get("max_seq_length") else {})


def _parts(path: Path) -> tuple[list[str], list[str]]:
    """The last names of the parts' classes, and their folders."""
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
        return [str(part["type"]).rpartition(".")[2] for part in parts], [part["path"] for part in parts]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"not a list of parts: {error}", where=str(path)) from None


def _pooling(config: Mapping[str, Any], path: Path) -> str:
    """Which states are averaged; newer files name the mode, older ones have a switch for each."""
    said = config.get("pooling_mode")
    named = [said] if isinstance(said, str) else [mode for mode, name in _MODES.items() if config.get(name)]
    others = [name for name in _OTHER_MODES if config.get(name)]
    if len(named) != 1 or named[0] not in _MODES or others:
        raise CheckpointError(
            f"Erya has no such pooling: {', '.join([*map(str, named), *others]) or 'none'}", where=str(path)
        )
    return named[0]
