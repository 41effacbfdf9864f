"""Directories of tokenizers of other families: what they say twice, what they lack, what opens them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from tiny_libraries import LIBRARIES, ROLES, write_library
from tokenizers import models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from erya.cli.main import run
from erya.errors import CheckpointError, ConfigError, EryaError, InputError
from erya.tokenizer.library import LibraryTokenizer
from erya.tokenizer.opening import open_tokenizer
from erya.tokenizer.wordpiece import Tokenizer


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_library(tmp_path / "model", LIBRARIES["xlm"]())


@pytest.fixture
def bytes_directory(tmp_path: Path) -> Path:
    return write_library(tmp_path / "roberta", LIBRARIES["byte-level"]())


def edit(path: Path, **changes: Any) -> dict[str, Any]:
    content = (json.loads(path.read_text()) if path.exists() else {}) | changes
    path.write_text(json.dumps(content))
    return content


def model_of(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "tokenizer.json").read_text())["model"]


def test_a_bert_keeps_the_quick_path(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n中\n")
    assert isinstance(open_tokenizer(tmp_path), Tokenizer)
    Tokenizer.open(tmp_path).save(tmp_path)
    assert isinstance(open_tokenizer(tmp_path), Tokenizer)


def test_what_needs_wordpiece_says_so(directory: Path) -> None:
    with pytest.raises(CheckpointError, match=r"WordPiece as BERT has it is wanted.*Unigram") as caught:
        Tokenizer.open(directory)
    assert "erya vocab train" in str(caught.value)


def test_wordpiece_with_other_special_tokens_around_it_is_not_framed_as_a_bert(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n中\n国\n")
    Tokenizer.open(tmp_path).save(tmp_path)
    frame = {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    edit(
        tmp_path / "tokenizer.json", post_processor=frame | {"trim_offsets": True, "add_prefix_space": False}
    )
    assert open_tokenizer(tmp_path).encode("中", "国").ids.tolist() == [2, 5, 3, 3, 6, 3]


@pytest.mark.parametrize("missing", [None, *ROLES])
def test_roles_come_from_the_configuration_or_usual_names(directory: Path, missing: str | None) -> None:
    config = {role: name for role, name in ROLES.items() if role != missing}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    opened = open_tokenizer(directory)
    ids = [opened.pad_id, opened.unk_id, opened.cls_id, opened.sep_id, opened.mask_id]
    assert [opened.vocab[id] for id in ids] == list(ROLES.values())
    assert opened.special_ids == set(ids) and opened.notes == ()


def test_what_sentences_begin_and_end_with_stands_for_class_and_separator(directory: Path) -> None:
    (directory / "tokenizer_config.json").write_text('{"bos_token": "你", "eos_token": {"content": "好"}}')
    opened = open_tokenizer(directory)
    assert (opened.vocab[opened.cls_id], opened.vocab[opened.sep_id]) == ("你", "好")


def test_tokens_that_only_other_files_name_are_added(directory: Path) -> None:
    size = open_tokenizer(directory).vocab_size
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}
    edit(directory / "tokenizer_config.json", added_tokens_decoder={str(size): {"content": "<e>"} | flags})
    edit(directory / "added_tokens.json", 小明=size + 1)
    opened = open_tokenizer(directory)
    assert opened.vocab[size:] == ("<e>", "小明") and size in opened.special_ids
    ids = opened.encode("王小明<e>").ids.tolist()
    assert ids[-3:] == [size + 1, size, opened.sep_id]


def test_unknown_is_what_the_model_gives(directory: Path) -> None:
    opened = open_tokenizer(directory)
    assert (opened.encode("𠀀").ids == opened.unk_id).sum() == 1
    edit(directory / "tokenizer_config.json", unk_token="<pad>")
    assert open_tokenizer(directory).unk_id == opened.unk_id


def test_casing_flags_that_disagree_are_told(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(directory / "tokenizer_config.json", do_lower_case=True)
    opened = open_tokenizer(directory)
    assert not opened.lowercase and len(opened.notes) == 1
    assert "do_lower_case=True, but tokenizer.json keeps letter case, and it wins" in caplog.text
    folding = write_library(directory.parent / "b", LIBRARIES["folding"](), do_lower_case=True)
    assert open_tokenizer(folding).lowercase and not open_tokenizer(folding).notes


def test_what_would_be_lost_or_drawn_at_random_is_told(bytes_directory: Path) -> None:
    whole = bytes_directory / "tokenizer.json"
    plain = open_tokenizer(bytes_directory)
    edit(whole, model=model_of(bytes_directory) | {"dropout": 0.9})
    opened = open_tokenizer(bytes_directory)
    assert "at random" in opened.notes[0]
    assert opened.encode("hello world").ids.tolist() == plain.encode("hello world").ids.tolist()
    vocab = {piece: id for piece, id in model_of(bytes_directory)["vocab"].items() if piece != "ÿ"}
    edit(whole, model=model_of(bytes_directory) | {"vocab": vocab, "dropout": None}, post_processor=None)
    notes = open_tokenizer(bytes_directory).notes
    assert "no special tokens" in notes[0] and "vanish" in notes[1]
    assert open_tokenizer(bytes_directory).vocab[plain.vocab.index("ÿ")] == ""


def test_it_travels_to_another_process(directory: Path) -> None:
    first = open_tokenizer(directory)
    second = pickle.loads(pickle.dumps(first))
    assert (
        second.hash == first.hash and second.encode("北京").ids.tolist() == first.encode("北京").ids.tolist()
    )


def test_the_hash_is_that_of_what_decides(directory: Path) -> None:
    first = open_tokenizer(directory).hash
    content = json.loads((directory / "tokenizer.json").read_text())
    (directory / "tokenizer.json").write_text(json.dumps(content, indent=3))
    assert open_tokenizer(directory).hash == first
    edit(directory / "tokenizer.json", normalizer={"type": "NFC"})
    assert open_tokenizer(directory).hash != first


def test_decoding_leaves_out_what_frames(bytes_directory: Path) -> None:
    opened = open_tokenizer(bytes_directory)
    assert opened.decode(opened.encode("你好 <mask> world").ids.tolist()) == "你好<mask> world"
    with pytest.raises(InputError, match="outside of the vocabulary"):
        opened.decode([opened.vocab_size])


def test_lone_surrogates_and_short_limits(directory: Path) -> None:
    opened = open_tokenizer(directory)
    assert opened.encode("北\ud83d京").spans.tolist() == opened.encode("北\ufffd京").spans.tolist()
    with pytest.raises(InputError, match="lone surrogate, U\\+D83D"):
        opened.encode_batch(["北", "京\ud83d"], surrogates="error")
    with pytest.raises(ConfigError, match="the special tokens alone need 4"):
        opened.encode("北", "京", max_length=3)
    with pytest.raises(ValueError, match="1 texts but 2 second texts"):
        opened.encode_batch(["北"], ["京", "京"])
    assert len(opened.encode_batch([])) == 0 and len(opened.encode("")) == 2


def spoil(directory: Path, what: str) -> None:
    whole = directory / "tokenizer.json"
    vocab = [piece for piece, _ in model_of(directory)["vocab"]]
    if what == "another vocab.txt":
        (directory / "vocab.txt").write_text("\n".join(["你好", *vocab[1:]]))
    elif what == "a row less":
        (directory / "vocab.txt").write_text("\n".join(vocab[:-1]))
    elif what == "another vocab.json":
        edit(directory / "vocab.json", **{vocab[7]: 8})
    elif what == "added elsewhere":
        edit(directory / "added_tokens.json", 小明=len(vocab) + 7)
    elif what == "no mask":
        edit(whole, added_tokens=[])
    elif what == "damaged":
        edit(whole, normalizer={"type": "Nonsense"})
    elif what == "no model":
        edit(whole, model={"type": "Unigram"})
    elif what == "native":
        edit(directory / "tokenizer_config.json", erya_mode="native")
    elif what == "swapped":
        sides = [{"Sequence": {"id": side, "type_id": 0}} for side in ("B", "A")]
        frame = {"type": "TemplateProcessing", "single": sides[1:], "pair": sides, "special_tokens": {}}
        edit(whole, post_processor=frame)
    elif what == "no unknown":
        edit(whole, model=model_of(directory) | {"unk_id": None})
    elif what == "pieces without a tokenizer":
        whole.rename(directory / "vocab.json")


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("another vocab.txt", CheckpointError, "tokenizer.json has '<s>' where vocab.txt has '你好'"),
        ("a row less", CheckpointError, "pieces, vocab.txt has"),
        ("another vocab.json", CheckpointError, "has id 8, tokenizer.json says 7"),
        ("added elsewhere", CheckpointError, "the added token '小明' has id"),
        ("no mask", CheckpointError, r"lacks the special tokens mask_token \(<mask>\)"),
        ("damaged", CheckpointError, "damaged: "),
        ("no model", CheckpointError, "damaged: "),
        ("native", CheckpointError, "native mode"),
        ("swapped", CheckpointError, "repeats or swaps texts"),
        ("no unknown", CheckpointError, "no unknown token"),
        ("pieces without a tokenizer", InputError, "neither tokenizer.json nor vocab.txt"),
    ],
)
def test_files_that_contradict_each_other(
    directory: Path, what: str, kind: type[EryaError], message: str
) -> None:
    spoil(directory, what)
    with pytest.raises(kind, match=message) as caught:
        open_tokenizer(directory)
    assert str(directory) in str(caught.value)


def test_a_vocabulary_of_words_opens_too(tmp_path: Path) -> None:
    made = LIBRARIES["xlm"]()
    names = [*ROLES.values(), "中国", "x"]
    made.model = models.WordLevel({name: id for id, name in enumerate(names)}, unk_token="<unk>")
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = None
    opened = open_tokenizer(write_library(tmp_path / "words", made))
    assert isinstance(opened, LibraryTokenizer)
    assert opened.flat_pieces(["中国 人"]).spans.tolist() == [[0, 2], [3, 4]]


def test_the_commands_take_such_a_directory(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text"
    text.write_text("你好 <mask>𠀀\n")
    assert run(["tokenize", str(text), "--tokenizer", str(directory), "--no-special"]) == 0
    written = capsys.readouterr()
    assert "1 of 6 tokens are unknown" in written.err
    found = json.loads(written.out)
    theirs = PreTrainedTokenizerFast.from_pretrained(directory)
    assert found["ids"] == theirs("你好 <mask>𠀀", add_special_tokens=False)["input_ids"]
    assert found["tokens"] == ["▁", "你", "好", "<mask>", "▁", "<unk>"]
    assert found["spans"] == [[0, 0], [0, 1], [1, 2], [3, 9], [9, 9], [9, 10]]
    edit(directory / "tokenizer_config.json", do_lower_case=True)
    assert run(["info", str(directory), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mode"] == "reference" and told["vocab_size"] == len(theirs) and "it wins" in told["notes"][0]
