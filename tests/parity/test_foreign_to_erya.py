"""Foreign checkpoints in Erya's own encoder give what TensorFlow and bert4keras computed.

`transformers` has no NEZHA, so bert4keras is its only witness that is not ours.
"""

import numpy as np
import pytest
import torch
from foreign_models import DATA, assert_close

from erya.checkpoints.directory import load_encoder, load_masked_language_model, open_tensors_as_model
from erya.checkpoints.foreign.opening import open_foreign

FOLDERS = [
    "bert",
    "albert",
    "electra",
    "keras_bert",
    "keras_albert",
    "keras_electra",
    "keras_roformer",
    "keras_nezha",
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_hidden_states_equal_those_of_the_program_that_wrote_it(folder):
    if folder.startswith("keras"):
        pytest.importorskip("h5py", reason="bert4keras's files are HDF5")
    expected = dict(np.load(DATA / folder / "expected.npz"))
    foreign = open_foreign(DATA / folder)
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in foreign.tensors.items()}
    model = open_tensors_as_model(foreign.config, tensors, DATA / folder)
    assert model.encoder_config.family == foreign.config["model_type"]
    ids = torch.from_numpy(expected["ids"])
    mask = torch.from_numpy(expected["mask"]) if "mask" in expected else torch.ones_like(ids)
    keep = mask.numpy() == 1
    types = torch.from_numpy(expected["type_ids"]).long()
    with torch.no_grad():
        encoder = load_encoder(model, pooler=model.has_pooler).eval()
        hidden, pooled = encoder.padded(ids, mask, types)
        assert_close(hidden, expected["hidden"], keep=keep)
        if "pooled" in expected:
            assert_close(pooled, expected["pooled"])
        if "masked_lm" in model.heads:
            masked = load_masked_language_model(model).eval()
            states = masked.encoder(masked.encoder.pack(ids, mask, types)).hidden
            logits = masked.head(states, masked.encoder.embeddings.words.weight)
            assert_close(logits, expected["logits"][keep])
