"""Writes tiny weights of bert4keras as HDF5, with what it computes from them.

To be run by hand, `python write_bert4keras.py`, where bert4keras 0.11 and TensorFlow 2.15 with its Keras are
installed.
"""

import json
from pathlib import Path

import keras
import keras.src.engine.base_layer
import keras.src.engine.node
import numpy as np

# Keras 2.15 moved what bert4keras looks for, which takes 2.15 for less than 2.3.
keras.__version__ = "2.3.1"
keras.engine = keras.src.engine
keras.engine.base_layer.Node = keras.src.engine.node.Node

from bert4keras.models import build_transformer_model  # noqa: E402

HERE = Path(__file__).parent
VOCABULARY = 29
SIZES = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 24,
    "initializer_range": 0.02,
    "intermediate_size": 40,
    "max_position_embeddings": 16,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": VOCABULARY,
}
MODELS = {
    "bert": ({}, {"with_nsp": True, "with_mlm": "linear"}),
    "albert": ({"embedding_size": 8, "num_hidden_layers": 3}, {"with_mlm": "linear"}),
    "roformer": ({"embedding_size": 8}, {"with_mlm": "linear"}),
    "nezha": ({}, {"with_mlm": "linear"}),
    "electra": ({"embedding_size": 8}, {"with_discriminator": "linear"}),
}
OUTPUTS = {"bert": ("pair", "logits"), "electra": ("replaced",)}


def draw_weights(model, seed):
    """Random values for everything that is learnt: sines of relative positions are computed."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if layer.name != "Embedding-Relative-Position":
            named = zip(layer.weights, layer.get_weights(), strict=True)
            layer.set_weights([rng.normal("gamma" in weight.name, 0.2, old.shape) for weight, old in named])


def write(family, seed):
    changes, heads = MODELS[family]
    config = SIZES | changes
    model = build_transformer_model(model=family, **config, **heads)
    draw_weights(model, seed)
    body = keras.models.Model(model.inputs, model.get_layer(last_norm(family, config)).get_output_at(-1))
    rng = np.random.default_rng(7)
    # Two texts of one length: bert4keras takes id 0 for padding.
    batch = {"ids": rng.integers(1, VOCABULARY, (2, 9)), "type_ids": np.array([[0] * 4 + [1] * 5, [0] * 9])}
    inputs = list(batch.values())
    outputs = model.predict(inputs, verbose=0)
    names = OUTPUTS.get(family, ("logits",))
    expected = dict(zip(names, outputs if len(names) > 1 else [outputs], strict=True))
    folder = HERE / f"keras_{family}"
    folder.mkdir(exist_ok=True)
    np.savez(folder / "expected.npz", hidden=body.predict(inputs, verbose=0), **expected, **batch)
    # The usual name of users; Keras wants another ending before it writes HDF5.
    model.save_weights(folder / "best_model.h5")
    (folder / "best_model.h5").rename(folder / "best_model.weights")
    (folder / "bert_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def last_norm(family, config):
    number = "" if family == "albert" else f"{config['num_hidden_layers'] - 1}-"
    return f"Transformer-{number}FeedForward-Norm"


if __name__ == "__main__":
    for seed, family in enumerate(MODELS):
        write(family, seed)
