"""The files of a tokenizer that the `tokenizers` library runs: read, checked, and made one.

`tokenizer.json` holds everything. What other files say beside it must agree, or is noted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers.pre_tokenizers import ByteLevel

from erya.errors import CheckpointError, InputError
from erya.tokenizer.directory import ADDED, CONFIG, SPECIALS, TOKENIZER, VOCABULARY, model_kind, parse_json
from erya.tokenizer.parts import LegacyTokens, SpecialNames, TokenFlags, TokenizerConfig, read_part
from erya.tokenizer.vocabulary import read_vocabulary, same_vocabulary

PIECES = "vocab.json"
# What `transformers` and others may read beside tokenizer.json: kept as they are.
COMPANIONS = (
    CONFIG,
    SPECIALS,
    ADDED,
    VOCABULARY,
    PIECES,
    "merges.txt",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "spiece.model",
    "spm.model",
)
# How the tokens of each role are called where no file says it.
_USUAL = {
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
}
_INSTEAD = {"cls_token": ("bos_token",), "sep_token": ("eos_token",)}


@dataclass(frozen=True)
class LibraryFiles:
    """The files of a tokenizer as they are.

    Attributes:
        directory: where they were found, for messages.
        contents: the bytes of each by its name.
    """

    directory: Path
    contents: Mapping[str, bytes]

    @classmethod
    def read(cls, directory: Path) -> LibraryFiles:
        """Read what there is.

        Raises:
            InputError: there is no `tokenizer.json`.
        """
        if not (directory / TOKENIZER).is_file():
            raise InputError(f"no {TOKENIZER} here", where=str(directory))
        paths = [directory / name for name in (TOKENIZER, *COMPANIONS)]
        return cls(directory, {path.name: path.read_bytes() for path in paths if path.is_file()})

    def json(self, name: str) -> dict[str, Any]:
        """A file's JSON object, empty when there is no such file."""
        return parse_json(self.contents[name], self.directory / name) if name in self.contents else {}

    @cached_property
    def config(self) -> TokenizerConfig:
        """`tokenizer_config.json`."""
        return read_part(TokenizerConfig, self.json(CONFIG), file=self.directory / CONFIG)


def load_library(files: LibraryFiles) -> tokenizers.Tokenizer:
    """The library's tokenizer with all added tokens. It pads and cuts nothing, and draws nothing at random.

    Raises:
        CheckpointError: files are damaged or contradict each other.
    """
    where = str(files.directory / TOKENIZER)
    try:
        library = tokenizers.Tokenizer.from_buffer(files.contents[TOKENIZER])
    except Exception as error:  # the library has no narrower class
        raise CheckpointError(f"damaged: {error}", where=where) from None
    _require_usable(files, where)
    library.no_padding()
    library.no_truncation()
    if isinstance(library.model, tokenizers.models.BPE):
        library.model.dropout = None
    _require_same_pieces(files, library.get_vocab(with_added_tokens=False))
    _add_tokens(files, library)
    return library


def special_ids_by_role(files: LibraryFiles, library: tokenizers.Tokenizer) -> dict[str, int]:
    """The ids of padding, unknown, class, separator and mask, by what the files call them.

    Raises:
        CheckpointError: some are not in the vocabulary; lists them.
    """
    listed = read_part(SpecialNames, files.json(SPECIALS), file=files.directory / SPECIALS)
    told = {**listed.model_dump(exclude_none=True), **_names(files.config)}
    unknown = _models_unknown(files.json(TOKENIZER)["model"])
    if unknown is not None:
        told["unk_token"] = unknown
    found, missing = {}, []
    for role, usual in _USUAL.items():
        names = [told[key] for key in (role, *_INSTEAD.get(role, ())) if key in told] or usual
        ids = [id for name in names if (id := library.token_to_id(name)) is not None]
        if ids:
            found[role] = ids[0]
        else:
            missing.append(f"{role} ({' or '.join(names)})")
    if missing:
        raise CheckpointError(
            f"the vocabulary lacks the special tokens {', '.join(missing)}", where=str(files.directory)
        )
    _require_special(library, found)
    return found


