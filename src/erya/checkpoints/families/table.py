"""The table of families. Another one: a module with its `Family`, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from erya.checkpoints.families.albert import ALBERT
from erya.checkpoints.families.bert import BERT
from erya.checkpoints.families.deberta import DEBERTA_V2
from erya.checkpoints.families.distilbert import DISTILBERT
from erya.checkpoints.families.electra import ELECTRA
from erya.checkpoints.families.ernie import ERNIE
from erya.checkpoints.families.family import Family
from erya.checkpoints.families.modernbert import MODERNBERT
from erya.checkpoints.families.nezha import NEZHA
from erya.checkpoints.families.roberta import ROBERTA, XLM_ROBERTA
from erya.checkpoints.families.roformer import ROFORMER
from erya.models.config import FamilyName

FAMILIES: Mapping[FamilyName, Family] = {
    "bert": BERT,
    "ernie": ERNIE,
    "distilbert": DISTILBERT,
    "electra": ELECTRA,
    "albert": ALBERT,
    "roberta": ROBERTA,
    "xlm-roberta": XLM_ROBERTA,
    "roformer": ROFORMER,
    "nezha": NEZHA,
    "deberta-v2": DEBERTA_V2,
    "modernbert": MODERNBERT,
}
