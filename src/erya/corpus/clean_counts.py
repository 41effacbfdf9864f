"""What the units of a cleaning job counted, added up as they come, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.corpus.clean_report import CleanReport
from erya.corpus.clean_totals import BlockTotals, VolumeTotals
from erya.corpus.decontaminate.stage import IN_EVALUATION
from erya.corpus.deduplicate.cluster import DuplicateCounts
from erya.corpus.read.files import RawFile
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.summaries import LENGTH_EDGES, BlockSummary, VolumeSummary
from erya.corpus.volume_stage import EXACT, NEAR, ONLY_LINES
from erya.data.documents import PartInfo

_PROBLEMS = 40
# Corpora of a million small files are common; a report is read as a whole.
_LISTED = 1000


class CleanCounts:
    """Adds up.

    Args:
        num_files: how many raw files there are.
    """

    def __init__(self, num_files: int) -> None:
        self._blocks, self._volumes = BlockTotals(num_files), VolumeTotals(num_files)
        self._seconds: Counter[str] = Counter()
        self._peak_bytes = 0

    @property
    def parts(self) -> list[PartInfo]:
        """The files of documents, in order."""
        return [PartInfo.model_validate(part) for _, parts in sorted(self._volumes.parts) for part in parts]

    @property
    def evaluation_texts(self) -> NDArray[np.int64]:
        """The numbers of the evaluation texts that were found, int64."""
        return np.array(sorted(self._blocks.evaluation_texts), dtype=np.int64)

    def add_block(self, block: BlockSummary) -> None:
        """Add a unit of the first phase."""
        self._blocks.add(block)
        self._seconds += block.seconds
        self._peak_bytes = max(self._peak_bytes, block.peak_bytes)

    def add_volume(self, volume: VolumeSummary) -> None:
        """Add a unit of the last phase."""
        self._volumes.add(volume)
        self._seconds += volume.seconds
        self._peak_bytes = max(self._peak_bytes, volume.peak_bytes)

    def finish(
        self, files: Sequence[RawFile], recipe: CorpusRecipe, duplicates: DuplicateCounts
    ) -> CleanReport:
        """The report, which is the same in whatever order the units came."""
        blocks, volumes = self._blocks, self._volumes
        return CleanReport(
            recipe=recipe.model_dump(mode="json"),
            num_files=len(files),
            files=self._by_file(files[:_LISTED]),
            records=blocks.records,
            kept=volumes.documents,
            heldout=volumes.heldout,
            characters=volumes.characters,
            raw_bytes=blocks.raw_bytes,
            dropped=_ranked(blocks.dropped + volumes.dropped),
            edits=_ranked(blocks.edits + volumes.edits),
            noted=_ranked(blocks.noted),
            samples=blocks.samples.by_kind(),
            problems=blocks.problems.in_order()[:_PROBLEMS],
            stages=self._stages(),
            lengths=self._lengths(),
            scripts=volumes.scripts.largest(_LISTED, "others"),
            sources=volumes.sources.largest(_LISTED, "others"),
            cluster_sizes={str(size): count for size, count in sorted(duplicates.sizes.items())},
            peak_memory_bytes=self._peak_bytes,
        )

    def _lengths(self) -> dict[str, list[int]]:
        kept = self._volumes.lengths
        dropped = (self._blocks.lengths - kept).clip(0)
        return {"edges": list(LENGTH_EDGES), "kept": kept.tolist(), "dropped": dropped.tolist()}

    def _by_file(self, files: Sequence[RawFile]) -> list[dict[str, Any]]:
        counts = zip(files, self._blocks.records_by_file, self._volumes.documents_by_file, strict=False)
        return [
            {
                "path": file.path,
                "format": file.format,
                "encoding": file.encoding,
                "bytes": file.size,
                "records": records,
                "kept": kept,
            }
            for file, records, kept in counts
        ]

    def _stages(self) -> list[dict[str, Any]]:
        """What was left after each stage, in order, and how quick one worker was."""
        blocks, volumes = self._blocks, self._volumes
        left, characters = blocks.documents, blocks.characters
        stages: list[dict[str, Any]] = [
            {"name": "read and clean", "documents": blocks.records},
            {
                "name": "filter",
                "documents": left + blocks.dropped[IN_EVALUATION],
                "characters": characters + blocks.evaluation_characters,
            },
        ]
        if IN_EVALUATION in self._seconds:
            stages.append({"name": IN_EVALUATION, "documents": left, "characters": characters})
        for reason in (EXACT, NEAR, ONLY_LINES):
            left -= volumes.dropped[reason]
            characters -= volumes.dropped_characters[reason]
            stages.append({"name": f"{reason}s dropped", "documents": left, "characters": characters})
        written = {"documents": volumes.documents, "characters": volumes.characters}
        stages[-1] = {"name": "repeated lines cut out"} | written
        stages += [{"name": name} for name in self._seconds if name not in {each["name"] for each in stages}]
        for stage in stages:
            seconds = self._seconds[stage["name"]]
            if seconds:
                stage["seconds"] = round(seconds, 3)
                stage["megabytes_per_s"] = round(blocks.raw_bytes / 1e6 / seconds, 1)
        return stages


def _ranked(counter: Counter[str]) -> Counter[str]:
    """The same counts, the largest first; `most_common` keeps that order."""
    return Counter(dict(sorted(counter.items(), key=lambda item: (-item[1], item[0]))))
