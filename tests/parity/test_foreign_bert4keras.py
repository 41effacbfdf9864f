"""Weights that bert4keras itself wrote give in `transformers` what bert4keras computed."""

import numpy as np
import pytest
from foreign_models import DATA, assert_close, load_into_transformers, run_transformers

from erya.checkpoints.foreign.opening import open_foreign

pytest.importorskip("h5py", reason="bert4keras's files are HDF5")


@pytest.mark.parametrize("family", ["bert", "albert", "roformer", "electra"])
def test_bert4keras_weights_equal_bert4keras(family):
    expected = dict(np.load(DATA / f"keras_{family}" / "expected.npz"))
    checkpoint = open_foreign(DATA / f"keras_{family}")
    assert checkpoint.config["model_type"] == family
    assert checkpoint.leftover == ()
    outputs = run_transformers(load_into_transformers(checkpoint), expected)
    assert_close(outputs.hidden_states[-1], expected["hidden"])
    head = "replaced" if family == "electra" else "logits"
    logits = outputs.prediction_logits if family == "bert" else outputs.logits
    assert_close(logits.reshape(expected[head].shape), expected[head])


def test_the_pair_head_is_transposed():
    expected = dict(np.load(DATA / "keras_bert" / "expected.npz"))
    outputs = run_transformers(load_into_transformers(open_foreign(DATA / "keras_bert")), expected)
    shares = outputs.seq_relationship_logits.softmax(-1)
    assert_close(shares, expected["pair"])
