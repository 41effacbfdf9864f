"""A tokenizer's directory: what Hugging Face writes, and what we add to it.

`tokenizer.json` holds everything; `vocab.txt` the pieces alone, with flags in `tokenizer_config.json`.
Either is enough. Where several files say the same thing they must agree: `tokenizers` believes the first,
`transformers` the last, and a model that is fed by the wrong one is silently worse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from erya.errors import CheckpointError, InputError
from erya.files import atomic_write
from erya.tokenizer.huggingface import build, native_parts
from erya.tokenizer.parts import (
    BertNormalizer,
    LegacyTokens,
    ModelFile,
    SpecialNames,
    TokenizerConfig,
    WholeFile,
    WordPieceModel,
    read_part,
)
from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Mode, Rules, TokenizerSpec
from erya.tokenizer.vocabulary import read_vocabulary, run_alphabet, same_vocabulary

TOKENIZER, VOCABULARY, CONFIG, SPECIALS = (
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
MODE_KEY = "erya_mode"
_ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
_FLAGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "split_hanzi",
}


def read_spec(directory: Path) -> TokenizerSpec:
    """Read the tokenizer of a directory; see `Tokenizer.open`."""
    if not directory.is_dir():
        raise InputError(
            "no such directory", where=str(directory), hint="give a tokenizer or model directory"
        )
    config = read_part(TokenizerConfig, _read_json(directory / CONFIG), file=directory / CONFIG)
    raw = _read_json(directory / TOKENIZER)
    if not raw and not (directory / VOCABULARY).is_file():
        raise InputError(f"no tokenizer here: neither {TOKENIZER} nor {VOCABULARY}", where=str(directory))
    whole = read_part(WholeFile, raw, file=directory / TOKENIZER) if raw else None
    model = _wordpiece(directory / TOKENIZER, whole) if whole is not None else None
    mode = _mode(directory, config)
    pieces = _pieces(directory, model)
    rules = _rules(directory, mode, whole, model, config)
    names = _special_names(directory, model, config)
    added = _added(directory, pieces, names, whole, config)
    spec = TokenizerSpec(mode=mode, rules=rules, pieces=pieces, added=added, special_tokens=names)
    if mode == "native" and whole is not None:
        _require_native(directory, raw, spec)
    return spec


def write_spec(spec: TokenizerSpec, directory: Path) -> None:
    """Write a tokenizer into an existing directory; see `Tokenizer.save`."""
    if any("\n" in piece or "\r" in piece for piece in spec.pieces):
        raise CheckpointError(f"a piece holds a line end, {VOCABULARY} cannot hold it", where=str(directory))
    _write(directory / VOCABULARY, "".join(piece + "\n" for piece in spec.pieces))
    _write(directory / TOKENIZER, build(spec, run_alphabet(spec)).to_str(pretty=True))
    names = dict(zip(_ROLES, spec.special_tokens, strict=True))
    _write(directory / SPECIALS, _json(names))
    _write(directory / CONFIG, _json(_config(spec) | names))


def _config(spec: TokenizerSpec) -> dict[str, Any]:
    rules = spec.rules
    # The class BertTokenizer builds its own rules from three flags. Whatever those cannot say must be opened
    # by the class that takes tokenizer.json at its word.
    flags = ("lowercase", "strip_accents", "split_hanzi")
    plain = Rules(**{flag: getattr(rules, flag) for flag in flags}) == rules and spec.mode == "reference"
    decoder = {
        str(token.id): {
            key: getattr(token, key)
            for key in ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
        }
        for token in spec.added
    }
    config = {
        "tokenizer_class": "BertTokenizer" if plain else "PreTrainedTokenizerFast",
        "do_lower_case": rules.lowercase,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": decoder,
        MODE_KEY: spec.mode,
    }
    if spec.mode == "reference":
        config |= {"strip_accents": rules.strip_accents, "tokenize_chinese_chars": rules.split_hanzi}
    return config


def _mode(directory: Path, config: TokenizerConfig) -> Mode:
    ours = directory / "erya.json"
    told = {
        CONFIG: config.erya_mode,
        ours.name: read_part(ModelFile, _read_json(ours), file=ours).tokenizer_mode,
    }
    values = {value for value in told.values() if value is not None}
    if len(values) > 1:
        raise CheckpointError(
            f"the tokenizer's mode is told twice, differently: {told}", where=str(directory)
        )
    mode = values.pop() if values else "reference"
    if mode not in ("native", "reference"):
        raise CheckpointError(f"unknown tokenizer mode {mode!r}", where=str(directory))
    return cast(Mode, mode)


def _wordpiece(path: Path, whole: WholeFile) -> WordPieceModel:
    kind = whole.model.get("type", "WordPiece")
    if kind != "WordPiece":
        raise CheckpointError(
            f"the tokenizer's model is {kind}, not WordPiece", where=str(path), hint="use a BERT model"
        )
    return read_part(WordPieceModel, whole.model, file=path, name="model")


def _pieces(directory: Path, model: WordPieceModel | None) -> tuple[str, ...]:
    listed = read_vocabulary(directory / VOCABULARY) if (directory / VOCABULARY).is_file() else None
    if model is None:
        assert listed is not None
        return listed
    by_id = {id: piece for piece, id in model.vocab.items()}
    if sorted(by_id) != list(range(len(model.vocab))):
        gap = next(id for id in range(len(model.vocab)) if id not in by_id)
        raise CheckpointError(f"the vocabulary has no piece with id {gap}", where=str(directory / TOKENIZER))
    pieces = tuple(by_id[id] for id in range(len(by_id)))
    if listed is not None:
        same_vocabulary(pieces, listed, where=str(directory / VOCABULARY))
    return pieces


def _rules(
    directory: Path,
    mode: Mode,
    whole: WholeFile | None,
    model: WordPieceModel | None,
    config: TokenizerConfig,
) -> Rules:
    lowercase = config.do_lower_case is not False
    if mode == "native":
        longest = model.max_input_chars_per_word if model is not None else 100
        return Rules(lowercase=lowercase, strip_accents=False, clean=False, max_word_length=longest)
    if whole is not None and model is not None:
        rules = _whole_rules(directory / TOKENIZER, whole, model)
        _require_agreement(directory, rules, config)
        return rules
    return Rules(
        lowercase=lowercase,
        strip_accents=lowercase if config.strip_accents is None else config.strip_accents,
        split_hanzi=config.tokenize_chinese_chars is not False,
    )


def _whole_rules(path: Path, whole: WholeFile, model: WordPieceModel) -> Rules:
    found = tuple((part or {}).get("type") for part in (whole.normalizer, whole.pre_tokenizer))
    if found != ("BertNormalizer", "BertPreTokenizer"):
        raise CheckpointError(
            f"the tokenizer's parts are {found}, not BertNormalizer and BertPreTokenizer", where=str(path)
        )
    normalizer = read_part(BertNormalizer, whole.normalizer, file=path, name="normalizer")
    strip = normalizer.strip_accents
    return Rules(
        lowercase=normalizer.lowercase,
        strip_accents=normalizer.lowercase if strip is None else strip,
        split_hanzi=normalizer.handle_chinese_chars,
        clean=normalizer.clean_text,
        prefix=model.continuing_subword_prefix,
        max_word_length=model.max_input_chars_per_word,
    )


def _require_agreement(directory: Path, rules: Rules, config: TokenizerConfig) -> None:
    for key, field in _FLAGS.items():
        said, is_so = getattr(config, key), getattr(rules, field)
        if said is not None and said != is_so:
            raise CheckpointError(
                f"{CONFIG} says {key}={said}, {TOKENIZER} says {is_so}",
                where=str(directory),
                hint="correct the file that is wrong: transformers follows the first, tokenizers the second",
            )


def _special_names(
    directory: Path, model: WordPieceModel | None, config: TokenizerConfig
) -> tuple[str, str, str, str, str]:
    listed = read_part(SpecialNames, _read_json(directory / SPECIALS), file=directory / SPECIALS)
    names = [
        getattr(config, role) or getattr(listed, role) or usual
        for role, usual in zip(_ROLES, SPECIAL_TOKENS, strict=True)
    ]
    if model is not None:
        names[1] = model.unk_token or names[1]
    return cast(tuple[str, str, str, str, str], tuple(names))


def _added(
    directory: Path,
    pieces: Sequence[str],
    names: Sequence[str],
    whole: WholeFile | None,
    config: TokenizerConfig,
) -> tuple[AddedToken, ...]:
    """The added tokens of all files together; the five special tokens are added tokens in any case."""
    ids = {piece: id for id, piece in enumerate(pieces)}
    added = {
        token.content: AddedToken(id=id, **token.model_dump())
        for id, token in (config.added_tokens_decoder or {}).items()
    }
    listed = whole.added_tokens if whole is not None else []
    added |= {token.content: AddedToken(**token.model_dump()) for token in listed}
    path = directory / "added_tokens.json"
    for name, id in read_part(LegacyTokens, _read_json(path), file=path).root.items():
        added.setdefault(name, AddedToken(name, id, special=False, normalized=True))
    missing = [name for name in names if name not in added and name not in ids]
    if missing:
        raise CheckpointError(
            f"the vocabulary lacks the special tokens {', '.join(missing)}", where=str(directory)
        )
    for name in names:
        added.setdefault(name, AddedToken(name, ids[name]))
    _require_places(directory, ids, list(added.values()))
    return tuple(sorted(added.values(), key=lambda token: token.id))


def _require_places(directory: Path, ids: Mapping[str, int], added: Sequence[AddedToken]) -> None:
    """Added tokens stand where the vocabulary has them, or behind it without a gap."""
    for token in added:
        if ids.get(token.content, token.id) != token.id or (token.id < len(ids) and token.content not in ids):
            raise CheckpointError(
                f"the added token {token.content!r} has id {token.id}, the vocabulary says otherwise",
                where=str(directory),
            )
    behind = sorted(token.id for token in added if token.id >= len(ids))
    if behind != list(range(len(ids), len(ids) + len(behind))):
        raise CheckpointError(
            f"the ids of added tokens behind the {len(ids)} pieces have a gap: {behind[:5]}",
            where=str(directory),
        )


def _require_native(directory: Path, whole: Mapping[str, Any], spec: TokenizerSpec) -> None:
    for key, value in native_parts(spec, run_alphabet(spec)).items():
        if whole.get(key) != value:
            raise CheckpointError(
                f"the {key} is not the one that belongs to this vocabulary in native mode",
                where=str(directory / TOKENIZER),
                hint=f"delete {TOKENIZER}: it can be written anew from {VOCABULARY} and {CONFIG}",
            )


def _read_json(path: Path) -> dict[str, Any]:
    """The JSON object of a file; empty when there is no such file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"not JSON: {error}", where=str(path)) from None
    if not isinstance(value, dict):
        raise InputError("a JSON object is wanted", where=str(path))
    return value


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8"))
