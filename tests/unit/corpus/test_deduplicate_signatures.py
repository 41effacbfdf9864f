"""Fingerprints and signatures of documents."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from erya.corpus.deduplicate.folding import fold
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.deduplicate.signatures import (
    band_names,
    fingerprints,
    signature_batch,
    signature_schema,
)

OPTIONS = DeduplicateOptions()
STORY = (
    "昨夜一场大雨过后，城里的河水涨了许多，两岸的居民早早起来查看自家的院子。老人们说，这样的雨已经二十年"
    "没有见过了；孩子们却只顾着在街上踩水，谁也不肯回去吃饭。到了中午，天终于放晴，人们才松了一口气。"
)
OTHER = (
    "这家工厂去年引进了三条新的生产线，产量比前年提高了一半。厂长告诉记者，下一步要把产品卖到国外去，为此已经"
    "派人学习外语，并请专家讲解各国的标准和法律，争取在三年之内让出口占到全部销售的四成以上。"
)


def signatures_of(texts, options=OPTIONS):
    batch = signature_batch(np.arange(len(texts)), fold(texts), options)
    return [[row[name] for name in band_names(options)] for row in batch.to_pylist()]


def similarity(left, right):
    lanes = [np.array(signature, dtype=np.uint64).view(np.uint16) for signature in (left, right)]
    return float((lanes[0] == lanes[1]).mean())


def jaccard(left, right, n=2):
    grams = [{text[i : i + n] for i in range(len(text) - n + 1)} for text in (left, right)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


@pytest.mark.parametrize(
    "other",
    ["頭髮發展，軟體 Ab１！", "头发发展，软体\nＡＢ1！", " 头发发展，軟体　ab1！\n\n"],
)
def test_space_script_width_and_case_do_not_tell_texts_apart(other):
    expected, found = fingerprints(fold(["头发发展，软体 ab1!", other]))
    assert found == expected


@pytest.mark.parametrize(
    "other", ["头发发展软体ab1!", "头发展发，软体ab1!", "头发发展，软体ab1", "", "ab1!头发发展，软体"]
)
def test_all_else_tells_texts_apart(other):
    one, two = fingerprints(fold(["头发发展，软体ab1!", other]))
    assert one != two


@given(st.lists(st.text(st.sampled_from("一二三\n \t，a\ud800\U0003134a"), max_size=8), max_size=6))
def test_a_fingerprint_does_not_depend_on_the_texts_beside_it(texts):
    assert fingerprints(fold(texts)).tolist() == [int(fingerprints(fold([text]))[0]) for text in texts]
    squeezed = ["".join(text.split()) for text in texts]
    equal = [[one == two for two in squeezed] for one in squeezed]
    found = fingerprints(fold(texts))
    assert (found[:, None] == found[None, :]).tolist() == equal or not texts


@given(st.lists(st.text(max_size=30), max_size=5))
def test_folding_keeps_all_but_white_space_and_folds_once(texts):
    folded = fold(texts)
    assert folded.bounds.tolist() == np.cumsum([0, *(len("".join(text.split())) for text in texts)]).tolist()
    again = fold([folded.codes.tobytes().decode("utf-32-le", "surrogatepass")])
    assert again.codes.tolist() == folded.codes.tolist()


def test_a_signature_does_not_depend_on_the_texts_beside_it():
    texts = [STORY, "", "短", OTHER, STORY * 3] * 300
    found = signatures_of(texts)
    for place in (0, 3, 4, 1495):
        assert found[place] == signatures_of([texts[place]])[0]


@pytest.mark.parametrize("options", [OPTIONS, DeduplicateOptions(ngram=3, permutations=256, seed=7)])
def test_signatures_estimate_the_shared_ngrams(options):
    letters = ["".join(filter(str.isalnum, text)) for text in (STORY, OTHER)]
    mixed = [letters[0], letters[0][:60] + letters[1][60:], letters[1]]
    found = signatures_of(mixed, options)
    for left in range(3):
        for right in range(3):
            expected = jaccard(mixed[left], mixed[right], options.ngram)
            assert similarity(found[left], found[right]) == pytest.approx(expected, abs=0.13)


ENGLISH = """
the of and a to in is was that for it as with on be by at his from are this have which or had not but they
were one all you we been their would has there more when who will out so can about into only other new some
could time these two may then do first any my now such like our over man me even most made after also did
many before must through years where much your way well down should because each just those people how too
little state good very make world still own see men work long here get both between life being under never
day same another know while last might us great old year off come since against go came right used take
three states himself few house use during without again place around however home small found thought went
say part once general high upon school every don does got united left number course war until always away
"""


def test_pages_in_an_alphabet_are_not_alike_for_their_letters():
    words = ENGLISH.split()
    rng = np.random.default_rng(5)
    one, other = (" ".join(rng.choice(words, 600)) for _ in range(2))
    assert jaccard(one, other) > 0.7
    edited = one.replace(" school ", " college ").replace(" war ", " peace ")
    # A few Hanzi, and a text beside it that has many, change nothing.
    found = signatures_of([one, other + "中文", STORY, edited])
    assert similarity(found[0], found[1]) < 0.4
    assert similarity(found[0], found[3]) > 0.8
    assert found[2] == signatures_of([STORY])[0]


def test_punctuation_and_script_do_not_change_a_signature():
    bare = "".join(filter(str.isalnum, STORY))
    assert (
        len({tuple(signature) for signature in signatures_of([STORY, bare, STORY.replace("这样", "這樣")])})
        == 1
    )


def test_short_texts_have_no_signature():
    text = "短文" * 20
    long_enough, too_short, marks = signatures_of(
        [text[: OPTIONS.near_characters], text[: OPTIONS.near_characters - 1], "。" * 100]
    )
    assert None not in long_enough
    assert set(too_short) == set(marks) == {None}


@pytest.mark.parametrize("near", ["drop", "mark", "off"])
def test_the_schema_is_that_of_the_batch_even_without_documents(near):
    options = DeduplicateOptions(near=near)
    empty, full = (signature_batch(np.arange(len(texts)), fold(texts), options) for texts in ([], [STORY]))
    assert empty.schema == full.schema == signature_schema(options)
    assert empty.num_rows == 0
    assert len(full.schema) == (2 if near == "off" else 2 + 32)


def test_a_signature_is_whole_bands():
    with pytest.raises(ValidationError):
        DeduplicateOptions(permutations=130)
