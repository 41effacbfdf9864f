import json
import shutil
from pathlib import Path

import pytest
import torch
from fake_shards import write_shards

from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.cli.main import run as erya
from erya.config import load_config
from erya.errors import CheckpointError, ConfigError, EryaError, InputError
from erya.pretrain.feed import held_out_kinds
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.run import Pretrained, pretrain

TINY = Path(__file__).with_name("tiny.yaml")
SMALLER = [
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "model.max_positions=64",
    "data.max_length=48",
    "train.steps=12",
    "train.batch_tokens=300",
    "train.eval_every_steps=6",
    "train.save_every_steps=5",
    "train.threads=1",
    "train.precision=float32",
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


def run(out: Path, shards: Path, *overrides: str) -> tuple[Pretrained, list[str]]:
    said: list[str] = []
    recipe = load_config(PretrainRecipe, TINY, [*SMALLER, f"data.shards={shards}", *overrides])
    return pretrain(recipe, out, tell=said.append), said


@pytest.fixture(scope="module")
def finished(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "finished"
    run(out, shards)
    return out


def losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_a_run_leaves_a_record_and_a_model(shards: Path, tmp_path: Path) -> None:
    done, said = run(tmp_path / "out", shards)
    assert done.model == tmp_path / "out" / "model"
    model = read_model(done.model)
    assert (model.info.task, model.info.max_length) == ("masked_lm", 48)
    assert model.info.provenance["steps"] == 12
    assert model.info.provenance["held_out"] == done.result.state.metrics
    names = {"eval_loss", "eval_perplexity", "eval_masked_accuracy"}
    assert set(done.result.state.metrics) == names | {f"{name}_token" for name in names}
    assert len(losses(tmp_path / "out")) == 12
    assert said[0].startswith("train: ") and "left out" in said[0]


def test_the_model_directory_scores_as_the_run_did(shards: Path, finished: Path) -> None:
    from erya.nn.packing import PackedTensors

    model = read_model(finished / "model")
    recipe = load_config(PretrainRecipe, finished / "recipe.yaml")
    module = load_masked_language_model(model).eval()
    kinds = held_out_kinds(recipe, model.tokenizer, tell=lambda text: None)
    assert [*kinds] == ["word", "token"]
    for kind, key in (("word", "eval_loss"), ("token", "eval_loss_token")):
        total, count = 0.0, 0
        for batch in kinds[kind]:
            with torch.no_grad():
                term, _ = module.score(PackedTensors.from_batch(batch, torch.device("cpu")))
            total, count = total + float(term.total), count + term.count
        assert total / count == pytest.approx(model.info.provenance["held_out"][key], rel=1e-6)


def test_a_run_goes_on_where_the_shards_are_now(shards: Path, tmp_path: Path) -> None:
    run(tmp_path / "out", shards, "train.steps=7")
    moved = shutil.copytree(shards, tmp_path / "moved")
    done, _ = run(tmp_path / "out", moved)
    assert done.result.state.step == 12
    assert len(losses(tmp_path / "out")) == 12


def test_other_shards_are_refused(finished: Path, tmp_path: Path) -> None:
    other = write_shards(tmp_path / "other", held_out=False)
    with pytest.raises(ConfigError, match="the shards changed"):
        run(finished, other)


def test_going_on_from_a_model(shards: Path, finished: Path, tmp_path: Path) -> None:
    overrides = ["model=null", f"init_from={finished / 'model'}"]
    recipe = load_config(PretrainRecipe, finished / "recipe.yaml", [f"data.shards={shards}", *overrides])
    done = pretrain(recipe, tmp_path / "out", tell=lambda text: None)
    assert done.result.state.metrics["eval_loss"] < losses(finished)[0]

    moved = shutil.copytree(finished / "model", tmp_path / "moved")
    recipe = load_config(PretrainRecipe, tmp_path / "out" / "recipe.yaml", [f"init_from={moved}"])
    pretrain(recipe, tmp_path / "out", tell=lambda text: None)
    config = json.loads((moved / "config.json").read_text(encoding="utf-8"))
    (moved / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.5}), encoding="utf-8")
    with pytest.raises(ConfigError, match="the configuration to start from changed"):
        pretrain(recipe, tmp_path / "out", tell=lambda text: None)


def test_another_vocabulary_is_refused(finished: Path, tmp_path: Path) -> None:
    other = write_shards(tmp_path / "other", first_character="丁")
    recipe = load_config(
        PretrainRecipe,
        finished / "recipe.yaml",
        [f"data.shards={other}", "model=null", f"init_from={finished / 'model'}"],
    )
    with pytest.raises(EryaError, match="another vocabulary"):
        pretrain(recipe, tmp_path / "out", tell=lambda text: None)


