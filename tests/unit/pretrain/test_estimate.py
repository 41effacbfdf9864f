"""What a run will cost: counted by hand, timed without leaving anything, and near what the run then takes."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_shards import write_shards

from erya.cli.main import run as erya
from erya.cli.pretrain_estimate import duration, show_estimate, size
from erya.config import validate
from erya.data.batches import PackedBatch, bounds_of, positions_of
from erya.data.plan import WHOLE, Share, divide
from erya.errors import ConfigError
from erya.models.flops import flops_per_token
from erya.pretrain.estimate import Memory, RunLength, estimate, run_length
from erya.pretrain.flops import flops_of, seen_length
from erya.pretrain.hardware import HARDWARE, hardware_called
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.run import pretrain
from erya.pretrain.start import build_start
from erya.pretrain.timing import Timing, _micro_batches
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.recipe import TrainRecipe

TIMING = Timing("cpu", 1e9, 0.01, 0.5, 0.004, 1e-9, 100.0, 1e6)
MODEL = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 32, "max_positions": 64}


def recipe_of(shards: Path, *, objective: Any = None, family: str = "bert", **train: Any) -> PretrainRecipe:
    training = {"steps": 40, "batch_tokens": 300, "learning_rate": 1e-3, "precision": "float32", "threads": 1}
    values: dict[str, Any] = {"data": {"shards": str(shards), "max_length": 48}}
    values["model"] = MODEL | {"family": family}
    values |= {"objective": objective} if objective else {}
    return validate(PretrainRecipe, values | {"train": training | train}, where="the test")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("estimated") / "shards")


class FakeSource:
    """Epochs of ten batches of 100 tokens."""

    def num_batches(self, epoch: int) -> int:
        return 10

    def batch(self, epoch: int, index: int, share: object = WHOLE) -> list[Any]:
        raise AssertionError("only lengths are asked for")


@pytest.mark.parametrize(
    ("lengths", "found"),
    [
        ({"steps": 25}, RunLength(25, 2500.0, 2.5)),
        ({"epochs": 7}, RunLength(70, 7000.0, 7.0)),
        ({"max_tokens": 1001}, RunLength(11, 1100.0, 1.1)),
        ({"max_time_s": 16.0}, RunLength(11, 1100.0, 1.1)),  # steps of 1.5 s
        ({"steps": 25, "max_tokens": 700}, RunLength(7, 700.0, 0.7)),
    ],
)
def test_a_length_is_whichever_comes_first(lengths: dict[str, Any], found: RunLength) -> None:
    recipe = TrainRecipe.model_validate({"batch_tokens": 100, "learning_rate": 1e-3, **lengths})
    reckoned = run_length(recipe, FakeSource(), epoch_tokens=1000, timing=TIMING)
    assert (reckoned.steps, reckoned.tokens) == (found.steps, found.tokens)
    assert reckoned.epochs == pytest.approx(found.epochs)


def test_memory_decides_which_micro_batch_fits() -> None:
    memory = Memory(fixed=500.0, activation_token=2.0, micro_batch_tokens=300)
    assert memory.total == 500 + 2 * 600, "at the peak there is as much again as the backward pass keeps"
    assert [memory.fitting_tokens(device) for device in (2000, 1000, 100)] == [300, 100, 0]


def test_micro_batches_that_are_found_automatically_fit_here(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erya.pretrain.estimate.free_bytes", lambda device: 2_000_000)
    recipe = recipe_of(shards, batch_tokens=4000, micro_batch_tokens="auto")
    found = estimate(recipe, hardware=[HARDWARE["h100"]], tell=lambda text: None)
    tokens = found.memory.micro_batch_tokens
    assert 1 < tokens < 4000 and tokens == 1 << (tokens.bit_length() - 1), "a power of two, as the run takes"
    assert found.memory.total <= 2_000_000
    assert found.elsewhere[0].micro_batch_tokens == 4000


class CountingSource:
    """A batch of 1,000 sequences of 1 to 20 tokens; knows how many of them were read."""

    def __init__(self) -> None:
        self.lengths, self.read = np.arange(1000) % 20 + 1, 0

    def num_batches(self, epoch: int) -> int:
        return 1

    def batch(self, epoch: int, index: int, share: Share) -> list[PackedBatch]:
        made = []
        for piece in divide(self.lengths, share):
            self.read += len(piece.sequences)
            lengths = self.lengths[piece.sequences]
            ids = np.zeros(lengths.sum(), dtype=np.int32)
            bounds, positions = bounds_of(lengths), positions_of(lengths)
            batch = PackedBatch(ids, ids, positions, bounds, int(lengths.max()), {}, is_idle=piece.is_idle)
            made.append(batch)
        return made


def test_of_a_large_batch_only_what_is_timed_is_read() -> None:
    source = CountingSource()
    total = int(source.lengths.sum())
    found = _micro_batches(source, 0, Share(micro_batch_tokens=100), wanted=2, batch_tokens=total)
    assert len(found) == 2 and source.read <= 40
    lengths = np.concatenate([np.diff(batch.bounds) for batch in found])
    assert abs(lengths.mean() - source.lengths.mean()) < 2, "neither the longest nor the shortest"
    few = _micro_batches(source, 0, Share(micro_batch_tokens=1), wanted=1, batch_tokens=10**6)
    assert len(few) == 1 and not few[0].is_idle


def test_operations_are_those_of_the_parts(shards: Path) -> None:
    recipe = recipe_of(shards)
    tokenizer = Tokenizer.open(shards / "tokenizer")
    start = build_start(recipe, tokenizer, tell=lambda text: None)
    from erya.data.shards import Shards
    from erya.pretrain.feed import cut_split, training_source

    opened = Shards.open(shards, split="train")
    source = training_source(
        cut_split(opened, "train", recipe, tokenizer, tell=lambda text: None), recipe, tokenizer
    )
    (batch,) = source.batch(0, 0)
    config = start.module.encoders()[0].config
    share = len(batch.targets["masked_positions"]) / batch.num_tokens
    wanted = flops_per_token(config, length=seen_length(batch), masked_share=share).total * batch.num_tokens
    assert flops_of(start.module)(batch) == pytest.approx(wanted)
    objective = {"kind": "replaced", "generator": {"width": 0.5}}
    replaced = recipe_of(shards, objective=objective, family="electra")
    both = flops_of(build_start(replaced, tokenizer, tell=lambda text: None).module)(batch)
    assert both > wanted


def test_an_estimate_leaves_nothing_and_comes_near(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    recipe = recipe_of(shards, eval_every_steps=20, save_every_steps=20, average={"decay": 0.9})
    found = estimate(recipe, hardware=[HARDWARE["h100"]], tell=lambda text: None)
    left = [path.name for path in tmp_path.rglob("*") if not path.name.startswith("torchinductor")]
    assert left == ["temporary"]
    assert found.length.steps == 40 and found.memory.fixed == 5 * 4 * found.num_parameters
    assert found.checkpoint_bytes == 4 * 4 * found.num_parameters
    assert found.elsewhere[0].seconds > 0 and found.elsewhere[0].micro_batch_tokens == 300
    torch.manual_seed(0)
    began = time.perf_counter()
    pretrain(recipe, tmp_path / "out", tell=lambda text: None)
    # The clock decides nothing here: an order of magnitude is asked for.
    assert 0.05 < found.total_s / (time.perf_counter() - began) < 20


def test_the_command_prints_and_starts_nothing(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe_of(shards).model_dump(mode="json", exclude_none=True)))
    monkeypatch.chdir(tmp_path)
    assert erya(["pretrain", str(path), "--estimate"]) == 0
    said = capsys.readouterr().out
    assert "H100 SXM" in said and "2 cores Zen 4" in said and "time here" in said
    assert erya(["pretrain", str(path), "--estimate", "--hardware", "RTX4090", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [other["hardware"]["name"] for other in values["elsewhere"]] == ["RTX 4090"]
    assert values["total_s"] > 0 and values["length"]["steps"] == 40
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]
    for arguments, told in (
        (["--estimate", "--hardware", "h10"], "did you mean 'h100'"),
        (["--hardware", "h100"], "goes with --estimate"),
        ([], "--out is missing"),
    ):
        assert erya(["pretrain", str(path), *arguments]) == 2
        assert told in capsys.readouterr().err


def test_hardware_states_where_its_figures_are_from() -> None:
    assert all(machine.peak_source and machine.utilisation_source for machine in HARDWARE.values())
    assert hardware_called("8 x H100") is HARDWARE["8xh100"]
    with pytest.raises(ConfigError, match="no figures"):
        hardware_called("abacus")


def test_numbers_people_read() -> None:
    assert [size(number) for number in (12, 1.5e6, 4.2e9)] == ["12 B", "1.5 MB", "4.2 GB"]
    assert [duration(s) for s in (0.25, 30, 600, 7300, 1e6)] == [
        "0.25 s",
        "30 s",
        "10 min",
        "2.03 h",
        "11.6 d",
    ]


def test_an_estimate_is_of_one_process(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2"}
    names |= {"LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="without torchrun"):
        show_estimate(recipe_of(shards), hardware=None, as_json=False, tell=lambda text: None)
