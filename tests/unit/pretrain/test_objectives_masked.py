import math

import pytest
import torch
from toy_objectives import tensors, toy_batch, toy_model

from erya.models.encoder import Encoder
from erya.models.heads.masked_pairs import MaskedPairModel
from erya.pretrain.objectives.masked import MaskedTraining, masked_metrics
from erya.pretrain.objectives.objective import PretrainObjective
from erya.train.ranks import Ranks

PAIRS = [0, 1, -1, 1]


def test_without_pairs_the_loss_is_the_models_own() -> None:
    model, batch = toy_model(), toy_batch()
    terms = MaskedTraining(model, masked_weight=0.5)(tensors(batch))
    assert [(term.name, term.weight) for term in terms] == [("masked_lm", 0.5)]
    assert float(terms[0].total.detach()) == float(model.loss(tensors(batch)).total.detach())


def test_pairs_share_the_encoders_run_and_what_is_no_pair_counts_nothing() -> None:
    model, batch = toy_model(pairs=True), toy_batch(next_sentence=PAIRS)
    assert isinstance(model, MaskedPairModel)
    runs = []
    model.encoder.register_forward_hook(lambda *call: runs.append(1))
    training = MaskedTraining(model, pair_weight=3.0)
    masked, pairs = training(tensors(batch))
    assert len(runs) == 1
    assert float(masked.total.detach()) == pytest.approx(float(model.loss(tensors(batch)).total.detach()))

    hidden = model.encoder(tensors(batch)).hidden
    logits = model.next_sentence(model.encoder.pool(model.encoder(tensors(batch)), tensors(batch)))
    plain = torch.nn.functional.cross_entropy(logits[[0, 1, 3]], torch.tensor([0, 1, 1]), reduction="sum")
    assert float(pairs.total.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)
    assert (pairs.name, pairs.count, pairs.weight) == ("next_sentence", 3, 3.0) and len(hidden) == 32
    assert training.counts(batch) == {"masked_lm": masked.count, "next_sentence": 3}


def test_a_batch_without_pairs_trains_all_the_same() -> None:
    training = MaskedTraining(toy_model(pairs=True))
    terms = training(tensors(toy_batch(next_sentence=[-1] * 4)))
    torch.stack([term.total for term in terms]).sum().backward()
    assert (terms[1].count, float(terms[1].total.detach())) == (0, 0.0)
    assert all(parameter.grad is not None for parameter in training.parameters())


def test_pairs_want_a_pooler_of_first_tokens() -> None:
    with pytest.raises(ValueError, match="pooler of first tokens"):
        MaskedPairModel(Encoder(toy_model().encoder.config, pooler=False))


def test_held_out_batches_are_scored_kind_by_kind() -> None:
    training = MaskedTraining(toy_model(pairs=True)).eval()
    words = [toy_batch(seed=seed, next_sentence=PAIRS) for seed in (0, 1, 2)]
    tokens = [toy_batch(seed=7, next_sentence=PAIRS)]
    with torch.no_grad():
        found = PretrainObjective(training, held_out={"word": words, "token": tokens}).evaluate()
        scores = [training.model.score(tensors(batch)) for batch in words]
        other, right = training.model.score(tensors(tokens[0]))
    count = sum(term.count for term, _ in scores)
    assert found["eval_loss"] == pytest.approx(sum(float(term.total) for term, _ in scores) / count)
    assert found["eval_masked_accuracy"] == pytest.approx(sum(hits for _, hits in scores) / count)
    assert found["eval_perplexity"] == pytest.approx(math.exp(found["eval_loss"]))
    assert found["eval_loss_token"] == pytest.approx(float(other.total) / other.count)
    assert found["eval_masked_accuracy_token"] == pytest.approx(right / other.count)
    assert 0 <= found["eval_next_sentence_accuracy"] <= 1 and found["eval_next_sentence_loss"] > 0
    assert found["eval_next_sentence_accuracy"] * 9 == pytest.approx(
        round(found["eval_next_sentence_accuracy"] * 9)
    )


def test_held_out_text_without_pairs_is_not_scored_for_them() -> None:
    training = MaskedTraining(toy_model(pairs=True)).eval()
    batches = [toy_batch(next_sentence=[-1] * len(PAIRS))]
    found = PretrainObjective(training, held_out={"word": batches}).evaluate()
    assert found["eval_loss"] > 0 and not any("next_sentence" in name for name in found)


@pytest.mark.parametrize("num_ranks", [2, 4])
def test_ranks_score_a_part_each_and_the_sums_are_the_whole(num_ranks: int) -> None:
    training = MaskedTraining(toy_model()).eval()
    batches = [toy_batch(seed=seed) for seed in range(5)]
    parts: list[torch.Tensor] = []
    calls = []

    class Hearing(Ranks):
        def add_up(self, value: torch.Tensor) -> torch.Tensor:
            parts.append(value)
            return value

    training.register_forward_hook(lambda *call: calls.append(1))
    for rank in range(num_ranks):
        ranks = Hearing(rank, num_ranks)
        PretrainObjective(training, held_out={"word": batches}, ranks=ranks).evaluate()
    assert len(calls) == num_ranks * math.ceil(5 / num_ranks)  # equally many on every rank
    mine = parts.copy()
    PretrainObjective(training, held_out={"word": batches}, ranks=Hearing()).evaluate()
    torch.testing.assert_close(torch.stack(mine).sum(0), parts[-1])


def test_what_a_family_has_no_place_for_is_not_part_of_what_is_saved() -> None:
    model = toy_model(pairs=True)
    kept = MaskedTraining(model, keeps_pairs=False).parts()["model"].module
    assert not isinstance(kept, MaskedPairModel) and kept.encoder.pooler is None
    batch = tensors(toy_batch())
    assert torch.equal(kept(batch), model(batch))
    assert MaskedTraining(model).parts()["model"].module is model


def test_held_out_text_with_no_masked_token_has_no_loss() -> None:
    found = masked_metrics({"masked": 0, "masked_loss": 0.0, "masked_right": 0})
    assert all(value != value for value in found.values())
