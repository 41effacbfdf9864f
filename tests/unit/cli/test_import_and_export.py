"""`erya import`, `erya export` and the probe of `erya info`, as they are typed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from erya.cli.main import run

DATA = Path(__file__).parents[2] / "data" / "foreign"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"中国的首都是。北京上海法德英，这家酒店很好差大小"]


@pytest.fixture
def google(tmp_path: Path) -> Path:
    folder = tmp_path / "google"
    shutil.copytree(DATA / "bert", folder)
    assert len(PIECES) == 29
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return folder


def erya(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command."""
    status = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_from_tensorflow_to_transformers(
    google: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    status, printed, _ = erya(capsys, "import", google, "--out", ours)
    assert status == 0
    for said in ("TensorFlow checkpoint", "BertForPreTraining", "folded to lower case", "mask 1:"):
        assert said in printed
    status, printed, _ = erya(capsys, "export", ours, "--to", "huggingface", "--out", theirs, "--json")
    assert status == 0 and json.loads(printed)["saved_as"] == "BertForPreTraining"
    assert sorted(path.name for path in theirs.iterdir()) == [
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]


def test_the_probe_of_info(google: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    erya(capsys, "import", google, "--out", tmp_path / "ours")
    _, printed, _ = erya(capsys, "info", tmp_path / "ours", "--json")
    probe = json.loads(printed)["probe"]
    assert probe["text"] == "中国的首都是[MASK][MASK]。" and len(probe["guesses"]) == 2
    assert len(probe["guesses"][0]) == 5 and probe["lines"][-1] == probe["verdict"]
    status, shown, _ = erya(capsys, "info", tmp_path / "ours", "--no-probe")
    assert status == 0 and "mask 1" not in shown and "source google" in shown


def test_info_tells_why_it_did_not_ask(
    google: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = tmp_path / "ours"
    erya(capsys, "import", google, "--out", ours)
    without = "import sys; sys.modules['torch'] = None; from erya.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "info", str(ours), "--json"], capture_output=True, timeout=120
    )
    described = json.loads(done.stdout)
    assert described["num_parameters"] > 0 and "'erya[train]'" in described["probe"]["lines"][0]
    (ours / "tokenizer.json").unlink()
    (ours / "vocab.txt").unlink()
    _, printed, _ = erya(capsys, "info", ours, "--json")
    assert "no tokenizer" in json.loads(printed)["probe"]["problem"]
    erya(
        capsys,
        "import",
        DATA / "electra",
        "--vocab",
        google / "vocab.txt",
        "--out",
        tmp_path / "discriminator",
    )
    _, printed, _ = erya(capsys, "info", tmp_path / "discriminator", "--json")
    assert "no masked-language head" in json.loads(printed)["probe"]["problem"]


def test_info_points_from_foreign_weights_to_import(google: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = erya(capsys, "info", google, "--json")
    assert f"erya import {google} --out DIR" in json.loads(printed)["notes"][-1]
    (google / "vocab.txt").unlink()
    status, _, told = erya(capsys, "info", google)
    assert status == 2 and f"erya import {google}" in told


def test_mistakes_are_told_without_a_traceback(
    google: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    erya(capsys, "import", google, "--out", tmp_path / "there")
    empty = tmp_path / "empty"
    empty.mkdir()
    wrong = [
        (("import", DATA / "bert", "--out", out), "--vocab PATH"),
        (("import", tmp_path / "nowhere", "--out", out), "or a Hugging Face directory"),
        (("import", empty, "--out", out), "holds no weights"),
        (("import", google, "--out", tmp_path / "there"), "--replace"),
        (("import", google, "--out", out, "--vocab", tmp_path / "none.txt"), "no such file"),
        (("import", google, "--out", out, "--part", "both"), "--part generator or"),
        (("export", google, "--to", "huggingface", "--out", out), "no config.json"),
        (("export", tmp_path / "there", "--to", "onnx", "--out", out), "huggingface"),
    ]
    for arguments, expected in wrong:
        status, printed, told = erya(capsys, *arguments)
        assert status == 2 and printed == "" and expected in told and "Traceback" not in told
    assert not out.exists()
