"""Every segmenter: exact cover, the same boundaries twice, any text, and what is refused."""

import contextlib
import io
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erya.errors import ConfigError, InputError
from erya.text.segmenters import SegmenterOptions, open_segmenter
from erya.text.words import UserWord

PIECES = ["我们", "北京", "天安门", "首都", "iPhone 15", "e\u0301tude", "😀", "👩\u200d👧", " ", "\u3000"]
TEXTS = st.lists(
    st.sampled_from([*PIECES, "\r\n", "\0", "\x1c", "\ud800", "**Num", "-", "𠮷", "\u0301"])
    | st.characters(),
    max_size=15,
).map("".join)
LINES = st.lists(TEXTS.filter(lambda text: "\n" not in text), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny pkuseg model, trained here."""
    library = pytest.importorskip("spacy_pkuseg")
    folder = tmp_path_factory.mktemp("pkuseg")
    text = folder / "train.txt"
    text.write_text("我 爱 北京 天安门\n北京 是 中国 的 首都\n我们 爱 中国\n" * 5, encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        library.train(str(text), str(text), str(folder / "model"), train_iter=3)
    return folder / "model"


@pytest.fixture(scope="module")
def segmenters(model):
    named = {name: open_segmenter(SegmenterOptions(name=name)) for name in ("rjieba", "none")}
    words = (UserWord("京天", None, "nz"),)
    named["pkuseg"] = open_segmenter(SegmenterOptions(name="pkuseg", model=str(model)))
    named["pkuseg with words"] = open_segmenter(
        SegmenterOptions(name="pkuseg", model=str(model), user_words=words)
    )
    return named


def tokens(segmenter, text):
    return [text[word.start : word.end] for word in segmenter.words(text)]


@given(text=TEXTS)
@settings(deadline=None)
def test_words_cover_any_text_and_begin_where_starts_says(segmenters, text):
    for name, segmenter in segmenters.items():
        words = segmenter.words(text)
        bounds = [0, *(word.end for word in words)]
        assert [word.start for word in words] == bounds[:-1], name
        assert bounds[-1] == len(text), name
        starts = segmenter.starts(text)
        assert starts.shape == (len(text),), name
        begins = [word.start for word in words if not text[word.start].isspace()]
        assert starts.nonzero()[0].tolist() == begins, name


@given(lines=LINES)
@settings(deadline=None)
def test_a_line_is_cut_the_same_alone_and_in_company(segmenters, lines):
    for name, segmenter in segmenters.items():
        together = segmenter.starts("\n".join(lines))
        alone = [flag for line in lines for flag in [*segmenter.starts(line), False]][:-1]
        assert together.tolist() == alone, name


def test_without_a_dictionary_hanzi_stand_alone_and_letters_run(segmenters):
    found = tokens(segmenters["none"], "我爱e\u0301tude，2024年Привет 한국어ひカ𠮷!?")
    assert found == [*"我爱", "e\u0301tude", "，", "2024", "年", "Привет", " ", "한국어", *"ひカ𠮷!?"]


def test_pkuseg_cuts_as_the_library_does_and_keeps_user_words(segmenters, model):
    text = "我爱 北京天安门，北京是中国的首都"
    found = tokens(segmenters["pkuseg"], text)
    expected = pytest.importorskip("spacy_pkuseg").pkuseg(model_name=str(model)).cut(text)
    assert [token for token in found if token != " "] == expected
    assert "北京" in found and " " in found
    segmenter = segmenters["pkuseg with words"]
    assert "京天" in tokens(segmenter, "我爱北京天安门")
    assert [word.tag for word in segmenter.words("京天")] == ["nz"]


def test_a_segmenter_that_has_worked_still_travels(segmenters):
    text = "我爱北京天安门"
    for name in ("pkuseg", "pkuseg with words", "none"):
        segmenters[name].starts(text)
        copy = pickle.loads(pickle.dumps(segmenters[name]))
        assert copy.starts(text).tolist() == segmenters[name].starts(text).tolist()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "pkuseg"}, "none is fetched"),
        ({"name": "rjieba", "model": "here"}, "takes no model"),
        ({"name": "none", "user_words": (UserWord("三体"),)}, "no dictionary"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        open_segmenter(SegmenterOptions(**options))


def test_a_pkuseg_model_is_a_directory_with_its_files(tmp_path, model):
    # The name of a model that pkuseg would fetch is not one here.
    for name in ("spacy_ontonotes", str(tmp_path)):
        with pytest.raises(InputError, match="no pkuseg model"):
            open_segmenter(SegmenterOptions(name="pkuseg", model=name))
    for name in ("features.msgpack", "weights.npz"):
        (tmp_path / name).write_bytes((model / name).read_bytes()[:100])
    segmenter = open_segmenter(SegmenterOptions(name="pkuseg", model=str(tmp_path)))
    with pytest.raises(InputError, match="cannot be read"):
        segmenter.starts("我们")
    words = (UserWord("iPhone 15"),)
    with pytest.raises(InputError, match="cuts at every space"):
        open_segmenter(SegmenterOptions(name="pkuseg", model=str(model), user_words=words))


def test_opening_one_segmenter_does_not_import_another():
    code = (
        "import sys; from erya.text.segmenters import *; open_segmenter(SegmenterOptions());"
        "assert 'spacy_pkuseg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
