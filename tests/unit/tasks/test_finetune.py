"""Fine-tuning end to end on a tiny model: it learns, resumes, and refuses data it cannot use."""

import json
import shutil

import pytest
from tiny_reviews import NEGATIVE, POSITIVE

from erya.errors import CheckpointError, ConfigError, InputError, StorageError
from erya.tasks.finetune import finetune
from erya.tasks.predictor import Predictor
from erya.tasks.seeds import finetune_seeds


def tuned(recipe, folder, **options):
    told = []
    return finetune(recipe, folder, tell=told.append, **options), told


def written(path, rows, header="label\ttext_a\n"):
    path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return str(path)


def test_learns_a_separable_set(tiny_run):
    predictor = Predictor.open(tiny_run / "model", device="cpu")
    assert predictor.task.labels == (NEGATIVE, POSITIVE) or predictor.task.labels == (POSITIVE, NEGATIVE)
    assert [p.label for p in predictor.predict(["房间很好，值得推荐", "吵，很失望，差"])] == [
        POSITIVE,
        NEGATIVE,
    ]
    scores = predictor.info.provenance["dev_scores"]
    assert scores["eval_accuracy"] >= 0.97


def test_the_run_directory_tells_its_story(tiny_run):
    rows = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    assert {"step", "loss", "tokens", "tokens_per_s", "lr"} <= rows[0].keys()
    evaluations = [row for row in rows if "eval_accuracy" in row]
    assert len(evaluations) >= 2 and {"eval_loss", "eval_macro_f1"} <= evaluations[0].keys()
    provenance = json.loads((tiny_run / "model" / "erya.json").read_text())["provenance"]
    assert provenance["train_file"]["sha256"] and provenance["train_texts"]["truncated_texts"] == 0


def test_what_is_random_is_told(classify_recipe, tmp_path):
    recipe = classify_recipe(random_init=True, train={"epochs": 1})
    _, told = tuned(recipe, tmp_path / "run")
    assert any("RANDOM WEIGHTS" in line for line in told)
    info = json.loads((tmp_path / "run" / "model" / "erya.json").read_text())
    assert info["provenance"]["started_from"] == "random weights"


def test_random_start_needs_no_weights(classify_recipe, tiny_base, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_base, bare, ignore=shutil.ignore_patterns("*.safetensors"))
    done, _ = tuned(classify_recipe(model=str(bare), random_init=True, train={"epochs": 1}), tmp_path / "run")
    assert done.model is not None


def test_same_seed_same_run_and_other_seed_another(classify_recipe, tmp_path):
    first, _ = tuned(classify_recipe(train={"epochs": 1}), tmp_path / "a")
    again, _ = tuned(classify_recipe(train={"epochs": 1}), tmp_path / "b")
    other, _ = tuned(classify_recipe(train={"epochs": 1, "seed": 5}), tmp_path / "c")
    assert first.result.state.metrics == again.result.state.metrics
    assert first.result.state.metrics != other.result.state.metrics


def test_goes_on_where_it_stopped(classify_recipe, tmp_path):
    whole, _ = tuned(classify_recipe(train={"epochs": 4}), tmp_path / "run")
    again, _ = tuned(classify_recipe(train={"epochs": 4}), tmp_path / "run")
    assert again.result.state.step == whole.result.state.step
    with pytest.raises(ConfigError, match="batch_size"):
        tuned(classify_recipe(batch_size=8, train={"epochs": 4}), tmp_path / "run")


@pytest.mark.parametrize("random_init", [False, True])
def test_goes_on_where_its_files_are_now_if_they_are_the_same(
    classify_recipe, tiny_base, reviews, tmp_path, random_init
):
    train = {"epochs": 1}
    whole, _ = tuned(classify_recipe(random_init=random_init, train=train), tmp_path / "run")
    moved = {
        "model": str(shutil.copytree(tiny_base, tmp_path / "model")),
        "train_file": shutil.copy(reviews.train, tmp_path / "here.tsv"),
        "dev_file": shutil.copy(reviews.dev, tmp_path / "there.tsv"),
    }
    recipe = classify_recipe(
        **{key: str(path) for key, path in moved.items()}, random_init=random_init, train=train
    )
    again, _ = tuned(recipe, tmp_path / "run")
    assert again.result.state.step == whole.result.state.step
    config = tmp_path / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"hidden_dropout_prob": 0.5}))
    with pytest.raises(ConfigError, match="the configuration to start from changed"):
        tuned(recipe, tmp_path / "run")


