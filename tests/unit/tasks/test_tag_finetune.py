"""Taggers that learn, are saved and opened again, and what a user's mistakes say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_entities import nested, some_rows, write_rows

torch = pytest.importorskip("torch")

from erya.checkpoints.info import read_info  # noqa: E402
from erya.config import validate  # noqa: E402
from erya.data.batches import pack  # noqa: E402
from erya.data.features import Features  # noqa: E402
from erya.errors import ConfigError, InputError  # noqa: E402
from erya.nn.packing import PackedTensors  # noqa: E402
from erya.tasks.finetune import finetune  # noqa: E402
from erya.tasks.predictor import Predictor  # noqa: E402
from erya.tasks.tag.recipe import TagRecipe  # noqa: E402
from erya.train.protocols import Callback  # noqa: E402


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("entities")
    train, dev = some_rows(160, seed=1), some_rows(40, seed=2)
    words = [
        {"words": text_words(each), "tags": [tag for _, tag in segments(each)]} for each in [*train, *dev]
    ]
    return {
        "train": write_rows(folder / "train.jsonl", train),
        "dev": write_rows(folder / "dev.jsonl", dev),
        "nested_train": write_rows(folder / "nested_train.jsonl", [nested(each) for each in train]),
        "nested_dev": write_rows(folder / "nested_dev.jsonl", [nested(each) for each in dev]),
        "words_train": write_rows(folder / "words_train.jsonl", words[:160]),
        "words_dev": write_rows(folder / "words_dev.jsonl", words[160:]),
    }


def segments(row: dict) -> list[tuple[str, str]]:
    """A text cut into words: entities, and every other character by itself."""
    found, end, text = [], 0, row["text"]
    for entity in row["entities"]:
        found += [(char, "x") for char in text[end : entity["start"]]]
        end = entity["end"]
        found.append((text[entity["start"] : end], "n"))
    return found + [(char, "x") for char in text[end:]]


def text_words(row: dict) -> list[str]:
    return [word for word, _ in segments(row)]


@pytest.fixture(scope="module")
def recipe(tiny_base, files):
    """Builds a recipe that learns the entities in seconds."""

    def build(data: str = "", *, train=None, **changes) -> TagRecipe:
        training = {
            "learning_rate": 5e-3,
            "epochs": 5,
            "threads": 1,
            "device": "cpu",
            "precision": "float32",
            "monitor": {"patience": None},
            **(train or {}),
        }
        values = {
            "model": str(tiny_base),
            "train_file": str(files[f"{data}train"]),
            "dev_file": str(files[f"{data}dev"]),
            "batch_size": 16,
            "train": training,
            **changes,
        }
        return validate(TagRecipe, values, where="the test")

    return build


RUNS = {
    "linear": ("", {"head": "linear", "scheme": "bioes", "stride": 10}),
    "io": ("", {"head": "linear", "scheme": "io", "constrained": False}),
    "crf": ("", {"head": "crf", "scheme": "bio", "crf_scale": 20.0, "classifier_dropout_prob": 0.1}),
    "pairs": ("nested_", {"head": "span_pairs", "head_size": 32, "threshold": 0.4}),
    "words": ("words_", {"head": "crf", "scheme": "bioes"}),
}


@pytest.fixture(scope="module")
def run_of(recipe, tmp_path_factory):
    """The F1 on dev and the directory of a finished run, made once."""
    done: dict[str, tuple[float, Path]] = {}

    def build(name: str) -> tuple[float, Path]:
        if name not in done:
            data, options = RUNS[name]
            # Pairs are many, of which few are entities: that takes longer.
            training = {"epochs": 12, "learning_rate": 1e-2} if name == "pairs" else {}
            folder = tmp_path_factory.mktemp("run") / name
            found = finetune(recipe(data, train=training, **options), folder, tell=lambda text: None)
            assert found.model is not None
            done[name] = found.result.state.best_metrics["eval_f1"], found.model
        return done[name]

    return build


@pytest.mark.parametrize("name", RUNS)
def test_every_head_learns_and_is_opened_again(name, run_of, files) -> None:
    data, options = RUNS[name]
    f1, model = run_of(name)
    assert f1 > 0.85
    info = read_info(model)
    assert info is not None and info.task == "tag"
    kept = {key: value for key, value in options.items() if key in info.settings}
    assert kept and {key: info.settings[key] for key in kept} == kept
    predictor = Predictor.open(model, device="cpu")
    examples = list(predictor.kind.examples(files[f"{data}dev"], columns={}, labelled=True))
    predictions, _ = predictor.predict_examples(examples)
    tally = predictor.task.tally()
    tally.add(predictions, examples)
    assert tally.scores().micro.f1 == pytest.approx(f1)
    for prediction in predictions:
        for entity in prediction.entities:
            assert entity.text == prediction.text[entity.start : entity.end]
            assert 0.0 < entity.score <= 1.0
    alone = predictor.predict([examples[0].text])[0].to_dict()["entities"]
    together = predictions[0].to_dict()["entities"]
    assert [{**e, "score": 0} for e in alone] == [{**e, "score": 0} for e in together]
    assert [e["score"] for e in alone] == pytest.approx([e["score"] for e in together], abs=1e-5)


def test_nested_entities_are_found(run_of, files) -> None:
    predictor = Predictor.open(run_of("pairs")[1], device="cpu")
    examples = list(predictor.kind.examples(files["nested_dev"], columns={}, labelled=True))
    predictions, _ = predictor.predict_examples(examples)
    right = total = 0
    for example, prediction in zip(examples, predictions, strict=True):
        found = {(entity.start, entity.end, entity.type) for entity in prediction.entities}
        long = [entity for entity in example.entities if entity.end - entity.start == 3]
        total += len(long)
        right += sum({(e.start, e.end, "PLACE"), (e.start + 1, e.end, "THING")} <= found for e in long)
    assert total > 5 and right > 0.7 * total


def test_a_segmentation_covers_every_character(run_of) -> None:
    predictor = Predictor.open(run_of("words")[1], device="cpu")
    assert predictor.task.options.every_token
    for text in ("非常 很大房间，书", "x房间𠮷y", "再"):
        (found,) = predictor.predict([text])
        assert "".join(entity.text for entity in found.entities) == text.replace(" ", "")


def test_long_texts_in_windows_give_what_short_ones_give(run_of) -> None:
    """A text longer than the model's 24 positions is cut into windows, and nothing is lost."""
    predictor = Predictor.open(run_of("linear")[1], device="cpu")
    part = "很大房间，再来了书，非常服务的。"
    (long,) = predictor.predict([part * 4])
    (once,) = predictor.predict([part])
    wanted = {
        (entity.start + shift * len(part), entity.end + shift * len(part), entity.type)
        for entity in once.entities
        for shift in range(4)
    }
    assert {(entity.start, entity.end, entity.type) for entity in long.entities} == wanted and wanted


