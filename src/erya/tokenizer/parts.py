"""The parts of a tokenizer directory's JSON files that are read, checked: a hand may have edited them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, ValidationError

from erya.errors import CheckpointError


class Part(BaseModel):
    """Base of the parts: keys that are not read may be there, the types of those that are must be right."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class TokenFlags(Part):
    """A token of `added_tokens_decoder`; see `erya.tokenizer.spec.AddedToken`."""

    content: str
    special: bool = True
    normalized: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


class ListedToken(TokenFlags):
    """A token of `added_tokens`."""

    id: int = Field(ge=0)


class WordPieceModel(Part):
    """`model` of `tokenizer.json`."""

    vocab: dict[str, int]
    unk_token: str | None = None
    continuing_subword_prefix: str = "##"
    max_input_chars_per_word: int = Field(100, ge=1)


class BertNormalizer(Part):
    """`normalizer` of `tokenizer.json`."""

    lowercase: bool
    handle_chinese_chars: bool
    clean_text: bool
    strip_accents: bool | None = None


class WholeFile(Part):
    """`tokenizer.json`; what its steps hold depends on their types."""

    model: dict[str, Any]
    normalizer: dict[str, Any] | None = None
    pre_tokenizer: dict[str, Any] | None = None
    post_processor: dict[str, Any] | None = None
    added_tokens: list[ListedToken] = []


def _written(token: Any) -> Any:
    """How a special token is written: files have the text, or an object that holds it."""
    return token.get("content") if isinstance(token, dict) else token


SpecialName = Annotated[str | None, BeforeValidator(_written)]


class SpecialNames(Part):
    """`special_tokens_map.json`, and the same keys of `tokenizer_config.json`."""

    pad_token: SpecialName = None
    unk_token: SpecialName = None
    cls_token: SpecialName = None
    sep_token: SpecialName = None
    mask_token: SpecialName = None
    bos_token: SpecialName = None
    eos_token: SpecialName = None


class TokenizerConfig(SpecialNames):
    """`tokenizer_config.json`."""

    tokenizer_class: str | None = None
    do_lower_case: bool | None = None
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool | None = None
    erya_mode: str | None = None
    # JSON's keys are text.
    added_tokens_decoder: dict[Annotated[int, Field(strict=False, ge=0)], TokenFlags] | None = None


class LegacyTokens(RootModel[dict[str, int]]):
    """`added_tokens.json`, as old directories have it: ids of added tokens."""

    model_config = ConfigDict(frozen=True, strict=True)


class ModelFile(Part):
    """`erya.json`, of which the tokenizer reads one key."""

    tokenizer_mode: str | None = None


Kind = TypeVar("Kind", bound=BaseModel)


def read_part(kind: type[Kind], value: Any, *, file: Path, name: str = "") -> Kind:
    """Check a part of a file.

    Args:
        kind: what it should be.
        value: what it is.
        file: where it stands.
        name: which part of the file it is; empty for the whole of it.
    Raises:
        CheckpointError: a key is missing or of a wrong type; names file and part.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([*([name] if name else []), *map(str, first["loc"])])
        raise CheckpointError(f"damaged: {place}: {first['msg']}", where=str(file)) from None
