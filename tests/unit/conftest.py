"""A tiny encoder, a separable set of reviews, and a classifier fine-tuned on it, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_reviews import CHARACTERS, ReviewFiles, write_reviews


@pytest.fixture(scope="session")
def reviews(tmp_path_factory) -> ReviewFiles:
    folder = tmp_path_factory.mktemp("reviews")
    return ReviewFiles(
        train=write_reviews(folder / "train.tsv", 120, seed=1),
        dev=write_reviews(folder / "dev.tsv", 40, seed=2),
    )


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory) -> Path:
    """A model directory with a random two-layer encoder of at most 24 positions."""
    torch = pytest.importorskip("torch")
    from erya.checkpoints.info import ModelInfo
    from erya.checkpoints.saving import save_model
    from erya.models.config import EncoderConfig
    from erya.models.encoder import Encoder
    from erya.models.initialise import initialise
    from erya.tokenizer.wordpiece import Tokenizer

    folder = tmp_path_factory.mktemp("base")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(CHARACTERS)]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    config = EncoderConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        intermediate_size=64,
        max_positions=24,
        dropout_prob=0.02,
        attention_dropout_prob=0.03,
    )
    encoder = Encoder(config)
    initialise(encoder, initializer_range=0.1, generator=torch.Generator().manual_seed(3))
    save_model(
        folder / "model",
        module=encoder,
        tokenizer=Tokenizer.open(folder),
        info=ModelInfo(max_length=24),
    )
    return folder / "model"


@pytest.fixture(scope="session")
def classify_recipe(tiny_base, reviews):
    """Builds a recipe that learns the reviews in seconds; keywords change it, `train` is merged."""
    from erya.config import validate
    from erya.tasks.classify.recipe import ClassifyRecipe

    def build(*, train=None, **changes):
        training = {
            "learning_rate": 5e-3,
            "epochs": 6,
            "threads": 1,
            "device": "cpu",
            "monitor": {"patience": None},
            "precision": "float32",
            **(train or {}),
        }
        values = {
            "model": str(tiny_base),
            "train_file": str(reviews.train),
            "dev_file": str(reviews.dev),
            "text": "text_a",
            "batch_size": 16,
            "train": training,
            **changes,
        }
        return validate(ClassifyRecipe, values, where="the test")

    return build


@pytest.fixture(scope="session")
def tiny_run(classify_recipe, tmp_path_factory) -> Path:
    """The run directory of a finished fine-tuning; the classifier is in `model/`."""
    from erya.tasks.finetune import finetune

    folder = tmp_path_factory.mktemp("run") / "reviews"
    finetune(classify_recipe(), folder, tell=lambda text: None)
    return folder
