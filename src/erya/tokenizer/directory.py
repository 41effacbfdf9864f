"""A tokenizer's directory: what Hugging Face writes, and what we add to it.

`tokenizer.json` holds everything; `vocab.txt` the pieces alone, with flags in `tokenizer_config.json`.
Either is enough. Where several files say the same thing they must agree: `tokenizers` believes the first,
`transformers` the last, and a model that is fed by the wrong one is silently worse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from erya.bundled import bundled_hint
from erya.errors import CheckpointError, InputError
from erya.files import atomic_write
from erya.tokenizer.frame import is_bert_frame
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

TOKENIZER, VOCABULARY, CONFIG, SPECIALS, ADDED = (
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
MODE_KEY = "erya_mode"
_ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
_TAKE_THE_FILE = ("PreTrainedTokenizerFast", "TokenizersBackend")
_FLAGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "split_hanzi",
}


def is_wordpiece(directory: Path) -> bool:
    """Whether a directory's tokenizer is WordPiece as BERT has it; `LibraryTokenizer` opens any other.

    Raises:
        InputError: there is no tokenizer here, or a file is not JSON.
        CheckpointError: a file is damaged.
    """
    config, raw = _read_start(directory)
    whole = read_part(WholeFile, raw, file=directory / TOKENIZER) if raw else None
    return whole is None or _obstacle(whole, _mode(directory, config)) is None


def read_spec(directory: Path) -> tuple[TokenizerSpec, tuple[str, ...]]:
    """Read the WordPiece tokenizer of a directory and what to tell of it; see `Tokenizer.open`."""
    config, raw = _read_start(directory)
    whole = read_part(WholeFile, raw, file=directory / TOKENIZER) if raw else None
    mode = _mode(directory, config)
    model = _wordpiece(directory / TOKENIZER, whole, mode) if whole is not None else None
    pieces = _pieces(directory, model)
    rules, notes = _rules(directory, mode, whole, model, config)
    names = _special_names(directory, model, config)
    added = _added(directory, pieces, names, whole, config)
    spec = TokenizerSpec(mode=mode, rules=rules, pieces=pieces, added=added, special_tokens=names)
    if mode == "native" and whole is not None:
        _require_native(directory, raw, spec)
    return spec, notes


def _read_start(directory: Path) -> tuple[TokenizerConfig, dict[str, Any]]:
    """The configuration and `tokenizer.json`, each of which may be missing."""
    if not directory.is_dir():
        raise InputError(
            "no such directory",
            where=str(directory),
            hint=bundled_hint(directory) or "give a tokenizer or model directory",
        )
    config = read_part(TokenizerConfig, _read_json(directory / CONFIG), file=directory / CONFIG)
    raw = _read_json(directory / TOKENIZER)
    if not raw and not (directory / VOCABULARY).is_file():
        raise InputError(
            f"no tokenizer here: neither {TOKENIZER} nor {VOCABULARY}",
            where=str(directory),
            hint=f"of other tokenizer files, transformers' AutoTokenizer makes a {TOKENIZER} when it saves",
        )
    return config, raw


def model_kind(model: Mapping[str, Any]) -> str:
    """The algorithm of `model`; old files do not name it."""
    kind = model.get("type")
    if kind is None:
        kind = "Unigram" if "unk_id" in model else "BPE" if "merges" in model else "WordPiece"
    return str(kind)


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


def _wordpiece(path: Path, whole: WholeFile, mode: Mode) -> WordPieceModel:
    obstacle = _obstacle(whole, mode)
    if obstacle is not None:
        raise CheckpointError(
            f"WordPiece as BERT has it is wanted: {obstacle}",
            where=str(path),
            hint="such tokenizers encode texts for a model that has one; corpora, pre-training and changes "
            "of a vocabulary take a BERT's, or one made by `erya vocab train`",
        )
    return read_part(WordPieceModel, whole.model, file=path, name="model")


def _obstacle(whole: WholeFile, mode: Mode) -> str | None:
    """What of `tokenizer.json` is not as BERT has it."""
    kind = model_kind(whole.model)
    if kind != "WordPiece":
        return f"the tokenizer's model is {kind}, not WordPiece"
    if mode == "native":
        return None
    found = tuple((part or {}).get("type") for part in (whole.normalizer, whole.pre_tokenizer))
    if found != ("BertNormalizer", "BertPreTokenizer"):
        return f"the tokenizer's parts are {found}, not BertNormalizer and BertPreTokenizer"
    if not is_bert_frame(whole.post_processor):
        return "its special tokens are not [CLS] text [SEP] text [SEP]"
    return None


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
) -> tuple[Rules, tuple[str, ...]]:
    lowercase = config.do_lower_case is not False
    if mode == "native":
        longest = model.max_input_chars_per_word if model is not None else 100
        return Rules(lowercase=lowercase, strip_accents=False, clean=False, max_word_length=longest), ()
    if whole is not None and model is not None:
        return _agreed(_whole_rules(directory / TOKENIZER, whole, model), config)
    rules = Rules(
        lowercase=lowercase,
        strip_accents=lowercase if config.strip_accents is None else config.strip_accents,
        split_hanzi=config.tokenize_chinese_chars is not False,
    )
    return rules, ()


def _whole_rules(path: Path, whole: WholeFile, model: WordPieceModel) -> Rules:
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


def _agreed(rules: Rules, config: TokenizerConfig) -> tuple[Rules, tuple[str, ...]]:
    """The rules of `tokenizer.json`, or where the flags beside it differ those that `transformers` follows.

    Its classes for BERT build the normaliser from the flags; the class for any tokenizer takes the file at
    its word.
    """
    whole_wins = config.tokenizer_class in _TAKE_THE_FILE
    notes = []
    for key, field in _FLAGS.items():
        said, is_so = getattr(config, key), getattr(rules, field)
        if said is None or said == is_so:
            continue
        winner = TOKENIZER if whole_wins else CONFIG
        notes.append(
            f"{CONFIG} says {key}={said}, {TOKENIZER} says {is_so}: {winner} wins, as in transformers; "
            "if texts come out wrong, correct the file that is wrong"
        )
        if not whole_wins:
            rules = replace(rules, **{field: said})
            if key == "do_lower_case" and config.strip_accents is None:
                rules = replace(rules, strip_accents=said)
    return rules, tuple(notes)


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
    path = directory / ADDED
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
    return parse_json(path.read_bytes(), path) if path.is_file() else {}


def parse_json(content: bytes, path: Path) -> dict[str, Any]:
    """The JSON object that a file holds.

    Raises:
        InputError: it is not JSON, or no object.
    """
    try:
        value = json.loads(content)
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
