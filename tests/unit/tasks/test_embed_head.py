"""Losses over whole batches: against plain formulas, and in chunks as in one piece."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from erya.config import validate  # noqa: E402
from erya.data.batches import pack  # noqa: E402
from erya.errors import ConfigError  # noqa: E402
from erya.models.config import EncoderConfig  # noqa: E402
from erya.models.encoder import Encoder  # noqa: E402
from erya.models.heads.sentence import SentenceEncoder  # noqa: E402
from erya.models.initialise import initialise  # noqa: E402
from erya.nn.packing import PackedTensors  # noqa: E402
from erya.tasks.embed.examples import Example  # noqa: E402
from erya.tasks.embed.head import Contrast, EmbedLearner, texts_of  # noqa: E402
from erya.tasks.embed.kind import EmbedKind  # noqa: E402
from erya.tasks.embed.loss import contrastive_loss, cosent_loss, same_text  # noqa: E402
from erya.tasks.embed.recipe import EmbedRecipe, EmbedSettings  # noqa: E402
from erya.tasks.embed.task import EmbedTask  # noqa: E402
from erya.tasks.texts import LengthLimit  # noqa: E402
from erya.tokenizer.wordpiece import Tokenizer  # noqa: E402
from erya.train.memory import kept_bytes  # noqa: E402

TEXTS = ["房间很大", "服务周到", "早餐差", "位置好", "价格便宜", "隔音不好", "床软", "热情", "水温低", "吵"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("vocabulary")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys("".join(TEXTS) + "问：文")]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return Tokenizer.open(folder)


def example(number: int, *, negatives: int = 0, score: float | None = None, pair: bool = True) -> Example:
    around = [TEXTS[(number + step) % len(TEXTS)] for step in range(2 + negatives)]
    return Example(around[0], around[1] if pair else None, tuple(around[2:]), score, "here", number)


def batch_of(examples, tokenizer, **settings) -> PackedTensors:
    task = EmbedTask(EmbedSettings(**settings))
    encoded = task.encode(examples, tokenizer, limit=LengthLimit(16, False, 16))
    return PackedTensors.from_batch(pack(encoded.features), torch.device("cpu"))


def learner(vocab_size: int, *, objective: str, chunk_tokens: int, pooling="mean", dropout=0.0, sizes=()):
    config = EncoderConfig(
        vocab_size=vocab_size,
        hidden_size=16,
        num_layers=2,
        num_heads=2,
        intermediate_size=32,
        max_positions=16,
        dropout_prob=dropout,
        attention_dropout_prob=dropout,
    )
    encoder = Encoder(config, pooler=False)
    initialise(encoder, initializer_range=0.2, generator=torch.Generator().manual_seed(5))
    network = SentenceEncoder(encoder, pooling=pooling)
    return EmbedLearner(network, contrast=Contrast(objective, 0.1, sizes), chunk_tokens=chunk_tokens)


def gradients(module) -> dict[str, torch.Tensor]:
    return {name: value.grad.clone() for name, value in module.named_parameters() if value.grad is not None}


def learn(module, batch, *, seed: int = 3) -> tuple[float, dict[str, torch.Tensor]]:
    torch.manual_seed(seed)
    module.zero_grad()
    (term,) = module(batch)
    term.total.backward()
    return float(term.total.detach()), gradients(module)


@pytest.mark.parametrize("objective", ["simcse", "in_batch", "cosent"])
@pytest.mark.parametrize("pooling", ["cls", "mean", "first_last_mean"])
def test_chunks_learn_what_the_whole_batch_learns(objective, pooling, tokenizer) -> None:
    scored = objective == "cosent"
    examples = [
        example(n, negatives=n % 3 if objective == "in_batch" else 0, score=n % 4 if scored else None)
        for n in range(8)
    ]
    batch = batch_of(examples, tokenizer)
    found = {}
    for chunk_tokens in (7, 10_000):
        module = learner(
            tokenizer.vocab_size, objective=objective, chunk_tokens=chunk_tokens, pooling=pooling
        )
        found[chunk_tokens] = learn(module.train(), batch)
    (loss, some), (whole_loss, whole) = found[7], found[10_000]
    assert loss == pytest.approx(whole_loss, rel=1e-5)
    assert some.keys() == whole.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(some[name], gradient, atol=1e-5, rtol=1e-5, msg=name)
    # A part of the batch has another loss: the test would notice if chunks were learnt one by one.
    half = learner(tokenizer.vocab_size, objective=objective, chunk_tokens=7, pooling=pooling).train()
    assert learn(half, batch_of(examples[:4], tokenizer))[0] * 2 != pytest.approx(loss, rel=1e-2)


def test_a_chunk_is_computed_again_with_the_same_dropout(tokenizer) -> None:
    """The gradient with chunks computed twice equals that of the same chunks kept, dropout and all."""
    batch = batch_of([example(n) for n in range(6)], tokenizer)
    module = learner(tokenizer.vocab_size, objective="simcse", chunk_tokens=9, dropout=0.3).train()
    loss, cached = learn(module, batch)
    module._embed = lambda chunk: module.network(chunk)  # keeps what the backward pass needs
    kept_loss, kept = learn(module, batch)
    assert loss == kept_loss
    for name, gradient in kept.items():
        torch.testing.assert_close(cached[name], gradient, atol=1e-6, rtol=1e-5, msg=name)
    other_loss, _ = learn(module, batch, seed=4)
    assert other_loss != loss, "there is no dropout"


def test_memory_is_that_of_the_vectors(tokenizer) -> None:
    """What the forward pass keeps does not grow with what a token costs inside the encoder."""
    batch = batch_of([example(n % 10, score=n % 3) for n in range(40)], tokenizer)
    module = learner(tokenizer.vocab_size, objective="cosent", chunk_tokens=20).train()
    cached = kept_bytes(module, batch, module)
    module._embed = lambda chunk: module.network(chunk)
    assert cached < kept_bytes(module, batch, module) / 10


def test_two_views_of_simcse_are_pulled_together(tokenizer) -> None:
    batch = batch_of([example(n, pair=False) for n in range(5)], tokenizer)
    module = learner(tokenizer.vocab_size, objective="simcse", chunk_tokens=64, dropout=0.2).train()
    torch.manual_seed(0)
    vectors = module.logits(batch)
    assert vectors.shape == (10, 16) and not torch.equal(vectors[:5], vectors[5:])
    (term,) = module.losses(vectors, batch)
    cosines = functional.normalize(vectors[:5], dim=1) @ functional.normalize(vectors[5:], dim=1).T / 0.1
    expected = -functional.log_softmax(cosines, dim=1).diagonal().sum()
    assert float(term.total.detach()) == pytest.approx(float(expected.detach()), rel=1e-5) and term.count == 5


def test_in_batch_negatives_are_all_other_passages(tokenizer) -> None:
    examples = [example(0, negatives=1), example(4), example(6, negatives=2)]
    batch = batch_of(examples, tokenizer)
    module = learner(tokenizer.vocab_size, objective="in_batch", chunk_tokens=64).train()
    vectors = module.logits(batch)
    (term,) = module.losses(vectors, batch)
    passages = [1, 2, 4, 6, 7, 8]
    units = functional.normalize(vectors, dim=1)
    expected = torch.as_tensor(0.0) + sum(
        -functional.log_softmax(units[first] @ units[passages].T / 0.1, dim=0)[right]
        for first, right in ((0, 0), (3, 2), (5, 3))
    )
    assert float(term.total.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert term.count == 3


def test_the_same_text_is_no_negative() -> None:
    keys = torch.tensor([1, 2, 3])
    candidates = torch.tensor([7, 1, 9, 7, 8])
    excluded = same_text(keys, candidates, torch.tensor([0, 2, 4]))
    # The first text's pair says 7, which stands there again, and what it says itself is candidate 1.
    assert excluded.tolist() == [
        [False, True, False, True, False],
        [False, False, False, False, False],
        [False, False, False, False, False],
    ]
    queries, passages = torch.eye(3), torch.eye(3)[[0, 0, 1]]
    loss = contrastive_loss(
        queries[:1],
        passages,
        right=torch.tensor([0]),
        temperature=1.0,
        excluded=torch.tensor([[False, True, False]]),
    )
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-1)))


def test_cosent_is_what_its_paper_says() -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(5, 4, generator=generator), torch.randn(5, 4, generator=generator)
    scores = torch.tensor([0.0, 2.0, 1.0, 2.0, 5.0])
    cosines = functional.cosine_similarity(first, second, dim=1).tolist()
    expected = math.log(
        1
        + sum(
            math.exp((cosines[low] - cosines[high]) / 0.2)
            for low in range(5)
            for high in range(5)
            if scores[low] < scores[high]
        )
    )
    assert float(cosent_loss(first, second, scores, temperature=0.2)) == pytest.approx(expected, rel=1e-5)
    assert float(cosent_loss(first, second, torch.ones(5), temperature=0.2)) == 0.0


def test_sizes_add_the_loss_of_cut_vectors(tokenizer) -> None:
    batch = batch_of([example(n, score=n) for n in range(6)], tokenizer)
    module = learner(tokenizer.vocab_size, objective="cosent", chunk_tokens=64, sizes=(4, 8)).train()
    vectors = module.logits(batch)
    (term,) = module.losses(vectors, batch)
    expected = torch.as_tensor(0.0) + sum(
        6 * cosent_loss(vectors[0::2, :size], vectors[1::2, :size], batch.targets["scores"], temperature=0.1)
        for size in (4, 8, 16)
    )
    assert float(term.total.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_a_dev_file_is_judged_by_what_it_has(tokenizer) -> None:
    """Trained by SimCSE, a model sees pairs on the dev file: with scores by these, else as pairs."""
    module = learner(tokenizer.vocab_size, objective="simcse", chunk_tokens=64).eval()
    scored = batch_of([example(n, score=n) for n in range(4)], tokenizer)
    vectors = module.logits(scored)
    assert vectors.shape == (8, 16)
    (term,) = module.losses(vectors, scored)
    expected = 4 * cosent_loss(vectors[0::2], vectors[1::2], scored.targets["scores"], temperature=0.1)
    assert float(term.total.detach()) == pytest.approx(float(expected.detach()))
    (plain,) = module.losses(vectors, batch_of([example(n) for n in range(4)], tokenizer))
    assert plain.count == 4 and float(plain.total.detach()) != pytest.approx(float(expected.detach()))


def test_texts_stand_alone(tokenizer) -> None:
    """A text gets the vector it has alone, whatever stands beside it in its example."""
    examples = [example(3, negatives=2), example(6)]
    module = learner(tokenizer.vocab_size, objective="in_batch", chunk_tokens=64).eval()
    together = batch_of(examples, tokenizer)
    with torch.no_grad():
        outputs = module.outputs(module.logits(together), together)
        assert [len(of) for of in outputs] == [4, 2]
        for one, vectors in zip(examples, outputs, strict=True):
            for text, vector in zip(one.texts, vectors, strict=True):
                alone = batch_of([Example(text, None, (), None, "here", 1)], tokenizer)
                single = module.outputs(module.logits(alone), alone)[0][0]
                np.testing.assert_allclose(vector, single, atol=1e-6)
                assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert texts_of(together).lengths == tuple(len(text) + 2 for one in examples for text in one.texts)


def test_simcse_wants_dropout() -> None:
    files = {"model": "m", "train_file": "t", "dev_file": "d", "objective": "simcse"}
    encoder = learner(30, objective="simcse", chunk_tokens=64).network.encoder
    kind, task = EmbedKind(), EmbedTask(EmbedSettings())
    with pytest.raises(ConfigError, match="this model has none"):
        kind.new_learner(encoder, task, validate(EmbedRecipe, files, where="the test"), [])
    mended = files | {"craft": {"hidden_dropout_prob": 0.1}}
    assert kind.new_learner(encoder, task, validate(EmbedRecipe, mended, where="the test"), [])
