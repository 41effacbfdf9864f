"""`erya models`: what comes with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from erya.cli.console import messages, print_json, print_table

HELP = """List the models that come with Erya.

Their names stand wherever a model directory may stand, and need no network. The card says what a model was
trained on, what it scores and what it is not good for. `erya info NAME` says more of its parts.

\b
Example:
  erya models
  erya finetune classify --model erya-mini --train train.tsv --dev dev.tsv --out runs/reviews
"""
CARD = "README.md"
_LONG = ("path", "card")


def register(app: typer.Typer) -> None:
    """Add `erya models`."""
    app.command("models", help=HELP)(_models)


def _models(as_json: bool = typer.Option(False, "--json", help="Print JSON, one object a model.")) -> None:
    from erya.bundled import bundled_models

    rows = [_row(name, path) for name, path in bundled_models().items()]
    if as_json:
        for row in rows:
            print_json(row)
        return
    if not rows:
        messages.print("no model comes with this installation", markup=False)
        return
    shown = [
        {
            key: f"{value:,}" if isinstance(value, int) else value
            for key, value in row.items()
            if key not in _LONG
        }
        for row in rows
    ]
    print_table("models that come with Erya", shown, as_json=False)
    for row in rows:
        messages.print(f"{row['name']}: {row['card']}", markup=False)


def _row(name: str, path: Path) -> dict[str, Any]:
    """What a line says of a model."""
    from erya.cli.descriptions import model

    described = model(path)
    sizes = described["sizes"]
    return {
        "name": name,
        "family": described["family"],
        "layers": sizes["num_layers"],
        "width": sizes["hidden_size"],
        "vocabulary": described["vocabulary"].get("size"),
        "parameters": described["num_parameters"],
        "weights_mb": described["weights_mb"],
        "tokens_seen": described["provenance"].get("tokens_seen"),
        "path": str(path),
        "card": str(path / CARD),
    }
