"""What is said about finished shards: how the vocabulary fits, what the mixture came to, their size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from erya.corpus.mixture import REST, Mixture
from erya.corpus.shard_stage import GroupCounts, ShardSummary
from erya.data.shard_counts import KindCoverage, MixtureGroup, ShardCoverage
from erya.data.shards import Manifest
from erya.data.splits import SPLITS

_UNKNOWN_CHARACTERS = 100


def coverage_of(summaries: Sequence[ShardSummary]) -> ShardCoverage:
    """How the vocabulary fits the samples of all units together."""
    names = list(dict.fromkeys(name for summary in summaries for name in summary.by_kind))
    by_kind = {
        name: _kind_sum(summary.by_kind[name] for summary in summaries if name in summary.by_kind)
        for name in names
    }
    unknown = Counter[str]()
    for summary in summaries:
        unknown.update(summary.unknown_characters)
    ranked = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))
    return ShardCoverage(
        characters=sum(kind.characters for kind in by_kind.values()),
        tokens=sum(kind.tokens for kind in by_kind.values()),
        by_kind=by_kind,
        unknown_characters=tuple(ranked[:_UNKNOWN_CHARACTERS]),
    )


def _kind_sum(parts: Iterable[KindCoverage]) -> KindCoverage:
    counts = [(part.characters, part.tokens, part.unknown) for part in parts]
    characters, tokens, unknown = map(sum, zip(*counts, strict=True))
    return KindCoverage(characters=characters, tokens=tokens, unknown=unknown)


def mixture_of(mixture: Mixture, summaries: Sequence[ShardSummary]) -> tuple[MixtureGroup, ...]:
    """What was wanted of each group, and what came in."""
    counts = {
        name: [summary.groups.get(name, GroupCounts()) for summary in summaries] for name in mixture.sizes
    }
    characters = {name: sum(part.characters for part in parts) for name, parts in counts.items()}
    everything = max(sum(characters.values()), 1)
    return tuple(
        MixtureGroup(
            name=name,
            weight=mixture.options.weights.get(name) if name != REST else None,
            wanted_share=mixture.wanted[name],
            share=characters[name] / everything,
            repeats=characters[name] / size.characters,
            documents=sum(part.documents for part in counts[name]),
            characters=characters[name],
            tokens=sum(part.tokens for part in counts[name]),
            documents_there=size.documents,
            characters_there=size.characters,
        )
        for name, size in mixture.sizes.items()
    )


def shards_report(manifest: Manifest) -> dict[str, Any]:
    """The shards as the corpus report shows them.

    Returns:
        Plain values: tokenizer, vocab_size, tokens (by split), unknown_share (of the tokens),
        tokens_per_character, uncovered_characters, bytes, bytes_per_raw_byte (of the cleaned text as UTF-8),
        by_kind, unknown_characters, and mixture where there is one.
    """
    tokens = manifest.num_tokens()
    report: dict[str, Any] = {
        "tokenizer": f"sha256 {manifest.tokenizer_hash[:12]}",
        "vocab_size": manifest.vocab_size,
        "tokens": {split: manifest.num_tokens(split) for split in SPLITS},
        "unknown_share": manifest.unknown_tokens / max(tokens, 1),
        "tokens_per_character": tokens / max(manifest.characters, 1),
        "uncovered_characters": manifest.uncovered_characters,
        "bytes": manifest.num_bytes,
        "bytes_per_raw_byte": manifest.num_bytes / max(manifest.text_bytes, 1),
    }
    if manifest.coverage is not None:
        kinds = manifest.coverage.by_kind.items()
        report["by_kind"] = {name: kind.model_dump() for name, kind in kinds}
        report["unknown_characters"] = [list(pair) for pair in manifest.coverage.unknown_characters]
    if manifest.mixture is not None:
        shown = {"name", "weight", "wanted_share", "tokens", "share", "repeats"}
        report["mixture"] = [group.model_dump(include=shown) for group in manifest.mixture]
    return report
