"""Accelerated models that are changed, copied, cast or asked for what the encoder does not give."""

import copy

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from accelerated_models import FAMILIES, assert_same, batch_of, model_of  # noqa: E402

from erya import accelerate, restore  # noqa: E402
from erya.errors import CheckpointError  # noqa: E402


def test_weights_that_were_replaced_are_used():
    model = accelerate(model_of("bert"))
    batch = batch_of(model)
    weights = {name: value * 1.5 for name, value in model.state_dict().items()}
    with torch.no_grad():
        before = model(**batch).logits
        model.load_state_dict(weights, assign=True)
        ours = model(**batch).logits
        theirs = restore(model)(**batch).logits
    assert torch.allclose(ours, theirs, atol=1e-5) and not torch.allclose(ours, before)


class Adapted(torch.nn.Module):
    """A layer with something beside it, as adapters have it."""

    def __init__(self, layer):
        super().__init__()
        self.base_layer, self.more = layer, torch.nn.Linear(layer.in_features, layer.out_features)

    def forward(self, x):
        return self.base_layer(x) + self.more(x)


@pytest.mark.parametrize("beside", [False, True])
def test_adapters_are_refused_whenever_they_come(beside):
    def adapt(model):
        attention = model.base_model.encoder.layer[1].attention.self
        if beside:
            attention.more = torch.nn.Linear(36, 36)
        else:
            attention.query = Adapted(attention.query)
        return model

    with pytest.raises(CheckpointError, match="adapters"):
        accelerate(adapt(model_of("bert")))
    model = accelerate(model_of("bert"))
    batch = batch_of(model)
    adapt(model)
    with pytest.raises(CheckpointError, match="adapters"):
        model(**batch)
    assert restore(model)(**batch).logits.shape == (3, 2)


def test_options_of_layers_are_heard_or_refused():
    model = model_of("bert").train()
    for layer in model.base_model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    with pytest.raises(CheckpointError, match=r"(?s)probability 0.0.*from_pretrained"):
        accelerate(model)
    model = accelerate(model_of("bert"))
    batch = batch_of(model)
    model.gradient_checkpointing_enable()
    with pytest.raises(CheckpointError, match="gradient checkpointing"):
        model(**batch)
    model.gradient_checkpointing_disable()
    assert model(**batch).logits.shape == (3, 2)
    with pytest.raises(ValueError, match="torchrun"):
        model.base_model._replicate_for_data_parallel()(**batch)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_before_and_after_is_the_same(family):
    model = model_of(family, "AutoModel")
    batch = batch_of(model)
    half = copy.deepcopy(model).bfloat16()
    with torch.no_grad():
        before = accelerate(copy.deepcopy(half))(**batch)[0]
        after = accelerate(copy.deepcopy(model)).bfloat16()(**batch)[0]
        exact = model(**batch)[0]
    assert before.dtype == torch.bfloat16 and torch.equal(before, after)
    assert_same({"hidden": before.float()}, {"hidden": exact}, batch["attention_mask"], share=0.04)


def test_a_whole_model_is_pickled(tmp_path):
    model = accelerate(model_of("bert"))
    batch = batch_of(model)
    torch.save(model, tmp_path / "model.pt")
    opened = torch.load(tmp_path / "model.pt", weights_only=False)
    with torch.no_grad():
        assert torch.equal(opened(**batch).logits, model(**batch).logits)
    assert type(opened.base_model) is type(model.base_model) is not type(restore(opened).base_model)


def test_one_row_of_types_is_for_all():
    model = model_of("bert")
    batch = batch_of(model) | {"token_type_ids": torch.arange(17)[None] // 9}
    with torch.no_grad():
        theirs = model(**batch).logits
        assert torch.allclose(accelerate(model)(**batch).logits, theirs, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "electra", "roberta", "roformer"])
def test_heads_that_look_for_more_find_nothing(family):
    model = model_of(family, "AutoModelForCausalLM")
    batch = batch_of(model)
    with torch.no_grad():
        theirs = model(**batch).logits
        assert_same(
            {"logits": accelerate(model)(**batch).logits}, {"logits": theirs}, batch["attention_mask"]
        )


def test_heads_that_read_padding_are_named(caplog):
    accelerate(model_of("bert", "AutoModelForTokenClassification"))
    assert not caplog.records
    accelerate(model_of("bert", "AutoModelForQuestionAnswering"))
    assert "reads states of padding" in caplog.text


@pytest.mark.slow
def test_compiled_is_the_same():
    model = accelerate(model_of("bert"))
    batch = batch_of(model)
    with torch.no_grad():
        eager = model(**batch).logits
        assert torch.equal(torch.compile(model, backend="eager")(**batch).logits, eager)