def test_shards_without_held_out_text_are_warned_of(tmp_path: Path) -> None:
    done, said = run(tmp_path / "out", write_shards(tmp_path / "shards", held_out=False))
    assert any(line.startswith("warning: the shards have no held-out text") for line in said)
    assert done.result.state.metrics == {}


def test_sequences_longer_than_the_model_are_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.max_length is 65, but the model has 64 positions"):
        run(tmp_path / "out", shards, "data.max_length=65")


def test_a_model_of_another_family_is_trained_and_saved_as_one(shards: Path, tmp_path: Path) -> None:
    rotary = "model.positions={kind: rotary, interleaved: true}"
    done, _ = run(tmp_path / "out", shards, "model.family=roformer", rotary)
    assert done.model is not None
    assert json.loads((done.model / "config.json").read_text())["model_type"] == "roformer"
    scored = load_masked_language_model(done.model).encoder.config
    assert scored.positions.kind == "rotary" and scored.family == "roformer"


def test_a_model_that_no_file_can_say_is_refused_before_it_is_trained(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="bert has no positions"):
        run(tmp_path / "out", shards, "model.positions={kind: rotary}")
    assert not (tmp_path / "out").exists()


def test_a_bigram_model_is_scored_first(shards: Path, tmp_path: Path) -> None:
    done, said = run(tmp_path / "asked", shards, "train.steps=1")
    assert done.baseline is not None and 0 < done.baseline < 1
    assert f"heldout: a bigram model guesses {done.baseline:.1%} of the masked tokens" in said
    done, said = run(tmp_path / "not", shards, "train.steps=1", "evaluation.baseline=false")
    assert done.baseline is None and not any("bigram" in line for line in said)


def test_a_convolution_and_patterns_are_refused(shards: Path, tmp_path: Path) -> None:
    patterns = "patterns={both: 0.5, left_to_right: 0.5}"
    with pytest.raises(ConfigError, match="convolution shows each its neighbours"):
        run(tmp_path / "out", shards, patterns, "model.convolution=3")
    assert not (tmp_path / "out").exists()


def test_missing_shards_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a shards directory"):
        run(tmp_path / "out", tmp_path / "nothing")


def command(out: Path, shards: Path, *more: str) -> int:
    return erya(["pretrain", str(TINY), *SMALLER, f"data.shards={shards}", "--out", str(out), *more])


def test_the_command(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(tmp_path / "out", shards, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert {
        "model",
        "steps",
        "tokens",
        "tokens_per_s",
        "eval_loss",
        "eval_masked_accuracy",
        "bigram_masked_accuracy",
    } <= shown.keys()
    assert command(tmp_path / "out", shards, "--no-resume", "--json") == 0
    assert losses(tmp_path / "out") == losses(tmp_path / "out" / "previous-1")


def test_the_command_names_a_misspelt_key(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(tmp_path / "out", shards, "train.learning_rat=1") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "did you mean 'learning_rate'" in said.err


def test_what_does_nothing_is_said(shards: Path, tmp_path: Path) -> None:
    _, said = run(tmp_path / "out", shards, "train.steps=1", "train.parallel.kind=fsdp")
    assert any("train.parallel.kind=fsdp does nothing: this process is alone" in line for line in said)
    assert not any("blind guesses" in line for line in said)


def test_a_run_that_diverges_is_warned_of_once(shards: Path, tmp_path: Path) -> None:
    _, said = run(tmp_path / "out", shards, "train.learning_rate=10", "train.warmup_ratio=0")
    (warning,) = (line for line in said if "blind guesses" in line)
    assert warning.startswith("warning: the held-out loss at step 6 is ") and "learning_rate" in warning


def test_damage_that_sizes_do_not_show_is_said(tmp_path: Path) -> None:
    broken = write_shards(tmp_path / "broken")
    tokens = broken / "train-00000" / "tokens.bin"
    tokens.write_bytes(b"\xff" * tokens.stat().st_size)
    with pytest.raises(InputError, match=r"token with the id 65535, but their vocabulary has 50(.|\n)*again"):
        run(tmp_path / "out", broken)


def test_a_run_directory_is_told_from_a_model(shards: Path, finished: Path, tmp_path: Path) -> None:
    overrides = [f"data.shards={shards}", "model=null", f"init_from={finished}"]
    recipe = load_config(PretrainRecipe, finished / "recipe.yaml", overrides)
    with pytest.raises(CheckpointError, match=r"this is a run; its model is .*finished/model"):
        pretrain(recipe, tmp_path / "out", tell=lambda text: None)
