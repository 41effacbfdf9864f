"""The table of similar tokens of a run: made once, kept in the run directory, the same when it is resumed.

V tokens of the vocabulary, K candidates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.checkpoints.directory import ModelDirectory, load_encoder, read_model
from erya.checkpoints.weights import find_weights
from erya.data.shards import Shard, require_vocabulary
from erya.errors import ConfigError, InputError
from erya.files import atomic_write, sha256_of
from erya.pretrain.masking.recipe import Similarity, SimilarRecipe
from erya.pretrain.masking.similar import (
    merge_tables,
    similar_by_embedding,
    similar_by_shape,
    similar_by_sound,
)
from erya.pretrain.recipe import PretrainRecipe
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.protocols import Tell

_COUNTED_TOKENS = 20_000_000  # of the text, to know which tokens are frequent


def similar_tokens(
    recipe: PretrainRecipe, shards: Sequence[Shard], tokenizer: Tokenizer, directory: Path, *, tell: Tell
) -> NDArray[np.int32] | None:
    """The tokens that may stand for each other, read from the run directory or made and put there.

    A file belongs to what it was made of: other settings, another vocabulary or encoder have another file.

    Args:
        recipe: says which tokens are similar, if any are needed.
        shards: of the training text.
        tokenizer: of the shards.
        directory: the run directory.
        tell: is told how many tokens have no similar one.
    Returns:
        Ids, the most similar first, -1 where there are no more, int32, shape (V, K); None if none are needed.
    Raises:
        ConfigError: neighbours are asked for and there is no encoder to have them, or it has another
            vocabulary.
        MissingExtraError: a package with the sounds or shapes is not installed.
        InputError: the file in the run directory is damaged.
    """
    wanted = recipe.masking.similar
    if wanted is None:
        return None
    model = _encoder_directory(wanted, recipe, tokenizer)
    path = directory / f"similar-{_identity(wanted, tokenizer, model)}.npy"
    if path.is_file():
        return _read(path, tokenizer.vocab_size)
    counts = count_tokens(shards, vocab_size=tokenizer.vocab_size)
    counts[sorted(tokenizer.special_ids | {tokenizer.unk_id})] = 0
    limit, pieces = wanted.num_candidates, tokenizer.vocab
    table = merge_tables([_table(by, pieces, counts, model, limit=limit) for by in wanted.by], limit=limit)
    with atomic_write(path) as stream:
        np.save(stream, table, allow_pickle=False)
    _tell_what_lacks(table, counts, tell)
    return table


def fingerprint_of(table: NDArray[np.int32]) -> str:
    """The hexadecimal sha256 of a table: a resumed run must have the same."""
    return hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()


def count_tokens(shards: Sequence[Shard], *, vocab_size: int) -> NDArray[np.int64]:
    """How often each token occurs in the first tokens of the shards, of each as many, shape (V,).

    Raises:
        InputError: a file of the shards is damaged.
    """
    counts = np.zeros(vocab_size, dtype=np.int64)
    for shard in shards:
        tokens = np.asarray(shard.tokens[: -(-_COUNTED_TOKENS // len(shards))])
        require_vocabulary(tokens, vocab_size)
        counts += np.bincount(tokens, minlength=vocab_size)
    return counts


def _table(
    by: Similarity,
    pieces: Sequence[str],
    counts: NDArray[np.int64],
    model: ModelDirectory | None,
    *,
    limit: int,
) -> NDArray[np.int32]:
    if by == "pinyin":
        return similar_by_sound(pieces, counts, limit=limit)
    if by == "shape":
        return similar_by_shape(pieces, counts, limit=limit)
    assert model is not None, "neighbours are of an encoder"
    words = load_encoder(model, pooler=False).embeddings.words.weight
    return similar_by_embedding(words.detach().float().numpy(), pieces, counts, limit=limit)


def _encoder_directory(
    wanted: SimilarRecipe, recipe: PretrainRecipe, tokenizer: Tokenizer
) -> ModelDirectory | None:
    """The encoder whose neighbours are wanted, None where none are."""
    if "neighbours" not in wanted.by:
        return None
    place = wanted.model or recipe.init_from
    if place is None:
        raise ConfigError(
            "masking.similar.by has neighbours, but there is no encoder yet whose neighbours they could be",
            hint="set masking.similar.model to a model directory, or take pinyin and shape",
        )
    model = read_model(Path(place))
    if model.tokenizer.hash != tokenizer.hash:
        raise ConfigError(
            "the encoder whose neighbours are wanted has another vocabulary than the shards", where=place
        )
    return model


def _identity(wanted: SimilarRecipe, tokenizer: Tokenizer, model: ModelDirectory | None) -> str:
    """What a table was made of, in a few letters. Where the encoder lies is no part of it."""
    made_of = [wanted.model_dump_json(exclude={"model"}), tokenizer.hash]
    if model is not None:
        made_of += [sha256_of(path) for path in find_weights(model.path).paths]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:12]


def _read(path: Path, vocab_size: int) -> NDArray[np.int32]:
    try:
        table = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError):
        table = None
    if table is None or table.dtype != np.int32 or table.ndim != 2 or len(table) != vocab_size:
        raise InputError(
            "the table of similar tokens is damaged",
            where=str(path),
            hint="delete it: it is made again, and the run goes on if it comes out the same",
        )
    return np.asarray(table)


def _tell_what_lacks(table: NDArray[np.int32], counts: NDArray[np.int64], tell: Tell) -> None:
    has = (table >= 0).any(axis=1)
    share = counts[has].sum() / max(counts.sum(), 1)
    tell(
        f"similar tokens: {has.sum():,} of {(counts > 0).sum():,} tokens have some, {share:.1%} of the text; "
        "the others are replaced at random"
    )
