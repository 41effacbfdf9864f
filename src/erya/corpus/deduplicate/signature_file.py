"""All signatures in one file on the disk, to be read a few at a time: pairs come in an order of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

_ROWS = 1 << 14
_PAIRS = 1 << 15


class SignatureFile:
    """Signatures by place: the number of the row they were read from, documents without one left out.

    Args:
        path: the file to make.
        bands: the columns of a signature.
    """

    def __init__(self, path: Path, bands: Sequence[str]) -> None:
        self._bands, self._width = list(bands), 8 * len(bands)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    def close(self) -> None:
        """Close the file; it is removed with its directory."""
        os.close(self._file)

    def load(self, files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
        """Take in Parquet files with the rows of `signature_batch`.

        Yields:
            Their rows with a signature, thousands at a time, and the `place` of each.
        """
        place = 0
        for file in files:
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(_ROWS):
                    found = batch.filter(batch[self._bands[0]].is_valid())
                    self._append(found)
                    places = np.arange(place, place + found.num_rows)
                    yield found.append_column("place", pa.array(places, pa.int64()))
                    place += found.num_rows

    def _append(self, batch: pa.RecordBatch) -> None:
        signatures = np.stack([batch[band].to_numpy() for band in self._bands], axis=1, dtype="<u8")
        view = memoryview(signatures.tobytes())
        while view:
            view = view[os.write(self._file, view) :]

    def matches(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many minima are equal.

        Args:
            left, right: places, int64, shape (P,).
        Returns:
            Equal minima of each pair, int64, shape (P,).
        """
        found = [
            np.count_nonzero(
                self._read(left[first : first + _PAIRS]) == self._read(right[first : first + _PAIRS]), axis=1
            )
            for first in range(0, len(left), _PAIRS)
        ]
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])

    def _read(self, places: NDArray[np.int64]) -> NDArray[np.uint16]:
        """The minima at some places, shape (P, permutations)."""
        unique, inverse = np.unique(places, return_inverse=True)
        pread, file, width = os.pread, self._file, self._width
        data = b"".join([pread(file, width, offset) for offset in (unique * width).tolist()])
        lanes = np.frombuffer(data, dtype="<u2").reshape(len(unique), -1)
        return lanes[inverse]


def with_places(pairs: str) -> str:
    """SQL for the pairs (a, b) of a table and the places of their signatures."""
    return f"""
        SELECT a, b, x.place AS a_place, y.place AS b_place
        FROM {pairs} JOIN signatures AS x ON x.doc = a JOIN signatures AS y ON y.doc = b
    """


def keep_similar(
    connection: Any, signatures: SignatureFile, pairs: str, into: str, *, enough: int = 0
) -> None:
    """Compare the pairs of one table and add what is similar enough to another.

    Args:
        connection: to the database.
        signatures: of the documents of the pairs.
        pairs: a table or query with a, b, a_place and b_place.
        into: a table with a, b and matches.
        enough: equal minima that a pair must have.
    """
    writer = connection.cursor()
    rows = connection.sql(f"SELECT a, b, a_place, b_place FROM ({pairs}) ORDER BY a_place, b_place")
    for batch in rows.to_arrow_reader(_ROWS):
        matches = signatures.matches(batch["a_place"].to_numpy(), batch["b_place"].to_numpy())
        table = pa.table({"a": batch["a"], "b": batch["b"], "matches": pa.array(matches)})
        writer.register("compared", table.filter(pa.array(matches >= enough)))
        writer.execute(f"INSERT INTO {into} SELECT a, b, matches FROM compared")
        writer.unregister("compared")
    writer.close()
