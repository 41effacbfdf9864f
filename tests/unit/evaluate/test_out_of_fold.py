"""Training labels judged by models that had not seen them."""

import json

import pytest

from erya.data.records import read_records
from erya.errors import InputError
from erya.evaluate.out_of_fold import read_out_of_fold
from erya.evaluate.relabel import COLUMNS, write_suspects


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(number):
    for line in range(2, number + 2):
        truth = "好" if line % 2 else "差"
        share = 0.9 if truth == "好" else 0.1
        given = {"好": "差", "差": "好"}[truth] if line == 9 else truth
        yield {
            "line": line,
            "fold": line % 3,
            "truth": given if line % 4 else {"label": given, "sets": None},
            "text": f"第{line}条\t有\n换行",
            "label": truth,
            "scores": {"好": share, "差": 1 - share},
        }


def test_a_flipped_label_is_found_and_written_as_a_data_file(tmp_path):
    folds = read_out_of_fold(write(tmp_path / "out_of_fold.jsonl", rows(40)))
    assert folds.labels == ("好", "差") and folds.probabilities.shape == (40, 2)
    errors = folds.errors()
    (suspect,) = folds.suspects(errors)
    assert (suspect.line, suspect.label, suspect.suggested) == (9, "差", "好")
    write_suspects(tmp_path / "s.tsv", [suspect])
    (record,) = read_records(tmp_path / "s.tsv", columns={name: name for name in COLUMNS})
    assert record.values["text"] == "第9条 有 换行" and record.values["suggested"] == "好"


def test_candidates_of_one_line_keep_their_own_texts(tmp_path):
    made = [row | {"line": 2 + place // 4, "pair": f"乙{place}"} for place, row in enumerate(rows(40))]
    flipped = next(row for row in made if row["text"].startswith("第9条"))
    folds = read_out_of_fold(write(tmp_path / "out_of_fold.jsonl", made))
    (suspect,) = folds.suspects(folds.errors())
    assert (suspect.line, suspect.text, suspect.pair) == (flipped["line"], flipped["text"], flipped["pair"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.pop("scores"), "line, truth, scores, text"),
        (lambda row: row.update(truth=["好", "差"]), "line 3"),
        (lambda row: row.update(scores={"好": 1.0}), "line 3"),
    ],
)
def test_a_line_that_is_of_no_use_is_named(tmp_path, change, message):
    made = list(rows(5))
    change(made[2])
    with pytest.raises(InputError, match=message):
        read_out_of_fold(write(tmp_path / "f.jsonl", made))
    (tmp_path / "broken.jsonl").write_text("{\n")
    with pytest.raises(InputError, match="not a JSON line"):
        read_out_of_fold(tmp_path / "broken.jsonl")
