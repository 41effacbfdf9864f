"""The parts of a report as the tables its page shows; an absent part becomes None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erya.corpus.page.differences import Piece, differences
from erya.corpus.page.plots import length_bins
from erya.corpus.page.summary import disk
from erya.corpus.page.tables import BarTable, Cell, Row, clip, count_table, part_table
from erya.files import to_json

_MOST_CLUSTERS = 10
_MOST_MEMBERS = 4
_MEMBER_CHARACTERS = 600
_MOST_FILES = 100
_MOST_PROBLEMS = 50
_MOST_OPTIONS = 150
_MOST_UNKNOWN = 60
# Clusters larger than this are counted together, in steps.
_SIZE_STEPS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 50, 100, 1000)


@dataclass(frozen=True, slots=True)
class Member:
    """A document of a cluster: the kept one whole, the others as differences to it."""

    where: str
    kept: bool
    similarity: float | None
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Documents that are near-duplicates of each other; `size` counts also those not shown."""

    size: int
    members: tuple[Member, ...]


def stage_table(stages: Sequence[Mapping[str, Any]]) -> BarTable | None:
    """Documents, characters and speed of each stage, in order; bars show the speed."""
    if not stages:
        return None
    fastest = max(stage.get("megabytes_per_s") or 0 for stage in stages)
    rows = []
    for stage in stages:
        speed = stage.get("megabytes_per_s")
        cells = [Cell(stage.get(name)) for name in ("documents", "characters", "seconds")]
        width = speed / fastest if speed else None
        rows.append(Row(str(stage["name"]), (*cells, Cell(speed, width=width))))
    return BarTable(("stage", "documents", "characters", "seconds", "MB/s"), tuple(rows))


def reason_table(report: Mapping[str, Any], part: str, headings: tuple[str, str]) -> BarTable | None:
    """The counts of `dropped`, `edits` or `noted` with samples; shares where records are meant."""
    if report.get(part) is None:
        return None
    whole = report.get("records") if part == "dropped" else None
    return count_table(report[part], headings, whole=whole, samples=report.get("samples"))


def evaluation_table(report: Mapping[str, Any]) -> BarTable | None:
    """Texts of each evaluation file, how many were too short to look for, and how many were found."""
    files = report.get("evaluation_files")
    if not files:
        return None
    columns = {"found": "found", "texts": "texts", "too_short": "too short"}
    parts = {str(file["path"]): {columns[key]: file[key] for key in columns} for file in files}
    return part_table(parts, ("file", *columns.values()), wholes={})


def share_table(report: Mapping[str, Any], part: str, name: str) -> BarTable | None:
    """Documents and characters of each script, source or language, with their shares."""
    parts = report.get(part)
    if not parts:
        return None
    columns = ("documents", "characters")
    wholes = {column: sum(counts.get(column, 0) for counts in parts.values()) for column in columns}
    return part_table(parts, (name, *columns), wholes=wholes)


