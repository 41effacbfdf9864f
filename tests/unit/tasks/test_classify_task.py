"""Classification without the network: labels, encoding, decoding, scoring. No torch."""

import numpy as np
import pytest

from erya.data.records import Record
from erya.errors import InputError
from erya.tasks.classify.example import Example
from erya.tasks.classify.multi import find_several
from erya.tasks.classify.task import ClassifyTask, find_labels, softmax
from erya.tasks.texts import EncodingReport, LengthLimit
from erya.tokenizer.wordpiece import Tokenizer

WIDE = LengthLimit(max_length=64, truncate=False, model_limit=64)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"好差很大怎么还款"]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    return Tokenizer.open(folder)


def example(text, label=None, pair=None, line=1):
    return Example(text, pair, label, f"file.tsv, line {line}", line)


def test_labels_are_sorted_numbers_by_value():
    assert find_labels([example("a", label) for label in ("10", "9", "-1", "9")]) == ("-1", "9", "10")
    assert find_labels([example("a", label) for label in ("差", "好", "1")]) == ("1", "好", "差")


@pytest.mark.parametrize("labels", [[], ["好"], ["好", "好"], [None, "好"]])
def test_one_class_is_nothing_to_learn(labels):
    with pytest.raises(InputError, match="same label"):
        find_labels([example("很", label) for label in labels])


def test_encode_gives_ids_targets_and_counts(tokenizer):
    task = ClassifyTask(("差", "好"))
    encoded = task.encode([example("很好", "好"), example("差鑫", "差")], tokenizer, limit=WIDE)
    features, report = encoded.features, encoded.report
    assert encoded.owners.tolist() == [0, 1]
    assert [len(item.ids) for item in features] == [4, 4]
    assert [int(item.targets["labels"]) for item in features] == [1, 0]
    assert features[0].targets["labels"].dtype == np.int64
    assert (report.texts, report.tokens, report.unknown_tokens) == (2, 8, 1)
    assert report.unknown == {"鑫": 1} and report.truncated_texts == 0


def test_pairs_have_two_segments_and_unknown_comes_from_the_right_text(tokenizer):
    encoded = ClassifyTask(("0", "1")).encode([example("怎么还款", None, "鑫款")], tokenizer, limit=WIDE)
    features, report = encoded.features, encoded.report
    assert features[0].type_ids.tolist() == [0] * 6 + [1] * 3
    assert features[0].targets == {} and report.unknown == {"鑫": 1}


def test_a_pair_among_single_texts_is_an_error(tokenizer):
    with pytest.raises(InputError, match="line 7"):
        ClassifyTask(("0", "1")).encode(
            [example("很", None, "好"), example("大", line=7)], tokenizer, limit=WIDE
        )


def test_too_long_lists_where_and_what_to_do(tokenizer):
    limit = LengthLimit(max_length=5, truncate=False, model_limit=8)
    examples = [
        example("很好", line=2),
        example("很好很好", line=3),
        *(example("好" * 9, line=n) for n in range(4, 14)),
    ]
    with pytest.raises(InputError) as caught:
        ClassifyTask(("0", "1")).encode(examples, tokenizer, limit=limit)
    message = str(caught.value)
    for part in ("11 of 12 texts (91.7%)", "line 3 (6 tokens)", "and 3 more", "longest has 11", "takes 8"):
        assert part in message


def test_reports_add_up(tokenizer):
    cut = LengthLimit(max_length=4, truncate=True, model_limit=8)
    whole = EncodingReport()
    for text in ("很好很好", "鑫", "好"):
        whole += ClassifyTask(("0", "1")).encode([example(text)], tokenizer, limit=cut).report
    assert (whole.texts, whole.truncated_texts, whole.lost_tokens, whole.longest) == (3, 1, 2, 6)
    assert whole.truncated_share == pytest.approx(1 / 3) and whole.to_dict()["unknown"] == {"鑫": 1}
    assert EncodingReport().truncated_share == EncodingReport().unknown_share == 0.0


def test_decode_is_softmax_with_labels_in_order(tokenizer):
    task, examples = ClassifyTask(("差", "好")), [example("很好")]
    encoded = task.encode(examples, tokenizer, limit=WIDE)
    predictions = task.decode([np.array([0.0, np.log(3)], np.float32)], encoded, examples)
    assert predictions[0].label == "好"
    assert list(predictions[0].scores) == ["差", "好"]
    assert predictions[0].scores["好"] == pytest.approx(0.75)
    assert predictions[0].to_dict() == {"text": "很好", "label": "好", "scores": predictions[0].scores}


def test_softmax_survives_large_logits():
    rows = softmax(np.array([[1e4, 0.0], [-1e4, -1e4]], np.float32))
    assert np.isfinite(rows).all() and rows.sum(axis=1) == pytest.approx([1.0, 1.0])


def test_the_tally_compares_with_the_truth_batch_by_batch(tokenizer):
    task, tally = ClassifyTask(("差", "好")), ClassifyTask(("差", "好")).tally()
    for truth in ("好", "差"):
        examples = [example("大", truth)]
        encoded = task.encode(examples, tokenizer, limit=WIDE)
        tally.add(task.decode([np.array([0, 1], np.float32)], encoded, examples), examples)
    assert tally.scores().confusion.tolist() == [[0, 1], [0, 1]]
    assert tally.scores().numbers()["accuracy"] == 0.5


def test_read_refuses_unknown_labels_with_the_line():
    with pytest.raises(InputError) as caught:
        ClassifyTask(("差评", "好评")).read(Record("f.tsv", 9, {"text": "很好", "label": "好评 "}))
    assert "f.tsv, line 9" in str(caught.value) and "did you mean '好评'" in str(caught.value)


def test_texts_without_any_label_have_nothing_to_learn():
    rows = [Example("好", None, label, f"a.tsv, line {line}", line) for line, label in ((2, ""), (3, "| "))]
    with pytest.raises(InputError, match="none of 2 texts has a label") as caught:
        find_several(rows, "|")
    assert caught.value.where == "a.tsv"
    labelled = [*rows, Example("好", None, "10|乙", "a.tsv, line 4", 4), Example("好", None, "9", "", 5)]
    assert find_several(labelled, "|") == ("9", "10", "乙")
