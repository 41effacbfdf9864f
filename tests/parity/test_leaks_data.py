"""The published ChnSentiCorp split: 335 of its 1,200 test texts stand in its training file."""

from erya.data.annotations.detection import detect_layout
from erya.tasks.preflight.sameness import leaks
from erya.tasks.table import KINDS


def test_chnsenticorp(real_data):
    folder = real_data / "tasks" / "chnsenticorp"
    kind, columns = KINDS["classify"], {"text": "text_a", "label": "label"}
    train, test = (
        list(kind.examples(folder / name, columns=columns, labelled=True))
        for name in ("train.tsv.xz", "test.tsv")
    )
    assert detect_layout(folder / "test.tsv") == "records"
    found = leaks("classify", train, test)
    # Four of them differ in a space or a mark.
    assert (len(test), len(found), sum(leak.verbatim for leak in found)) == (1200, 335, 331)
    lines = {example.line: example.text for example in train}
    assert all(lines[leak.train_line] for leak in found)
