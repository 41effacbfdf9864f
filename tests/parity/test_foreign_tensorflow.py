"""Checkpoints that TensorFlow wrote, read without it, give in `transformers` what TensorFlow computed."""

import numpy as np
import pytest
from foreign_models import DATA, assert_close, load_into_transformers, run_transformers

from erya.checkpoints.foreign.opening import open_foreign


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_bert_and_albert_equal_tensorflow(family):
    expected = dict(np.load(DATA / family / "expected.npz"))
    checkpoint = open_foreign(DATA / family)
    assert checkpoint.config["model_type"] == family
    assert checkpoint.leftover == ()
    model = load_into_transformers(checkpoint)
    outputs = run_transformers(model, expected)
    keep = expected["mask"] == 1
    pairs = outputs.seq_relationship_logits if family == "bert" else outputs.sop_logits
    assert_close(outputs.hidden_states[-1], expected["hidden"], keep=keep)
    assert_close(outputs.prediction_logits, expected["logits"], keep=keep)
    assert_close(pairs, expected["pair"])


@pytest.mark.parametrize(
    ("part", "hidden", "head"),
    [("discriminator", "hidden", "replaced"), ("generator", "generator_hidden", "logits")],
)
def test_electras_two_encoders_equal_tensorflow(part, hidden, head):
    expected = dict(np.load(DATA / "electra" / "expected.npz"))
    checkpoint = open_foreign(DATA / "electra" / "electra_tiny.ckpt", part=part)
    assert checkpoint.leftover == ()
    outputs = run_transformers(load_into_transformers(checkpoint), expected)
    keep = expected["mask"] == 1
    assert_close(outputs.hidden_states[-1], expected[hidden], keep=keep)
    assert_close(outputs.logits, expected[head], keep=keep)
