"""The probe of masked tokens shows whether weights are alive."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import WriteModel

from erya.checkpoints.directory import read_model
from erya.checkpoints.probe import Guess, Probe, probe_masked_tokens
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel

HANZI = [*"中国的首都是。北京"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def directory_of(write_model: WriteModel, module: MaskedLanguageModel, pieces: list[str]) -> Path:
    directory = write_model(module)
    (directory / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return directory


def untrained(vocab_size: int, hidden_size: int) -> MaskedLanguageModel:
    config = EncoderConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_layers=1,
        num_heads=2,
        intermediate_size=8,
        max_positions=32,
    )
    module = MaskedLanguageModel(Encoder(config, pooler=False))
    initialise(module, initializer_range=0.02, generator=torch.Generator().manual_seed(1))
    return module


def test_a_model_that_knows_says_so(write_model: WriteModel) -> None:
    module = untrained(16, 8)
    with torch.no_grad():
        module.head.bias[SPECIAL.__len__() + HANZI.index("北")] = 6.0
    probe = probe_masked_tokens(read_model(directory_of(write_model, module, SPECIAL + HANZI)), top=3)
    assert probe.text == "中国的首都是[MASK][MASK]。" and probe.num_unknown == 0
    assert [len(guesses) for guesses in probe.guesses] == [3, 3]
    best = probe.guesses[0][0]
    assert best.token == "北" and best.probability > 0.9
    assert not probe.looks_untrained and "not random" in probe.verdict
    assert probe.lines()[1].startswith("mask 1: 北 9")
    assert sum(guess.probability for guess in probe.guesses[1]) < 1


@pytest.mark.parametrize(("vocab_size", "hidden_size"), [(16, 8), (21128, 768)])
def test_random_weights_look_untrained(write_model: WriteModel, vocab_size: int, hidden_size: int) -> None:
    """A wide random model is not quite uniform: its best guess is several times a blind one."""
    module = untrained(vocab_size, hidden_size)
    probe = probe_masked_tokens(read_model(directory_of(write_model, module, SPECIAL + HANZI)))
    assert probe.looks_untrained and probe.verdict.startswith("looks untrained: the best guess has")
    assert probe.num_rows == vocab_size and probe.mean_best < 20 / vocab_size


def test_one_that_knows_no_more_than_frequencies_is_not_called_untrained() -> None:
    guess = (Guess("的", 0.04),)
    assert not Probe("x", (guess,), 0.04, 0.7, 21128, 0).looks_untrained
    assert Probe("x", (guess,), 0.0004, 0.985, 21128, 0).looks_untrained


def test_rows_without_a_piece_are_called_by_number(write_model: WriteModel) -> None:
    module = untrained(16, 8)
    with torch.no_grad():
        module.head.bias[15] = 9.0
    probe = probe_masked_tokens(read_model(directory_of(write_model, module, SPECIAL + HANZI)))
    assert probe.guesses[0][0].token == "row 15"


def test_a_vocabulary_without_hanzi_is_asked_in_english(write_model: WriteModel) -> None:
    pieces = [*SPECIAL, "the", "capital", "of", "france", "is", "."]
    model = read_model(directory_of(write_model, untrained(16, 8), pieces))
    probe = probe_masked_tokens(model)
    assert probe.text == "The capital of France is [MASK]." and probe.num_unknown == 0
    neither = read_model(directory_of(write_model, untrained(16, 8), [*SPECIAL, "国"]))
    asked = probe_masked_tokens(neither)
    assert asked.text.startswith("中国") and asked.num_unknown == 6


def test_half_precision_is_asked_too(write_model: WriteModel) -> None:
    module = untrained(16, 8).half()
    probe = probe_masked_tokens(read_model(directory_of(write_model, module, SPECIAL + HANZI)))
    assert 0 < probe.mean_best < 1


def test_an_encoder_alone_is_not_asked(write_model: WriteModel, encoder: Encoder) -> None:
    directory = write_model(encoder)
    (directory / "vocab.txt").write_text("\n".join(SPECIAL + HANZI) + "\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match="missing"):
        probe_masked_tokens(read_model(directory))