def length_table(lengths: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """(lengths, kept, dropped) of each bin: the numbers of the picture."""
    bins = length_bins(lengths)
    spans = [f"{bins[k][0]:,} to {bins[k + 1][0] - 1:,}" for k in range(len(bins) - 1)]
    spans += [f"{row[0]:,} or more" for row in bins[-1:]]
    return [(span, kept, dropped) for span, (_, kept, dropped) in zip(spans, bins, strict=True)]


def cluster_table(clusters: Mapping[str, Any]) -> BarTable | None:
    """How many clusters there are of each size, and the documents in them."""
    sizes = {int(size): count for size, count in (clusters.get("sizes") or {}).items()}
    if not sizes:
        return None
    rows: dict[str, list[int]] = {}
    for size in sorted(sizes):
        row = rows.setdefault(_step_name(size), [0, 0])
        row[0] += sizes[size]
        row[1] += size * sizes[size]
    longest = [max(row[k] for row in rows.values()) or 1 for k in range(2)]
    return BarTable(
        ("documents alike", "clusters", "documents in them"),
        tuple(
            Row(name, tuple(Cell(row[k], width=row[k] / longest[k]) for k in range(2)))
            for name, row in rows.items()
        ),
    )


def clusters_shown(clusters: Mapping[str, Any]) -> list[Cluster]:
    """The samples of clusters, each member compared with the one that was kept."""
    return [_cluster(sample) for sample in (clusters.get("samples") or [])[:_MOST_CLUSTERS]]


def kind_table(shards: Mapping[str, Any]) -> BarTable | None:
    """Characters, tokens and unknown tokens of each kind of character."""
    kinds = shards.get("by_kind")
    if not kinds:
        return None
    rows = []
    most = max(counts.get("characters", 0) for counts in kinds.values()) or 1
    for kind in sorted(kinds, key=lambda kind: -kinds[kind].get("characters", 0)):
        characters, tokens, unknown = (kinds[kind].get(n, 0) for n in ("characters", "tokens", "unknown"))
        share = unknown / tokens if tokens else None
        cells = Cell(characters, width=characters / most), Cell(tokens), Cell(unknown, share, share)
        rows.append(Row(kind, cells))
    return BarTable(("kind", "characters", "tokens", "unknown"), tuple(rows))


def mixture_table(shards: Mapping[str, Any]) -> BarTable | None:
    """The share wanted of each corpus and the share it got."""
    mixture = shards.get("mixture")
    if not mixture:
        return None
    rows = []
    for part in mixture:
        wanted, got = part.get("wanted_share"), part.get("share")
        cells = (
            Cell(part.get("weight")),
            Cell(part.get("tokens")),
            Cell(part.get("repeats")),
            Cell(None, wanted, wanted),
            Cell(None, got, got),
        )
        rows.append(Row(clip(str(part["name"])), cells))
    return BarTable(("corpus", "weight", "tokens", "repeats", "wanted share", "share"), tuple(rows))


def unknown_characters(shards: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """(character, its code points, count) of the most frequent unknown characters."""
    pairs = (shards.get("unknown_characters") or [])[:_MOST_UNKNOWN]
    return [(clip(text, 8), " ".join(f"U+{ord(c):04X}" for c in text[:4]), count) for text, count in pairs]


def file_rows(report: Mapping[str, Any]) -> tuple[list[tuple[str, ...]], int]:
    """The raw files as lines of a table, and how many more there were."""
    files = report.get("files") or []
    rows: list[tuple[str, ...]] = [
        (
            clip(str(file.get("path", ""))),
            str(file.get("format") or ""),
            str(file.get("encoding") or ""),
            disk(file["bytes"]) if "bytes" in file else "",
            f"{file['records']:,}" if "records" in file else "",
            f"{file['kept']:,}" if "kept" in file else "",
        )
        for file in files[:_MOST_FILES]
    ]
    return rows, max(report.get("num_files") or len(files), len(rows)) - len(rows)


def problem_lines(report: Mapping[str, Any]) -> list[str]:
    """The first lines left out or mended."""
    return [clip(str(problem), 300) for problem in (report.get("problems") or [])[:_MOST_PROBLEMS]]


def option_rows(options: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Nested options as (dotted name, value)."""
    return _flat(options or {}, "")[:_MOST_OPTIONS]


def _flat(options: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    rows = []
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((clip(prefix + name), clip(value if isinstance(value, str) else to_json(value), 300)))
    return rows


def _step_name(size: int) -> str:
    step = max((start for start in _SIZE_STEPS if start <= size), default=size)
    above = [start for start in _SIZE_STEPS if start > step]
    if not above:
        return f"{step:,} or more"
    return f"{step:,}" if above[0] == step + 1 else f"{step:,} to {above[0] - 1:,}"


def _cluster(sample: Mapping[str, Any]) -> Cluster:
    """The kept member, or the first where none is marked, then some of the others."""
    members = sorted(sample.get("members") or [], key=lambda member: not member.get("kept"))
    first = str(members[0].get("text", "")) if members else ""
    shown = [
        Member(
            where=clip(str(member.get("where", ""))),
            kept=bool(member.get("kept")),
            similarity=member.get("similarity"),
            pieces=tuple(differences(first, str(member.get("text", ""))))
            if place
            else (Piece("same", clip(first, _MEMBER_CHARACTERS)),),
        )
        for place, member in enumerate(members[: _MOST_MEMBERS + 1])
    ]
    return Cluster(int(sample.get("size") or len(members)), tuple(shown))
