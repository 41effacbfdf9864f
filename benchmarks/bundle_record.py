"""Keep the record of a bundled model's training: what it learnt from, how, and with what curves.

    python -m benchmarks.bundle_record erya-mini --documents documents --shards shards --run runs/mini

Writes `results/NAME/`: `data.md` (the corpus by collection, what was dropped, evaluation texts found in it),
and of the run its recipe, `metrics.jsonl.xz`, a page of curves. No text of the corpus is in any of them.
"""

from __future__ import annotations

import argparse
import json
import lzma
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from erya.cli.main import run as erya

RESULTS = Path(__file__).parent / "results"


def data_page(report: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The corpus in counts, as Markdown."""
    mixture = {part["name"]: part for part in manifest["mixture"]}
    sources = [
        [
            name,
            f"{counts['documents']:,}",
            f"{counts['characters'] / 1e6:.1f}",
            f"{100 * mixture[name]['share']:.1f}",
            f"{mixture[name]['repeats']:.2f}",
        ]
        for name, counts in report["sources"].items()
    ]
    found = [
        [entry["path"], f"{entry['texts']:,}", f"{entry['too_short']:,}", f"{entry['found']:,}"]
        for entry in sorted(report["evaluation_files"], key=lambda entry: str(entry["path"]))
    ]
    scripted = report["edits"].get("converted by s2t", 0)
    kept = (
        f"{report['records']:,} records, {report['kept']:,} documents kept ({report['heldout']:,} held out), "
        f"{report['characters'] / 1e6:.1f} million characters; {scripted:,} documents converted to "
        f"traditional characters. Shards: {manifest['characters'] / 1e6:.1f} million characters."
    )
    dropped = [[why, f"{count:,}"] for why, count in report["dropped"].items()]
    parts = (
        "# What it learnt from",
        kept,
        _table(["collection", "documents", "million characters", "% of the shards", "passes"], sources),
        "## Dropped",
        _table(["why", "documents"], dropped),
        "## Evaluation texts found in it",
        "Every document that holds one of them, or one nearly the same (half of a text's character n-grams "
        "in one stretch), was dropped. Texts too short for that were looked for as whole lines.",
        _table(["file", "texts", "too short", "found"], found),
    )
    return "\n\n".join(parts) + "\n"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(names) + " |", "| --- |" + " ---: |" * (len(names) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def main() -> None:
    """Write the record of one model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name")
    for option in ("--documents", "--shards", "--run"):
        parser.add_argument(option, type=Path, required=True)
    given = parser.parse_args()
    out = RESULTS / given.name
    out.mkdir(parents=True, exist_ok=True)
    report = json.loads((given.documents / "report.json").read_text(encoding="utf-8"))
    manifest = json.loads((given.shards / "manifest.json").read_text(encoding="utf-8"))
    (out / "data.md").write_text(data_page(report, manifest), encoding="utf-8")
    shutil.copy(given.run / "recipe.yaml", out / "recipe.yaml")
    with lzma.open(out / "metrics.jsonl.xz", "wb") as stream:
        stream.write((given.run / "metrics.jsonl").read_bytes())
    raise SystemExit(erya(["info", str(given.run), "--html", str(out / "curves.html")]))


if __name__ == "__main__":
    main()
