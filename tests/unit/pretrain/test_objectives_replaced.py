import numpy as np
import pytest
import torch
from toy_objectives import VOCAB, tensors, toy_batch, toy_config, toy_model

from erya.models.encoder import Encoder
from erya.models.heads.replaced_token import ReplacedTokenModel
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel, silence_rows
from erya.pretrain.objectives.objective import PretrainObjective
from erya.pretrain.objectives.replaced import (
    ReplacedTraining,
    draw_tokens,
    fill_in,
    generator_config,
    share_embeddings,
)


def toy_training(*, width: float = 0.25, temperature: float = 1.0, **changes: object) -> ReplacedTraining:
    config = toy_config(family="electra", embedding_size=12, **changes)
    discriminator = ReplacedTokenModel(Encoder(config, pooler=False))
    generator = MaskedLanguageModel(Encoder(generator_config(config, width=width), pooler=False))
    for model in (discriminator, generator):
        initialise(model, initializer_range=0.3, generator=torch.Generator().manual_seed(3))
    share_embeddings(generator.encoder, discriminator.encoder)
    return ReplacedTraining(generator, discriminator, weight=20.0, temperature=temperature)


def test_a_generator_is_narrower_and_as_wide_where_they_share() -> None:
    config = toy_config(embedding_size=None, num_layers=4)
    narrow = generator_config(config, width=0.5, depth=0.5)
    assert (narrow.hidden_size, narrow.num_heads, narrow.intermediate_size) == (12, 2, 20)
    assert (narrow.num_layers, narrow.embedding_size) == (2, 24)
    assert generator_config(config, width=1.0).embedding_size is None
    assert generator_config(toy_config(embedding_size=6), width=0.25).embedding_size is None


def test_embeddings_are_shared_and_counted_once() -> None:
    training = toy_training()
    generator, discriminator = training.generator.encoder, training.discriminator.encoder
    assert generator.embeddings.words is discriminator.embeddings.words
    assert generator.embeddings.positions is discriminator.embeddings.positions
    assert generator.embeddings.projection is not discriminator.embeddings.projection
    names = [name for name, _ in training.named_parameters()]
    assert sum("words" in name for name in names) == 1


def test_drawn_tokens_follow_the_guesses() -> None:
    model = toy_model()
    chosen = torch.randn(1, 24, generator=torch.Generator().manual_seed(0))
    logits = model.head(chosen, model.encoder.embeddings.words.weight)
    noise = torch.Generator().manual_seed(1)
    drawn = draw_tokens(model, chosen.expand(40_000, 24), temperature=2.0, generator=noise)
    shares = torch.bincount(drawn, minlength=VOCAB).double() / len(drawn)
    probs = (logits[0].double() / 2.0).softmax(-1)
    assert float((shares - probs).abs().max()) < 5 * float((probs / len(drawn)).sqrt().max())
    again = draw_tokens(
        model, chosen.expand(300, 24), temperature=2.0, generator=torch.Generator().manual_seed(1)
    )
    assert torch.equal(again, drawn[:300])


def test_rows_that_are_no_tokens_are_never_drawn() -> None:
    model = toy_model()
    silence_rows(model, VOCAB - 6)
    assert int(draw_tokens(model, torch.randn(3_000, 24)).max()) < VOCAB - 6


def test_guesses_that_are_no_numbers_still_give_tokens() -> None:
    model = toy_model()
    drawn = draw_tokens(model, torch.full((300, 24), float("nan")))
    assert int(drawn.min()) >= 0 and int(drawn.max()) < VOCAB


def test_a_sample_that_is_right_is_not_replaced() -> None:
    batch = tensors(toy_batch())
    positions, labels = batch.targets["masked_positions"], batch.targets["masked_labels"]
    samples = labels.clone()
    samples[1] = labels[1] % 20 + 5 if int(labels[1]) != int(labels[1]) % 20 + 5 else 6
    filled, replaced = fill_in(batch, samples)
    assert replaced.nonzero().flatten().tolist() == [int(positions[1])]
    original = batch.ids.clone()
    original[positions] = labels
    assert (filled.ids != original).nonzero().flatten().tolist() == [int(positions[1])]
    assert filled.targets == {}


def test_samples_depend_on_torchs_seed_in_training_and_on_nothing_in_evaluation() -> None:
    training, batch = toy_training(), tensors(toy_batch())

    def totals(seed: int) -> list[float]:
        torch.manual_seed(seed)
        return [float(term.total.detach()) for term in training(batch)]

    assert totals(1) == totals(1) != totals(2)
    objective = PretrainObjective(training.eval(), held_out={"word": [toy_batch(), toy_batch(seed=1)]})
    torch.manual_seed(3)
    with torch.no_grad():
        first = objective.evaluate()
        assert first == objective.evaluate()


def test_the_counts_are_all_tokens_and_the_weights_the_recipes() -> None:
    training, batch = toy_training(), toy_batch()
    masked, replaced = training(tensors(batch))
    assert training.counts(batch) == {"masked_lm": masked.count, "replaced_token": replaced.count}
    assert (masked.count, replaced.count) == (len(batch.targets["masked_labels"]), batch.num_tokens)
    assert (masked.weight, replaced.weight) == (1.0, 20.0)


def test_evaluation_tells_of_both_models() -> None:
    training, batch = toy_training().eval(), toy_batch()
    with torch.no_grad():
        found = PretrainObjective(training, held_out={"word": [batch]}).evaluate()
        term, right = training.generator.score(tensors(batch))
        noise = torch.Generator().manual_seed(0)
        chosen = training.generator.encoder(tensors(batch), rows=tensors(batch).targets["masked_positions"])
        samples = draw_tokens(training.generator, chosen.hidden, generator=noise)
        filled, replaced = fill_in(tensors(batch), samples)
        suspected = training.discriminator(filled) > 0
    assert found["eval_loss"] == pytest.approx(float(term.total) / term.count)
    assert found["eval_masked_accuracy"] == pytest.approx(right / term.count)
    wanted = replaced.numpy()
    hits = np.logical_and(suspected.numpy(), wanted).sum()
    assert found["eval_replaced_accuracy"] == pytest.approx((suspected.numpy() == wanted).mean())
    assert found["eval_replaced_precision"] == pytest.approx(hits / max(suspected.sum().item(), 1))
    assert found["eval_replaced_recall"] == pytest.approx(hits / wanted.sum())


def test_the_main_model_is_the_discriminator() -> None:
    parts = toy_training().parts()
    assert {name: part.task for name, part in parts.items()} == {
        "model": "replaced_token",
        "generator": "masked_lm",
    }
