"""A family is known by its tensors; the label decides only where tensors are called alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from family_configs import CONFIGS

from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.names import written_names
from erya.checkpoints.recognition import recognise
from erya.errors import CheckpointError
from erya.models.config import FamilyName


def names_of(name: FamilyName, *, prefix: str | None = None) -> list[str]:
    """Every tensor of a family's encoder, under its own prefix or another."""
    family, config = FAMILIES[name], CONFIGS[name]
    table = written_names(family, config, ())
    return [
        (family.prefix if prefix is None else prefix) + part for of in table.values() for part in of
    ] + list(family.derived(config))


def family_of(label: str | None, names: list[str], directory: Path) -> tuple[str, tuple[str, ...]]:
    family, notes = recognise({} if label is None else {"model_type": label}, names, directory)
    return family.name, notes


@pytest.mark.parametrize("name", FAMILIES)
def test_the_right_label_is_taken_without_a_word(tmp_path: Path, name: FamilyName) -> None:
    assert family_of(name, names_of(name), tmp_path) == (name, ())


@pytest.mark.parametrize("label", ["bert", "roberta", "electra", None])
@pytest.mark.parametrize(
    "name", ["distilbert", "albert", "roberta", "roformer", "nezha", "deberta-v2", "modernbert", "ernie"]
)
def test_tensors_win_over_the_label(tmp_path: Path, name: FamilyName, label: str | None) -> None:
    found, notes = family_of(label, names_of(name), tmp_path)
    assert found == name
    assert len(notes) == (label is not None and label != name)


@pytest.mark.parametrize("label", ["roberta", "xlm-roberta", "electra"])
def test_a_bert_under_another_label_is_a_bert(tmp_path: Path, label: str) -> None:
    found, notes = family_of(label, names_of("bert"), tmp_path)
    assert found == "bert" and f"says '{label}'" in notes[0] and "opened as bert" in notes[0]


def test_the_label_decides_between_families_called_alike(tmp_path: Path) -> None:
    assert family_of("ernie", names_of("bert"), tmp_path) == ("ernie", ())
    assert family_of("xlm-roberta", names_of("roberta"), tmp_path) == ("xlm-roberta", ())
    assert family_of("nezha", names_of("nezha", prefix="bert."), tmp_path) == ("nezha", ())
    assert family_of("electra", names_of("bert", prefix=""), tmp_path) == ("electra", ())
    assert family_of(None, names_of("bert", prefix=""), tmp_path) == ("bert", ())


def test_an_ernie_saved_as_bert_is_known_by_its_tasks(tmp_path: Path) -> None:
    found, notes = family_of("bert", names_of("ernie", prefix="bert."), tmp_path)
    assert found == "ernie" and "opened as ernie" in notes[0]


def test_bare_tensors_labelled_roberta_are_told_by_their_vocabulary(tmp_path: Path) -> None:
    bare = names_of("roberta", prefix="")
    with pytest.raises(CheckpointError, match="counted differently"):
        family_of("roberta", bare, tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "WordPiece"}}')
    with pytest.raises(CheckpointError, match="counted differently"):
        family_of("roberta", bare, tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE"}}')
    assert family_of("roberta", bare, tmp_path) == ("roberta", ())
    (tmp_path / "vocab.txt").touch()
    assert family_of("roberta", bare, tmp_path)[0] == "bert"
    assert family_of("roberta", [*bare, "lm_head.bias"], tmp_path)[0] == "roberta"


def test_bare_tensors_beside_a_robertas_vocabulary_are_one_or_doubted(tmp_path: Path) -> None:
    bare = names_of("roberta", prefix="")
    assert family_of(None, bare, tmp_path) == ("bert", ())
    assert family_of("bert", bare, tmp_path) == ("bert", ())
    (tmp_path / "merges.txt").touch()
    assert family_of(None, bare, tmp_path) == ("roberta", ())
    assert family_of("albert", bare, tmp_path)[0] == "roberta"
    family, notes = family_of("bert", bare, tmp_path)
    assert family == "bert" and "tells this from a RoBERTa" in notes[0]
    assert family_of("bert", names_of("bert"), tmp_path) == ("bert", ())
    (tmp_path / "vocab.txt").touch()
    assert family_of("bert", bare, tmp_path) == ("bert", ())


def test_roberta_tensors_beside_a_berts_vocabulary_are_doubted(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").touch()
    found, notes = family_of("roberta", names_of("roberta"), tmp_path)
    assert found == "roberta" and "positions are counted wrongly" in notes[0]


def test_missing_positions_of_a_bert_do_not_make_it_another_family(tmp_path: Path) -> None:
    names = [name for name in names_of("bert") if "position_embeddings" not in name]
    assert family_of("bert", names, tmp_path) == ("bert", ())


def test_unknown_families_are_told_what_is_near(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="'debertav3' is not a family") as caught:
        family_of("debertav3", names_of("deberta-v2"), tmp_path)
    assert "nearest: deberta-v2" in str(caught.value.hint)
    assert "called as those of deberta-v2" in str(caught.value.hint)
    with pytest.raises(CheckpointError, match=r"no family.s that Erya knows: h\.0\.attn"):
        family_of("bert", ["h.0.attn.c_attn.weight"], tmp_path)
    with pytest.raises(CheckpointError, match="'gpt2'"):
        family_of("gpt2", [], tmp_path)


@pytest.mark.parametrize("label", [["bert"], {}, 5])
def test_a_label_that_is_no_name(tmp_path: Path, label: object) -> None:
    with pytest.raises(CheckpointError, match="is not a family"):
        recognise({"model_type": label}, [], tmp_path)


def test_code_of_the_models_own_is_noted(tmp_path: Path) -> None:
    data = {"model_type": "bert", "auto_map": {"AutoModel": "modeling.Model"}}
    _, notes = recognise(data, names_of("bert"), tmp_path)
    assert len(notes) == 1 and "auto_map" in notes[0]


def test_without_tensors_the_label_is_believed(tmp_path: Path) -> None:
    assert family_of("albert", [], tmp_path) == ("albert", ())
    assert family_of(None, [], tmp_path) == ("bert", ())
