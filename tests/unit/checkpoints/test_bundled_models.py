"""The models that are in the package: small, opened by name and by transformers, without machines' places."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

import erya
from erya.bundled import DEFAULT_MODEL, bundled_models
from erya.checkpoints.directory import read_model
from erya.checkpoints.probe import probe_masked_tokens
from erya.cli import main

TEXTS = ["今天天气真好，我们去公园散步吧。", "臺灣的夏天很熱。", "用 Python 3.11 安装 Erya😀", "好"]
NAMES = sorted(bundled_models())


def test_the_default_is_among_them_and_all_are_small() -> None:
    assert DEFAULT_MODEL in NAMES
    files = [path for home in bundled_models().values() for path in home.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60_000_000


@pytest.mark.parametrize("name", NAMES)
def test_they_come_with_a_card_and_say_how_much_they_have_seen(name: str) -> None:
    home = bundled_models()[name]
    card = (home / "README.md").read_text(encoding="utf-8")
    for heading in ("## Training", "## Data", "## Vocabulary", "## Scores", "## Limits"):
        assert heading in card
    provenance = read_model(Path(name)).info.provenance
    assert f"{provenance['tokens_seen']:,} tokens" in card
    assert not re.search(r'"/|"[A-Z]:\\', (home / "erya.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_transformers_gives_the_same_hidden_states(name: str) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference (extra dev)")
    home = bundled_models()[name]
    theirs = transformers.AutoModel.from_pretrained(home).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(home)
    ours = erya.open_encoder(name)
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    batch = erya.open_tokenizer(name).encode_batch(TEXTS)
    for row, mask, encoding in zip(inputs["input_ids"], inputs["attention_mask"], batch, strict=True):
        assert np.array_equal(row[mask.bool()].numpy(), encoding.ids)
    with torch.no_grad():
        expected = theirs(**{key: inputs[key] for key in ("input_ids", "attention_mask")}).last_hidden_state
        hidden, _ = ours.padded(inputs["input_ids"], inputs["attention_mask"])
    kept = inputs["attention_mask"].bool()
    assert torch.allclose(hidden[kept], expected[kept], atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_they_know_something(name: str) -> None:
    found = probe_masked_tokens(read_model(Path(name)), text="我们今天去学{mask}上课。")
    assert not found.looks_untrained
    assert "校" in [guess.token for guess in found.guesses[0]]


def test_fine_tuning_without_a_model_starts_from_the_default(
    reviews, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("--train", reviews.train, "--dev", reviews.dev, "--text", "text_a", "--out", tmp_path / "run")
    assert main.run([*map(str, ("finetune", "classify", *files, "--json")), "train.steps=2"]) == 0
    said = capsys.readouterr()
    assert f"starting from {DEFAULT_MODEL}, which comes with Erya" in said.err
    assert json.loads(said.out)["steps"] == 2
    written = (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8")
    assert f"model: {DEFAULT_MODEL}" in written and "learning_rate: 0.0006" in written


def test_filling_masks_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["predict", DEFAULT_MODEL, "我们今天去学[MASK]上课。"]) == 0
    (mask,) = json.loads(capsys.readouterr().out)["masks"]
    assert (mask["start"], mask["end"]) == (6, 12) and "校" in mask["guesses"]


@pytest.mark.parametrize(
    ("command", "made", "said"),
    [
        ("vocab extend {name} words.txt --out out", "out/model.safetensors", ""),
        ("import {name} --out out", "out/model.safetensors", ""),
        ("export {name} --to huggingface --out out", "out/model.safetensors", ""),
        ("check classify --train train.tsv --model {name}", None, "0.0006, usual for a width of 256"),
        ("tokenize texts.txt --tokenizer {name}", None, ""),
    ],
)
def test_every_verb_takes_the_name(
    command: str,
    made: str | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("尔雅释诂\n", encoding="utf-8")
    Path("texts.txt").write_text("尔雅是最早的词典。\n", encoding="utf-8")
    rows = [f"第{number}条很好\t好\n第{number}条很差\t差\n" for number in range(9)]
    Path("train.tsv").write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    assert main.run(command.format(name=DEFAULT_MODEL).split()) == 0
    assert made is None or Path(made).exists()
    assert said in "".join(capsys.readouterr())


def test_raw_text_to_an_adapted_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"今天是第{number}天，我们去公园散步，看见了{number}只鸟。\n" for number in range(300)]
    Path("raw.txt").write_text("".join(lines), encoding="utf-8")
    recipe = Path(__file__).parents[3] / "recipes" / "pretrain" / "domain.yaml"
    for command in (
        "corpus clean raw.txt --out documents --set filters.max_gram_repeats=1000",
        f"corpus tokenize documents --tokenizer {DEFAULT_MODEL} --out shards",
        f"pretrain {recipe} data.shards=shards init_from={DEFAULT_MODEL} train.epochs=null train.steps=2 "
        "train.batch_tokens=256 --out run",
    ):
        assert main.run(command.split()) == 0, command
    assert read_model(Path("run/model")).encoder_config == read_model(Path(DEFAULT_MODEL)).encoder_config


def test_what_is_exported_is_computed_with_in_full_precision(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference (extra dev)")
    out = tmp_path / "out"
    assert main.run(["export", DEFAULT_MODEL, "--to", "huggingface", "--out", str(out)]) == 0
    for home in (out, bundled_models()[DEFAULT_MODEL]):
        assert transformers.AutoModel.from_pretrained(home).dtype == torch.float32
