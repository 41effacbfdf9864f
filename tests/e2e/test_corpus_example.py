"""The story in examples/ does what its comments say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "corpus_from_web_text.sh"
SHELL, ICONV = shutil.which("sh"), shutil.which("iconv")


@pytest.mark.skipif(SHELL is None or ICONV is None, reason="the example needs sh and iconv")
def test_web_text_becomes_shards(tmp_path: Path) -> None:
    work = tmp_path / "corpus"
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ran = subprocess.run(
        ["sh", str(EXAMPLE), str(work)],
        env=os.environ | {"PATH": search},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    report = json.loads((work / "documents" / "report.json").read_text(encoding="utf-8"))
    assert report["dropped"] == {
        "repeated characters": 1,
        "mostly boilerplate": 1,
        "exact duplicate": 1,
        "near-duplicate": 1,
    }
    assert report["edits"]["masked phone"] == 1 and report["heldout"] == 1
    assert [file["encoding"] for file in report["files"]] == ["gb18030", "utf-8"]
    shards = json.loads((work / "shards" / "manifest.json").read_text(encoding="utf-8"))
    assert {group["name"]: group["wanted_share"] for group in shards["mixture"]} == {
        "documents": 0.5,
        "pairs": 0.5,
    }
    assert sum(shard["pairs"] for shard in shards["shards"]) >= 3 and shards["uncovered_characters"] == 0