@pytest.mark.parametrize("name", ["linear", "crf"])
def test_transformers_opens_a_token_classifier(name, run_of) -> None:
    """Of a CRF it takes the classifier; the transitions are what it has no place for."""
    transformers = pytest.importorskip("transformers")
    predictor = Predictor.open(run_of(name)[1], device="cpu")
    theirs, loaded = transformers.AutoModelForTokenClassification.from_pretrained(
        run_of(name)[1], output_loading_info=True
    )
    assert not loaded["missing_keys"]
    extra = {"crf.start_transitions", "crf.transitions", "crf.end_transitions"}
    assert set(loaded["unexpected_keys"]) == (extra if name == "crf" else set())
    assert tuple(theirs.config.id2label.values()) == predictor.task.labels
    encoding = predictor.tokenizer.encode("很大房间，书")
    batch = PackedTensors.from_batch(pack([Features(encoding.ids, encoding.type_ids)]), torch.device("cpu"))
    with torch.inference_mode():
        logits = theirs.eval()(torch.from_numpy(encoding.ids).long()[None]).logits[0]
        assert torch.allclose(predictor.learner.logits(batch), logits, atol=1e-5)


def test_transformers_opens_the_encoder_of_span_pairs(run_of) -> None:
    transformers = pytest.importorskip("transformers")
    _, model = run_of("pairs")
    theirs, loaded = transformers.AutoModel.from_pretrained(model, output_loading_info=True)
    assert all(name.startswith("pooler.") for name in loaded["missing_keys"])
    ours = Predictor.open(model, device="cpu").learner.network.encoder
    assert torch.equal(theirs.embeddings.word_embeddings.weight, ours.embeddings.words.weight)


