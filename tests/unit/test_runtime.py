import subprocess
import sys

import pytest

from erya.runtime import available_cores, keep_freed_memory, usable_threads

FAULTS = """
import resource, sys
import numpy as np
from erya.runtime import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(2):
    np.ones(1 << 22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(1 << 22)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_freed_memory_is_not_mapped_anew() -> None:
    if not keep_freed_memory():
        pytest.skip("the C library is not glibc")
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout)
        for how in ("keep", "give back")
    }
    assert faults["keep"] < faults["give back"] / 4, faults


def test_a_lone_process_hears_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert usable_threads() == 3
    assert usable_threads(num_processes=2) == max(1, available_cores() // 2)
    for unsaid in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", unsaid)
        assert usable_threads() == available_cores()
