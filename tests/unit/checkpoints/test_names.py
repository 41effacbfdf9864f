"""The tables of names map every tensor of a Hugging Face model to one of ours and back."""

from __future__ import annotations

from itertools import chain

import pytest
from family_configs import CONFIGS

from erya.checkpoints.directory import make_head
from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.info import LABELLED, ModelInfo, TaskName
from erya.checkpoints.names import NamePlan, find_heads, plan_names, tasks_of, written_names
from erya.checkpoints.saving import named_tensors
from erya.models.config import EncoderConfig, FamilyName
from erya.models.encoder import Encoder

BERT = FAMILIES["bert"]
CONFIG = EncoderConfig(
    vocab_size=5, hidden_size=4, num_layers=12, num_heads=2, intermediate_size=3, max_positions=4
)
WITH_HEADS = [
    pytest.param(name, task, id=f"{name}-{task}")
    for name, family in FAMILIES.items()
    for task in family.heads(CONFIGS[name])
]


def plan(*names: str, tasks: tuple[TaskName, ...] = ("masked_lm",)) -> NamePlan:
    return plan_names(names, BERT, CONFIG, tasks)


def test_every_family_has_a_module_and_a_table() -> None:
    assert {family.name for family in FAMILIES.values()} == set(FAMILIES) == set(CONFIGS)
    assert all(FAMILIES[name].name == name == config.family for name, config in CONFIGS.items())


@pytest.mark.parametrize(("name", "task"), WITH_HEADS)
def test_every_tensor_goes_there_and_back(name: FamilyName, task: TaskName) -> None:
    family, config = FAMILIES[name], CONFIGS[name]
    labels = ("a", "b", "c") if task in LABELLED else None
    module = make_head(task, config, ModelInfo(task=task, labels=labels, max_length=5))
    ours = set(named_tensors(module))
    assert tasks_of(ours) == (task,)
    written = {key: of for key, of in written_names(family, config, (task,)).items() if key in ours}
    assert set(written) == ours
    names = [part for of in written.values() for part in of]
    assert len(names) == len(set(names))
    back = plan_names(names, family, config, (task,))
    assert back.sources == written
    assert not (back.unknown or back.unused or back.incomplete or back.tied)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_bare_encoder_goes_there_and_back(name: FamilyName) -> None:
    family, config = FAMILIES[name], CONFIGS[name]
    ours = set(named_tensors(Encoder(config, pooler=False)))
    table = written_names(family, config, ())
    written = {key: of for key, of in table.items() if key in ours}
    assert set(written) == ours and all(".pooler." in key for key in set(table) - ours)
    for prefix in ("", family.prefix, "module." + family.prefix):
        files = [prefix + part for of in written.values() for part in of]
        back = plan_names(files, family, config, ())
        assert back.sources.keys() == ours and not back.unknown


def test_fused_projection_keeps_the_order_query_key_value() -> None:
    names = BERT.tensors(CONFIG)["encoder.blocks.11.attention.qkv.bias"]
    assert [name.split(".")[-2] for name in names] == ["query", "key", "value"]
    assert all(name.startswith("encoder.layer.11.attention.self.") for name in names)


def test_tensorflow_style_norm_names_are_read() -> None:
    assert plan("bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.beta").sources == {
        "encoder.embeddings.norm.weight": ("bert.embeddings.LayerNorm.gamma",),
        "encoder.embeddings.norm.bias": ("bert.embeddings.LayerNorm.beta",),
    }


def test_a_repeated_decoder_is_tied_and_an_only_one_is_used() -> None:
    decoder = "cls.predictions.decoder"
    words = "bert.embeddings.word_embeddings.weight"
    both = plan(words, f"{decoder}.weight", "cls.predictions.bias", f"{decoder}.bias")
    assert set(both.tied) == {
        (f"{decoder}.weight", words),
        (f"{decoder}.bias", "cls.predictions.bias"),
    }
    alone = plan(words, f"{decoder}.bias")
    assert alone.sources["head.bias"] == (f"{decoder}.bias",) and not alone.tied


def test_counters_are_ignored_and_other_heads_are_named() -> None:
    found = plan(
        "bert.embeddings.position_ids", "cls.seq_relationship.weight", "qa_outputs.bias", "lstm.weight"
    )
    assert found.sources == {}
    assert found.unused == ("cls.seq_relationship.weight", "qa_outputs.bias")
    assert found.unknown == ("lstm.weight",)


def test_a_missing_part_of_a_fused_tensor_is_named() -> None:
    prefix = "bert.encoder.layer.0.attention.self"
    assert plan(f"{prefix}.query.weight", f"{prefix}.value.weight").incomplete == {
        "encoder.blocks.0.attention.qkv.weight": ("encoder.layer.0.attention.self.key.weight",)
    }


def test_the_same_tensor_under_two_names_is_not_taken_silently() -> None:
    assert plan("pooler.dense.bias", "bert.pooler.dense.bias").unknown == ("bert.pooler.dense.bias",)


def test_heads_are_found_by_names_no_other_task_has() -> None:
    def heads(name: FamilyName, *tasks: TaskName, said: tuple[TaskName, ...] = ()) -> tuple[str, ...]:
        family, config = FAMILIES[name], CONFIGS[name]
        tables = [family.heads(config)[task] for task in tasks]
        names = chain.from_iterable(of for table in tables for of in table.values())
        return find_heads(names, family, config, said)

    assert heads("bert", "masked_lm", "next_sentence") == ("masked_lm", "next_sentence")
    assert heads("bert", "classify") == (), "a tagger's last layer is called `classifier`, too"
    tagger = FAMILIES["bert"].heads(CONFIGS["bert"])["tag"]
    linear = [name for ours in ("tagger.weight", "tagger.bias") for name in tagger[ours]]
    assert find_heads(linear, FAMILIES["bert"], CONFIGS["bert"], ()) == ()
    assert heads("bert", "tag", said=("tag",)) == ("tag",)
    assert heads("roberta", "classify") == ("classify",)
    assert heads("modernbert", "classify") == ()
    assert heads("modernbert", "masked_lm") == ("masked_lm",)
    assert heads("electra", "replaced_token", "masked_lm") == ("masked_lm", "replaced_token")


def test_microsofts_own_masked_head_is_read_as_the_usual_one() -> None:
    family, config = FAMILIES["deberta-v2"], CONFIGS["deberta-v2"]
    own = [name for name in family.tied if name.startswith("lm_predictions.")]
    assert find_heads(own, family, config, ()) == ("masked_lm",)
    assert set(plan_names(own, family, config, ("masked_lm",)).sources) == set(
        family.heads(config)["masked_lm"]
    )
