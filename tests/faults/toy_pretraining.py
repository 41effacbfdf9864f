"""A real pre-training run in miniature; `python toy_pretraining.py DIRECTORY` is a child to be killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

sys.path += [str(Path(__file__).parents[1] / "unit" / room) for room in ("pretrain",)]

from fake_shards import CLS, MASK, SEP, VOCAB, FakeShard

from erya.config import StrictModel
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.pretrain.masking.masker import Masker
from erya.pretrain.objectives.masked import MaskedTraining
from erya.pretrain.objectives.objective import PretrainObjective
from erya.pretrain.sequences import ShardSequences
from erya.pretrain.source import MaskedSource, held_out_batches
from erya.train.loop import TrainResult, train
from erya.train.protocols import Callback, StepReport
from erya.train.recipe import TrainRecipe

RECIPE = TrainRecipe(
    steps=60,
    batch_tokens=400,
    micro_batch_tokens=150,
    learning_rate=3e-3,
    save_every_steps=7,
    eval_every_steps=10,
    threads=1,
)


class WholeRecipe(StrictModel):
    train: TrainRecipe


class Slowly(Callback):
    """Leaves time to be killed between and within steps."""

    def on_step(self, report: StepReport) -> None:
        time.sleep(0.01)


def run(
    directory: Path, *callbacks: Callback, recipe: TrainRecipe = RECIPE, dropout: float = 0.1
) -> TrainResult:
    """Train two layers, in whatever precision is the machine's own."""
    config = EncoderConfig(
        vocab_size=VOCAB,
        hidden_size=16,
        num_layers=2,
        num_heads=2,
        intermediate_size=32,
        max_positions=40,
        dropout_prob=dropout,
        attention_dropout_prob=dropout,
    )
    module = MaskedLanguageModel(Encoder(config, pooler=False))
    initialise(module, initializer_range=0.02, generator=torch.Generator().manual_seed(1))
    shards = [FakeShard(seed, documents=30) for seed in (0, 1)]
    sequences = ShardSequences(shards, max_length=40, cls_id=CLS, sep_id=SEP)
    masker = Masker(prob=0.2, vocab_size=VOCAB, special_ids=range(5), mask_id=MASK, seed=recipe.seed)
    source = MaskedSource(
        sequences,
        masker,
        batch_tokens=recipe.batch_tokens,
        seed=recipe.seed,
    )
    held_out = held_out_batches(sequences, masker, max_tokens=500, seed=0)
    objective = PretrainObjective(MaskedTraining(module), held_out={"word": held_out})
    return train(
        objective,
        source,
        recipe=recipe,
        run_recipe=WholeRecipe(train=recipe),
        directory=directory,
        evaluate=objective.evaluate,
        callbacks=callbacks,
    )


if __name__ == "__main__":
    run(Path(sys.argv[1]), Slowly())
