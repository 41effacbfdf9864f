"""A state dict as UER-py saves it, written from a `transformers` model by another mapping, comes back."""

import pytest
import torch
from foreign_models import load_into_transformers
from transformers import BertConfig, BertForPreTraining

from erya.checkpoints.foreign.opening import open_foreign

SIZES = {"vocab_size": 31, "hidden_size": 128, "num_hidden_layers": 2, "intermediate_size": 48}
# Names of the tables, the words, positions and segments in them, and what the heads begin with.
NEW = ("embedding.{}.embedding", "word", "pos", "seg", "target.mlm.", "target.mlm.layer_norm", "target.sp.")
OLD = (
    "embedding.{}_embedding",
    *("word", "position", "segment"),
    *("target.mlm_", "target.layer_norm", "target.nsp_"),
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = BertForPreTraining(BertConfig(**SIZES, num_attention_heads=2, max_position_embeddings=20)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def as_uer(model, names):
    """The model's tensors under UER-py's names."""
    table, word, position, segment, masked, masked_norm, pair = names
    bert, heads = model.bert, model.cls
    rows = bert.embeddings.token_type_embeddings.weight
    state = {
        f"{table.format(word)}.weight": bert.embeddings.word_embeddings.weight,
        f"{table.format(position)}.weight": bert.embeddings.position_embeddings.weight,
        f"{table.format(segment)}.weight": torch.cat([torch.full((1, rows.shape[1]), 9.0), rows]),
        f"{masked}linear_2.weight": heads.predictions.decoder.weight,
        f"{masked}linear_2.bias": heads.predictions.bias,
    }
    transform = heads.predictions.transform
    norms = {"embedding.layer_norm": bert.embeddings.LayerNorm, masked_norm: transform.LayerNorm}
    linears = {
        f"{masked}linear_1": transform.dense,
        f"{pair}linear_1": bert.pooler.dense,
        f"{pair}linear_2": heads.seq_relationship,
    }
    for number, layer in enumerate(bert.encoder.layer):
        place, own = f"encoder.transformer.{number}", layer.attention.self
        for index, linear in enumerate((own.query, own.key, own.value)):
            linears[f"{place}.self_attn.linear_layers.{index}"] = linear
        linears[f"{place}.self_attn.final_linear"] = layer.attention.output.dense
        linears[f"{place}.feed_forward.linear_1"] = layer.intermediate.dense
        linears[f"{place}.feed_forward.linear_2"] = layer.output.dense
        norms[f"{place}.layer_norm_1"] = layer.attention.output.LayerNorm
        norms[f"{place}.layer_norm_2"] = layer.output.LayerNorm
    for name, linear in linears.items():
        state |= {f"{name}.weight": linear.weight, f"{name}.bias": linear.bias}
    for name, norm in norms.items():
        state |= {f"{name}.gamma": norm.weight, f"{name}.beta": norm.bias}
    return {name: tensor.detach().clone() for name, tensor in state.items()}


@pytest.mark.parametrize("names", [NEW, OLD], ids=["TencentPretrain", "UER-py"])
@pytest.mark.parametrize("zipped", [True, False])
def test_uer_weights_come_back(model, names, zipped, tmp_path):
    path = tmp_path / "mixed_corpus_bert.bin"
    torch.save(as_uer(model, names), path, _use_new_zipfile_serialization=zipped)
    checkpoint = open_foreign(path)
    assert checkpoint.leftover == ()
    assert checkpoint.config["num_attention_heads"] == 2  # 64 numbers a head
    assert any("attention heads" in note for note in checkpoint.notes)
    loaded = load_into_transformers(checkpoint)
    ids = torch.randint(0, 31, (2, 15))
    types = torch.randint(0, 2, (2, 15))
    with torch.no_grad():
        theirs = model(input_ids=ids, token_type_ids=types, output_hidden_states=True)
        ours = loaded(input_ids=ids, token_type_ids=types, output_hidden_states=True)
    assert torch.equal(ours.hidden_states[-1], theirs.hidden_states[-1])
    assert torch.equal(ours.prediction_logits, theirs.prediction_logits)
    assert torch.equal(ours.seq_relationship_logits, theirs.seq_relationship_logits)


def test_a_decoder_of_its_own_is_said(model, tmp_path):
    state = as_uer(model, NEW)
    state["target.mlm.linear_2.weight"] += 1
    torch.save(state, tmp_path / "own.bin")
    checkpoint = open_foreign(tmp_path / "own.bin")
    assert checkpoint.config["tie_word_embeddings"] is False
    assert any("decoder" in note for note in checkpoint.notes)
    decoder = load_into_transformers(checkpoint).cls.predictions.decoder.weight
    assert torch.equal(decoder, state["target.mlm.linear_2.weight"])
