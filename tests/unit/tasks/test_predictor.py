"""Prediction: alone equals in a batch, order kept, limits said, foreign directories opened."""

import json

import numpy as np
import pytest
from tiny_reviews import CHARACTERS, NEGATIVE, POSITIVE

torch = pytest.importorskip("torch")

from erya.data.features import Features  # noqa: E402
from erya.errors import CheckpointError, ConfigError, InputError  # noqa: E402
from erya.tasks.predictor import Predictor  # noqa: E402
from erya.tasks.running import run  # noqa: E402


@pytest.fixture(scope="module")
def predictor(tiny_run):
    return Predictor.open(tiny_run / "model", device="cpu")


def some_texts(number, seed=0):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(CHARACTERS), rng.integers(1, 22))) for _ in range(number)]


def test_alone_equals_in_any_batch(predictor):
    texts = some_texts(40)
    alone = [predictor.predict([text])[0] for text in texts]
    for batch_tokens in (30, 8192):
        together = predictor.predict(texts, batch_tokens=batch_tokens)
        for one, other in zip(alone, together, strict=True):
            assert one.text == other.text and one.label == other.label
            assert list(other.scores.values()) == pytest.approx(list(one.scores.values()), rel=1e-5, abs=1e-6)


def test_scores_are_probabilities_and_the_label_is_the_largest(predictor):
    for prediction in predictor.predict(some_texts(10, seed=1)):
        assert sum(prediction.scores.values()) == pytest.approx(1.0)
        assert prediction.label == max(prediction.scores, key=prediction.scores.get)
        assert set(prediction.scores) == {POSITIVE, NEGATIVE}


class Echo(torch.nn.Module):
    """A learner that says each sequence's first token, and remembers its batches."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def logits(self, batch):
        self.batches.append(batch.bounds.diff().tolist())
        return batch.ids[batch.bounds[:-1].long()].float()

    def outputs(self, logits, batch):
        return list(logits.numpy())


def test_results_come_in_the_order_of_the_texts():
    features = [Features(np.full(n, n, np.int32), np.zeros(n, np.uint8)) for n in (5, 1, 9, 3, 1)]
    learner = Echo()
    outputs = run(learner, features, device=torch.device("cpu"), batch_tokens=6)
    assert [float(output) for output in outputs] == [5, 1, 9, 3, 1]
    assert learner.batches == [[1, 1, 3], [5], [9]]


def test_nothing_in_nothing_out(predictor):
    assert predictor.predict([]) == []


def test_an_empty_text_has_an_answer_too(predictor):
    assert predictor.predict([""])[0].label in (POSITIVE, NEGATIVE)


def test_long_texts(predictor):
    with pytest.raises(InputError, match=r"1 of 2 texts \(50.0%\)(.|\n)*text 2 \(42 tokens\)"):
        predictor.predict(["很好", "好" * 40])
    cut, whole = predictor.predict(["好" * 40, "好" * 22], truncate=True)
    assert cut.text == "好" * 40
    assert list(cut.scores.values()) == pytest.approx(list(whole.scores.values()), rel=1e-5)
    assert predictor.predict(["很" * 9], truncate=True, max_length=5)
    with pytest.raises(ConfigError, match="3 to 24"):
        predictor.predict(["很好"], max_length=99)


def test_mistakes_of_the_caller(predictor):
    with pytest.raises(InputError, match="one string"):
        predictor.predict("很好")
    with pytest.raises(InputError, match="2 times text, but 1 times pair"):
        predictor.predict(["很好", "很差"], ["很"])


def test_an_encoder_alone_cannot_predict(tiny_base):
    with pytest.raises(CheckpointError, match=r"encoder without a task head(.|\n)*erya finetune classify"):
        Predictor.open(tiny_base)


def test_opens_a_hugging_face_directory_and_gives_its_logits(tmp_path):
    transformers = pytest.importorskip("transformers", reason="the reference (extra dev)")
    torch.manual_seed(5)
    config = transformers.BertConfig(
        vocab_size=5 + len(CHARACTERS),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=32,
        id2label={0: "体育", 1: "财经", 2: "科技"},
        label2id={"体育": 0, "财经": 1, "科技": 2},
    )
    model = transformers.BertForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(CHARACTERS)]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    tokenizer = transformers.BertTokenizer(str(tmp_path / "vocab.txt"))
    predictor = Predictor.open(tmp_path, device="cpu")
    texts, pairs = some_texts(6, seed=2), some_texts(6, seed=3)
    for second in (None, [pair[:5] for pair in pairs]):
        short = [text[:9] for text in texts]
        encoded = tokenizer(short, second, padding=True, return_tensors="pt")
        with torch.no_grad():
            expected = torch.softmax(model(**encoded).logits.double(), -1).numpy()
        got = [list(prediction.scores.values()) for prediction in predictor.predict(short, second)]
        np.testing.assert_allclose(got, expected, rtol=2e-5)
    assert predictor.task.labels == ("体育", "财经", "科技")


def test_transformers_opens_what_we_saved(tiny_run, predictor):
    transformers = pytest.importorskip("transformers", reason="the reference (extra dev)")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tiny_run / "model").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_run / "model")
    encoded = tokenizer(["房间很好"], return_tensors="pt")
    with torch.no_grad():
        expected = torch.softmax(model(**encoded).logits[0].double(), -1).tolist()
    assert list(predictor.predict(["房间很好"])[0].scores.values()) == pytest.approx(expected, rel=1e-4)
    assert model.config.id2label == dict(enumerate(predictor.task.labels))


def test_labels_are_json_with_hanzi(tiny_run):
    assert set(json.loads((tiny_run / "model" / "erya.json").read_text("utf-8"))["labels"]) == {
        POSITIVE,
        NEGATIVE,
    }
