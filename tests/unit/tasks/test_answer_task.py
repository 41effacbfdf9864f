"""Reading comprehension without the network: placing, encoding, decoding, choosing a threshold. No torch."""

import itertools

import numpy as np
import pytest

from erya.data.annotations.squad import GoldAnswer
from erya.data.records import Record
from erya.errors import ConfigError, InputError
from erya.tasks.answer.reading import Example
from erya.tasks.answer.recipe import AnswerSettings
from erya.tasks.answer.scores import AnswerTally
from erya.tasks.answer.task import Answer, AnswerTask, Prediction
from erya.tasks.texts import LengthLimit
from erya.tokenizer.wordpiece import Tokenizer

WIDE = LengthLimit(max_length=64, truncate=False, model_limit=64)
CONTEXT = "房间很大，hotel 很好。"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"好差很大怎么还款房间，。", "ho", "##tel"]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    return Tokenizer.open(folder)


def gold(start, text):
    return GoldAnswer(start, start + len(text) if start >= 0 else -1, text)


def example(*answers, context=CONTEXT, question="怎么", line=1, name=""):
    return Example(question, context, tuple(answers), name, f"file.jsonl, line {line}", line)


def sure_logits(encoded, answer_of):
    """Logits of a network that knows: great at the targets."""
    outputs = []
    for features, owner in zip(encoded.features, encoded.owners.tolist(), strict=True):
        logits = np.zeros((len(features.ids), 2), dtype=np.float32)
        first, last = answer_of(features, owner)
        logits[first, 0] = logits[last, 1] = 20.0
        outputs.append(logits)
    return outputs


def by_target(features, owner):
    return features.targets["answer"].tolist()


def limit(max_length):
    return LengthLimit(max_length=max_length, truncate=False, model_limit=64)


def test_encode_gives_the_tokens_of_the_answer_and_what_may_be_touched(tokenizer):
    encoded = AnswerTask(AnswerSettings()).encode([example(gold(5, "hotel"))], tokenizer, limit=WIDE)
    (features,) = encoded.features
    # [CLS] 怎 么 [SEP] 房 间 很 大 ， ho ##tel 很 好 。 [SEP]
    assert features.targets["answer"].tolist() == [9, 10] and features.targets["answer"].dtype == np.int64
    assert features.row_targets["touchable"].tolist() == [True, False, False, False, *[True] * 10, False]
    assert encoded.owners.tolist() == [0] and not encoded.report.misfits


def test_no_truth_is_no_target(tokenizer):
    record = Record("stdin", 3, {"question": "怎么", "context": CONTEXT})
    task = AnswerTask(AnswerSettings())
    read = task.read(record)
    assert read.answers is None and read.where == "stdin, line 3"
    encoded = task.encode([read, example(gold(0, "房"))], tokenizer, limit=WIDE)
    assert all(not item.targets and not item.row_targets for item in encoded.features)


@pytest.mark.parametrize("stride", [None, 0, 1, 3])
def test_an_answer_survives_encoding_and_decoding_in_windows(tokenizer, stride):
    context = "，".join([CONTEXT] * 6)
    asked = [
        example(gold(start, context[start : start + 2]), context=context, name=f"q{start}")
        for start in (0, 1, 2, 5, 30, 46, len(context) - 2)
    ] + [example(context="很好")]
    task = AnswerTask(AnswerSettings(stride=stride, num_answers=2, can_abstain=True))
    encoded = task.encode(asked, tokenizer, limit=limit(16))
    held = [bool(item.targets["answer"][0] > 0) for item in encoded.features]
    assert len(encoded.features) > 3 * len(asked) and not all(held)
    whole = [number for number in range(len(asked)) if any(np.array(held)[encoded.owners == number])]
    predictions = task.decode(sure_logits(encoded, by_target), encoded, asked)
    for number in whole:
        (want,) = asked[number].answers
        (best, *_) = predictions[number].answers
        assert (best.start, best.end, best.text) == (want.start, want.end, want.text)
        assert best.score == pytest.approx(1.0, abs=1e-4) and predictions[number].id == asked[number].id
    assert predictions[-1].answers == () and predictions[-1].withheld != ()
    assert predictions[-1].no_answer_score == pytest.approx(1.0, abs=1e-4)
    if stride is None or stride:
        assert len(whole) == len(asked) - 1 and not encoded.report.misfits


