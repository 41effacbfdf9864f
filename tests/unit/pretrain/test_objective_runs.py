"""Runs with each objective: they resume to the bit, leave what others open, and start where they should."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from fake_shards import write_shards

from erya.checkpoints.directory import load_masked_language_model, load_with_head, read_model
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.cli.main import run as erya
from erya.config import load_config
from erya.data.shards import Shards
from erya.errors import ConfigError
from erya.models.compiled import compile_blocks
from erya.pretrain.feed import cut_split, training_source
from erya.pretrain.objectives.objective import PretrainObjective
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.refit import refit_head
from erya.pretrain.run import Pretrained, pretrain
from erya.pretrain.start import build_start
from erya.tokenizer.wordpiece import Tokenizer

TINY = Path(__file__).with_name("tiny.yaml")
SMALLER = [
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "model.max_positions=64",
    "model.dropout_prob=0.1",
    "data.max_length=48",
    "train.steps=9",
    "train.schedule=constant",
    "train.warmup_ratio=0",
    "train.batch_tokens=300",
    "train.micro_batch_tokens=150",
    "train.eval_every_steps=4",
    "train.save_every_steps=5",
    "train.threads=1",
    "train.precision=float32",
]
REPLACED = [
    "objective.kind=replaced",
    "objective.generator={width: 0.5, weight: 20}",
    "model.family=electra",
    "model.embedding_size=8",
    "model.pooler={activation: gelu}",
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def teacher(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    done, _ = run(tmp_path_factory.mktemp("runs") / "teacher", shards, "model.num_heads=4")
    assert done.model is not None
    return done.model


def run(out: Path, shards: Path, *overrides: str) -> tuple[Pretrained, list[str]]:
    said: list[str] = []
    recipe = load_config(PretrainRecipe, TINY, [*SMALLER, f"data.shards={shards}", *overrides])
    return pretrain(recipe, out, tell=said.append), said


def losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


OBJECTIVES = {
    "next": ["objective.pairs=next", "objective.pair_weight=0.5"],
    "order": ["objective.pairs=order"],
    "replaced": REPLACED,
    "teacher": [
        "objective.teacher.model=TEACHER",
        "objective.teacher.relations={num_heads: 8, teacher_layer: 0, student_layer: 1}",
    ],
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_run_goes_on_to_the_same_bits(name: str, shards: Path, teacher: Path, tmp_path: Path) -> None:
    options = [option.replace("TEACHER", str(teacher)) for option in OBJECTIVES[name]]
    whole, _ = run(tmp_path / "whole", shards, *options)
    run(tmp_path / "parts", shards, *options, "train.steps=4")
    parts, _ = run(tmp_path / "parts", shards, *options)
    assert len(set(losses(tmp_path / "whole"))) == 9
    assert losses(tmp_path / "parts")[4:] == losses(tmp_path / "whole")[4:]
    assert parts.result.state.metrics == whole.result.state.metrics


def test_pairs_leave_a_pooler_and_a_head(shards: Path, tmp_path: Path) -> None:
    done, _ = run(tmp_path / "out", shards, "objective.pairs=next")
    assert done.model is not None
    model = read_model(done.model)
    assert model.heads == ("masked_lm", "next_sentence") and model.has_pooler
    assert json.loads((done.model / "config.json").read_text())["architectures"] == ["BertForPreTraining"]
    assert 0 <= done.result.state.metrics["eval_next_sentence_accuracy"] <= 1
    load_with_head(model, "next_sentence")


def test_a_family_without_such_a_head_is_saved_without_it(shards: Path, tmp_path: Path) -> None:
    options = ["model.family=roformer", "model.positions={kind: rotary, interleaved: true}"]
    done, said = run(tmp_path / "out", shards, "objective.pairs=order", *options)
    assert any(line.startswith("warning: the family roformer has no class") for line in said)
    assert done.model is not None and read_model(done.model).heads == ("masked_lm",)


def test_a_replaced_token_run_leaves_both_models(shards: Path, tmp_path: Path) -> None:
    done, _ = run(tmp_path / "out", shards, *REPLACED)
    assert done.model is not None
    assert read_model(done.model).info.task == "replaced_token"
    generator = load_masked_language_model(tmp_path / "out" / "generator")
    discriminator = load_with_head(done.model, "replaced_token")
    words = discriminator.get_submodule("encoder.embeddings.words").weight
    assert torch.equal(generator.encoder.embeddings.words.weight, words)
    assert {"eval_loss", "eval_replaced_accuracy", "eval_replaced_recall"} <= done.result.state.metrics.keys()


def test_rows_are_padded_and_never_guessed(teacher: Path) -> None:
    model = load_masked_language_model(teacher)
    assert model.encoder.config.vocab_size == 64
    assert read_model(teacher).tokenizer.vocab_size == 50
    logits = model.head(torch.randn(200, 16), model.encoder.embeddings.words.weight)
    assert int(logits.argmax(-1).max()) < 50


def test_another_objective_in_the_same_directory_is_refused_by_its_keys(shards: Path, tmp_path: Path) -> None:
    run(tmp_path / "out", shards)
    with pytest.raises(ConfigError, match=r"objective\.pairs was 'none', is 'next'"):
        run(tmp_path / "out", shards, "objective.pairs=next")
    with pytest.raises(ConfigError, match=r"objective\.kind was 'masked', is 'replaced'"):
        run(tmp_path / "out", shards, *REPLACED)


def test_activations_that_are_worked_out_again_change_nothing(
    shards: Path, teacher: Path, tmp_path: Path
) -> None:
    options = [option.replace("TEACHER", str(teacher)) for option in OBJECTIVES["teacher"]]
    run(tmp_path / "kept", shards, *options)
    run(tmp_path / "again", shards, *options, "train.checkpoint_activations=true")
    assert losses(tmp_path / "kept") == losses(tmp_path / "again")


def test_compiled_blocks_compute_the_same(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager = partial(compile_blocks, backend="aot_eager")
    monkeypatch.setattr("erya.pretrain.start.compile_blocks", eager)
    options = ["model.dropout_prob=0", "model.num_layers=1", "train.steps=2"]
    run(tmp_path / "plain", shards, *options)
    run(tmp_path / "compiled", shards, *options, "train.compile=true")
    assert losses(tmp_path / "compiled") == pytest.approx(losses(tmp_path / "plain"), rel=1e-5)
    with pytest.raises(ConfigError, match=r"compile goes with parallel\.kind=ddp only"):
        run(tmp_path / "cut", shards, "train.compile=true", "train.parallel={kind: fsdp}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["objective.teacher.relations={num_heads: 5}"], "no divisor of the teacher's width 16"),
        (["objective.teacher.relations={num_heads: 4, student_layer: 7}"], "layer 7; the model has 2"),
        (["data.max_length=100", "model.max_positions=100"], "the teacher has 64 positions"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(
    options: list[str], said: str, shards: Path, teacher: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        run(tmp_path / "out", shards, f"objective.teacher.model={teacher}", *options)


def test_a_teacher_with_another_vocabulary_is_refused(teacher: Path, tmp_path: Path) -> None:
    other = write_shards(tmp_path / "other", first_character="丁")
    with pytest.raises(ConfigError, match="the teacher has another vocabulary than the shards"):
        run(tmp_path / "out", other, f"objective.teacher.model={teacher}")


def test_a_teacher_that_cannot_hide_tokens_is_refused_with_patterns(shards: Path, tmp_path: Path) -> None:
    options = ["model.family=deberta-v2", "model.positions={kind: disentangled}", "model.convolution=3"]
    taught, _ = run(tmp_path / "teacher", shards, *options, "model.num_segments=0", "train.steps=1")
    patterns = "patterns={both: 0.5, left_to_right: 0.5}"
    with pytest.raises(ConfigError, match="the teacher's convolution"):
        run(tmp_path / "out", shards, f"objective.teacher.model={taught.model}", patterns)


def test_another_teacher_is_another_run(shards: Path, teacher: Path, tmp_path: Path) -> None:
    run(tmp_path / "out", shards, f"objective.teacher.model={teacher}")
    moved = shutil.copytree(teacher, tmp_path / "moved")
    run(tmp_path / "out", shards, f"objective.teacher.model={moved}")
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.5}))
    with pytest.raises(ConfigError, match="the configuration of the teacher changed"):
        run(tmp_path / "out", shards, f"objective.teacher.model={moved}")


def without_head(model: Path, directory: Path) -> Path:
    encoder = load_masked_language_model(model).encoder
    save_model(directory, module=encoder, tokenizer=Tokenizer.open(model), info=ModelInfo(max_length=48))
    return directory


def test_going_on_says_where_it_starts(shards: Path, teacher: Path, tmp_path: Path) -> None:
    _, said = run(tmp_path / "out", shards, "model=null", f"init_from={teacher}")
    found = [line for line in said if line.startswith("starts at ")]
    assert len(found) == 1 and found[0].endswith("of held-out tokens guessed right")
    former = read_model(teacher).info.provenance["held_out"]["eval_masked_accuracy"]
    assert found[0].startswith(f"starts at {former:.1%} ")
    first = json.loads((tmp_path / "out" / "metrics.jsonl").read_text().splitlines()[0])
    assert first["step"] == 0 and first["eval_masked_accuracy"] == pytest.approx(former)


def test_a_missing_head_is_trained_alone_first(shards: Path, teacher: Path, tmp_path: Path) -> None:
    bare = without_head(teacher, tmp_path / "bare")
    options = ["model=null", f"init_from={bare}"]
    _, said = run(tmp_path / "noise", shards, *options)
    assert any("starts at random" in line and "head.dense" in line for line in said)

    many = [*options, "objective.refit_head_steps=60", "train.learning_rate=1e-2"]
    done, said = run(tmp_path / "refit", shards, *many)
    assert any("it is trained alone for 60 steps first" in line for line in said)
    starts = [
        json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[0])["eval_loss"]
        for name in ("noise", "refit")
    ]
    assert starts[1] < starts[0] - 0.02
    assert len(losses(tmp_path / "refit" / "head")) == 60

    run(tmp_path / "parts", shards, *many, "train.steps=4")
    again, _ = run(tmp_path / "parts", shards, *many)
    assert losses(tmp_path / "parts")[4:] == losses(tmp_path / "refit")[4:]
    assert again.result.state.metrics == done.result.state.metrics


def test_a_new_heads_own_run_leaves_the_encoder_as_it_was(
    shards: Path, teacher: Path, tmp_path: Path
) -> None:
    bare = without_head(teacher, tmp_path / "bare")
    given = [*SMALLER, f"data.shards={shards}", "model=null", f"init_from={bare}"]
    recipe = load_config(PretrainRecipe, TINY, [*given, "objective.refit_head_steps=3"])
    tokenizer, quiet = Tokenizer.open(bare), [].append
    start = build_start(recipe, tokenizer, tell=quiet)
    assert start.lacks_head
    before = {name: value.clone() for name, value in start.module.state_dict().items()}
    sequences = cut_split(Shards.open(shards, split="train"), "train", recipe, tokenizer, tell=quiet)
    refit_head(
        PretrainObjective(start.module),
        training_source(sequences, recipe, tokenizer),
        recipe=recipe,
        directory=tmp_path / "head",
        fingerprints={},
        changeable=(),
        tell=quiet,
    )
    moved = {
        name for name, value in start.module.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved and all(name.startswith("model.head.") for name in moved)
    assert all(parameter.requires_grad for parameter in start.module.parameters())


def test_a_discriminator_is_gone_on_with(shards: Path, tmp_path: Path) -> None:
    first, _ = run(tmp_path / "first", shards, *REPLACED)
    options = ["objective.kind=replaced", "objective.generator={width: 0.5}"]
    done, said = run(tmp_path / "out", shards, "model=null", f"init_from={first.model}", *options)
    assert done.model is not None and read_model(done.model).info.task == "replaced_token"
    assert any(line.startswith("starts at ") for line in said)
    assert any(line.startswith("the generator is new") for line in said)
    assert "the generator: 2 layers, 8 wide; the model: 2 layers, 16 wide" in said


def test_a_head_that_is_there_is_not_refitted_and_that_is_said(shards: Path, teacher: Path) -> None:
    options = [f"data.shards={shards}", "model=null", f"init_from={teacher}", "objective.refit_head_steps=2"]
    asked = load_config(PretrainRecipe, TINY, [*options, "data.max_length=48"])
    said: list[str] = []
    start = build_start(asked, Tokenizer.open(shards / "tokenizer"), tell=said.append)
    assert not start.lacks_head and any("refit_head_steps changes nothing" in line for line in said)


def test_an_extended_model_goes_on_with_shards_of_its_vocabulary(
    shards: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.txt").write_text("龘靐\n齉\n", encoding="utf-8")
    extended = tmp_path / "extended"
    assert erya(["vocab", "extend", str(teacher), str(tmp_path / "words.txt"), "--out", str(extended)]) == 0
    tokenizer = Tokenizer.open(extended)
    moved = shutil.copytree(shards, tmp_path / "shards")
    shutil.rmtree(moved / "tokenizer")
    (moved / "tokenizer").mkdir()
    tokenizer.save(moved / "tokenizer")
    manifest = json.loads((moved / "manifest.json").read_text())
    new = {"tokenizer_hash": tokenizer.hash, "vocab_size": tokenizer.vocab_size}
    (moved / "manifest.json").write_text(json.dumps(manifest | new))
    done, said = run(tmp_path / "out", moved, "model=null", f"init_from={extended}")
    assert done.model is not None and read_model(done.model).tokenizer.vocab_size == tokenizer.vocab_size > 50
    former = read_model(teacher).info.provenance["held_out"]["eval_masked_accuracy"]
    assert any(line.startswith(f"starts at {former:.1%} ") for line in said)
    with pytest.raises(ConfigError, match="another vocabulary"):
        run(tmp_path / "other", shards, "model=null", f"init_from={extended}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["objective.kind=replaced"], "needs a generator"),
        (["objective.generator={}"], "belongs to kind replaced"),
        (["objective.kind=replaced", "objective.generator={}", "objective.pairs=next"], "pairs goes with"),
        (["objective.refit_head_steps=5"], "is for init_from"),
        (["objective.pair_weight=0.5"], "pair_weight is for pairs"),
        (["objective.teacher={model: m, logits: null}"], "logits or relations"),
        (["train.monitor={key: eval_replaced_loss}"], "with objective.kind=replaced only"),
        (["objective.generatr={}"], "unknown key 'objective.generatr'"),
    ],
)
def test_objectives_that_make_no_sense_are_refused(options: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(PretrainRecipe, TINY, options)
