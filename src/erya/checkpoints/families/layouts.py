"""Names of tensors that several families share, as tables: ours on the left, theirs on the right."""

from __future__ import annotations

from collections.abc import Mapping

from erya.checkpoints.families.family import Table
from erya.checkpoints.info import TaskName
from erya.models.config import EncoderConfig
from erya.models.positions import Absolute, Disentangled

_BERT_LAYER = (
    ("attention.output", ("attention.output.dense",)),
    ("attention_norm", ("attention.output.LayerNorm",)),
    ("feedforward.up", ("intermediate.dense",)),
    ("feedforward.down", ("output.dense",)),
    ("feedforward_norm", ("output.LayerNorm",)),
)


def dense(ours: str, *theirs: str, bias: bool = True) -> Table:
    """A layer with weight and, perhaps, bias: of ours one, of theirs one or several."""
    endings = ("weight", "bias") if bias else ("weight",)
    return {f"{ours}.{ending}": tuple(f"{name}.{ending}" for name in theirs) for ending in endings}


def bert_encoder(config: EncoderConfig, *, qkv: tuple[str, str, str] = ("query", "key", "value")) -> Table:
    """An encoder with the names of Hugging Face's BERT, without a pooler.

    Args:
        config: says which embeddings there are.
        qkv: what the three layers of attention are called.
    """
    table = bert_embeddings(config)
    for index in range(config.num_layers):
        ours, theirs = f"encoder.blocks.{index}", f"encoder.layer.{index}"
        table |= dense(f"{ours}.attention.qkv", *(f"{theirs}.attention.self.{name}" for name in qkv))
        for part, names in _BERT_LAYER:
            table |= dense(f"{ours}.{part}", *(f"{theirs}.{name}" for name in names))
    return table


def bert_embeddings(config: EncoderConfig) -> Table:
    """The embeddings of an encoder with the names of Hugging Face's BERT."""
    positions = config.positions
    kinds = {
        "words": ("word", True),
        "positions": (
            "position",
            isinstance(positions, Absolute) or (isinstance(positions, Disentangled) and positions.absolute),
        ),
        "segments": ("token_type", config.num_segments > 0),
        "tasks": ("task_type", config.num_tasks > 0),
    }
    table: Table = {
        f"encoder.embeddings.{ours}.weight": (f"embeddings.{theirs}_embeddings.weight",)
        for ours, (theirs, is_there) in kinds.items()
        if is_there
    }
    return table | dense("encoder.embeddings.norm", "embeddings.LayerNorm")


# BERT's heads. The masked-language head stores the token embedding again, as its decoder.
POOLER = dense("encoder.pooler.dense", "pooler.dense")
MASKED_HEAD: Table = {
    **dense("head.dense", "cls.predictions.transform.dense"),
    **dense("head.norm", "cls.predictions.transform.LayerNorm"),
    "head.bias": ("cls.predictions.bias",),
}
MASKED_TIED: Mapping[str, str] = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
NEXT_SENTENCE = dense("next_sentence", "cls.seq_relationship")
# What a tagger may have that `transformers` has not: scores of neighbouring tags beside its layer, called as
# pytorch-crf calls them, or in its place a scorer of pairs of tokens.
OWN_TAGGERS: Table = {
    "crf.start": ("crf.start_transitions",),
    "crf.transitions": ("crf.transitions",),
    "crf.end": ("crf.end_transitions",),
    **dense("tagger.ends", "tagger.ends"),
    **dense("tagger.types", "tagger.types"),
}
TAGGER: Table = dense("tagger", "classifier") | OWN_TAGGERS
SPANS = dense("spans", "qa_outputs")
BERT_HEADS: Mapping[TaskName, Table] = {
    "masked_lm": MASKED_HEAD,
    "classify": dense("classifier", "classifier"),
    "tag": TAGGER,
    "answer": SPANS,
    "next_sentence": NEXT_SENTENCE,
}
# A classifier whose dense layer is our pooler.
DENSE_CLASSIFIER: Table = {
    **dense("encoder.pooler.dense", "classifier.dense"),
    **dense("classifier", "classifier.out_proj"),
}
