"""Files of words: what is read, and which line is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from erya.errors import InputError
from erya.tokenizer.word_list import read_word_list


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "words.txt"
    path.write_bytes(data)
    return path


def test_a_word_a_line(tmp_path: Path) -> None:
    found = read_word_list(write(tmp_path, "\ufeff新冠肺炎\r\n\n  鑫 \n新冠肺炎\nC++\n鑫".encode()))
    assert found.words == ("新冠肺炎", "鑫", "C++")
    assert found.repeated == 2


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        (b"", "holds no word", None),
        (b"\n \n", "holds no word", None),
        ("好\n新冠 肺炎\n".encode(), "white space inside a word", 2),
        ("好\n新冠\t100\n".encode(), "white space inside a word", 2),
        ("好\n新\x00冠\n".encode(), "control character", 2),
        (b"a\n\xff\xfe\n", "not UTF-8", 2),
        (b"a\n" + b"b" * 101, "a word of 101 characters", 2),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, data: bytes, message: str, line: int | None) -> None:
    path = write(tmp_path, data)
    with pytest.raises(InputError, match=message) as caught:
        read_word_list(path)
    assert caught.value.where == (str(path) if line is None else f"{path}, line {line}")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_word_list(tmp_path / "nowhere.txt")
