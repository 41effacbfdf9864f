"""The network's side of reading comprehension: loss, probabilities, outputs, all on packed sequences."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from erya.data.batches import pack  # noqa: E402
from erya.data.features import Features  # noqa: E402
from erya.models.config import EncoderConfig  # noqa: E402
from erya.models.encoder import Encoder  # noqa: E402
from erya.models.heads.spans import SpanModel  # noqa: E402
from erya.nn.packing import PackedTensors  # noqa: E402
from erya.tasks.answer.head import LOSS_NAME, AnswerLearner  # noqa: E402
from erya.tasks.craft.distributions import unevenness  # noqa: E402

SIZES = EncoderConfig(
    vocab_size=30, hidden_size=16, num_layers=2, num_heads=2, intermediate_size=24, max_positions=16
)


def features(length, answer, untouchable=2, seed=0):
    touchable = np.ones(length, dtype=bool)
    touchable[1 : 1 + untouchable] = False
    touchable[-1] = length == 1
    ids = np.random.default_rng(seed + length).integers(5, 30, length).astype(np.int32)
    return Features(
        ids,
        np.zeros(length, dtype=np.uint8),
        {"answer": np.array(answer, dtype=np.int64)},
        {"touchable": touchable},
    )


@pytest.fixture
def learner():
    torch.manual_seed(0)
    return AnswerLearner(SpanModel(Encoder(SIZES, pooler=False))).eval()


@pytest.fixture
def items():
    return [features(8, (4, 6)), features(5, (0, 0)), features(11, (-1, -1)), features(6, (3, 3))]


def tensors_of(items):
    return PackedTensors.from_batch(pack(items), torch.device("cpu"))


def test_the_loss_is_that_of_each_sequence_alone(learner, items):
    batch = tensors_of(items)
    logits = learner.logits(batch)
    (term,) = learner.losses(logits, batch)
    assert term.name == LOSS_NAME and term.count == 3 and learner.counts(pack(items)) == {LOSS_NAME: 3}
    wanted = torch.zeros(())
    for item, rows in zip(items, torch.split(logits, batch.lengths), strict=True):
        first, last = item.targets["answer"].tolist()
        if first < 0:
            continue
        masked = rows.masked_fill(~torch.from_numpy(item.row_targets["touchable"])[:, None], -torch.inf)
        wanted = wanted - (masked.log_softmax(0)[first, 0] + masked.log_softmax(0)[last, 1]) / 2
    assert float(term.total.detach()) == pytest.approx(float(wanted.detach()), rel=1e-6)
    assert float(learner(batch)[0].total.detach()) == pytest.approx(float(term.total.detach()))


def test_gradients_are_finite_and_none_goes_to_a_question(learner, items):
    batch = tensors_of(items)
    logits = (learner.logits(batch) * 50).detach().requires_grad_()
    learner.losses(logits, batch)[0].total.backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[~batch.targets["touchable"]] == 0).all()
    assert (logits.grad[13:24] == 0).all()  # the answer of the third sequence cannot be learnt
    assert (logits.grad[:8][torch.from_numpy(items[0].row_targets["touchable"])] != 0).any()


def test_a_batch_of_nothing_to_learn_has_no_loss(learner):
    batch = tensors_of([features(6, (-1, -1)), features(4, (-1, -1))])
    (term,) = learner(batch)
    assert float(term.total.detach()) == 0.0 and term.count == 0
    term.total.backward()
    grads = [parameter.grad for parameter in learner.parameters() if parameter.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)


def test_half_precision_logits_are_summed_in_float32(learner, items):
    batch = tensors_of(items)
    logits = learner.logits(batch).detach()
    (term,) = learner.losses(logits.bfloat16(), batch)
    assert term.total.dtype == torch.float32
    assert float(term.total) == pytest.approx(float(learner.losses(logits, batch)[0].total), rel=0.05)


def test_log_probs_are_a_distribution_a_row(learner, items):
    batch = tensors_of(items)
    logits = learner.logits(batch)
    rows = learner.log_probs(logits, batch)
    assert rows.shape == (8, 11) and torch.isfinite(rows).all()
    assert rows.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 8, abs=1e-6)
    keep = torch.from_numpy(items[1].row_targets["touchable"])
    own = logits[8:13].masked_fill(~keep[:, None], -torch.inf).log_softmax(0)
    for row, column in ((2, 0), (3, 1)):  # beginnings and endings of the second sequence
        assert torch.allclose(rows[row, :5][keep], own[keep, column], atol=1e-6)
        assert (rows[row, 5:].exp() == 0).all()


def test_smoothing_spreads_over_the_places_an_answer_may_have(learner, items):
    batch = tensors_of(items[:1])
    logits = learner.logits(batch)
    keep = torch.from_numpy(items[0].row_targets["touchable"])
    own = logits[keep].log_softmax(0)
    assert float(unevenness(learner.log_probs(logits, batch)).detach()) == pytest.approx(
        float(-own.mean().detach()), rel=1e-6
    )


def test_outputs_are_the_logits_of_each_sequence(learner, items):
    bare = [Features(item.ids, item.type_ids) for item in items]
    batch = tensors_of(bare)
    logits = learner.logits(batch)
    outputs = learner.outputs(logits.detach(), batch)
    assert [output.shape for output in outputs] == [(8, 2), (5, 2), (11, 2), (6, 2)]
    assert np.concatenate(outputs) == pytest.approx(logits.detach().numpy())
    alone = learner.outputs(learner.logits(tensors_of(bare[2:3])).detach(), tensors_of(bare[2:3]))
    assert alone[0] == pytest.approx(outputs[2], abs=1e-5)