def test_an_answer_that_no_window_holds_is_not_learnt_and_is_listed(tokenizer):
    context = "很好" * 20
    asked = [example(gold(3, context[3:12]), context=context, line=7)]
    encoded = AnswerTask(AnswerSettings(stride=2)).encode(asked, tokenizer, limit=limit(12))
    assert all(item.targets["answer"].tolist() == [-1, -1] for item in encoded.features)
    ((reason, count),) = encoded.report.misfits.items()
    assert "in no window" in reason and count == 1
    assert any("line 7" in line and "in no window" in line for line in encoded.report.lines())


@pytest.mark.parametrize(
    ("answer", "reason"), [(gold(6, "ote"), "inside a token"), (gold(2, "很大，h"), "inside a token")]
)
def test_a_border_inside_a_token_is_never_shifted(tokenizer, answer, reason):
    encoded = AnswerTask(AnswerSettings()).encode([example(answer)], tokenizer, limit=WIDE)
    assert encoded.features[0].targets["answer"].tolist() == [-1, -1]
    assert [reason in told for told in encoded.report.misfits] == [True]


def test_an_answer_of_white_space_has_no_token(tokenizer):
    encoded = AnswerTask(AnswerSettings()).encode([example(gold(10, " "))], tokenizer, limit=WIDE)
    assert encoded.features[0].targets["answer"].tolist() == [-1, -1]
    assert list(encoded.report.misfits) == ["have no token"]


def test_in_a_context_without_a_token_no_answer_is_among_those_of_the_question(tokenizer):
    blank = example(gold(0, "\u200b"), context="\u200b\u200d")
    encoded = AnswerTask(AnswerSettings()).encode([blank], tokenizer, limit=WIDE)
    assert encoded.features[0].targets["answer"].tolist() == [-1, -1]
    assert list(encoded.report.misfits) == ["have no token"]


def test_white_space_at_a_border_is_left_out_and_counted(tokenizer):
    task = AnswerTask(AnswerSettings())
    asked = [example(gold(5, "hotel "))]
    encoded = task.encode(asked, tokenizer, limit=WIDE)
    assert [("white space" in told, n) for told, n in encoded.report.misfits.items()] == [(True, 1)]
    (prediction,) = task.decode(sure_logits(encoded, by_target), encoded, asked)
    assert prediction.answers[0].text == "hotel"


def test_the_first_answer_that_can_be_learnt_is(tokenizer):
    asked = [example(gold(6, "ote"), gold(-1, "不在"), gold(2, "很大"))]
    encoded = AnswerTask(AnswerSettings()).encode(asked, tokenizer, limit=WIDE)
    assert encoded.features[0].targets["answer"].tolist() == [6, 7] and not encoded.report.misfits


@pytest.mark.parametrize(("bad", "target"), [("mend", [7, 7]), ("skip", [-1, -1])])
def test_an_answer_out_of_place_is_looked_for_only_when_asked(tokenizer, bad, target):
    task = AnswerTask(AnswerSettings(bad_answers=bad))
    encoded = task.encode([example(gold(-1, "大"))], tokenizer, limit=WIDE)
    assert encoded.features[0].targets["answer"].tolist() == target
    twice = task.encode([example(gold(-1, "很"))], tokenizer, limit=WIDE)  # occurs twice: nobody knows which
    assert twice.features[0].targets["answer"].tolist() == [-1, -1]
    assert "are not where the file says" in twice.report.misfits


def test_several_answers_are_cut_from_the_context_without_overlap(tokenizer):
    task = AnswerTask(AnswerSettings(num_answers=4, max_answer_length=3))
    asked = [example(gold(2, "很大"))]
    encoded = task.encode(asked, tokenizer, limit=WIDE)
    rng = np.random.default_rng(0)
    outputs = [rng.normal(size=(len(encoded.features[0].ids), 2)).astype(np.float32) * 4]
    (prediction,) = task.decode(outputs, encoded, asked)
    assert len(prediction.answers) == 4
    spans = sorted((answer.start, answer.end) for answer in prediction.answers)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert all(answer.text == CONTEXT[answer.start : answer.end] for answer in prediction.answers)
    assert all(len(answer.text) <= 3 for answer in prediction.answers)
    scores = [answer.score for answer in prediction.answers]
    assert scores == sorted(scores, reverse=True) and prediction.no_answer_score is None
    overlapping = AnswerTask(AnswerSettings(num_answers=4, max_answer_length=3, overlapping=True))
    (other,) = overlapping.decode(outputs, encoded, asked)
    assert {(a.start, a.end) for a in other.answers} != {(a.start, a.end) for a in prediction.answers}
    assert other.answers[0] == prediction.answers[0]


