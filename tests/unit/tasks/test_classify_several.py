"""Several labels, several sets of labels, and long texts read in windows."""

import json

import numpy as np
import pytest
from tiny_reviews import CHARACTERS

torch = pytest.importorskip("torch")

from erya.config import validate  # noqa: E402
from erya.data.records import Record  # noqa: E402
from erya.errors import ConfigError, InputError  # noqa: E402
from erya.tasks.classify.example import Example  # noqa: E402
from erya.tasks.classify.kind import ClassifyKind  # noqa: E402
from erya.tasks.classify.multi import MultiLabelTask, split_labels  # noqa: E402
from erya.tasks.classify.recipe import ClassifyRecipe  # noqa: E402
from erya.tasks.classify.task import ClassifyTask  # noqa: E402
from erya.tasks.finetune import finetune  # noqa: E402
from erya.tasks.predictor import Predictor  # noqa: E402
from erya.tasks.task import Encoded  # noqa: E402
from erya.tasks.texts import EncodingReport, LengthLimit  # noqa: E402
from erya.tokenizer.wordpiece import Tokenizer  # noqa: E402

SEVERAL = {"label": "labels", "separator": "|"}
MARKS = dict(zip(("早餐", "服务", "位置"), CHARACTERS[:3], strict=True))


def marked(path, number, *, seed, columns):
    """Texts that hold a character for each label that is true of them."""
    rng = np.random.default_rng(seed)
    rows = [["text", *columns]]
    for _ in range(number):
        true = [label for label in MARKS if rng.random() < 0.5]
        noise = rng.choice(list(CHARACTERS[5:]), 4)
        text = "".join(rng.permutation([*noise, *(MARKS[label] for label in true)]))
        values = {label: "有" if label in true else "无" for label in MARKS} | {"labels": "|".join(true)}
        rows.append([text, *(values[column] for column in columns)])
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def trained(tiny_base, tmp_path):
    def train(columns, *, epochs=8, monitor=None, **changes):
        values = {
            "model": str(tiny_base),
            "train_file": marked(tmp_path / "train.tsv", 160, seed=1, columns=columns),
            "dev_file": marked(tmp_path / "dev.tsv", 40, seed=2, columns=columns),
            "batch_size": 16,
            **changes,
            "train": {
                "learning_rate": 5e-3, "epochs": epochs, "threads": 1, "device": "cpu",
                "precision": "float32", "monitor": {"patience": None, **(monitor or {})},
            },
        }  # fmt: skip
        recipe = validate(ClassifyRecipe, values, where="the test")
        return finetune(recipe, tmp_path / "run", tell=lambda text: None)

    return train


def test_any_number_of_labels_with_thresholds_from_dev(trained):
    done = trained(
        ["labels"],
        label="labels",
        separator="|",
        train={"monitor": {"key": "eval_micro_f1", "patience": None}},
    )
    assert done.result.state.best_metrics["eval_micro_f1"] > 0.8
    info = json.loads((done.model / "erya.json").read_text("utf-8"))
    assert info["settings"]["multi_label"] and len(info["settings"]["thresholds"]) == 3
    assert all(0 < value < 1 for value in info["settings"]["thresholds"])
    assert info["settings"]["thresholds"] != [0.5] * 3
    answers = Predictor.open(done.model, device="cpu").predict(
        [MARKS["早餐"] + CHARACTERS[6:9], CHARACTERS[6:9]]
    )
    assert set(answers[0].to_dict()) == {"text", "labels", "scores"}
    assert answers[0].scores["早餐"] > answers[1].scores["早餐"]


def test_transformers_opens_it_as_multi_label(trained):
    transformers = pytest.importorskip("transformers", reason="the reference (extra dev)")
    done = trained(
        ["labels"], label="labels", separator="|", train={"epochs": 1, "monitor": {"key": "eval_micro_f1"}}
    )
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(done.model).eval()
    assert theirs.config.problem_type == "multi_label_classification"
    text = CHARACTERS[2:9]
    inputs = transformers.AutoTokenizer.from_pretrained(done.model)([text], return_tensors="pt")
    with torch.no_grad():
        expected = torch.sigmoid(theirs(**inputs).logits[0]).tolist()
    ours = Predictor.open(done.model, device="cpu").predict([text])[0]
    assert list(ours.scores.values()) == pytest.approx(expected, rel=1e-4)


