"""The real tasks that models are measured on, and how each is fine-tuned on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data")) / "tasks"


@dataclass(frozen=True)
class Task:
    """A data set and how it is fine-tuned on.

    Attributes:
        kind: of the task.
        files: training, dev and test file; without dev a tenth of training is held out.
        keys: of the recipe.
        epochs: of training; from random weights twice as many.
        metric: in the scores' numbers.
        published: scores of others, from the data's README.
        plain: the class of the plain loop's model; None has no such arm.
    """

    kind: str
    files: tuple[str, str | None, str]
    keys: Mapping[str, Any]
    epochs: int
    metric: str
    published: str
    plain: str | None = None
    train: Mapping[str, Any] = field(default_factory=dict)


TASKS = {
    "ChnSentiCorp": Task(
        "classify", ("chnsenticorp/train.tsv.xz", "chnsenticorp/dev.tsv", "chnsenticorp/test.tsv"),
        {"text": "text_a", "max_length": 256}, 3, "accuracy",
        "BERT 94.7, RBT3 92.8, TF-IDF 92.8", "AutoModelForSequenceClassification",
    ),
    "Resume NER": Task(
        "tag", ("resume_ner/train.char.bmes", "resume_ner/dev.char.bmes", "resume_ner/test.char.bmes"),
        {"max_length": 128, "bad_entities": "skip"}, 8, "f1", "", "AutoModelForTokenClassification",
    ),
    "MSRA NER": Task(
        "tag", ("msra_ner/train.bio.xz", None, "msra_ner/test.bio"),
        {"max_length": 128, "head": "crf", "bad_entities": "skip"}, 1, "f1", "BERT 94.9, LatticeLSTM 93.18",
    ),
    "THUCNews titles": Task(
        "classify", ("thucnews_title/train.txt.xz", "thucnews_title/dev.txt", "thucnews_title/test.txt"),
        {"text": "1", "label": "2", "max_length": 64}, 1, "accuracy",
        "BERT 94.83, fastText 92.23, TextCNN 91.22, BiLSTM 91.12 (all on twice the training titles)",
    ),
    "LCQMC": Task(
        "match", ("lcqmc/train.tsv.xz", "lcqmc/dev.tsv", "lcqmc/test.tsv"),
        {"text": "1", "pair": "2", "label": "3", "max_length": 128}, 1, "accuracy",
        "BERT 86.9, RBT3 85.1, ALBERT-tiny 85.4",
    ),
    "STS-B": Task(
        "embed", ("stsb_zh/train.txt", "stsb_zh/dev.txt", "stsb_zh/test.txt"),
        {"text": "1", "pair": "2", "score": "3", "max_length": 128}, 4, "spearman", "BERT with CoSENT 79.27",
    ),
    "CMRC 2018 dev": Task(
        "answer", ("cmrc2018/train.json.xz", None, "cmrc2018/dev.json.xz"),
        {"max_length": 256, "stride": 64, "bad_answers": "skip"}, 2, "f1", "BERT 84.0, RBT3 80.3",
    ),
}  # fmt: skip
