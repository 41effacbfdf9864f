"""The tokenizer that a model from elsewhere comes with, or is given. Torch-free.

Two mistakes make a good model worse without an error: a vocabulary of another model, and folded case where
the model was trained with case kept, or the reverse. Both are looked for in the vocabulary itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from erya.errors import CheckpointError, ConfigError, InputError
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.directory import CONFIG, TOKENIZER, VOCABULARY, is_wordpiece, parse_json, read_spec
from erya.tokenizer.library import LibraryTokenizer
from erya.tokenizer.library_files import COMPANIONS, LibraryFiles
from erya.tokenizer.parts import TokenizerConfig, read_part
from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Rules, TokenizerSpec
from erya.tokenizer.vocabulary import read_vocabulary
from erya.tokenizer.wordpiece import Tokenizer

_UPPER, _LOWER = re.compile(r"[A-Z]"), re.compile(r"[a-z]")
# [UNK], [unused12], <S>: written so whatever the case of texts.
_MARKUP = re.compile(r"[\[<].+[\]>]")


@dataclass(frozen=True, slots=True)
class Adopted:
    """A tokenizer, and how it was found.

    Attributes:
        tokenizer: what it is.
        casing: whether case is kept, and who says so.
        notes: what a user should know, a sentence each.
        files: what was read.
    """

    tokenizer: AnyTokenizer
    casing: str
    notes: tuple[str, ...]
    files: tuple[Path, ...]


def adopt_tokenizer(
    folder: Path, *, vocabulary: Path | None, lowercase: bool | None, rows: int, exact: bool
) -> Adopted:
    """The tokenizer for a model.

    Args:
        folder: where the model is; its tokenizer files count where `vocabulary` is None.
        vocabulary: a list of pieces, or a directory with tokenizer files.
        lowercase: what the user says of case; None: files decide, and where they are silent the vocabulary.
        rows: of the embedding.
        exact: whether there must be as many pieces as rows; otherwise the last rows may be nobody's.
    Raises:
        InputError: there is no vocabulary, or a file cannot be read.
        CheckpointError: the vocabulary has another size, or is damaged.
        ConfigError: `lowercase` is said of a tokenizer that cannot be changed so.
    """
    place = folder if vocabulary is None else vocabulary
    tokenizer, files, says_case = _open(place)
    _require_size(tokenizer, rows, exact=exact, where=place)
    notes = [*tokenizer.notes, *_unused_rows(tokenizer, rows)]
    if not isinstance(tokenizer, Tokenizer):
        if lowercase is not None:
            raise ConfigError(
                "whether case is kept is a part of this tokenizer.json and cannot be chosen",
                where=str(place),
                hint="leave out --lowercase and --keep-case",
            )
        casing = f"{_words(tokenizer.lowercase)}, as tokenizer.json says"
        return Adopted(tokenizer, casing, tuple(notes), files)
    settled, casing, more = settle_case(tokenizer, asked=lowercase, says_case=says_case)
    return Adopted(settled, casing, (*notes, *more), files)


def settle_case(
    tokenizer: Tokenizer, *, asked: bool | None, says_case: bool
) -> tuple[Tokenizer, str, tuple[str, ...]]:
    """Decide whether case is folded: the user before the files, the files before the vocabulary.

    Args:
        tokenizer: as its files say, or as nobody says.
        asked: whether the user wants texts lower-cased; None: nothing was said.
        says_case: whether a file says it.
    Returns:
        The tokenizer, the decision in words, and a note on each contradiction.
    """
    upper = upper_case_pieces(tokenizer.vocab)
    has_letters = any(_LOWER.search(piece) for piece in tokenizer.vocab if not _MARKUP.fullmatch(piece))
    suggested = not upper if upper or has_letters else tokenizer.lowercase
    if asked is not None:
        chosen, source = asked, "as you say"
    elif says_case:
        chosen, source = tokenizer.lowercase, "as its files say"
    else:
        chosen, source = suggested, _reason(upper)
    notes = []
    if says_case and chosen != tokenizer.lowercase:
        notes.append(f"the tokenizer's files say that case is {_words(tokenizer.lowercase)}; you win")
    if chosen != suggested:
        notes.append(_warning(upper, by_user=asked is not None))
    return with_case(tokenizer, lowercase=chosen), f"{_words(chosen)}, {source}", tuple(notes)


def upper_case_pieces(vocab: Sequence[str]) -> list[str]:
    """The pieces with an upper-case Latin letter, those like [UNK] or <S> left out."""
    return [piece for piece in vocab if _UPPER.search(piece) and not _MARKUP.fullmatch(piece)]


def with_case(tokenizer: Tokenizer, *, lowercase: bool) -> Tokenizer:
    """The same vocabulary with case folded or kept; accents follow where they went along with case."""
    rules = tokenizer.spec.rules
    if rules.lowercase == lowercase:
        return tokenizer
    accents = lowercase if rules.strip_accents == rules.lowercase else rules.strip_accents
    changed = replace(rules, lowercase=lowercase, strip_accents=accents)
    if tokenizer.mode == "native":
        changed = replace(changed, strip_accents=False)
    return Tokenizer(replace(tokenizer.spec, rules=changed))


def tokenizer_of_list(path: Path) -> Tokenizer:
    """BERT's tokenizer of a list of pieces, one a line, case folded.

    Raises:
        InputError: the file is missing, empty or no text.
        CheckpointError: a piece stands on two lines, or a special token is missing.
    """
    pieces = read_vocabulary(path)
    missing = [name for name in SPECIAL_TOKENS if name not in pieces]
    if missing:
        raise CheckpointError(
            f"the vocabulary lacks the special tokens {', '.join(missing)}",
            where=str(path),
            hint="give the vocab.txt that came with the weights, a piece a line",
        )
    added = sorted((AddedToken(name, pieces.index(name)) for name in SPECIAL_TOKENS), key=lambda t: t.id)
    return Tokenizer(TokenizerSpec(mode="reference", rules=Rules(), pieces=pieces, added=tuple(added)))


def _open(place: Path) -> tuple[AnyTokenizer, tuple[Path, ...], bool]:
    """The tokenizer at a place, its files, and whether they say anything of case."""
    if not place.is_dir():
        # The settings of a Hugging Face tokenizer may lie beside its list of pieces.
        if place.name == VOCABULARY and any((place.parent / name).is_file() for name in (CONFIG, TOKENIZER)):
            return _open(place.parent)
        return tokenizer_of_list(place), (place,), False
    files = tuple(place / name for name in (TOKENIZER, VOCABULARY, CONFIG) if (place / name).is_file())
    # Of files of other tokenizers the reader says what to do.
    if not any((place / name).is_file() for name in (TOKENIZER, VOCABULARY, *COMPANIONS)):
        raise no_vocabulary(place)
    # Not by `open_tokenizer`: it would log the notes that are told here.
    if not is_wordpiece(place):
        return LibraryTokenizer(LibraryFiles.read(place)), files, True
    return Tokenizer(*read_spec(place)), files, _says_case(place)


def _says_case(folder: Path) -> bool:
    if (folder / TOKENIZER).is_file():
        return True
    path = folder / CONFIG
    if not path.is_file():
        return False
    return (
        read_part(TokenizerConfig, parse_json(path.read_bytes(), path), file=path).do_lower_case is not None
    )


def _require_size(tokenizer: AnyTokenizer, rows: int, *, exact: bool, where: Path) -> None:
    pieces = tokenizer.vocab_size
    if pieces == rows or (pieces < rows and not exact):
        return
    hint = (
        "give the vocabulary that came with the weights: with another one every word would be read as another"
    )
    if pieces < rows:
        hint += f"; if only padding is missing, append [unused...] lines until there are {rows:,}"
    raise CheckpointError(
        f"the vocabulary has {pieces:,} pieces, the embedding has {rows:,} rows: they do not belong together",
        where=str(where),
        hint=hint,
    )


def _unused_rows(tokenizer: AnyTokenizer, rows: int) -> list[str]:
    more = rows - tokenizer.vocab_size
    return [f"{more:,} rows of the embedding have no piece: padding, or a vocabulary that lost lines"] * (
        more > 0
    )


def _reason(upper: Sequence[str]) -> str:
    if upper:
        shown = ", ".join(upper[:3])
        return f"because {len(upper):,} pieces have an upper-case letter ({shown}); no file says it"
    return "because no piece has an upper-case Latin letter; no file says it"


def _warning(upper: Sequence[str], *, by_user: bool) -> str:
    other = "" if by_user else "; --{} changes it".format("keep-case" if upper else "lowercase")
    if upper:
        return (
            f"texts are lower-cased, so {len(upper):,} pieces with an upper-case letter"
            f" ({', '.join(upper[:3])}) are never used: the vocabulary looks like that of a model that keeps"
            f" case{other}"
        )
    return (
        "case is kept, but no piece has an upper-case Latin letter: every word with one is [UNK]; the"
        f" vocabulary looks like that of a model for lower-cased text{other}"
    )


def _words(lowercase: bool) -> str:
    return "folded to lower case" if lowercase else "kept"


def no_vocabulary(folder: Path) -> InputError:
    """The error for weights without a vocabulary."""
    return InputError(
        "there is no vocabulary beside the weights, and without it no text can be read",
        where=str(folder),
        hint="put the vocab.txt that came with the weights into this folder, or name it: --vocab PATH",
    )