def test_several_sets_of_labels_at_once(trained):
    done = trained(["早餐", "位置"], label=["早餐", "位置"])
    metrics = done.result.state.best_metrics
    assert metrics["eval_accuracy"] == pytest.approx(
        (metrics["eval_accuracy_早餐"] + metrics["eval_accuracy_位置"]) / 2
    )
    assert metrics["eval_accuracy"] > 0.8
    answer = Predictor.open(done.model, device="cpu").predict([MARKS["位置"] + CHARACTERS[6:9]])[0].to_dict()
    assert answer["位置"]["label"] == "有" and answer["早餐"]["label"] == "无"
    assert sum(answer["早餐"]["scores"].values()) == pytest.approx(1.0)


def test_a_label_of_dev_that_train_lacks_is_named_with_its_line(trained, tmp_path):
    trained(
        ["labels"], label="labels", separator="|", train={"epochs": 1, "monitor": {"key": "eval_micro_f1"}}
    )
    task = MultiLabelTask(("早餐", "服务"))
    with pytest.raises(InputError, match=r"unknown label '早歺'(.|\n)*line 3(.|\n)*早餐"):
        task.read(Record("dev.tsv", 3, {"text": "好", "label": "早歺|服务"}))
    assert task.read(Record("dev.tsv", 3, {"text": "好", "label": ""})).label == ""
    assert split_labels(" 早餐 | 服务||早餐", "|") == ("早餐", "服务")


def test_options_that_contradict_each_other_are_refused():
    common = {"model": "m", "train_file": "t", "dev_file": "d"}
    for wrong in (
        {"label": ["a"]},
        {"label": ["a", "b"], "separator": "|"},
        {"separator": "|", "focal_gamma": 2.0},
    ):
        with pytest.raises(ConfigError):
            validate(ClassifyRecipe, {**common, **wrong}, where="the test")


def test_the_evidence_of_windows_is_pooled():
    encoded = Encoded([None] * 3, np.array([0, 0, 1]), [None] * 3, EncodingReport())
    examples = [Example("长", None, None, "here", 1), Example("短", None, None, "here", 2)]
    outputs = [np.array([4.0, 0.0]), np.array([0.0, 1.0]), np.array([0.0, 2.0])]
    answers = ClassifyTask(("差", "好"), stride=2).decode(outputs, encoded, examples)
    assert [answer.label for answer in answers] == ["差", "好"]
    assert answers[0].scores["差"] == pytest.approx(1 / (1 + np.exp(-1.5)))


def test_a_text_of_a_hundred_thousand_characters_is_read_in_windows(tiny_base):
    tokenizer = Tokenizer.open(tiny_base)
    text = CHARACTERS[3] * 100_000
    limit = LengthLimit(max_length=24, truncate=False, model_limit=24)
    encoded = ClassifyTask(("0", "1"), stride=4).encode(
        [Example(text, None, "1", "here", 1)], tokenizer, limit=limit
    )
    assert len(encoded.features) == -(-(100_000 - 22) // 18) + 1 and set(encoded.owners.tolist()) == {0}
    assert all(int(item.targets["labels"]) == 1 for item in encoded.features)
    assert encoded.report.truncated_texts == 0


@pytest.mark.parametrize(
    "rows",
    [
        '{"text": "很好", "label": ["好评"]}\n{"text": "很差", "label": ["差评", "退款"]}\n',
        '[{"data": {"text": "很好"}, "annotations": [{"result": [{"type": "choices", "from_name": "c",'
        ' "value": {"choices": ["好评"]}}]}]}, {"data": {"text": "很差"}, "annotations": [{"result":'
        ' [{"type": "choices", "from_name": "c", "value": {"choices": ["差评", "退款"]}}]}]}]',
    ],
    ids=["doccano", "label-studio"],
)
def test_exports_of_annotation_tools_are_read(rows, tmp_path):
    path = tmp_path / ("export.json" if rows.startswith("[") else "export.jsonl")
    path.write_text(rows, encoding="utf-8")
    columns = {"text": "text", "label": "label"}
    examples = list(ClassifyKind().examples(path, columns=columns, labelled=True))
    assert [(each.text, each.label) for each in examples] == [("很好", "好评"), ("很差", "差评|退款")]
    assert [each.label for each in ClassifyKind().examples(path, columns=columns, labelled=False)] == [
        None
    ] * 2
