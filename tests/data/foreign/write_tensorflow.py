"""Writes the tiny checkpoints of this folder with TensorFlow, and what TensorFlow computes from them.

To be run by hand where TensorFlow 2 is installed: `python write_tensorflow.py`. The variables carry the names
of Google's BERT, ALBERT and ELECTRA, the values are random, the forward passes are written from the papers.
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent
BATCH, LENGTH, VOCABULARY = 2, 9, 29
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


class Weights:
    """Random TensorFlow variables by name, made when first asked for."""

    def __init__(self, seed):
        self.rng, self.made = np.random.default_rng(seed), {}

    def __call__(self, name, *shape):
        if name not in self.made:
            center = 1.0 if name.endswith("gamma") else 0.0
            values = self.rng.normal(center, 0.2, shape).astype(np.float32)
            self.made[name] = tf.compat.v1.get_variable(name, initializer=values)
        return self.made[name]

    def dense(self, x, scope, size):
        kernel = self(f"{scope}/kernel", x.shape[-1], size)
        return tf.tensordot(x, kernel, 1) + self(f"{scope}/bias", size)

    def norm(self, x, scope):
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        size = x.shape[-1]
        return (x - mean) / tf.sqrt(variance + 1e-12) * self(f"{scope}/gamma", size) + self(
            f"{scope}/beta", size
        )

    def save(self, folder, name, expected, configs):
        """Write the checkpoint, with slots of an optimiser as training leaves them, and what goes with it."""
        for trained in list(self.made)[:2]:
            self(f"{trained}/adam_m", *self.made[trained].shape)
            self(f"{trained}/adam_v", *self.made[trained].shape)
        self.made["global_step"] = tf.compat.v1.get_variable("global_step", initializer=np.int64(7))
        (HERE / folder).mkdir(exist_ok=True)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            saver = tf.compat.v1.train.Saver()
            saver.save(session, str(HERE / folder / name), write_meta_graph=False, write_state=False)
            inputs = {name: tf.constant(values) for name, values in draw_batch().items()}
            np.savez(HERE / folder / "expected.npz", **session.run(expected | inputs))
        for file, changes in configs.items():
            text = json.dumps(SIZES | changes, indent=2) + "\n"
            (HERE / folder / file).write_text(text, encoding="utf-8")


def gelu(x):
    return 0.5 * x * (1.0 + tf.math.erf(x / tf.sqrt(2.0)))


def draw_batch():
    """Ids, segments and a mask with padding at the end of the second text."""
    rng = np.random.default_rng(5)
    mask = np.ones((BATCH, LENGTH), np.int64)
    mask[1, 6:] = 0
    return {
        "ids": rng.integers(0, VOCABULARY, (BATCH, LENGTH)),
        "type_ids": np.array([[0] * 4 + [1] * 5, [0] * 9]),
        "mask": mask,
    }


def embed(weights, batch, scope, size):
    x = tf.gather(weights(f"{scope}/word_embeddings", VOCABULARY, size), batch["ids"])
    x += tf.gather(weights(f"{scope}/token_type_embeddings", 2, size), batch["type_ids"])
    x += weights(f"{scope}/position_embeddings", 16, size)[:LENGTH]
    return weights.norm(x, f"{scope}/LayerNorm")


def attend(weights, x, mask, scope, *, heads):
    size = x.shape[-1]
    parts = []
    for part in ("query", "key", "value"):
        values = weights.dense(x, f"{scope}/{part}", size)
        parts.append(tf.transpose(tf.reshape(values, (BATCH, LENGTH, heads, size // heads)), (0, 2, 1, 3)))
    query, key, value = parts
    scores = tf.matmul(query, key, transpose_b=True) / np.float32(np.sqrt(size // heads))
    scores += (1.0 - mask[:, None, None, :].astype(np.float32)) * -10000.0
    return tf.reshape(
        tf.transpose(tf.matmul(tf.nn.softmax(scores), value), (0, 2, 1, 3)), (BATCH, LENGTH, size)
    )


def bert_layer(weights, x, mask, scope, *, heads, intermediate):
    size = x.shape[-1]
    attended = attend(weights, x, mask, f"{scope}/attention/self", heads=heads)
    attended = weights.dense(attended, f"{scope}/attention/output/dense", size)
    x = weights.norm(x + attended, f"{scope}/attention/output/LayerNorm")
    inner = gelu(weights.dense(x, f"{scope}/intermediate/dense", intermediate))
    return weights.norm(x + weights.dense(inner, f"{scope}/output/dense", size), f"{scope}/output/LayerNorm")


def albert_layer(weights, x, mask, scope):
    attended = attend(weights, x, mask, f"{scope}/attention_1/self", heads=3)
    attended = weights.dense(attended, f"{scope}/attention_1/output/dense", 24)
    x = weights.norm(x + attended, f"{scope}/LayerNorm")
    inner = gelu(weights.dense(x, f"{scope}/ffn_1/intermediate/dense", 40))
    inner = weights.dense(inner, f"{scope}/ffn_1/intermediate/output/dense", 24)
    return weights.norm(x + inner, f"{scope}/LayerNorm_1")


def pretraining_heads(weights, x, embeddings, size):
    """(pooled, masked-word logits, pair logits) of BERT and ALBERT."""
    pooled = tf.tanh(weights.dense(x[:, 0], "bert/pooler/dense", 24))
    hidden = gelu(weights.dense(x, "cls/predictions/transform/dense", size))
    hidden = weights.norm(hidden, "cls/predictions/transform/LayerNorm")
    logits = tf.tensordot(hidden, tf.transpose(embeddings), 1) + weights(
        "cls/predictions/output_bias", VOCABULARY
    )
    pair = tf.matmul(pooled, weights("cls/seq_relationship/output_weights", 2, 24), transpose_b=True)
    return pooled, logits, pair + weights("cls/seq_relationship/output_bias", 2)


def write_bert():
    weights, batch = Weights(1), draw_batch()
    x = embed(weights, batch, "bert/embeddings", 24)
    for layer in range(2):
        x = bert_layer(weights, x, batch["mask"], f"bert/encoder/layer_{layer}", heads=3, intermediate=40)
    pooled, logits, pair = pretraining_heads(weights, x, weights("bert/embeddings/word_embeddings"), 24)
    expected = {"hidden": x, "pooled": pooled, "logits": logits, "pair": pair}
    weights.save("bert", "bert_model.ckpt", expected, {"bert_config.json": {}})


def write_albert():
    """Three layers in two groups of two layers each, factorised embeddings."""
    sizes = {"embedding_size": 8, "num_hidden_layers": 3, "num_hidden_groups": 2, "inner_group_num": 2}
    weights, batch = Weights(2), draw_batch()
    x = embed(weights, batch, "bert/embeddings", 8)
    x = weights.dense(x, "bert/encoder/embedding_hidden_mapping_in", 24)
    for group in (0, 0, 1):
        for inner in range(2):
            scope = f"bert/encoder/transformer/group_{group}/inner_group_{inner}"
            x = albert_layer(weights, x, batch["mask"], scope)
    pooled, logits, pair = pretraining_heads(weights, x, weights("bert/embeddings/word_embeddings"), 8)
    expected = {"hidden": x, "pooled": pooled, "logits": logits, "pair": pair}
    weights.save("albert", "model.ckpt-best", expected, {"albert_config.json": sizes})


def write_electra():
    """A discriminator and a generator half as wide that share embeddings."""
    weights, batch = Weights(3), draw_batch()
    embedded = embed(weights, batch, "electra/embeddings", 8)
    x = weights.dense(embedded, "electra/embeddings_project", 24)
    y = weights.dense(embedded, "generator/embeddings_project", 12)
    for layer in range(2):
        scope = f"encoder/layer_{layer}"
        x = bert_layer(weights, x, batch["mask"], f"electra/{scope}", heads=3, intermediate=40)
        y = bert_layer(weights, y, batch["mask"], f"generator/{scope}", heads=2, intermediate=20)
    inner = gelu(weights.dense(x, "discriminator_predictions/dense", 24))
    replaced = weights.dense(inner, "discriminator_predictions/dense_1", 1)[..., 0]
    inner = gelu(weights.dense(y, "generator_predictions/dense", 8))
    inner = weights.norm(inner, "generator_predictions/LayerNorm")
    words = tf.transpose(weights("electra/embeddings/word_embeddings"))
    logits = tf.tensordot(inner, words, 1) + weights("generator_predictions/output_bias", VOCABULARY)
    expected = {"hidden": x, "replaced": replaced, "generator_hidden": y, "logits": logits}
    small = {"embedding_size": 8, "hidden_size": 12, "intermediate_size": 20, "num_attention_heads": 2}
    configs = {"discriminator_config.json": {"embedding_size": 8}, "generator_config.json": small}
    weights.save("electra", "electra_tiny.ckpt", expected, configs)


def write_formats():
    """One tensor of each number format that checkpoints use, over two data files."""
    values = np.array([[1.5, -2.25], [3.0, 0.125]])
    formats = {
        "half": tf.float16,
        "brain": tf.bfloat16,
        "single": tf.float32,
        "small": tf.int32,
        "large": tf.int64,
    }
    variables = []
    for name, dtype in formats.items():
        with tf.device("/cpu:1" if name == "large" else "/cpu:0"):
            initial = tf.cast(tf.constant(values), dtype)
            variables.append(tf.compat.v1.get_variable(f"of/{name}", initializer=initial))
    config = tf.compat.v1.ConfigProto(device_count={"CPU": 2})
    (HERE / "formats").mkdir(exist_ok=True)
    with tf.compat.v1.Session(config=config) as session:
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(variables, sharded=True)
        saver.save(session, str(HERE / "formats" / "two.ckpt"), write_meta_graph=False, write_state=False)


if __name__ == "__main__":
    for write in (write_bert, write_albert, write_electra, write_formats):
        with tf.Graph().as_default():
            write()
