"""The same tokenizer as an object of the `tokenizers` library: what goes into `tokenizer.json`."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from erya.tokenizer.characters import bert_normalizer, full_width
from erya.tokenizer.spec import AddedToken, TokenizerSpec


def build(spec: TokenizerSpec, alphabet: frozenset[str]) -> tokenizers.Tokenizer:
    """Build the tokenizer of the library that gives the same ids as ours.

    Args:
        spec: vocabulary and rules.
        alphabet: the characters that form runs in `native` mode.
    """
    _, unk, cls, sep, _ = spec.special_tokens
    ids = {piece: id for id, piece in enumerate(spec.pieces)}
    built = tokenizers.Tokenizer(
        models.WordPiece(
            ids,
            unk_token=unk,
            continuing_subword_prefix=spec.rules.prefix,
            max_input_chars_per_word=spec.rules.max_word_length,
        )
    )
    if spec.mode == "native":
        built.normalizer = native_normalizer(lowercase=spec.rules.lowercase)
        built.pre_tokenizer = native_pre_tokenizer(alphabet, longest=spec.rules.max_word_length)
    else:
        built.normalizer = bert_normalizer(spec.rules)
        built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.decoder = decoders.WordPiece(prefix=spec.rules.prefix)
    # Many at once: the library builds its search anew for every call.
    in_order = sorted(spec.added, key=lambda token: token.id)
    for special, tokens in itertools.groupby(in_order, key=lambda token: token.special):
        add = built.add_special_tokens if special else built.add_tokens
        add([_library_token(token) for token in tokens])
    by_name = ids | {token.content: token.id for token in spec.added}
    built.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(cls, by_name[cls]), (sep, by_name[sep])],
    )
    return built


def native_normalizer(*, lowercase: bool) -> Any:
    """Fold case and width, one character to one.

    The dotted capital I alone would become two, the second a mark. The library has no step that maps some
    characters and is exact: its compatibility form changes punctuation too and its compiled tables drop marks
    beside what they replace. A replacement for every letter and digit costs it a fifth of its speed.
    """
    steps = [normalizers.Replace("İ", "i"), normalizers.Lowercase()] if lowercase else []
    wide = full_width(lowercase=lowercase).items()
    return normalizers.Sequence([*steps, *(normalizers.Replace(char, narrow) for char, narrow in wide)])


def native_pre_tokenizer(alphabet: frozenset[str], *, longest: int) -> Any:
    """Runs of the alphabet in stretches of at most `longest`, everything else one by one.

    Every stretch can be cut into pieces, so a word is never unknown as a whole; and the library's search,
    whose time grows with the square of a word's length, never meets a long one.
    """
    spaces = pre_tokenizers.WhitespaceSplit()
    letters = _ranges(alphabet)
    pattern = f"[{letters}]{{1,{longest}}}|[^{letters}]" if letters else r"[\s\S]"
    return pre_tokenizers.Sequence([spaces, pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")])


def native_parts(spec: TokenizerSpec, alphabet: frozenset[str]) -> dict[str, Any]:
    """What `tokenizer.json` says of a native tokenizer's normaliser and pre-tokenizer."""
    built = json.loads(build(spec, alphabet).to_str())
    return {key: built[key] for key in ("normalizer", "pre_tokenizer")}


def _ranges(alphabet: frozenset[str]) -> str:
    """The inside of a character class, neighbours joined to ranges."""
    ranges: list[list[int]] = []
    for code in sorted(map(ord, alphabet)):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    edges = ((re.escape(chr(first)), re.escape(chr(last))) for first, last in ranges)
    return "".join(first if first == last else f"{first}-{last}" for first, last in edges)


def _library_token(token: AddedToken) -> tokenizers.AddedToken:
    return tokenizers.AddedToken(
        token.content,
        single_word=token.single_word,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        normalized=token.normalized,
        special=token.special,
    )
