"""Models of `transformers` with the packed encoder inside: the same outputs, gradients, files and losses."""

import copy
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from accelerated_models import FAMILIES, SIZES, assert_same, batch_of, model_of  # noqa: E402

from erya import accelerate, restore  # noqa: E402
from erya.errors import CheckpointError  # noqa: E402

CLASSES = [
    "AutoModel",
    "AutoModelForMaskedLM",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_states_and_attentions_are_the_same(family, cls):
    model = model_of(family, cls)
    batch = batch_of(model)
    with torch.no_grad():
        theirs = model(**batch, output_hidden_states=True, output_attentions=True)
        ours = accelerate(model)(**batch, output_hidden_states=True, output_attentions=True)
    assert {"hidden_states", "attentions"} < set(ours)
    assert_same(ours, theirs, batch["attention_mask"])


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_of_every_parameter_are_the_same(family):
    model = model_of(family)
    batch = batch_of(model) | {"labels": torch.tensor([0, 1, 1])}
    gradients = []
    for prepare in (restore, accelerate):
        prepare(model).zero_grad()
        model(**batch).loss.backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    theirs, ours = gradients
    assert set(theirs) - set(ours) <= {name for name in theirs if not theirs[name].any()}
    largest = max(grad.abs().max() for grad in theirs.values())
    for name, grad in ours.items():
        assert (grad - theirs[name]).abs().max() <= 1e-5 * largest, name


def test_the_model_stays_what_it_is(tmp_path):
    model = model_of("bert")
    before = {name: id(parameter) for name, parameter in model.named_parameters()}
    assert accelerate(model) is model and accelerate(model) is model
    assert {name: id(parameter) for name, parameter in model.named_parameters()} == before
    model.save_pretrained(tmp_path)
    opened, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not any(report.values()) and type(opened) is transformers.BertForSequenceClassification
    batch = batch_of(model)
    with torch.no_grad():
        assert_same(model(**batch), opened.eval()(**batch), batch["attention_mask"])


def test_it_is_undone():
    model = model_of("roformer")
    plain = type(model.base_model)
    accelerate(model)
    assert type(model.base_model) is not plain
    restore(restore(model))
    assert type(model.base_model) is plain and "_erya_encoder" not in model.base_model.__dict__


def test_a_copy_computes_with_parameters_of_its_own():
    model = accelerate(model_of("bert"))
    other, batch = copy.deepcopy(model), batch_of(model)
    with torch.no_grad():
        before = model(**batch).logits
        for parameter in other.parameters():
            parameter.zero_()
        assert torch.equal(model(**batch).logits, before) and not other(**batch).logits.any()


def test_training_mode_and_tuples_follow_the_model():
    model = accelerate(model_of("bert", "AutoModel"))
    batch = batch_of(model)
    torch.manual_seed(0)
    dropped = model.train()(**batch)[0]
    kept = model.eval()(**batch, return_dict=False)
    assert isinstance(kept, tuple) and not torch.allclose(dropped, kept[0])
    assert torch.equal(kept[0], model(**batch).last_hidden_state)
    assert torch.equal(kept[1], model(**batch).pooler_output)


def test_positions_and_types_are_heard():
    model = model_of("roberta", "AutoModel")
    batch = batch_of(model)
    more = {"position_ids": torch.arange(20, 37).expand(3, 17)}
    with torch.no_grad():
        theirs = model(**batch, **more)[0]
        ours = accelerate(model)(**batch, **more)[0]
        other = model(**batch)[0]
    assert_same({"hidden": ours}, {"hidden": theirs}, batch["attention_mask"])
    assert not torch.allclose(ours, other)


def test_what_it_does_not_know_is_refused():
    model = accelerate(model_of("bert", "AutoModel"))
    batch = batch_of(model)
    with pytest.raises(ValueError, match=r"inputs_embeds cannot be used.*restore"):
        model(inputs_embeds=torch.zeros(1, 3, 36))
    with pytest.raises(ValueError, match=r"\(3, 17, 17\).*input_ids, \(3, 17\)"):
        model(batch["input_ids"], attention_mask=torch.ones(3, 17, 17))
    with pytest.raises(ValueError, match="keep at least one"):
        model(batch["input_ids"], attention_mask=torch.zeros(3, 17))


def test_models_it_cannot_take_stay_untouched():
    gpt = transformers.GPT2Model(transformers.GPT2Config(n_layer=1, n_embd=12, n_head=2, vocab_size=9))
    with pytest.raises(CheckpointError, match="'gpt2' is not a family"):
        accelerate(gpt)
    with pytest.raises(CheckpointError, match="a model of transformers is wanted, not a Linear"):
        accelerate(torch.nn.Linear(2, 2))
    decoder = transformers.BertModel(transformers.BertConfig(**SIZES, is_decoder=True))
    with pytest.raises(CheckpointError, match="is_decoder"):
        accelerate(decoder)
    frugal = model_of("bert")
    frugal.gradient_checkpointing_enable()
    with pytest.raises(CheckpointError, match="gradient checkpointing"):
        accelerate(frugal)
    turned = model_of("roformer")
    turned.base_model.encoder.embed_positions.weight.data.mul_(2)
    with pytest.raises(CheckpointError, match="embed_positions"):
        accelerate(turned)
    for model in (gpt, decoder, frugal, turned):
        assert "_erya_encoder" not in model.base_model.__dict__


class Rows(torch.utils.data.Dataset):
    """Sequences of many lengths with a label for the whole or for each token."""

    def __init__(self, *, tokens):
        draw = torch.Generator().manual_seed(5)
        lengths = torch.randint(3, 30, (64,), generator=draw).tolist()
        self.rows = []
        for length in lengths:
            ids = torch.randint(5, 60, (length,), generator=draw)
            labels = (ids % 3) if tokens else int(ids.sum() % 2)
            self.rows.append({"input_ids": ids, "labels": labels})

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        return self.rows[number]


def collate(rows):
    pad = torch.nn.utils.rnn.pad_sequence
    ids = pad([row["input_ids"] for row in rows], batch_first=True)
    labels = [row["labels"] for row in rows]
    labels = pad(labels, True, -100) if torch.is_tensor(labels[0]) else torch.tensor(labels)
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def losses(model, directory: Path, *, steps: int, tokens: bool):
    arguments = transformers.TrainingArguments(
        output_dir=str(directory),
        max_steps=steps,
        per_device_train_batch_size=8,
        learning_rate=1e-3,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        log_level="error",
        seed=1,
    )
    trainer = transformers.Trainer(
        model=model, args=arguments, train_dataset=Rows(tokens=tokens), data_collator=collate
    )
    trainer.train()
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


@pytest.mark.parametrize(
    ("steps", "tokens"),
    [
        (5, False),
        pytest.param(100, False, marks=pytest.mark.slow),
        pytest.param(100, True, marks=pytest.mark.slow),
    ],
)
def test_a_stock_trainer_sees_the_same_losses(tmp_path, steps, tokens):
    pytest.importorskip("accelerate")
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = transformers.BertConfig(**SIZES, **dropout, num_labels=3 if tokens else 2)
    cls = transformers.BertForTokenClassification if tokens else transformers.BertForSequenceClassification
    torch.manual_seed(0)
    plain = cls(config)
    packed = accelerate(copy.deepcopy(plain))
    theirs = losses(plain, tmp_path / "plain", steps=steps, tokens=tokens)
    ours = losses(packed, tmp_path / "packed", steps=steps, tokens=tokens)
    assert len(ours) == steps and ours != [ours[0]] * steps
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 1e-4
