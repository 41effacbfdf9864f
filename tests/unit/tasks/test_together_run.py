"""Several tasks on one encoder: trained, resumed, and each one's model opened again."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from erya.config import load_config, validate
from erya.errors import ConfigError
from erya.tasks.predictor import Predictor
from erya.tasks.together.recipe import TogetherMonitor, TogetherRecipe
from erya.tasks.together.run import finetune_together, split_scores
from erya.train.protocols import Callback


@pytest.fixture(scope="module")
def names(reviews, tmp_path_factory) -> Path:
    """Texts in which every 房 is a place."""
    path = tmp_path_factory.mktemp("names") / "names.jsonl"
    texts = [line.split("\t")[1] for line in reviews.train.read_text(encoding="utf-8").splitlines()[1:61]]
    rows = [
        {"text": text, "entities": [[at, at + 1, "处"] for at, sign in enumerate(text) if sign == "房"]}
        for text in texts
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def recipe(tiny_base, reviews, names):
    def build(**changes) -> TogetherRecipe:
        train = {"learning_rate": 5e-3, "epochs": 5, "threads": 1, "device": "cpu", "precision": "float32"}
        files = {"train_file": str(reviews.train), "dev_file": str(reviews.dev)}
        values = {
            "model": str(tiny_base),
            "tasks": {
                "polarity": {"kind": "classify", "text": "text_a", "batch_size": 16, **files},
                "place": {"kind": "tag", "train_file": str(names), "dev_file": str(names), "batch_size": 8},
            },
            "train": {**train, "monitor": {"patience": None}, **changes.pop("train", {})},
            **changes,
        }
        return validate(TogetherRecipe, values, where="the test")

    return build


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    directory, said = tmp_path_factory.mktemp("together") / "run", []
    return directory, finetune_together(recipe(), directory, tell=said.append), said


def test_both_tasks_are_learnt_and_opened_again(trained) -> None:
    directory, done, said = trained
    assert done.models == {name: directory / "models" / name for name in ("polarity", "place")}
    assert done.scores["polarity"]["eval_accuracy"] > 0.8 and done.scores["place"]["eval_f1"] > 0.8
    mean = (done.scores["polarity"]["eval_accuracy"] + done.scores["place"]["eval_f1"]) / 2
    assert done.result.state.best_metrics["eval_mean"] == pytest.approx(mean)
    labels = [p.label for p in Predictor.open(done.models["polarity"]).predict(["好净值荐", "差吵失望"])]
    assert labels == ["好评", "差评"]
    (answer,) = Predictor.open(done.models["place"]).predict(["看房的房"])
    assert [(each.start, each.end, each.type) for each in answer.entities] == [(1, 2, "处"), (3, 4, "处")]
    assert any(text.startswith("polarity: 120 training") for text in said)
    assert "place: 50.0% of the steps" in said


def test_the_tasks_have_one_encoder(trained) -> None:
    _, done, _ = trained
    one, other = (load_file(done.models[name] / "model.safetensors") for name in ("polarity", "place"))
    shared = [name for name in one if name in other and "encoder" in name]
    assert len(shared) > 20 and all(torch.equal(one[name], other[name]) for name in shared)
    assert any("pooler" in name for name in one) and not any("pooler" in name for name in other)


class PowerCut(Callback):
    def on_step(self, report) -> None:  # type: ignore[no-untyped-def]
        if report.step == 20:
            raise RuntimeError("power cut")


def test_a_run_that_was_cut_off_goes_on_to_the_last_bit(recipe, tmp_path: Path) -> None:
    own = recipe(train={"epochs": 2, "save_every_steps": 7}, alpha=1.0)
    whole = finetune_together(own, tmp_path / "whole", tell=lambda text: None)
    with pytest.raises(RuntimeError, match="power cut"):
        finetune_together(own, tmp_path / "cut", callbacks=[PowerCut()], tell=lambda text: None)
    done = finetune_together(own, tmp_path / "cut", tell=lambda text: None)
    for name in ("polarity", "place"):
        one, other = (load_file(run.models[name] / "model.safetensors") for run in (whole, done))
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    with pytest.raises(ConfigError, match=r"alpha was 1\.0, is 0\.5"):
        finetune_together(recipe(train={"epochs": 2}), tmp_path / "cut", tell=lambda text: None)


def test_scores_are_told_apart_by_the_longest_name() -> None:
    metrics = {"eval_mean": 1.0, "eval_a_f1": 2.0, "eval_a_b_f1": 3.0}
    assert split_scores(metrics, ["a", "a_b"]) == {"a": {"eval_f1": 2.0}, "a_b": {"eval_f1": 3.0}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "clasify"}, "polarity.kind is 'clasify', known: "),
        ({"train": {"epochs": 3}}, "polarity.train: all tasks have the same"),
        ({"craft": {"lora": {"rank": 2}}}, "polarity.craft.lora changes the encoder"),
        ({"txt": "text_a"}, "unknown key 'txt'"),
    ],
)
def test_what_a_task_cannot_say_is_refused(recipe, change, said) -> None:
    tasks = recipe().tasks
    with pytest.raises(ConfigError, match=said):
        recipe(tasks={**tasks, "polarity": {**tasks["polarity"], **change}})


def test_every_task_keeps_the_batches_of_its_kind(recipe) -> None:
    tasks = {**recipe().tasks, "vectors": {"kind": "embed", "train_file": "a.tsv", "dev_file": "b.tsv"}}
    kept = {name: own.train.batch_tokens for name, own in recipe(tasks=tasks).recipes().items()}
    assert kept == {"polarity": 16384, "place": 16384, "vectors": 1 << 20}
    written = recipe(tasks=tasks).model_dump(mode="json")  # what stands in the run directory, given again
    assert validate(TogetherRecipe, written, where="here").recipes() == recipe(tasks=tasks).recipes()
    said = recipe(tasks=tasks, train={"batch_tokens": 300}).recipes().values()
    assert {own.train.batch_tokens for own in said} == {300}
    with pytest.raises(ConfigError, match="batch_ramp is for pre-training"):
        recipe(train={"batch_ramp": {"from_tokens": 8, "over_tokens": 9}})


def test_vectors_learn_beside_a_classifier_and_are_watched_by_what_there_is(recipe, tmp_path: Path) -> None:
    """Pairs without scores learn; the dev file has scores, and no ranks."""
    bare, scored = tmp_path / "pairs.tsv", tmp_path / "scored.tsv"
    bare.write_text("text\tpair\n" + "好净\t值荐\n差吵\t失望\n房间\t再来\n" * 6, encoding="utf-8")
    scored.write_text("text\tpair\tscore\n好净\t值荐\t5\n差吵\t好\t1\n吵\t净\t0\n", encoding="utf-8")
    tasks = {"polarity": recipe().tasks["polarity"]}
    vectors = {"kind": "embed", "objective": "in_batch", "train_file": str(bare), "dev_file": str(bare)}
    own = recipe(tasks={**tasks, "vectors": vectors}, train={"epochs": 1})
    scores = finetune_together(own, tmp_path / "run", tell=lambda text: None).scores
    assert "eval_mrr@10" in scores["vectors"] and "eval_accuracy" in scores["polarity"]
    odd = recipe(tasks={**tasks, "vectors": {**vectors, "dev_file": str(scored)}})
    with pytest.raises(ConfigError, match="vectors is watched by eval_mrr@10, which its dev") as caught:
        finetune_together(odd, tmp_path / "odd", tell=lambda text: None)
    assert "it gives eval_loss, eval_spearman" in str(caught.value.hint)


def test_a_length_in_tokens_knows_how_long_a_batch_is(recipe, tmp_path: Path) -> None:
    own = recipe(train={"max_tokens": 2000, "warmup_tokens": 500, "epochs": None})
    assert finetune_together(own, tmp_path / "run", tell=lambda text: None).result.state.tokens >= 2000


def test_a_rate_that_nobody_said_is_the_usual_one(recipe, tmp_path: Path) -> None:
    given = recipe(train={"steps": 1, "epochs": None}).model_dump(mode="json", exclude_unset=True)
    del given["train"]["learning_rate"]
    own = validate(TogetherRecipe, given, where="the test")
    said: list[str] = []
    finetune_together(own, tmp_path / "run", tell=said.append)
    assert any("learning rate 0.001, usual for a width of 32" in text for text in said)
    assert "learning_rate: 0.001" in (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["eval_polarity_f1", "eval_accuracy", "eval_price_accuracy"])
def test_a_score_that_no_task_has_is_found_before_training(recipe, tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=f"'{key}', which this dev file") as caught:
        finetune_together(recipe(train={"monitor": {"key": key}}), tmp_path / "run", tell=lambda text: None)
    assert "eval_mean, eval_polarity_loss, eval_polarity_accuracy" in str(caught.value.hint)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("key", ["eval_topic_loss", "eval_same_mean_squared_error"])
def test_the_worst_state_is_never_kept(key) -> None:
    assert TogetherMonitor(key=key, mode="min").mode == "min"
    with pytest.raises(ValueError, match="best at its minimum"):
        TogetherMonitor(key=key)
    with pytest.raises(ValueError, match="best at its maximum"):
        TogetherMonitor(mode="min")


def test_names_and_numbers_of_tasks_are_checked(recipe) -> None:
    tasks = recipe().tasks
    with pytest.raises(ConfigError, match="'a b' is no name for a task"):
        recipe(tasks={"a b": tasks["polarity"], "place": tasks["place"]})
    with pytest.raises(ConfigError, match="at least 2 items"):
        recipe(tasks={"place": tasks["place"]})


def test_the_recipe_we_ship_says_the_defaults() -> None:
    path = Path(__file__).parents[3] / "recipes/finetune/together.yaml"
    shipped = load_config(TogetherRecipe, path)
    assert shipped == TogetherRecipe(model=shipped.model, tasks=shipped.tasks)
    assert [own.kind for own in shipped.recipes().values()] == ["classify", "tag"]
