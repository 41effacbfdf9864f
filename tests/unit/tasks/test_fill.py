"""Filling masks with a masked language model: the command, the class, and transformers' own pipeline."""

import json
import shutil

import pytest

pytest.importorskip("torch")

import torch

from erya.checkpoints.directory import load_encoder, load_masked_language_model, read_model
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.loading import MASKED_HEAD
from erya.checkpoints.saving import save_model
from erya.cli.main import run as erya
from erya.errors import CheckpointError, InputError
from erya.evaluate.run import evaluate
from erya.tasks.fill.task import Mask, Prediction
from erya.tasks.predictor import Predictor, fills_masks, kind_of
from erya.tokenizer.opening import open_tokenizer


@pytest.fixture(scope="module")
def guesser(tiny_base, tmp_path_factory):
    """A directory with a random masked language model."""
    model = read_model(tiny_base)
    network = load_masked_language_model(model, allow_missing=(MASKED_HEAD,), report=lambda report: None)
    folder = tmp_path_factory.mktemp("guesser")
    info = ModelInfo(task="masked_lm", max_length=24)
    save_model(folder / "model", module=network, tokenizer=model.tokenizer, info=info)
    return folder / "model"


def test_every_mask_gets_its_guesses_and_its_place(guesser):
    text = "房间[MASK]很[MASK]好"
    (answer, alone) = Predictor.open(guesser, device="cpu").predict([text, "很[MASK]"])
    assert [text[mask.start : mask.end] for mask in answer.masks] == ["[MASK]", "[MASK]"]
    first, second = ([*mask.guesses] for mask in answer.masks)
    assert len(first) == 5 and list(answer.masks[0].guesses.values()) == sorted(
        answer.masks[0].guesses.values(), reverse=True
    )
    assert answer.filled == f"房间{first[0]}很{second[0]}好"
    assert len(alone.masks) == 1


def test_guesses_are_those_of_transformers(guesser):
    transformers = pytest.importorskip("transformers", reason="the reference (extra dev)")
    text = "房间[MASK]很[MASK]好"
    model = transformers.AutoModelForMaskedLM.from_pretrained(guesser).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(guesser)
    inputs = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        shares = model(**inputs).logits[0].softmax(dim=-1)
    places = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero().squeeze(1)
    (answer,) = Predictor.open(guesser, device="cpu").predict([text])
    for place, mask in zip(places.tolist(), answer.masks, strict=True):
        best = shares[place].topk(5)
        assert [*mask.guesses] == tokenizer.convert_ids_to_tokens(best.indices.tolist())
        assert [*mask.guesses.values()] == pytest.approx(best.values.tolist(), rel=1e-4)


def test_batches_do_not_change_the_answers(guesser):
    predictor = Predictor.open(guesser, device="cpu")
    texts = [f"{'很' * length}[MASK]好[MASK]" for length in range(1, 9)]
    together = predictor.predict(texts)
    for text, found in zip(texts, together, strict=True):
        (alone,) = predictor.predict([text], batch_tokens=1)
        assert alone.to_dict()["filled"] == found.to_dict()["filled"]
        assert [[*mask.guesses.values()] for mask in alone.masks] == [
            pytest.approx([*mask.guesses.values()], rel=1e-5) for mask in found.masks
        ]


def test_a_mask_that_is_cut_off_is_not_filled(guesser):
    (answer,) = Predictor.open(guesser, device="cpu").predict(
        ["[MASK]" + "很" * 30 + "[MASK]"], truncate=True
    )
    assert len(answer.masks) == 1 and answer.filled.endswith("很[MASK]")


def test_from_the_command_line(guesser, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("很[MASK]\n[MASK]好\n", encoding="utf-8")
    assert erya(["predict", str(guesser), str(tmp_path / "texts.txt")]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == ["很[MASK]", "[MASK]好"]
    assert rows[1]["masks"][0]["start"] == 0 and len(rows[1]["masks"][0]["guesses"]) == 5
    (tmp_path / "texts.jsonl").write_text(json.dumps({"body": "很[MASK]"}) + "\n", encoding="utf-8")
    assert erya(["predict", str(guesser), str(tmp_path / "texts.jsonl"), "--text", "body"]) == 0
    assert json.loads(capsys.readouterr().out)["filled"] == rows[0]["filled"]


def test_a_text_without_a_mask(guesser, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("很[MASK]\n很好\n", encoding="utf-8")
    assert erya(["predict", str(guesser), str(tmp_path / "texts.txt")]) == 2
    error = capsys.readouterr().err
    assert "no [MASK] to fill" in error and "line 2" in error and "fine-tune" in error


def test_a_mask_of_another_name(guesser, tmp_path, capsys):
    home = shutil.copytree(guesser, tmp_path / "other")
    for file in home.iterdir():
        if file.suffix in (".json", ".txt"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace("[MASK]", "<mask>"), encoding="utf-8")
    assert open_tokenizer(home).vocab[open_tokenizer(home).mask_id] == "<mask>"
    assert erya(["predict", str(home), "很[MASK]"]) == 2
    assert "no <mask> to fill" in capsys.readouterr().err
    assert erya(["predict", str(home), "很<mask>"]) == 0
    assert json.loads(capsys.readouterr().out)["masks"][0]["start"] == 1


def test_the_tensors_say_whether_there_is_a_head(guesser, tiny_base, tmp_path):
    """Not the label: a plain encoder's on a model with a head, a masked language model's on one without."""
    for source, label, fills in ((guesser, "BertModel", True), (tiny_base, "BertForMaskedLM", False)):
        home = shutil.copytree(source, tmp_path / label)
        (home / "erya.json").unlink()
        config = json.loads((home / "config.json").read_text(encoding="utf-8"))
        (home / "config.json").write_text(json.dumps(config | {"architectures": [label]}), encoding="utf-8")
        assert fills_masks(home) == fills


def test_a_piece_of_a_word_is_filled_in_without_its_mark():
    mask = Mask(2, 8, {"##thon": 0.5, "b": 0.1})
    assert Prediction("Py[MASK]好", (mask,)).filled == "Python好"


def test_it_cannot_be_scored(guesser, tmp_path, capsys):
    (tmp_path / "test.tsv").write_text("text\tlabel\n很好\t好\n", encoding="utf-8")
    assert erya(["evaluate", str(guesser), str(tmp_path / "test.tsv")]) == 2
    assert "it was fine-tuned for no task" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="masked language model"):
        kind_of(guesser)
    with pytest.raises(InputError, match="no truth"):
        columns = {"text": "text"}
        evaluate(Predictor.open(guesser), tmp_path / "test.tsv", model=guesser, columns=columns)


def test_an_encoder_without_a_head_still_says_so(tiny_base):
    assert load_encoder(read_model(tiny_base), pooler=False)
    with pytest.raises(CheckpointError, match="encoder without a task head"):
        Predictor.open(tiny_base)
