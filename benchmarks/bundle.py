"""Put a pre-trained model into the package: float16 weights, provenance without places, its card beside it.

    python -m benchmarks.bundle runs/mini/model erya-mini --card card.md

The directory must be one that `erya pretrain` wrote. What a bundled model weighs goes into every wheel: all
of them together stay below 60 MB.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from erya.checkpoints.huggingface import CONFIG_FILE
from erya.checkpoints.info import INFO_FILE
from erya.checkpoints.weights import SAFETENSORS_FILE
from erya.files import atomic_directory

HOME = Path(__file__).parents[1] / "src" / "erya" / "bundled"
MOST_BYTES = 60_000_000
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


def bundle(model: Path, name: str, card: Path) -> Path:
    """Write the directory of a bundled model and give its path."""
    out = HOME / name
    info = json.loads((model / INFO_FILE).read_text(encoding="utf-8"))
    if info["task"] != "masked_lm" or "tokens_seen" not in info["provenance"]:
        raise SystemExit(f"{model} is not what `erya pretrain` left")
    with atomic_directory(out, replace=True, marker=CONFIG_FILE) as aside:
        weights = {key: _halved(key, tensor) for key, tensor in load_file(model / SAFETENSORS_FILE).items()}
        save_file(weights, aside / SAFETENSORS_FILE, metadata={"format": "pt"})
        (aside / SAFETENSORS_FILE).chmod(0o644)  # whoever installs the package may read it
        config = json.loads((model / CONFIG_FILE).read_text(encoding="utf-8"))
        # Stored in half the size, computed with in full precision.
        _write(aside / CONFIG_FILE, config | {"dtype": "float32"})
        _write(aside / INFO_FILE, _without_places(info))
        for file in _TOKENIZER:
            shutil.copy(model / file, aside / file)
        shutil.copy(card, aside / "README.md")
        others = [path for path in HOME.iterdir() if path.is_dir() and path.name not in (name, aside.name)]
        total = sum(path.stat().st_size for home in (aside, *others) for path in home.rglob("*"))
        if total > MOST_BYTES:
            raise SystemExit(f"{total / 1e6:.1f} MB of bundled models: more than {MOST_BYTES / 1e6:.0f}")
    print(f"{out}: {total / 1e6:.1f} MB with all others")
    return out


def _halved(name: str, tensor: torch.Tensor) -> torch.Tensor:
    half = tensor.half()
    if not torch.isfinite(half).all():
        raise SystemExit(f"{name} does not fit into float16")
    return half


def _without_places(value: Any) -> Any:
    """`value` with the last part alone of whatever is an absolute path."""
    if isinstance(value, dict):
        return {key: _without_places(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_places(part) for part in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Bundle one model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("name")
    parser.add_argument("--card", type=Path, required=True)
    arguments = parser.parse_args()
    bundle(arguments.model, arguments.name, arguments.card)


if __name__ == "__main__":
    main()
