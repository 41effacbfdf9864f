"""Words and characters that join a vocabulary: old ids stay, `tokenizers` agrees, nothing is silent."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

import pytest
import tokenizers
from tiny_tokenizers import PIECES

from erya.errors import ConfigError, InputError
from erya.tokenizer.extend import extend_vocabulary
from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Rules, TokenizerSpec
from erya.tokenizer.wordpiece import Tokenizer

Mode = Literal["native", "reference"]
WORDS = ["北京人", "人民", "中国人民", "鑫", "😀", "é", "abe", "AI技术", "ab", "人民", "c++", "Ab"]


def tiny(mode: Mode, *, unused: int = 0, added: tuple[str, ...] = ()) -> Tokenizer:
    """A tokenizer of some dozens of pieces, of reserved places, and of added tokens behind them."""
    pieces = (*PIECES[:5], *(f"[unused{n}]" for n in range(1, unused + 1)), *PIECES[5:])
    tokens = [AddedToken(name, pieces.index(name)) for name in SPECIAL_TOKENS]
    tokens += [AddedToken(name, len(pieces) + n, special=False) for n, name in enumerate(added)]
    rules = Rules() if mode == "reference" else Rules(strip_accents=False, clean=False)
    return Tokenizer(TokenizerSpec(mode, rules, pieces, tuple(tokens)))


@pytest.fixture(params=["native", "reference"])
def mode(request: pytest.FixtureRequest) -> Mode:
    found: Mode = request.param
    return found


def test_new_words_are_one_token_and_old_ids_stay(mode: Mode) -> None:
    old = tiny(mode)
    extension = extend_vocabulary(old, WORDS)
    new = Tokenizer(extension.spec)
    assert new.vocab[: old.vocab_size] == old.vocab
    for token in extension.new:
        word = token.content.removeprefix("##")
        assert [new.vocab[id] for id in new.pieces(word).ids] == [word]
        assert token.parts == tuple(old.pieces(word).ids.tolist())
    # `ab` stands in the vocabulary, and é is e where accents are dropped; `人民` and `Ab` were said before.
    assert set(extension.known) == ({"ab"} if mode == "native" else {"ab", "é"})
    assert extension.repeated == 2
    assert extension.reused == 0


def test_characters_and_single_words_are_pieces_and_others_added(mode: Mode) -> None:
    spec = extend_vocabulary(tiny(mode), WORDS).spec
    added = [token for token in spec.added if token.content not in SPECIAL_TOKENS]
    # In `reference` mode é is e, which is known, and an unknown emoji may stand inside a word.
    letters = {"é", "##é"} if mode == "native" else {"##😀"}
    assert {token.content for token in added} == {"北京人", "人民", "中国人民", "ai技术", "c++"}
    assert set(spec.pieces) - set(PIECES) == {"鑫", "😀", "abe", *letters} | {
        token.content for token in added
    }
    assert all(spec.pieces[token.id] == token.content for token in added)
    assert not any(token.special for token in added)


def test_tokenizers_and_a_reopened_directory_agree(mode: Mode, tmp_path: Path) -> None:
    new = Tokenizer(extend_vocabulary(tiny(mode, unused=4), WORDS).spec)
    new.save(tmp_path)
    again = Tokenizer.open(tmp_path)
    assert again.hash == new.hash
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    draw = random.Random(5)
    parts = [*WORDS, *"中国人民北京鑫é😀 ，aAbＣ+", "[MASK]", "[unused1]", "  ", "民中", "\x00", "e\u0301"]
    for _ in range(500):
        text = "".join(draw.choices(parts, k=draw.randint(1, 12)))
        assert again.encode(text).ids.tolist() == library.encode(text).ids, text


def test_native_spans_still_cover_everything_once() -> None:
    new = Tokenizer(extend_vocabulary(tiny("native"), WORDS).spec)
    text = "在中国人民心里北京人x鑫é ÉAI技术abe"
    spans = new.pieces(text).spans.tolist()
    assert "".join(text[start:end] for start, end in spans) == text.replace(" ", "")
    assert [5, 9] not in spans and [1, 5] in spans


def test_reserved_places_go_first(mode: Mode) -> None:
    old = tiny(mode, unused=2)
    extension = extend_vocabulary(old, ["鑫", "北京人", "人民"])
    assert [token.id for token in extension.new] == [5, 6, old.vocab_size]
    assert extension.spec.pieces[5:7] == ("鑫", "北京人")
    assert extension.reused == 2
    appended = extend_vocabulary(old, ["鑫", "北京人", "人民"], reuse=False)
    assert [token.id for token in appended.new] == [old.vocab_size + n for n in range(3)]
    assert appended.spec.pieces[: old.vocab_size] == old.vocab


def test_the_size_is_rounded_up_with_fresh_names(mode: Mode) -> None:
    old = tiny(mode, unused=2)
    extension = extend_vocabulary(old, ["鑫"], pad_to=16)
    assert len(extension.spec.vocab) % 16 == 0
    assert len(extension.spec.vocab) - old.vocab_size < 16
    names = [token.content for token in extension.padding]
    assert names[:2] == ["[unused3]", "[unused4]"]
    assert {token.parts for token in extension.padding} == {(old.unk_id,)}
    assert len(set(extension.spec.vocab)) == len(extension.spec.vocab)


def test_added_tokens_behind_the_pieces_keep_their_ids(mode: Mode, tmp_path: Path) -> None:
    old = tiny(mode, added=("<sep>", "国人"))
    new = Tokenizer(extend_vocabulary(old, ["鑫", "人民"]).spec)
    assert new.vocab[: old.vocab_size] == old.vocab
    new.save(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in ("中国人民<sep>鑫", "人民国人人民"):
        assert new.encode(text).ids.tolist() == library.encode(text).ids
    assert new.pieces("国人").ids.tolist() == [old.vocab_size - 1]


def test_an_extended_vocabulary_can_be_extended(mode: Mode) -> None:
    once = Tokenizer(extend_vocabulary(tiny(mode), ["人民", "鑫"]).spec)
    extension = extend_vocabulary(once, ["人民", "人民鑫"])
    assert extension.known == ("人民",)
    assert extension.new[0].parts == tuple(once.pieces("人民鑫").ids.tolist())
    assert len(extension.new[0].parts) == 2


def test_running_text_finds_words_but_no_markup(mode: Mode) -> None:
    new = Tokenizer(extend_vocabulary(tiny(mode), ["人民"]).spec)
    ids = new.flat_pieces(["人民[MASK]"], literals=False).ids.tolist()
    assert ids[0] == new.vocab_size - 1
    assert new.mask_id not in ids


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["中", "ab"], "each of the 2 words is one token already"),
        (["##be"], "is the name of a piece"),
        (["中[MASK]"], "can never be found"),
    ],
)
def test_what_cannot_join_is_refused(words: list[str], message: str) -> None:
    with pytest.raises((ConfigError, InputError), match=message):
        extend_vocabulary(tiny("native"), words)


def test_a_word_that_vanishes_is_refused() -> None:
    with pytest.raises(InputError, match="nothing is left"):
        extend_vocabulary(tiny("reference"), ["\u0301"])


def test_syllables_that_fall_apart_still_form_words() -> None:
    new = Tokenizer(extend_vocabulary(tiny("reference"), ["가", "나"]).spec)
    assert [new.vocab[id] for id in new.pieces("가나 나").ids] == [
        "\u1100\u1161",
        "##\u1102\u1161",
        "\u1102\u1161",
    ]
