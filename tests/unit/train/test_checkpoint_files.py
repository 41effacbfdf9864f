import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.metadata import _MEM_FORMAT_ENCODING, Metadata

from erya.errors import CheckpointError
from erya.train.checkpoint_files import METADATA, read_tensors, stored_tensors, write_tensors


def by_name(member: Any, protocol: int) -> Any:
    return getattr, (type(member), member.name)


def by_value(member: Any, protocol: int) -> Any:
    return type(member), (member.value,)


@pytest.mark.parametrize("form", [by_name, by_value])  # of Python 3.11.2, which Debian 12 has, and of 3.12
def test_what_another_python_has_written_is_read(
    form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_MEM_FORMAT_ENCODING, "__reduce_ex__", form)
    write_tensors({"weight": torch.arange(6.0)}, tmp_path, None)
    assert (b"getattr" in (tmp_path / METADATA).read_bytes()) == (form is by_name)
    found = {"weight": torch.zeros(6)}
    read_tensors(found, tmp_path, alone=True)
    assert found["weight"].tolist() == [0, 1, 2, 3, 4, 5]


class Attack:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    "attack",
    [
        Attack(print, "run"),
        Attack(getattr, Metadata, "__init__"),
        Attack(getattr, _MEM_FORMAT_ENCODING, "__class__"),
        Attack(getattr, _MEM_FORMAT_ENCODING, 1),
    ],
)
def test_nothing_but_members_of_enumerations_is_taken_from_what_a_file_names(
    attack: Attack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / METADATA).write_bytes(pickle.dumps(attack))
    with pytest.raises(CheckpointError, match="which no checkpoint needs"):
        stored_tensors(tmp_path)
    assert capsys.readouterr().out == ""
