"""The models that come with the package, opened by their names and without a network.

Each is a model directory beside this file, with its model card, `README.md`. A name stands wherever the
directory of a model or tokenizer may stand; a directory of that name in the working directory goes first.
"""

from __future__ import annotations

from pathlib import Path

DEFAULT_MODEL = "erya-mini"
_PLACE = Path(__file__).parent
_MARKER = "config.json"


def bundled_models() -> dict[str, Path]:
    """The directories of the bundled models, by name."""
    return {path.parent.name: path.parent for path in sorted(_PLACE.glob(f"*/{_MARKER}"))}


def located(directory: Path) -> Path:
    """The directory that is meant: `directory` itself or, where there is none, the bundled model so named."""
    directory = Path(directory)
    if directory.name != str(directory) or directory.is_dir():
        return directory
    return bundled_models().get(directory.name, directory)


def bundled_hint(directory: Path) -> str | None:
    """What to say where neither a directory nor a bundled model is called so."""
    names = ", ".join(bundled_models())
    return f"models that come with Erya: {names}" if names and directory.name == str(directory) else None
