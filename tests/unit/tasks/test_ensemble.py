"""Several models that answer as one."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from erya.checkpoints.info import ModelInfo
from erya.errors import CheckpointError, ConfigError, StorageError
from erya.tasks.ensemble import info_of, together, write_ensemble
from erya.tasks.finetune import finetune
from erya.tasks.predictor import Predictor

TEXTS = ["房间很好", "服务差，吵", "非常干净", "再来了"]


@pytest.fixture(scope="module")
def models(classify_recipe, tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("members")
    for seed in (0, 1, 2):
        recipe = classify_recipe(train={"epochs": 1, "seed": seed, "learning_rate": 1e-3})
        finetune(recipe, folder / f"{seed}", tell=lambda text: None)
    return [folder / f"{seed}" / "model" for seed in (0, 1, 2)]


def probabilities(directory: Path) -> np.ndarray:
    return np.array([list(each.scores.values()) for each in Predictor.open(directory).predict(TEXTS)])


def test_an_ensemble_gives_the_mean_of_its_members_probabilities(models, tmp_path: Path) -> None:
    write_ensemble(tmp_path / "all", models)
    single = np.stack([probabilities(model) for model in models])
    assert np.abs(single[0] - single[1]).max() > 1e-4  # else any of them would do
    np.testing.assert_allclose(probabilities(tmp_path / "all"), single.mean(axis=0), atol=1e-6)


def test_an_ensemble_is_whole_without_its_members_origins(models, tmp_path: Path) -> None:
    write_ensemble(tmp_path / "a", models[:2])
    (tmp_path / "a").rename(tmp_path / "b")
    listed = json.loads((tmp_path / "b" / "ensemble.json").read_text())
    assert listed == {"format_version": 1, "kind": "classify", "members": ["member-0", "member-1"]}
    assert Predictor.open(tmp_path / "b").predict(TEXTS[:1])[0].label in ("好评", "差评")


def test_what_does_not_go_together_is_refused(models, tiny_base, classify_recipe, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two members or more"):
        write_ensemble(tmp_path / "x", models[:1])
    with pytest.raises(ConfigError, match="models for no task cannot be averaged"):
        write_ensemble(tmp_path / "x", [tiny_base, tiny_base])
    other = tmp_path / "other.tsv"
    other.write_text("label\ttext_a\n" + "一\t房间很好\n二\t服务差\n" * 8, encoding="utf-8")
    recipe = classify_recipe(train={"epochs": 1}, train_file=str(other), dev_file=str(other))
    run = finetune(recipe, tmp_path / "other", tell=lambda text: None)
    with pytest.raises(ConfigError, match="labels differ"):
        write_ensemble(tmp_path / "x", [models[0], run.model])
    assert not (tmp_path / "x").exists()


def test_readers_of_texts_and_of_pairs_do_not_go_together(models, tmp_path: Path) -> None:
    other = shutil.copytree(models[1], tmp_path / "pairs")
    file = other / "erya.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for pairs in (True, None):  # of an older model nobody knows
        file.write_text(json.dumps(content | {"settings": {"pairs": pairs}}), encoding="utf-8")
        if pairs is None:
            write_ensemble(tmp_path / "x", [models[0], other])
            continue
        with pytest.raises(ConfigError, match="single texts and pairs differ"):
            write_ensemble(tmp_path / "x", [models[0], other])


@pytest.mark.parametrize(
    ("head", "said"),
    [("crf", "a chain of tags .* scores whole paths"), ("span_pairs", "pairs of places .* the product")],
)
def test_heads_whose_parts_are_not_scores_are_refused(head, said, models, tmp_path: Path) -> None:
    members = []
    for number, model in enumerate(models[:2]):
        members.append(shutil.copytree(model, tmp_path / f"{number}"))
        file = members[-1] / "erya.json"
        content = json.loads(file.read_text(encoding="utf-8")) | {"settings": {"head": head}}
        file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=said) as caught:
        write_ensemble(tmp_path / "x", members)
    assert "head=linear" in str(caught.value.hint)


def test_a_damaged_list_is_named(models, tmp_path: Path) -> None:
    write_ensemble(tmp_path / "x", models[:2])
    with pytest.raises(StorageError):
        write_ensemble(tmp_path / "x", models[:2])
    file = tmp_path / "x" / "ensemble.json"
    for content, said in (
        ("{", "not a list of an ensemble's members"),
        ('{"members": []}', "not a list"),
        ('{"format_version": 9, "members": ["member-0"]}', "format 9"),
        ('{"format_version": 1, "members": ["member-7"]}', "lacks members: member-7"),
        ('{"format_version": 1, "members": []}', "it lists none"),
    ):
        file.write_text(content)
        with pytest.raises(CheckpointError, match=said):
            Predictor.open(tmp_path / "x")


class Told(torch.nn.Module):
    """A member that says what it is told."""

    def __init__(self, logits: list[list[float]]) -> None:
        super().__init__()
        self._logits = torch.tensor(logits)

    def logits(self, batch) -> torch.Tensor:  # type: ignore[no-untyped-def]
        return self._logits


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("classify", {}, "rows"),
        ("match", {}, "rows"),
        ("tag", {"head": "linear"}, "rows"),
        ("classify", {"multi_label": True}, "numbers"),
        ("classify", {"sets": {"a": ["x", "y"]}}, "logits"),
        ("answer", {}, "logits"),
    ],
)
def test_what_is_averaged_is_the_tasks(kind, settings, expected) -> None:
    info = ModelInfo(task="classify", kind=kind, labels=("x", "y"), max_length=9, settings=settings)
    told = torch.tensor([[[2.0, -1.0]], [[0.0, 3.0]]])
    logits = together([Told(each.tolist()) for each in told], info).logits(None)
    found = {"rows": logits.softmax(-1), "numbers": logits.sigmoid(), "logits": logits}[expected]
    wanted = {"rows": told.softmax(-1), "numbers": told.sigmoid(), "logits": told}[expected].mean(0)
    torch.testing.assert_close(found, wanted)


def test_thresholds_are_averaged_and_nothing_else() -> None:
    one, other = (
        ModelInfo(max_length=9, settings={"thresholds": places, "stride": 3, "name": name, "least": least})
        for places, name, least in (([0.2, 0.6], "a", 1.5), ([0.4, 0.2], "b", 2.5))
    )
    assert info_of([one, other]).settings == {
        "thresholds": pytest.approx([0.3, 0.4]), "stride": 3, "name": "a", "least": 2.0
    }  # fmt: skip


def test_a_number_for_a_pair_is_averaged_as_it_is() -> None:
    info = ModelInfo(task="classify", kind="match", labels=("score",), max_length=9)
    assert together([Told([[1.0]]), Told([[4.0]])], info).logits(None).tolist() == [[2.5]]


def test_means_of_settings_do_not_depend_on_the_order_of_members() -> None:
    found = set()
    for order in itertools.permutations((0.1, 0.2, 0.3, 0.7)):
        members = [
            ModelInfo(task="answer", max_length=9, settings={"threshold": value, "thresholds": [value]})
            for value in order
        ]
        settings = info_of(members).settings
        found.add((settings["threshold"], *settings["thresholds"]))
    assert found == {(0.325, 0.325)}
