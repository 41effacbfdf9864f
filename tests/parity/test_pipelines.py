"""The pipelines of `transformers` on directories that Erya wrote answer as Erya's own models do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from family_models import CASES, Case, make
from tiny_libraries import byte_level, write_library, xlm
from transformers import AutoTokenizer, pipeline

import erya
from erya.checkpoints.conversion import export_model, import_model
from erya.checkpoints.directory import load_with_head, read_model
from erya.checkpoints.probe import probe_masked_tokens
from erya.data.batches import pack
from erya.data.features import Features
from erya.nn.packing import PackedTensors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, *"中国的首都是北京。这家酒店很好差，1", "hotel", "##s", "ok", "##2"]
TEXTS = ["这家酒店很好。", "Hotels ok，很差 12", "首都"]
# One of each manner of computing; RoBERTa's two come with tokenizers of their own.
WORDPIECE = ("bert", "ernie", "distilbert", "electra", "albert", "roformer", "deberta-v3", "modernbert")
LIBRARIES: dict[str, Any] = {"roberta": byte_level, "xlm-roberta": xlm}
ALL = (*WORDPIECE, *LIBRARIES)


def imported(name: str, suffix: str, folder: Path) -> Path:
    """A random model of `transformers`, imported by Erya into `ours`, and exported from there to `theirs`."""
    case: Case = CASES[name]
    source = folder / "source"
    if name in LIBRARIES:
        library = LIBRARIES[name]()
        write_library(source, library)
        options = {"vocab_size": library.get_vocab_size(), "pad_token_id": 1}
    else:
        source.mkdir()
        (source / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
        options = {"pad_token_id": 0}
    make(case, suffix, seed=3, **options).save_pretrained(source)
    import_model(source, folder / "ours")
    export_model(folder / "ours", folder / "theirs")
    # So pipelines that open the one open the other: they differ in our own file and in where texts are cut.
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (folder / "ours" / file).read_bytes() == (folder / "theirs" / file).read_bytes()
    return folder / "ours"


@pytest.mark.parametrize("name", ALL)
def test_fill_mask(name: str, tmp_path: Path) -> None:
    ours = imported(name, "ForMaskedLM", tmp_path)
    probe = probe_masked_tokens(read_model(ours), text="中国的首都是{mask}{mask}。", top=5)
    answers = pipeline("fill-mask", model=str(tmp_path / "theirs"), device="cpu")(probe.text, top_k=5)
    assert len(answers) == len(probe.guesses) == 2
    for theirs, guesses in zip(answers, probe.guesses, strict=True):
        tokens = AutoTokenizer.from_pretrained(ours).convert_ids_to_tokens([each["token"] for each in theirs])
        assert [guess.token if "row" not in guess.token else None for guess in guesses] == tokens
        assert [guess.probability for guess in guesses] == pytest.approx(
            [each["score"] for each in theirs], abs=1e-6
        )


@pytest.mark.parametrize("name", ALL)
def test_text_classification(name: str, tmp_path: Path) -> None:
    ours = imported(name, "ForSequenceClassification", tmp_path)
    classify = pipeline("text-classification", model=str(tmp_path / "theirs"), device="cpu")
    predictions = erya.load(ours).predict(TEXTS)
    for answers, prediction in zip(classify(TEXTS, top_k=None), predictions, strict=True):
        assert answers[0]["label"] == prediction.label
        scores = {answer["label"]: answer["score"] for answer in answers}
        assert scores == pytest.approx(prediction.scores, abs=1e-6)


@pytest.mark.parametrize("name", ALL)
@torch.inference_mode()
def test_token_classification(name: str, tmp_path: Path) -> None:
    if not hasattr(transformers, CASES[name].class_prefix + "ForTokenClassification"):
        pytest.skip("transformers has no such class")
    ours = imported(name, "ForTokenClassification", tmp_path)
    tag = pipeline("token-classification", model=str(tmp_path / "theirs"), device="cpu", ignore_labels=[])
    model = read_model(ours)
    tagger = load_with_head(model, "tag").eval()
    for text in TEXTS:
        encoding = model.tokenizer.encode(text)
        batch = pack([Features(encoding.ids, encoding.type_ids)])
        scores, labels = tagger(PackedTensors.from_batch(batch, torch.device("cpu"))).softmax(-1).max(-1)
        assert model.info.labels is not None
        kept = [place for place, text_id in enumerate(encoding.text_ids) if text_id >= 0]
        answers = tag(text)
        assert [answer["entity"] for answer in answers] == [model.info.labels[labels[at]] for at in kept]
        expected = [float(scores[at]) for at in kept]
        assert [float(answer["score"]) for answer in answers] == pytest.approx(expected, abs=1e-6)
        if name in WORDPIECE:  # our spans of other tokenizers are mended
            spans = [[answer["start"], answer["end"]] for answer in answers]
            assert spans == encoding.spans[kept].tolist()


def test_a_directory_with_our_own_file_opens_in_pipelines_too(tmp_path: Path) -> None:
    ours = imported("bert", "ForSequenceClassification", tmp_path)
    (answer,) = pipeline("text-classification", model=str(ours), device="cpu")(TEXTS[:1])
    (prediction,) = erya.load(ours).predict(TEXTS[:1])
    assert answer["label"] == prediction.label