def test_a_run_that_was_stopped_goes_on_to_the_same_end(recipe, tmp_path) -> None:
    short = {"epochs": 2, "save_every_steps": 3}
    whole = finetune(recipe(head="crf", train=short), tmp_path / "whole", tell=lambda text: None)

    class Stop(Exception):
        pass

    class StopAt(Callback):
        def on_step(self, report) -> None:
            if report.step == 8:
                raise Stop

    with pytest.raises(Stop):
        finetune(recipe(head="crf", train=short), tmp_path / "a", tell=print, callbacks=[StopAt()])
    again = finetune(recipe(head="crf", train=short), tmp_path / "a", tell=lambda text: None)
    assert again.result.state.best_metrics == whole.result.state.best_metrics
    one, other = (Predictor.open(done.model, device="cpu").learner for done in (whole, again))
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


CRAFTS = [
    ("linear", {"r_drop": {"weight": 0.5}}),
    ("crf", {"r_drop": {"weight": 0.5}, "label_smoothing": 0.1}),
    ("span_pairs", {"label_smoothing": 0.1}),
]


@pytest.mark.parametrize(("head", "craft"), CRAFTS)
def test_craft_has_distributions_of_tags(head, craft, recipe, tmp_path) -> None:
    made = recipe(head=head, craft=craft, train={"epochs": 1})
    if head == "span_pairs":
        with pytest.raises(ConfigError, match="no distribution"):
            finetune(made, tmp_path / "run", tell=lambda text: None)
    else:
        done = finetune(made, tmp_path / "run", tell=lambda text: None)
        assert np.isfinite(done.result.state.best_metrics["eval_loss"])


def with_rows(path: Path, folder: Path, *rows: dict) -> str:
    """A copy of a file with more rows."""
    copy = folder / path.name
    extra = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    copy.write_text(path.read_text(encoding="utf-8") + extra, encoding="utf-8")
    return str(copy)


MISTAKES = [
    ("dev_file", {"text": "很书", "entities": [{"start": 1, "end": 2, "type": "THINK"}]}, "THING"),
    (
        "train_file",
        {
            "text": "房间",
            "entities": [{"start": 0, "end": 2, "type": "PLACE"}, {"start": 1, "end": 2, "type": "THING"}],
        },
        "head=span_pairs",
    ),
    ("train_file", {"text": "房间", "entities": [{"start": 1, "end": 3, "type": "PLACE"}]}, "2 characters"),
    (
        "dev_file",
        {"text": "房间书", "entities": [{"start": 0, "end": 2, "type": "PLACE", "text": "间书"}]},
        "'间书'",
    ),
    ("train_file", {"text": "  ", "entities": []}, "empty"),
    ("dev_file", {"text": "房间"}, "entities"),
]


@pytest.mark.parametrize(("file", "row", "message"), MISTAKES)
def test_mistakes_are_named_with_file_and_line(file, row, message, recipe, files, tmp_path) -> None:
    path = files[file.removesuffix("_file")]
    line = len(path.read_text(encoding="utf-8").splitlines()) + 1
    changed = {file: with_rows(path, tmp_path, row)}
    with pytest.raises(InputError) as caught:
        finetune(recipe(**changed), tmp_path / "run", tell=lambda text: None)
    assert message in str(caught.value) and f"line {line}" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_entities_that_do_not_fit_may_be_skipped_and_are_counted(recipe, files, tmp_path) -> None:
    row = {"text": "房间", "entities": [{"start": 1, "end": 3, "type": "PLACE"}]}
    told: list[str] = []
    changed = {"train_file": with_rows(files["train"], tmp_path, row), "bad_entities": "skip"}
    finetune(recipe(**changed, train={"epochs": 1}), tmp_path / "run", tell=told.append)
    assert any("1 x an entity outside its text" in line and "line 161" in line for line in told)


def test_nothing_to_find_is_said(recipe, tmp_path) -> None:
    path = write_rows(tmp_path / "none.jsonl", [{"text": "房间", "entities": []}] * 3)
    with pytest.raises(InputError, match="nothing to find"):
        finetune(recipe(train_file=str(path)), tmp_path / "run", tell=lambda text: None)


@pytest.mark.parametrize(
    "options", [{"threshold": 0.3}, {"crf_scale": 1.0}, {"head": "span_pairs", "scheme": "io"}]
)
def test_options_of_another_head_are_refused(options, recipe) -> None:
    with pytest.raises(ConfigError, match="is for head="):
        recipe(**options)
