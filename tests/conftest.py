"""What tests of several rooms share."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

# Started in the background a process ignores Ctrl-C, and so would every one that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def real_data():
    """The folder of real data, or a skip with the reason."""
    folder = Path(os.environ.get("ERYA_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ERYA_DATA to a folder that has it")
    return folder


@pytest.fixture
def packed_of():
    """Builds packed tensors with random ids from sequence lengths."""
    torch = pytest.importorskip("torch")
    from erya.data.batches import bounds_of, positions_of
    from erya.nn.packing import PackedTensors

    def build(*lengths, vocab_size=50, num_segments=2):
        rng = np.random.default_rng(sum(lengths))
        array = np.array(lengths)
        return PackedTensors(
            ids=torch.from_numpy(rng.integers(0, vocab_size, array.sum())),
            type_ids=torch.from_numpy(rng.integers(0, num_segments, array.sum())),
            positions=torch.from_numpy(positions_of(array)).long(),
            bounds=torch.from_numpy(bounds_of(array)),
            lengths=tuple(lengths),
            targets={},
        )

    return build
