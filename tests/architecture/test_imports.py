"""Importing does nothing: no file, no thread, no heavy package; and works anywhere."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import erya
from erya.cli.main import VERBS

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(erya.__path__, "erya.") if "__main__" not in module.name
)
LIGHT_ROOMS = tuple(f"erya.{room}" for room in ("text", "tokenizer", "data", "corpus", "metrics"))
# The command line imports each verb's module before it knows which verb is meant; what a verb imports
# inside its function may be heavy.
LIGHT = {"erya.api", "erya.cli.main", *(f"erya.cli.{verb}" for verb in VERBS)}


def run_python(code: str, directory: Path) -> str:
    """Run `code` in a fresh interpreter from an empty directory and return its stdout."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=directory, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_module_imports_from_an_empty_directory(tmp_path: Path) -> None:
    code = f"import importlib\nfor name in {MODULES!r}: importlib.import_module(name)"
    assert run_python(code, tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_importing_the_package_does_nothing(tmp_path: Path) -> None:
    code = """
import sys, threading
before = set(sys.modules)
import erya
new = {name.split(".")[0] for name in set(sys.modules) - before}
heavy = new & {"torch", "numpy", "pyarrow", "pydantic", "tokenizers", "typer"}
print(sorted(heavy), threading.active_count())
"""
    assert run_python(code, tmp_path) == "[] 1"


def test_light_rooms_and_commands_import_without_torch(tmp_path: Path) -> None:
    light = [name for name in MODULES if name.startswith(LIGHT_ROOMS) or name in LIGHT]
    assert set(light) >= LIGHT, "a verb has no module"
    code = f"""
import sys
for heavy in ("torch", "safetensors", "transformers", "sklearn", "matplotlib", "jinja2", "tensorboard"):
    sys.modules[heavy] = None  # importing it now raises ImportError, as where it is not installed
import importlib
for name in {light!r}: importlib.import_module(name)
"""
    assert run_python(code, tmp_path) == ""
