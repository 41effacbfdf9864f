"""`report.html`: the corpus report as one file that holds everything, pictures included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from erya.corpus.page import sections
from erya.corpus.page.plots import funnel_picture, lengths_picture
from erya.corpus.page.summary import disk, duration, memory, sentences, tiles
from erya.pages.render import render, write


def write_page(path: Path, report: Mapping[str, Any], *, shards: Mapping[str, Any] | None = None) -> None:
    """Write the report of a corpus for people.

    Args:
        path: the HTML file.
        report: what `report.json` of `erya corpus clean` holds; parts may be missing.
        shards: what `erya corpus tokenize` measured, where it ran.
    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
        StorageError: the disk refuses.
    """
    write(path, render_page(report, shards=shards))


def render_page(report: Mapping[str, Any], *, shards: Mapping[str, Any] | None = None) -> str:
    """The page as HTML; every text of the corpus is escaped and cut, so that it stays below a megabyte."""
    stages, lengths = report.get("stages") or [], report.get("lengths") or {}
    files, more_files = sections.file_rows(report)
    return render(
        "erya.corpus.page",
        "page.html.jinja",
        summary=sentences(report, shards),
        tiles=tiles(report, shards),
        stages=sections.stage_table(stages),
        funnel=funnel_picture(stages),
        dropped=sections.reason_table(report, "dropped", ("reason", "records")),
        evaluation=sections.evaluation_table(report),
        edits=sections.reason_table(report, "edits", ("what was changed", "times")),
        noted=sections.reason_table(report, "noted", ("what was noted", "times")),
        lengths=lengths_picture(lengths),
        length_rows=sections.length_table(lengths),
        shares=_shares(report),
        clusters=report.get("clusters") is not None,
        cluster_sizes=sections.cluster_table(report.get("clusters") or {}),
        cluster_samples=sections.clusters_shown(report.get("clusters") or {}),
        machine=_machine(report),
        memory_share=_memory_share(report),
        shards=_shard_facts(shards or {}),
        kinds=sections.kind_table(shards or {}),
        unknown=sections.unknown_characters(shards or {}),
        mixture=sections.mixture_table(shards or {}),
        files=files,
        more_files=more_files,
        problems=sections.problem_lines(report),
        options=sections.option_rows(report.get("options")),
    )


def _shares(report: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(title, table) of what the documents consist of."""
    parts = (("scripts", "Script"), ("languages", "Language"), ("sources", "Source"))
    tables = [(title, sections.share_table(report, part, title.lower())) for part, title in parts]
    return [(title, table) for title, table in tables if table]


def _machine(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Time, workers and memory as (name, value)."""
    says: dict[str, tuple[str, Callable[[Any], str]]] = {
        "seconds": ("Time", duration),
        "megabytes_per_s": ("Speed", lambda value: f"{value:.1f} MB/s of raw text"),
        "engine": ("Engine", str),
        "workers": ("Workers", str),
        "peak_memory_bytes": ("Memory at its peak", memory),
        "memory_limit_bytes": ("Memory allowed", memory),
    }
    return [(name, say(report[key])) for key, (name, say) in says.items() if report.get(key)]


def _memory_share(report: Mapping[str, Any]) -> float | None:
    peak, limit = report.get("peak_memory_bytes"), report.get("memory_limit_bytes")
    return peak / limit if peak and limit else None


def _shard_facts(shards: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The tokenizer and its shards as (name, value)."""
    says: dict[str, tuple[str, Callable[[Any], str]]] = {
        "tokenizer": ("Tokenizer", str),
        "vocab_size": ("Vocabulary", lambda value: f"{value:,} pieces"),
        "tokens": ("Tokens", _tokens_by_split),
        "tokens_per_character": ("Tokens a character", lambda value: f"{value:.3f}"),
        "uncovered_characters": ("Characters no token covers", lambda value: f"{value:,}"),
        "bytes": ("Shards", disk),
        "bytes_per_raw_byte": ("Size beside the text", lambda value: f"{value:.2f}"),
    }
    return [(name, say(shards[key])) for key, (name, say) in says.items() if shards.get(key) is not None]


def _tokens_by_split(tokens: Mapping[str, int]) -> str:
    names = {"train": "to train on", "heldout": "held out"}
    return ", ".join(f"{count:,} {names.get(split, split)}" for split, count in tokens.items())
