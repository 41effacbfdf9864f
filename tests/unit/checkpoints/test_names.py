"""The name table maps every tensor of a Hugging Face BERT to one of ours and back."""

from __future__ import annotations

import itertools

import pytest

from erya.checkpoints.names import foreign_names, plan_names, write_names

NORMS = ("embeddings.norm", "blocks.{i}.attention_norm", "blocks.{i}.feedforward_norm")
LINEARS = (
    "blocks.{i}.attention.qkv",
    "blocks.{i}.attention.output",
    "blocks.{i}.feedforward.up",
    "blocks.{i}.feedforward.down",
    "pooler.dense",
)


def our_names(num_layers: int) -> list[str]:
    """Every name of a whole model, written out independently of the table."""
    names = [f"encoder.embeddings.{kind}.weight" for kind in ("words", "positions", "segments")]
    for part, layer in itertools.product(NORMS + LINEARS, range(num_layers)):
        names += [f"encoder.{part.replace('{i}', str(layer))}.{end}" for end in ("weight", "bias")]
    names += ["head.dense.weight", "head.dense.bias", "head.norm.weight", "head.norm.bias", "head.bias"]
    return list(dict.fromkeys([*names, "classifier.weight", "classifier.bias"]))


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("num_layers", [1, 12])
def test_every_name_goes_there_and_back(num_layers: int, bare: bool) -> None:
    written = {name: write_names(name, bare=bare) for name in our_names(num_layers)}
    plan = plan_names(itertools.chain.from_iterable(written.values()))
    assert plan.sources == written
    assert not plan.unknown and not plan.unused and not plan.incomplete and not plan.tied


def test_fused_projection_keeps_the_order_query_key_value() -> None:
    names = foreign_names("encoder.blocks.11.attention.qkv.bias")
    assert [name.split(".")[-2] for name in names] == ["query", "key", "value"]
    assert all(name.startswith("encoder.layer.11.attention.self.") for name in names)


def test_tensorflow_style_norm_names_are_read() -> None:
    plan = plan_names(["bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.beta"])
    assert plan.sources == {
        "encoder.embeddings.norm.weight": ("bert.embeddings.LayerNorm.gamma",),
        "encoder.embeddings.norm.bias": ("bert.embeddings.LayerNorm.beta",),
    }


def test_a_repeated_decoder_is_tied_and_an_only_one_is_used() -> None:
    decoder = "cls.predictions.decoder"
    words = "bert.embeddings.word_embeddings.weight"
    both = plan_names([words, f"{decoder}.weight", "cls.predictions.bias", f"{decoder}.bias"])
    assert set(both.tied) == {
        (f"{decoder}.weight", words),
        (f"{decoder}.bias", "cls.predictions.bias"),
    }
    alone = plan_names([words, f"{decoder}.bias"])
    assert alone.sources["head.bias"] == (f"{decoder}.bias",) and not alone.tied


def test_counters_are_ignored_and_other_heads_are_named() -> None:
    plan = plan_names(
        ["bert.embeddings.position_ids", "cls.seq_relationship.weight", "qa_outputs.bias", "crf.transitions"]
    )
    assert plan.sources == {}
    assert plan.unused == ("cls.seq_relationship.weight", "qa_outputs.bias")
    assert plan.unknown == ("crf.transitions",)


def test_a_missing_part_of_a_fused_tensor_is_named() -> None:
    prefix = "bert.encoder.layer.0.attention.self"
    plan = plan_names([f"{prefix}.query.weight", f"{prefix}.value.weight"])
    assert plan.incomplete == {
        "encoder.blocks.0.attention.qkv.weight": ("encoder.layer.0.attention.self.key.weight",)
    }


def test_the_same_tensor_under_two_names_is_not_taken_silently() -> None:
    plan = plan_names(["pooler.dense.bias", "bert.pooler.dense.bias"])
    assert plan.unknown == ("bert.pooler.dense.bias",)
