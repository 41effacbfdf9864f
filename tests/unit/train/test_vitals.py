"""The measures of a step, against the same by hand."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from toy_model import ToyTrainable, toy_recipe, toy_run

from erya.data.batches import PackedBatch
from erya.train.matrix_rate import machine_key, measure_matrix_rate
from erya.train.protocols import Callback, StepReport
from erya.train.run_file import read_run_file
from erya.train.vitals import Vitals, group_of


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("model.encoder.embeddings.words.weight", "embeddings"),
        ("module.model.encoder.blocks.3.attention.qkv.weight", "attention"),
        ("model.encoder.blocks.3.attention_norm.weight", "attention"),
        ("_orig_mod.model.encoder.blocks.0.feedforward.up.bias", "feed_forward"),
        ("model.head.dense.weight", "head"),
        ("generator.encoder.embeddings.words.weight", "generator"),
        ("classifier.weight", "other"),
    ],
)
def test_parameters_have_groups(name: str, group: str) -> None:
    assert group_of(name) == group


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Linear(300, 70, bias=False)  # more weights than are sampled
        self.head = nn.Linear(4, 3)


def test_norms_and_ratios_of_groups_are_those_by_hand() -> None:
    torch.manual_seed(0)
    module = Two()
    vitals = Vitals(module, every_steps=2, flops=None, matrix_rate=None)
    vitals.before_step(1)
    assert vitals.after_step(1.0) == {}
    vitals.before_step(2)
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    head = [parameter.grad for parameter in module.head.parameters()]
    whole = math.hypot(*(float(parameter.grad.norm()) for parameter in module.parameters()))
    wanted = math.hypot(*(float(gradient.norm()) for gradient in head))
    nn.utils.clip_grad_norm_(module.parameters(), 0.5)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= 1.01
    found = vitals.after_step(whole)
    assert found["grad_norm_head"] == pytest.approx(wanted, rel=1e-4)
    assert math.hypot(found["grad_norm_head"], found["grad_norm_embeddings"]) == pytest.approx(whole)
    assert found["update_ratio_head"] == pytest.approx(0.01, rel=1e-3)
    assert found["update_ratio_embeddings"] == pytest.approx(0.01, rel=1e-3)
    vitals.before_step(4)
    assert vitals.after_step(None) == {} and vitals.after_step(1.0) == {}


class Reports(Callback):
    def __init__(self) -> None:
        self.reports: list[StepReport] = []

    def on_step(self, report: StepReport) -> None:
        self.reports.append(report)


def test_a_run_measures_itself_and_its_machine_once(tmp_path: Path) -> None:
    def flops(batch: PackedBatch) -> float:
        return 1000.0 * batch.num_tokens

    seen = Reports()
    toy_run(tmp_path, recipe=toy_recipe(log_every_steps=4, steps=12), flops=flops, callbacks=[seen])
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 12]
    assert {"grad_norm_other", "update_ratio_other", "data_wait_s", "utilisation"} <= lines[0].keys()
    assert lines[0]["grad_norm_other"] == pytest.approx(lines[0]["grad_norm"])
    shares = [report.extra["epoch_share"] for report in seen.reports]
    assert shares[7] == 1.0 and all(0 < share <= 1 for share in shares)
    assert seen.reports[7].extra["sequences"] == 60  # all of the data
    ((key, rate),) = read_run_file(tmp_path).matrix_rates.items()
    first = seen.reports[0]
    assert first.extra["utilisation"] == pytest.approx(1000 * first.tokens_per_s / rate)

    file = read_run_file(tmp_path)
    file.matrix_rates[key] = 123.0
    file.write(tmp_path)
    toy_run(tmp_path, recipe=toy_recipe(log_every_steps=4, steps=14), flops=flops)
    assert read_run_file(tmp_path).matrix_rates == {key: 123.0}


def test_measuring_changes_nothing(tmp_path: Path) -> None:
    trained = [ToyTrainable(), ToyTrainable()]
    for number, trainable in enumerate(trained):
        toy_run(tmp_path / str(number), trainable, recipe=toy_recipe(log_every_steps=1 + 99 * number))
    one, other = (trainable.module.state_dict() for trainable in trained)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_matrix_rate_is_of_the_device() -> None:
    device = torch.device("cpu")
    assert 1e8 < measure_matrix_rate(device, torch.float32, budget_s=0.01) < 1e14
    assert machine_key(device, torch.float32) != machine_key(device, torch.bfloat16)
