"""Opening and saving tokenizer directories, and what is wrong with bad ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
import transformers
from tiny_tokenizers import PIECES, write_tokenizer

from erya.errors import CheckpointError, InputError
from erya.tokenizer.wordpiece import Tokenizer

NAMES = {"vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("mode", ["native", "reference"])
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("left_out", [None, "vocab.txt", "tokenizer.json", "special_tokens_map.json"])
def test_saved_and_opened_it_is_the_same(
    tmp_path: Path, mode: str, lowercase: bool, left_out: str | None
) -> None:
    first = Tokenizer.open(write_tokenizer(tmp_path / "a", erya_mode=mode, do_lower_case=lowercase))
    (tmp_path / "b").mkdir()
    first.save(tmp_path / "b")
    assert {path.name for path in (tmp_path / "b").iterdir()} == NAMES
    if left_out:
        (tmp_path / "b" / left_out).unlink()
    second = Tokenizer.open(tmp_path / "b")
    assert (second.hash, second.mode, second.lowercase) == (first.hash, mode, lowercase)


@pytest.mark.parametrize(
    "flags",
    [
        {"strip_accents": False},
        {"tokenize_chinese_chars": False},
        {"do_lower_case": False, "strip_accents": True},
    ],
)
def test_flags_survive(tmp_path: Path, flags: dict[str, bool]) -> None:
    first = Tokenizer.open(write_tokenizer(tmp_path / "a", **flags))
    (tmp_path / "b").mkdir()
    first.save(tmp_path / "b")
    assert Tokenizer.open(tmp_path / "b").spec.rules == first.spec.rules
    assert first.spec.rules != Tokenizer.open(write_tokenizer(tmp_path / "c")).spec.rules


def test_the_mode_may_stand_in_the_model_directory(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "a")
    (tmp_path / "a" / "erya.json").write_text('{"tokenizer_mode": "native"}')
    assert Tokenizer.open(tmp_path / "a").mode == "native"
    edit(tmp_path / "a" / "tokenizer_config.json", erya_mode="reference")
    with pytest.raises(CheckpointError, match="told twice, differently"):
        Tokenizer.open(tmp_path / "a")


def test_special_tokens_may_have_other_names(tmp_path: Path) -> None:
    pieces = ["<pad>", "<unk>", "<s>", "</s>", "<mask>", "中"]
    config = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": {"content": "<s>"}}
    tokenizer = Tokenizer.open(
        write_tokenizer(tmp_path / "a", pieces, sep_token="</s>", mask_token="<mask>", **config)
    )
    assert (tokenizer.pad_id, tokenizer.mask_id) == (0, 4)
    assert tokenizer.encode("中<mask>国").ids.tolist() == [2, 5, 4, 1, 3]


def test_windows_line_ends_in_a_vocabulary(tmp_path: Path) -> None:
    directory = write_tokenizer(tmp_path / "a")
    (directory / "vocab.txt").write_bytes("\r\n".join(PIECES).encode())
    assert Tokenizer.open(directory).vocab == tuple(PIECES)


@pytest.mark.parametrize(
    ("kind", "lowercase", "winner"),
    [
        ("BertTokenizerFast", False, "tokenizer_config.json"),
        (None, False, "tokenizer_config.json"),
        ("PreTrainedTokenizerFast", True, "tokenizer.json"),
    ],
)
def test_of_flags_that_disagree_those_win_that_transformers_follows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str | None, lowercase: bool, winner: str
) -> None:
    directory = write_tokenizer(tmp_path / "a")
    Tokenizer.open(directory).save(directory)
    edit(directory / "tokenizer_config.json", do_lower_case=False, strip_accents=None, tokenizer_class=kind)
    tokenizer = Tokenizer.open(directory)
    rules = tokenizer.spec.rules
    assert (rules.lowercase, rules.strip_accents, tokenizer.lowercase) == (lowercase,) * 3
    (note,) = tokenizer.notes
    assert f"do_lower_case=False, tokenizer.json says True: {winner} wins" in note
    assert note in caplog.text and str(directory) in caplog.text
    if kind is not None:
        theirs = transformers.AutoTokenizer.from_pretrained(directory)
        assert tokenizer.encode("aB Hello é").ids.tolist() == theirs("aB Hello é")["input_ids"]


def broken(directory: Path, what: str) -> None:
    """Spoil one thing in a good directory."""
    vocabulary, whole = directory / "vocab.txt", directory / "tokenizer.json"
    if what == "nothing there":
        vocabulary.unlink()
        whole.unlink()
    elif what == "empty":
        vocabulary.write_text("")
    elif what == "not UTF-8":
        vocabulary.write_bytes(vocabulary.read_bytes() + b"\xff\xfe\n")
    elif what == "duplicate":
        vocabulary.write_text("\n".join([*PIECES, "中"]))
    elif what == "mismatch":
        vocabulary.write_text("\n".join([*PIECES[:-1], "hallo"]))
    elif what == "too short":
        vocabulary.write_text("\n".join(PIECES[:-1]))
    elif what == "no special tokens":
        whole.unlink()
        vocabulary.write_text("\n".join(PIECES[5:]))
    elif what == "another model":
        edit(whole, model={"type": "BPE", "vocab": {}, "merges": []})
    elif what == "another normaliser":
        edit(whole, normalizer={"type": "NFKC"})
    elif what == "another frame":
        edit(whole, post_processor={"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]})
    elif what == "not JSON":
        whole.write_text("{")
    elif what == "a gap":
        model = json.loads(whole.read_text())["model"]
        model["vocab"]["hello"] = 1000
        edit(whole, model=model)
    elif what == "added token out of place":
        tokens = json.loads(whole.read_text())["added_tokens"]
        tokens[4]["id"] = 7
        edit(whole, added_tokens=tokens)


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("nothing there", InputError, "neither tokenizer.json nor vocab.txt"),
        ("empty", InputError, "the vocabulary is empty"),
        ("not UTF-8", InputError, f"line {len(PIECES) + 1}"),
        ("duplicate", CheckpointError, f"lines 6 and {len(PIECES) + 1}"),
        ("mismatch", CheckpointError, f"'hello' where vocab.txt has 'hallo'[\\s\\S]*line {len(PIECES)}"),
        ("too short", CheckpointError, f"{len(PIECES)} pieces, vocab.txt has {len(PIECES) - 1} lines"),
        ("no special tokens", CheckpointError, r"lacks the special tokens \[PAD\], \[UNK\]"),
        ("another model", CheckpointError, "BPE, not WordPiece"),
        ("another normaliser", CheckpointError, "NFKC"),
        ("another frame", CheckpointError, r"not \[CLS\] text \[SEP\]"),
        ("not JSON", InputError, "not JSON"),
        ("a gap", CheckpointError, f"no piece with id {len(PIECES) - 1}"),
        ("added token out of place", CheckpointError, r"\[MASK\]"),
    ],
)
def test_bad_directories_say_what_and_where(
    tmp_path: Path, what: str, kind: type[Exception], message: str
) -> None:
    first = Tokenizer.open(write_tokenizer(tmp_path / "a"))
    first.save(tmp_path / "a")
    edit(tmp_path / "a" / "tokenizer_config.json", added_tokens_decoder={})
    broken(tmp_path / "a", what)
    with pytest.raises(kind, match=message) as caught:
        Tokenizer.open(tmp_path / "a")
    assert str(tmp_path) in str(caught.value)


CONFIG_NAME, WHOLE_NAME = "tokenizer_config.json", "tokenizer.json"


@pytest.mark.parametrize(
    ("name", "changes", "part"),
    [
        (WHOLE_NAME, {"model": {"type": "WordPiece"}}, "model.vocab"),
        (WHOLE_NAME, {"model": {"vocab": ["a"]}}, "model.vocab"),
        (WHOLE_NAME, {"model": {"vocab": {"a": "0"}}}, "model.vocab.a"),
        (WHOLE_NAME, {"model": 7}, "model"),
        (WHOLE_NAME, {"normalizer": {"type": "BertNormalizer"}}, "normalizer.lowercase"),
        (WHOLE_NAME, {"normalizer": []}, "normalizer"),
        (WHOLE_NAME, {"added_tokens": [{"content": "[X]"}]}, "added_tokens.0.id"),
        (WHOLE_NAME, {"added_tokens": [{"id": True, "content": "[X]"}]}, "added_tokens.0.id"),
        (CONFIG_NAME, {"added_tokens_decoder": [{"content": "[X]"}]}, "added_tokens_decoder"),
        (CONFIG_NAME, {"added_tokens_decoder": {"x": {"content": "[X]"}}}, "added_tokens_decoder.x"),
        (CONFIG_NAME, {"added_tokens_decoder": {"0": {}}}, "added_tokens_decoder.0.content"),
        (CONFIG_NAME, {"do_lower_case": "yes"}, "do_lower_case"),
        (CONFIG_NAME, {"erya_mode": ["native"]}, "erya_mode"),
        (CONFIG_NAME, {"pad_token": {"content": 0}}, "pad_token"),
        ("special_tokens_map.json", {"cls_token": 3}, "cls_token"),
        ("added_tokens.json", {"[X]": "9"}, "[X]"),
        ("erya.json", {"tokenizer_mode": {}}, "tokenizer_mode"),
    ],
)
def test_what_a_hand_damaged_is_named_by_file_and_part(
    tmp_path: Path, name: str, changes: dict[str, object], part: str
) -> None:
    directory = write_tokenizer(tmp_path / "a")
    Tokenizer.open(directory).save(directory)
    for path in (directory / "added_tokens.json", directory / "erya.json"):
        path.write_text("{}")
    edit(directory / name, **changes)
    with pytest.raises(CheckpointError) as caught:
        Tokenizer.open(directory)
    assert caught.value.what.startswith(f"damaged: {part}") and caught.value.where == str(directory / name)


def test_no_such_directory() -> None:
    with pytest.raises(InputError, match="no such directory"):
        Tokenizer.open(Path("nowhere"))


def test_a_native_tokenizer_json_must_fit_its_vocabulary(tmp_path: Path) -> None:
    tokenizer = Tokenizer.open(write_tokenizer(tmp_path / "a", erya_mode="native"))
    tokenizer.save(tmp_path / "a")
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "a" / "tokenizer.json"))
    library.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    library.save(str(tmp_path / "a" / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="pre_tokenizer is not the one"):
        Tokenizer.open(tmp_path / "a")
