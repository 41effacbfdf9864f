"""Losses of pre-training are those `transformers` computes with the models that are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from erya.checkpoints.directory import load_encoder, load_with_head, read_model
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.heads.masked_pairs import MaskedPairModel
from erya.models.heads.replaced_token import ReplacedTokenModel
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.nn.packing import PackedTensors
from erya.pretrain.objectives.masked import MaskedTraining
from erya.pretrain.objectives.module import ObjectiveModule
from erya.pretrain.objectives.replaced import (
    ReplacedTraining,
    draw_tokens,
    fill_in,
    generator_config,
    share_embeddings,
)
from erya.tokenizer.wordpiece import Tokenizer

SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 24,
    "num_layers": 2,
    "num_heads": 4,
    "intermediate_size": 40,
    "max_positions": 20,
    "dropout_prob": 0.0,
    "attention_dropout_prob": 0.0,
}
LENGTHS = (9, 14, 6)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    directory = tmp_path / "vocabulary"
    directory.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(0x4E00, 0x4E00 + 55))]
    (directory / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return Tokenizer.open(directory)


class Padded:
    """Random sequences in both shapes, with every third token chosen."""

    def __init__(self, encoder: Encoder) -> None:
        noise = torch.Generator().manual_seed(2)
        shape = len(LENGTHS), max(LENGTHS)
        self.kept = torch.arange(shape[1])[None, :] < torch.tensor(LENGTHS)[:, None]
        self.labels = torch.randint(5, 60, shape, generator=noise)
        self.types = (torch.arange(shape[1])[None, :] > 4).long().expand(shape)
        self.chosen = self.kept & (torch.rand(shape, generator=noise) < 0.4)
        self.ids = torch.where(self.chosen, 4, self.labels) * self.kept
        self.next_sentence = torch.tensor([1, 0, 1])
        self.packed = encoder.pack(self.ids, self.kept.long(), self.types)
        self.packed.targets["masked_positions"] = self.chosen[self.kept].nonzero().squeeze(1)
        self.packed.targets["masked_labels"] = self.labels[self.chosen]
        self.packed.targets["next_sentence"] = self.next_sentence

    def theirs(self, ids: Tensor) -> dict[str, Tensor]:
        return {"input_ids": ids, "attention_mask": self.kept.long(), "token_type_ids": self.types}


def means(training: ObjectiveModule, batch: PackedTensors) -> dict[str, float]:
    return {term.name: float(term.total.detach()) / term.count for term in training(batch)}


def opened(kind: str, directory: Path) -> transformers.PreTrainedModel:
    model, info = getattr(transformers, kind).from_pretrained(directory, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    return model.eval()


def save(module: torch.nn.Module, task: str, directory: Path, tokenizer: Tokenizer) -> Path:
    info = ModelInfo.model_validate({"task": task, "max_length": 20, "tokenizer_mode": tokenizer.mode})
    save_model(directory, module=module, tokenizer=tokenizer, info=info)
    return directory


@pytest.mark.parametrize(
    ("family", "kind", "labels_name", "options"),
    [
        ("bert", "BertForPreTraining", "next_sentence_label", {}),
        ("ernie", "ErnieForPreTraining", "next_sentence_label", {}),
        ("albert", "AlbertForPreTraining", "sentence_order_label", {"num_groups": 1, "embedding_size": 10}),
    ],
)
def test_masked_tokens_and_pairs(
    family: str, kind: str, labels_name: str, options: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    config = EncoderConfig.model_validate(SIZES | {"family": family} | options)
    model = MaskedPairModel(Encoder(config))
    initialise(model, initializer_range=0.2, generator=torch.Generator().manual_seed(1))
    torch.nn.init.normal_(model.head.bias, generator=torch.Generator().manual_seed(3))
    padded = Padded(model.encoder)
    ours = means(MaskedTraining(model), padded.packed)

    part = MaskedTraining(model).parts()["model"]
    directory = save(part.module, part.task, tmp_path / "model", tokenizer)
    labels = torch.where(padded.chosen, padded.labels, -100)
    with torch.no_grad():
        theirs = opened(kind, directory)(
            **padded.theirs(padded.ids), labels=labels, **{labels_name: padded.next_sentence}
        )
    assert sum(ours.values()) == pytest.approx(float(theirs.loss), rel=1e-5)

    found = read_model(directory)
    assert found.heads == ("masked_lm", "next_sentence") and found.info.task == "masked_lm"
    assert found.has_pooler
    pooled = load_encoder(found).pooled(padded.packed)
    torch.testing.assert_close(pooled, model.encoder.pooled(padded.packed))
    again = load_with_head(found, "next_sentence")(padded.packed)
    torch.testing.assert_close(again, theirs[-1] if family == "albert" else theirs.seq_relationship_logits)


def test_replaced_tokens(tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = EncoderConfig.model_validate(SIZES | {"family": "electra", "embedding_size": 10})
    model = ReplacedTokenModel(Encoder(config, pooler=False))
    generator = MaskedLanguageModel(Encoder(generator_config(config, width=0.5), pooler=False))
    share_embeddings(generator.encoder, model.encoder)
    training = ReplacedTraining(generator, model)
    initialise(training, initializer_range=0.2, generator=torch.Generator().manual_seed(1))
    padded = Padded(model.encoder)
    torch.manual_seed(7)
    ours = means(training, padded.packed)

    torch.manual_seed(7)
    states = generator.encoder(padded.packed, rows=padded.packed.targets["masked_positions"]).hidden
    samples = draw_tokens(generator, states)
    filled, replaced = fill_in(padded.packed, samples)
    ids = torch.zeros_like(padded.ids)
    ids[padded.kept] = filled.ids
    wanted = torch.zeros_like(padded.ids)
    wanted[padded.kept] = replaced.long()
    assert torch.equal(ids[padded.kept & ~padded.chosen], padded.labels[padded.kept & ~padded.chosen])
    assert torch.equal(wanted.bool(), padded.kept & (ids != padded.labels))

    paths = {
        name: save(part.module, part.task, tmp_path / name, tokenizer)
        for name, part in training.parts().items()
    }
    labels = torch.where(padded.chosen, padded.labels, -100)
    with torch.no_grad():
        masked = opened("ElectraForMaskedLM", paths["generator"])(**padded.theirs(padded.ids), labels=labels)
        judged = opened("ElectraForPreTraining", paths["model"])(**padded.theirs(ids), labels=wanted)
    assert ours["masked_lm"] == pytest.approx(float(masked.loss), rel=1e-5)
    assert ours["replaced_token"] == pytest.approx(float(judged.loss), rel=1e-5)
