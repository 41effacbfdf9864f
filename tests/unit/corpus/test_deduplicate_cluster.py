"""Clusters of documents that are the same or nearly so."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erya.corpus.deduplicate.cluster import DUPLICATES, DuplicateCounts, find_duplicates
from erya.corpus.deduplicate.folding import fold
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.deduplicate.signature_file import SignatureFile
from erya.corpus.deduplicate.signatures import fingerprints, signature_batch, signature_schema
from erya.errors import ConfigError, StorageError

OPTIONS = DeduplicateOptions()
STORY = (
    "昨夜一场大雨过后，城里的河水涨了许多，两岸的居民早早起来查看自家的院子。老人们说，这样的雨已经二十年"
    "没有见过了；孩子们却只顾着在街上踩水，谁也不肯回去吃饭。到了中午，天终于放晴，人们才松了一口气。"
)
# Words changed, a clause dropped, traditional characters, other punctuation.
RETOLD = (
    "昨夜一場大雨過後,城裏的河水漲了很多,兩岸居民早早起來查看自己的院子。老人們說:這樣的雨已經二十年"
    "沒有見過了。孩子們卻只顧著在街上踩水。到了中午,天終於放晴,人們才鬆了一口氣!"
)
OTHER = (
    "这家工厂去年引进了三条新的生产线，产量比前年提高了一半。厂长告诉记者，下一步要把产品卖到国外去，为此已经"
    "派人学习外语，并请专家讲解各国的标准和法律，争取在三年之内让出口占到全部销售的四成以上。"
)


def cluster(directory, texts, options=OPTIONS, *, docs=None, order=None, files=1, **limits):
    """The rows of DUPLICATES and the counts; the documents lie in `files` files in the given order."""
    docs = np.arange(len(texts)) if docs is None else np.asarray(docs)
    batch = signature_batch(docs, fold(texts), options)
    order = np.arange(len(texts)) if order is None else order
    directory.mkdir(exist_ok=True)
    paths = []
    for number, part in enumerate(np.array_split(order, files)):
        paths.append(directory / f"it's [{number}]*.parquet")
        table = pa.Table.from_batches([batch], signature_schema(options))
        pq.write_table(table.take(pa.array(part)), paths[-1])
    out = directory / "duplicates.parquet"
    limits = {"memory_bytes": 1 << 28, "threads": 2, "scratch": directory / "scratch"} | limits
    counts = find_duplicates(paths, out, options, **limits)
    assert pq.read_schema(out) == DUPLICATES
    assert list((directory / "scratch").iterdir()) == []
    return pq.read_table(out).to_pylist(), counts


def kinds(rows):
    return {row["doc"]: (row["kind"], row["first"]) for row in rows}


def random_texts(number, *, length=120, seed=0):
    codes = np.random.default_rng(seed).integers(0x4E00, 0x9FA5, (number, length))
    return ["".join(map(chr, row)) for row in codes]


def drifting(number, *, step, length=120):
    """Texts of which each has `step` other characters than the one before, in new places."""
    texts, fresh = random_texts(1, length=length, seed=3), random_texts(1, length=number * step, seed=1)[0]
    for place in range(0, (number - 1) * step, step):
        start = place % length
        texts.append(texts[-1][:start] + fresh[place : place + step] + texts[-1][start + step :])
    return texts


def test_a_retold_story_is_near_and_a_copy_exact(tmp_path):
    texts = [OTHER, STORY, "短", RETOLD, STORY.replace("。", "。\n"), "短 "]
    rows, counts = cluster(tmp_path, texts, docs=[0, 10, 11, 20, 30, 40])
    assert kinds(rows) == {
        10: ("first", 10),
        11: ("first", 11),
        20: ("near", 10),
        30: ("exact", 10),
        40: ("exact", 11),
    }
    assert counts == DuplicateCounts(exact=2, near=1, clusters=2, sizes={2: 1, 3: 1})
    similarity = {row["doc"]: row["similarity"] for row in rows}
    assert similarity[10] == similarity[30] == similarity[40] == 1.0
    assert 0.5 <= similarity[20] < 0.9
    story, short = fingerprints(fold([STORY, "短"])).tolist()
    assert [row["cluster"] for row in rows] == [story, short, story, story, short]


def test_the_copy_of_a_near_duplicate_is_exact_and_points_to_what_is_kept(tmp_path):
    rows, counts = cluster(tmp_path, [STORY, RETOLD, RETOLD + "\n"])
    assert kinds(rows) == {0: ("first", 0), 1: ("near", 0), 2: ("exact", 0)}
    assert rows[2]["similarity"] == rows[1]["similarity"] < 1
    assert (counts.exact, counts.near) == (1, 1)


def test_near_duplicates_can_be_left_out(tmp_path):
    options = DeduplicateOptions(near="off")
    rows, counts = cluster(tmp_path, [STORY, RETOLD, STORY], options)
    assert kinds(rows) == {0: ("first", 0), 2: ("exact", 0)}
    assert counts == DuplicateCounts(exact=1, near=0, clusters=1, sizes={2: 1})


@pytest.mark.parametrize("options", [OPTIONS, DeduplicateOptions(near="off")])
@pytest.mark.parametrize("texts", [[], [""], [STORY, OTHER, "短"]])
def test_without_duplicates_the_table_is_empty(tmp_path, texts, options):
    assert cluster(tmp_path, texts, options) == ([], DuplicateCounts(0, 0, 0, {}))


def test_without_files_the_table_is_empty(tmp_path):
    out = tmp_path / "duplicates.parquet"
    counts = find_duplicates([], out, OPTIONS, memory_bytes=1 << 28, threads=1, scratch=tmp_path / "scratch")
    assert counts == DuplicateCounts(0, 0, 0, {})
    assert pq.read_table(out).schema == DUPLICATES


def test_the_threshold_decides(tmp_path):
    mild, strict = DeduplicateOptions(threshold=0.4), DeduplicateOptions(threshold=0.9)
    assert cluster(tmp_path / "mild", [STORY, RETOLD], mild)[1].near == 1
    assert cluster(tmp_path / "strict", [STORY, RETOLD], strict)[1].near == 0


def test_a_chain_is_one_cluster_of_which_more_than_the_first_are_kept(tmp_path):
    # Neighbours share 0.7 of their bigrams, the ends nothing.
    texts = drifting(12, step=20)
    rows, counts = cluster(tmp_path, texts)
    assert counts.clusters == 1 and counts.sizes == {12: 1}
    assert len({row["cluster"] for row in rows}) == 1
    kept = {row["doc"] for row in rows if row["kind"] == "first"}
    assert 0 in kept and 2 < len(kept) < 8
    assert all(row["first"] in kept and row["first"] <= row["doc"] for row in rows)
    assert all(row["similarity"] >= OPTIONS.threshold for row in rows)


def test_a_document_is_compared_with_what_is_kept_for_its_neighbours(tmp_path):
    # Each is a tenth different from the original, in places of its own: whatever bands they happen to share,
    # all are near the original, and nothing else is kept.
    original, fresh = random_texts(1, length=200)[0], random_texts(1, length=800, seed=2)[0]
    texts = [original]
    for number in range(40):
        start = number * 20 % 180
        texts.append(original[:start] + fresh[number * 20 : number * 20 + 20] + original[start + 20 :])
    rows, counts = cluster(tmp_path, texts)
    assert counts.near == 40
    assert {row["first"] for row in rows} == {0}


def planted():
    base = random_texts(150)
    edited = [text[:50] + other[:6] + text[56:] for text, other in zip(base[:60], base[60:120], strict=True)]
    return base + edited + base[20:40] + drifting(15, step=20) + ["短文"] * 3


def test_neither_files_nor_their_order_nor_threads_change_a_byte(tmp_path):
    texts = planted()
    results = []
    for number, threads in enumerate((1, 2, 4)):
        order = np.random.default_rng(number).permutation(len(texts))
        directory = tmp_path / str(number)
        counts = cluster(directory, texts, order=order, files=number * 3 + 1, threads=threads)[1]
        results.append((counts, (directory / "duplicates.parquet").read_bytes()))
    assert results[0] == results[1] == results[2]
    assert results[0][0].near >= 60 and results[0][0].exact == 22


def synthetic(path, number, *, seed=0):
    """Signatures of `number` documents; every tenth shares three quarters of the one before."""
    rng = np.random.default_rng(seed)
    lanes = rng.integers(0, 1 << 16, (number, 128), dtype=np.uint16)
    lanes[10::10, :96] = lanes[9:-1:10, :96]
    bands = lanes.view(np.uint64)
    columns = [np.arange(number), rng.integers(0, 1 << 62, number, dtype=np.uint64), *bands.T]
    arrays = [pa.array(np.ascontiguousarray(column)) for column in columns]
    pq.write_table(pa.Table.from_arrays(arrays, schema=signature_schema(OPTIONS)), path, row_group_size=4096)
    return len(lanes[10::10])


def test_little_memory_suffices_for_more_than_fits(tmp_path):
    signatures, out = tmp_path / "signatures.parquet", tmp_path / "duplicates.parquet"
    expected = synthetic(signatures, 100_000)
    steps = []
    counts = find_duplicates(
        [signatures],
        out,
        OPTIONS,
        memory_bytes=48 << 20,
        threads=1,
        scratch=tmp_path / "scratch",
        on_progress=lambda done, total: steps.append((done, total)),
    )
    assert (counts.near, counts.clusters) == (expected, expected)
    assert steps == [(step + 1, 35) for step in range(35)]


def test_too_little_memory_is_said_in_words(tmp_path):
    signatures = tmp_path / "signatures.parquet"
    synthetic(signatures, 100_000)
    with pytest.raises(ConfigError, match="2 MiB of memory do not suffice"):
        find_duplicates(
            [signatures],
            tmp_path / "duplicates.parquet",
            OPTIONS,
            memory_bytes=2 << 20,
            threads=1,
            scratch=tmp_path / "scratch",
        )
    assert not (tmp_path / "duplicates.parquet").exists()


def test_a_damaged_file_is_said_in_words(tmp_path):
    damaged = tmp_path / "signatures.parquet"
    damaged.write_bytes(b"PAR1 no PAR1")
    with pytest.raises(StorageError):
        find_duplicates(
            [damaged],
            tmp_path / "out.parquet",
            OPTIONS,
            memory_bytes=1 << 28,
            threads=1,
            scratch=tmp_path / "scratch",
        )


def test_a_bucket_of_thousands_gives_few_pairs(tmp_path, monkeypatch):
    # All of 3,000 documents share every band with each other: all pairs would be millions.
    lanes = np.tile(np.random.default_rng(0).integers(0, 1 << 16, 128, dtype=np.uint16), (3000, 1))
    columns = [np.arange(3000), np.arange(3000, dtype=np.uint64), *lanes.view(np.uint64).T]
    arrays = [pa.array(np.ascontiguousarray(column)) for column in columns]
    path, compared = tmp_path / "signatures.parquet", []
    pq.write_table(pa.Table.from_arrays(arrays, schema=signature_schema(OPTIONS)), path)
    matches = SignatureFile.matches

    def counting(self, left, right):
        compared.append(len(left))
        return matches(self, left, right)

    monkeypatch.setattr(SignatureFile, "matches", counting)
    limits = {"memory_bytes": 1 << 28, "threads": 1, "scratch": tmp_path / "scratch"}
    counts = find_duplicates([path], tmp_path / "out.parquet", OPTIONS, **limits)
    assert counts.sizes == {3000: 1}
    assert sum(compared) < 4 * 3000