def digest(files: LibraryFiles, roles: Mapping[str, int], added: Mapping[int, tokenizers.AddedToken]) -> str:
    """The sha256 of all that decides about ids."""
    raw = files.json(TOKENIZER)
    parts = {name: raw.get(name) for name in ("model", "normalizer", "pre_tokenizer", "post_processor")}
    tokens = {str(id): repr(token) for id, token in added.items()}
    text = json.dumps([parts, tokens, dict(roles)], ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def notes_on(files: LibraryFiles, *, lowercase: bool, num_special: int) -> tuple[str, ...]:
    """What a user should know about the files, a sentence each.

    Args:
        files: the files.
        lowercase: whether the tokenizer folds letter case.
        num_special: special tokens around one text.
    """
    notes = []
    said = files.config.do_lower_case
    if said is not None and said != lowercase:
        does = "folds" if lowercase else "keeps"
        notes.append(f"{CONFIG} says do_lower_case={said}, but {TOKENIZER} {does} letter case, and it wins")
    if not num_special:
        notes.append(f"{TOKENIZER} puts no special tokens around a text")
    model = files.json(TOKENIZER)["model"]
    if model.get("dropout"):
        notes.append(f"{TOKENIZER} cuts words at random (dropout {model['dropout']}); this is switched off")
    if model_kind(model) == "BPE" and _loses_characters(model):
        notes.append(
            "characters that the vocabulary lacks vanish: it has no unknown token and not every byte"
        )
    return tuple(notes)


def _names(config: TokenizerConfig) -> dict[str, str]:
    return config.model_dump(include=set(SpecialNames.model_fields), exclude_none=True)


def _models_unknown(model: Mapping[str, Any]) -> str | None:
    """What the model itself gives for the unknown."""
    if model_kind(model) != "Unigram":
        return model.get("unk_token")
    number = model.get("unk_id")
    return None if number is None else str(model["vocab"][number][0])


def _loses_characters(model: Mapping[str, Any]) -> bool:
    every_byte = model.get("byte_fallback") or model["vocab"].keys() >= set(ByteLevel.alphabet())
    return not every_byte and model.get("unk_token") is None


def _require_usable(files: LibraryFiles, where: str) -> None:
    model = files.json(TOKENIZER)["model"]
    if model_kind(model) == "Unigram" and model.get("unk_id") is None and not model.get("byte_fallback"):
        raise CheckpointError(
            "there is no unknown token: a character that the vocabulary lacks stops everything", where=where
        )
    if files.config.erya_mode == "native":
        raise CheckpointError(
            f"{CONFIG} says native mode, which only WordPiece has", where=str(files.directory)
        )


def _require_same_pieces(files: LibraryFiles, vocab: Mapping[str, int]) -> None:
    """What is written of the vocabulary elsewhere must be the same."""
    if VOCABULARY in files.contents:
        path = files.directory / VOCABULARY
        in_order = sorted(vocab, key=vocab.__getitem__)
        same_vocabulary(in_order, read_vocabulary(path), where=str(path))
    for piece, id in files.json(PIECES).items():
        if vocab.get(piece, id) != id:
            raise CheckpointError(
                f"the piece {piece!r} has id {id}, {TOKENIZER} says {vocab[piece]}",
                where=str(files.directory / PIECES),
                hint="a vocabulary must be the one its model was trained with; delete the file that is not",
            )


def _add_tokens(files: LibraryFiles, library: tokenizers.Tokenizer) -> None:
    """Add the tokens that only other files name, at the places they name."""
    path = files.directory / ADDED
    legacy = read_part(LegacyTokens, files.json(ADDED), file=path).root
    wanted = {id: TokenFlags(content=name, special=False, normalized=True) for name, id in legacy.items()}
    wanted |= files.config.added_tokens_decoder or {}
    for id, token in sorted(wanted.items()):
        if library.token_to_id(token.content) is None:
            library.add_tokens([tokenizers.AddedToken(**token.model_dump())])
        if library.token_to_id(token.content) != id:
            raise CheckpointError(
                f"the added token {token.content!r} has id {id}, "
                f"in the vocabulary of {TOKENIZER} it has {library.token_to_id(token.content)}",
                where=str(files.directory),
                hint="the files belong to different models, or the vocabulary is not whole",
            )


def _require_special(library: tokenizers.Tokenizer, roles: Mapping[str, int]) -> None:
    """Tokens of a role are found in a text as themselves, even where no list of added tokens names them."""
    known = library.get_added_tokens_decoder()
    for id in roles.values():
        if id not in known:
            name = library.id_to_token(id)
            library.add_special_tokens([tokenizers.AddedToken(name, special=True, normalized=False)])
