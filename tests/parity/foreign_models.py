"""Foreign checkpoints loaded into `transformers`, for tests."""

import json
from pathlib import Path

import numpy as np
import torch
import transformers

DATA = Path(__file__).parents[1] / "data" / "foreign"
# Second names of values that are there under another, and sines.
DERIVED = ("decoder.weight", "decoder.bias", "generator_lm_head.weight", "encoder.embed_positions.weight")


def load_into_transformers(checkpoint):
    """A `transformers` model that holds all tensors of a checkpoint and lacks none.

    The class is the one its configuration names.
    """
    # Through JSON, as it would be on disk.
    options = json.loads(json.dumps(checkpoint.config))
    config = transformers.AutoConfig.for_model(options.pop("model_type"), **options)
    model = getattr(transformers, config.architectures[0])(config).eval()
    state = {name: torch.from_numpy(np.array(array)) for name, array in checkpoint.tensors.items()}
    lost = model.load_state_dict(state, strict=False)
    assert lost.unexpected_keys == []
    assert [name for name in lost.missing_keys if not name.endswith(DERIVED)] == []
    model.tie_weights()
    return model


@torch.no_grad()
def run_transformers(model, expected):
    """Outputs for the batch that is stored beside what is expected of it."""
    inputs = {"input_ids": expected["ids"], "token_type_ids": expected["type_ids"]}
    if "mask" in expected:
        inputs["attention_mask"] = expected["mask"]
    tensors = {name: torch.from_numpy(values).long() for name, values in inputs.items()}
    return model(**tensors, output_hidden_states=True)


def assert_close(actual, expected, *, keep=None):
    """Equal within 1e-5 of the largest absolute value; `keep` says which tokens count."""
    actual = actual.numpy()
    assert actual.shape == expected.shape
    if keep is not None:
        actual, expected = actual[keep], expected[keep]
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()