def test_stops_early(classify_recipe, tmp_path):
    recipe = classify_recipe(train={"epochs": 50, "learning_rate": 1e-9, "monitor": {"patience": 2}})
    done, _ = tuned(recipe, tmp_path / "run")
    assert done.result.stopped_early and done.result.state.step < 20


def test_micro_batches_change_nothing_but_memory(classify_recipe, tiny_base, tmp_path):
    # Dropout is drawn per micro-batch, so it has to be off for the losses to be comparable.
    bare = tmp_path / "still"
    shutil.copytree(tiny_base, bare)
    config = json.loads((bare / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (bare / "config.json").write_text(json.dumps(config))
    runs = {}
    for tokens in (None, 40):
        train = {"epochs": 1, "micro_batch_tokens": tokens}
        done, _ = tuned(classify_recipe(model=str(bare), train=train), tmp_path / str(tokens))
        runs[tokens] = done.result.state.metrics["eval_loss"]
    assert runs[None] == pytest.approx(runs[40], rel=1e-4)


def test_class_weights_and_focal_loss_run(classify_recipe, tmp_path):
    rows = [*("差评\t很吵" for _ in range(30)), *("好评\t很好" for _ in range(2))]
    recipe = classify_recipe(
        train_file=written(tmp_path / "t.tsv", rows), class_weights="balanced", focal_gamma=2.0
    )
    done, told = tuned(recipe, tmp_path / "run")
    assert done.result.state.best_metrics["eval_loss"] < 2.0
    assert any("fewer than 5" in line for line in told) and any("balanced" in line for line in told)


def test_seeds_give_mean_and_deviation(classify_recipe, tmp_path):
    recipe = classify_recipe(train={"epochs": 1, "seed": 3})
    summary = finetune_seeds(recipe, tmp_path, num_seeds=2, callbacks=lambda seed: [], tell=lambda text: None)
    assert set(summary.scores) == {3, 4} and summary.best_seed in (3, 4)
    written_down = json.loads((tmp_path / "seeds.json").read_text())
    assert written_down["mean"]["eval_accuracy"] == pytest.approx(summary.mean["eval_accuracy"])
    assert Predictor.open(tmp_path / "model", device="cpu").predict(["很好"])[0].label in (POSITIVE, NEGATIVE)
    with pytest.raises(StorageError, match="several seeds"):
        tuned(recipe, tmp_path)


def test_seeds_do_not_overwrite_a_run(classify_recipe, tiny_run):
    before = (tiny_run / "metrics.jsonl").read_bytes()
    with pytest.raises(StorageError, match="would be overwritten"):
        finetune_seeds(
            classify_recipe(), tiny_run, num_seeds=2, callbacks=lambda seed: [], tell=lambda text: None
        )
    assert (tiny_run / "metrics.jsonl").read_bytes() == before


def test_warns_when_the_model_is_stuck_at_one_class(classify_recipe, tmp_path):
    _, told = tuned(classify_recipe(train={"epochs": 1, "learning_rate": 1e-9}), tmp_path / "run")
    assert any("for every dev text" in line for line in told)


def test_unknown_label_in_dev(classify_recipe, tmp_path):
    dev = written(tmp_path / "dev.tsv", ["好评\t很好", "好评价\t很好"])
    with pytest.raises(InputError) as caught:
        tuned(classify_recipe(dev_file=dev), tmp_path / "run")
    message = str(caught.value)
    assert "'好评价'" in message and "dev.tsv, line 3" in message and "did you mean '好评'" in message


def test_one_class_only(classify_recipe, tmp_path):
    train = written(tmp_path / "train.tsv", ["好评\t很好", "好评\t很大"])
    with pytest.raises(InputError, match="same label '好评'"):
        tuned(classify_recipe(train_file=train), tmp_path / "run")


def test_wrong_column(classify_recipe, tmp_path):
    with pytest.raises(InputError, match="did you mean 'text_a'"):
        tuned(classify_recipe(text="text"), tmp_path / "run")


def test_empty_text_or_label_says_the_line(classify_recipe, tmp_path):
    for row, field in (("好评\t ", "text"), ("\t很好", "label")):
        train = written(tmp_path / "train.tsv", ["差评\t很吵", row])
        with pytest.raises(InputError) as caught:
            tuned(classify_recipe(train_file=train), tmp_path / "run")
        assert f"the {field} is empty" in str(caught.value) and "line 3" in str(caught.value)


def test_long_texts_are_an_error_or_counted(classify_recipe, tmp_path):
    rows = ["差评\t很吵", f"好评\t{'很好' * 20}", "好评\t很好", f"好评\t{'好' * 30}"]
    train = written(tmp_path / "train.tsv", rows)
    with pytest.raises(InputError) as caught:
        tuned(classify_recipe(train_file=train), tmp_path / "run")
    message = str(caught.value)
    for part in (
        "2 of 4 texts (50.0%)",
        "24 tokens",
        "line 3 (42 tokens)",
        "line 5 (32 tokens)",
        "--truncate",
    ):
        assert part in message
    done, told = tuned(classify_recipe(train_file=train, truncate=True), tmp_path / "run")
    assert done.train_report.truncated_texts == 2 and done.train_report.lost_tokens == 18 + 8
    assert any("truncated: 2 texts (50.0%)" in line for line in told)
    info = json.loads((tmp_path / "run" / "model" / "erya.json").read_text())
    assert info["provenance"]["train_texts"]["truncated_share"] == 0.5


def test_pairs_do_without_two_kinds_of_segment(classify_recipe, tiny_base, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    config = json.loads((other / "config.json").read_text()) | {"type_vocab_size": 1}
    (other / "config.json").write_text(json.dumps(config))
    train = written(
        tmp_path / "t.tsv", ["差评\t很吵\t差", "好评\t很好\t好"], header="label\ttext_a\ttext_b\n"
    )
    recipe = classify_recipe(
        model=str(other), random_init=True, train_file=train, dev_file=train, pair="text_b"
    )
    done, _ = tuned(recipe, tmp_path / "run")
    assert json.loads((done.model / "config.json").read_text())["type_vocab_size"] == 1


def test_max_length_beyond_the_model(classify_recipe, tmp_path):
    with pytest.raises(ConfigError, match="3 to 24"):
        tuned(classify_recipe(max_length=25), tmp_path / "run")


def test_unknown_characters_are_counted(classify_recipe, tmp_path):
    train = written(tmp_path / "train.tsv", ["差评\t很吵𠮷龘龘", "好评\t很好"])
    done, told = tuned(classify_recipe(train_file=train, train={"epochs": 1}), tmp_path / "run")
    assert done.train_report.unknown_tokens == 3 and done.train_report.unknown["龘"] == 2
    assert any("龘×2" in line for line in told) and any("right one for these texts" in line for line in told)


def test_same_text_in_both_files_is_told(classify_recipe, reviews, tmp_path):
    _, told = tuned(classify_recipe(dev_file=str(reviews.train), train={"epochs": 1}), tmp_path / "run")
    assert any("stand in the training file too" in line for line in told)


def test_vocabulary_of_another_model(classify_recipe, tiny_base, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    (other / "tokenizer.json").unlink()
    with (other / "vocab.txt").open("a", encoding="utf-8") as stream:
        stream.write("新\n")
    with pytest.raises(CheckpointError, match="embedding"):
        tuned(classify_recipe(model=str(other)), tmp_path / "run")


def test_a_tensor_is_missing(classify_recipe, tiny_base, tmp_path):
    from safetensors.torch import load_file, save_file

    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    tensors = load_file(other / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.bias"]
    save_file(tensors, other / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"layer\.1\.output|blocks\.1"):
        tuned(classify_recipe(model=str(other)), tmp_path / "run")


def test_starts_from_a_masked_language_model_and_tells_what_is_not_taken(
    classify_recipe, tiny_base, tmp_path
):
    from erya.checkpoints.directory import load_encoder
    from erya.checkpoints.info import ModelInfo
    from erya.checkpoints.saving import save_model
    from erya.models.masked_lm import MaskedLanguageModel
    from erya.tokenizer.wordpiece import Tokenizer

    module = MaskedLanguageModel(load_encoder(tiny_base, pooler=False))
    info = ModelInfo(task="masked_lm", max_length=24)
    save_model(tmp_path / "mlm", module=module, tokenizer=Tokenizer.open(tiny_base), info=info)
    _, told = tuned(classify_recipe(model=str(tmp_path / "mlm"), train={"epochs": 1}), tmp_path / "run")
    assert any("starts at random" in line and "pooler" in line for line in told)
    assert any("not used here" in line and "head" in line for line in told)
