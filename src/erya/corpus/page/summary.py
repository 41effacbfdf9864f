"""What happened, in plain words, and the few numbers everyone asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from erya.pages.render import number, percent

_MOST_REASONS = 3


def sentences(report: Mapping[str, Any], shards: Mapping[str, Any] | None) -> list[str]:
    """The page's summary, a sentence at a time; what is not known is not said."""
    return [*_counted(report), *_dropped(report), *_measured(report), *(_tokenised(shards) if shards else ())]


def tiles(report: Mapping[str, Any], shards: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """(number, what it is) of the large numbers below the summary."""
    found = []
    if report.get("kept") is not None:
        found.append((number(report["kept"]), "documents kept"))
    if report.get("characters"):
        found.append((number(report["characters"]), "characters"))
    if report.get("megabytes_per_s"):
        found.append((f"{report['megabytes_per_s']:.1f}", "MB/s of raw text"))
    if shards and shards.get("tokens"):
        found.append((number(sum(shards["tokens"].values())), "tokens"))
    if shards and shards.get("unknown_share") is not None:
        found.append((percent(shards["unknown_share"]), "unknown tokens"))
    return found


def duration(seconds: float) -> str:
    """A time as people say it: 0.42 s, 42 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 59.5:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def memory(size: int) -> str:
    """A size in memory: 612 MiB, 2.0 GiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def disk(size: int) -> str:
    """A size on disk: 142.1 MB, 1.2 GB; of 10^6 and 10^9 bytes."""
    if size < 1e5:
        return f"{size:,} bytes"
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def counted(count: int, what: str) -> str:
    """`count` with its noun, which gets an s where there is more than one."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _counted(report: Mapping[str, Any]) -> Iterator[str]:
    records, kept, heldout = (report.get(name) for name in ("records", "kept", "heldout"))
    if records is not None:
        files = report.get("num_files") or len(report.get("files") or [])
        origin = f" from {counted(files, 'file')}" if files else ""
        raw = f" ({disk(report['raw_bytes'])} of raw text)" if report.get("raw_bytes") else ""
        yield f"{counted(records, 'record')} read{origin}{raw}."
    if kept == 0:
        yield "No document was kept."
    elif kept is not None:
        share = f" ({percent(kept / records)})" if records else ""
        apart = f", {heldout:,} of them held out for evaluation" if heldout else ""
        yield f"{counted(kept, 'document')} kept{share}{apart}."


def _dropped(report: Mapping[str, Any]) -> Iterator[str]:
    if "dropped" not in report:
        return
    counts = sorted((report["dropped"] or {}).items(), key=lambda pair: (-pair[1], pair[0]))
    named = [f"“{reason}” ({count:,})" for reason, count in counts[:_MOST_REASONS] if count]
    if not named:
        yield "Nothing was dropped."
        return
    after = f", then {' and '.join(named[1:])}" if named[1:] else ""
    yield f"The most frequent reason to drop a record was {named[0]}{after}."


def _measured(report: Mapping[str, Any]) -> Iterator[str]:
    if report.get("seconds"):
        workers, engine = report.get("workers"), report.get("engine")
        means = " ".join(str(word) for word in (workers, engine) if word)
        speed = f", {report['megabytes_per_s']:.1f} MB/s" if report.get("megabytes_per_s") else ""
        by = f" with {means} worker{'s' if workers != 1 else ''}" if workers else ""
        yield f"It took {duration(report['seconds'])}{by}{speed}."
    peak, limit = report.get("peak_memory_bytes"), report.get("memory_limit_bytes")
    if peak:
        allowed = f" of the {memory(limit)} allowed" if limit else ""
        yield f"Memory peaked at {memory(peak)}{allowed}."


def _tokenised(shards: Mapping[str, Any]) -> Iterator[str]:
    tokens = shards.get("tokens") or {}
    if tokens:
        rate = shards.get("tokens_per_character")
        dense = f", {rate:.2f} a character" if rate else ""
        yield f"The tokenizer made {sum(tokens.values()):,} tokens of the documents{dense}."
    if shards.get("unknown_share") is not None:
        yield f"{percent(shards['unknown_share'])} of the tokens are unknown."