def test_a_prediction_is_the_json_of_the_command():
    answer = Answer(2, 4, "很大", 0.75)
    prediction = Prediction("怎么", CONTEXT, (answer,), 0.125, "q1")
    assert prediction.to_dict() == {
        "id": "q1",
        "question": "怎么",
        "context": CONTEXT,
        "answers": [{"start": 2, "end": 4, "text": "很大", "score": 0.75}],
        "no_answer_score": 0.125,
    }
    assert set(Prediction("怎么", CONTEXT, ()).to_dict()) == {"question", "context", "answers"}


def test_settings_come_back():
    options = AnswerSettings(stride=7, num_answers=2, can_abstain=True, no_answer_threshold=-0.5)
    task = AnswerTask(options)
    assert AnswerSettings(**task.settings) == options and task.labels is None
    assert task.with_threshold(1.5).options.no_answer_threshold == 1.5


def test_a_stride_without_room_and_a_question_without_room_are_refused(tokenizer):
    with pytest.raises(ConfigError, match="cannot overlap by 20"):
        AnswerTask(AnswerSettings(stride=20)).encode([example(gold(0, "房"))], tokenizer, limit=limit(16))
    long = example(gold(0, "房"), question="怎么还款" * 3, line=9)
    with pytest.raises(InputError, match="first text has 12 tokens") as caught:
        AnswerTask(AnswerSettings()).encode([long], tokenizer, limit=limit(16))
    assert "line 9" in str(caught.value)


def random_cases(rng, number):
    """Predictions with doubts, and what is right."""
    predictions, examples = [], []
    for _ in range(number):
        right = rng.random() < 0.5
        answers = () if rng.random() < 0.4 else (gold(0, "房间"),)
        text = "房间" if right else "很大"
        given = Answer(0 if right else 2, 2 if right else 4, text, float(rng.uniform(0.01, 1)))
        score = float(rng.choice([0.1, 0.2, 0.5, 0.9]))
        predictions.append(Prediction("怎么", CONTEXT, (given,), score))
        examples.append(example(*answers))
    return predictions, examples


def decided(prediction, threshold):
    doubt = np.log(prediction.no_answer_score) - np.log(prediction.answers[0].score)
    if doubt <= threshold:
        return prediction
    return Prediction("怎么", CONTEXT, (), prediction.no_answer_score, "", prediction.answers)


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    predictions, examples = random_cases(rng, 30)
    options = AnswerSettings(can_abstain=True)

    def scores(threshold):
        tally = AnswerTally(options)
        for start in range(0, 30, 7):  # in batches
            tally.add(
                [decided(p, threshold) for p in predictions[start : start + 7]], examples[start : start + 7]
            )
        return tally.scores()

    found = scores(0.0)
    assert found.best == scores(1.3).best  # whatever was withheld
    tried = [scores(threshold).answers.every.f1 for threshold in np.linspace(-7, 7, 200)]
    assert found.best.f1 == pytest.approx(max(tried))
    again = scores(found.best.threshold)
    assert again.answers.every.f1 == pytest.approx(found.best.f1)
    assert again.answers.every.exact_match == pytest.approx(found.best.exact_match)
    assert found.numbers()["best_f1"] == found.best.f1 and "best_threshold" in found.to_dict()


def test_a_model_that_always_answers_has_no_threshold():
    tally = AnswerTally(AnswerSettings())
    tally.add([Prediction("怎么", CONTEXT, (Answer(0, 2, "房间", 0.5),))], [example(gold(-1, "房间"))])
    scores = tally.scores()
    assert scores.best is None and scores.numbers()["exact_match"] == 1.0  # the text counts, without a place
    assert set(scores.numbers()) == {"exact_match", "f1", "average"}
