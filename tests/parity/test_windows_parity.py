"""Windows over a pair: the same ids and places as `tokenizers` gives with `stride`."""

import pytest

from erya.tasks.windows import cut_windows
from erya.tokenizer.wordpiece import Tokenizer

tokenizers = pytest.importorskip("tokenizers")


@pytest.mark.parametrize(("max_length", "stride"), [(10, 0), (10, 3), (16, 4), (16, 7), (50, 10)])
def test_windows_are_those_of_tokenizers(tmp_path, max_length, stride):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"好差很大怎么还款房间，", "ho", "##tel"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    ours = Tokenizer.open(tmp_path)
    ours.save(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    library.enable_truncation(max_length, stride=stride, strategy="only_second")
    for length in (1, 9, 10, 11, 37, 80):
        context = ("房间很大，hotel 好差" * 12)[:length]
        wanted = library.encode("怎么", context)
        windows = cut_windows(ours.encode("怎么", context), max_length=max_length, stride=stride)
        assert [w.encoding.ids.tolist() for w in windows] == [e.ids for e in [wanted, *wanted.overflowing]]
        assert [[tuple(span) for span in w.encoding.spans.tolist()] for w in windows] == [
            e.offsets for e in [wanted, *wanted.overflowing]
        ]
