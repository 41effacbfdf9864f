"""Tokenizers of other families, trained on a few lines: as RoBERTa, XLM-R and DeBERTa have them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

LINES = [
    "我爱北京天安门 hello world 你好，世界",
    "机器学习 transforms the world 120 kg 1⁄2",
    "中国的首都是北京。Hello 王小明",
] * 5
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
ROLES = {
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}


def byte_level(*, prefix: bool = False, trim: bool = True) -> tokenizers.Tokenizer:
    """Byte-level BPE, as RoBERTa has it."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(LINES, trainer)
    _add_mask(made)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim, prefix)
    return made


def _unigram(normalizer: Any, pre_tokenizer: Any, *, pair: str) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer, made.pre_tokenizer = normalizer, pre_tokenizer
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    made.train_from_iterator(LINES, trainer)
    _add_mask(made)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=pair, special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made


def _add_mask(made: tokenizers.Tokenizer) -> None:
    made.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True, normalized=False)])


def xlm() -> tokenizers.Tokenizer:
    """Unigram over words cut at white space, two separators between the texts of a pair, as XLM-R has it."""
    words = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return _unigram(normalizers.NFKC(), words, pair="<s> $A </s> </s> $B </s>")


def deberta() -> tokenizers.Tokenizer:
    """Unigram that sees spaces, segments in pairs, as DeBERTa-v3 has it."""
    steps = [
        *(normalizers.Replace(white, " ") for white in "\n\r\t"),
        normalizers.NFKC(),
        normalizers.Strip(),
        normalizers.Replace(Regex(" {2,}"), " "),
    ]
    pair = "<s>:0 $A:0 </s>:0 $B:1 </s>:1"
    return _unigram(normalizers.Sequence(steps), pre_tokenizers.Metaspace(), pair=pair)


def folding() -> tokenizers.Tokenizer:
    """Unigram that folds case and drops accents, as ALBERT has it."""
    steps = [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    pair = "<s> $A </s> $B </s>"
    return _unigram(normalizers.Sequence(steps), pre_tokenizers.Metaspace(), pair=pair)


def compiled() -> tokenizers.Tokenizer:
    """Unigram with a table of SentencePiece's, which drops control characters."""
    table = {"\x7f": "", "\xad": "", "\u200b": " ", "㎏": "kg", "½": "1⁄2", "e\u0301": "é", "Ａ": "A"}
    normalizer = normalizers.Precompiled(charsmap(table))
    return _unigram(normalizer, pre_tokenizers.Metaspace(), pair="<s> $A </s> $B </s>")


def charsmap(table: dict[str, str]) -> bytes:
    """SentencePiece's compiled form of replacements: a double array of UTF-8 bytes, then the texts.

    Source: darts-clone's units: label in the low 8 bits, bit 8 for a leaf, the offset from bit 10. Here each
    node has a block of 256 units of its own.
    """
    texts, values = b"", {}
    for source, target in table.items():
        values[source.encode()] = len(texts)
        texts += target.encode() + b"\0"
    prefixes = sorted({key[:size] for key in values for size in range(len(key) + 1)})
    bases = {prefix: 256 * number for number, prefix in enumerate(prefixes, 1)}
    places = {prefix: bases[prefix[:-1]] ^ prefix[-1] if prefix else 0 for prefix in prefixes}
    units = [0] * (256 * (len(prefixes) + 1))
    for prefix in prefixes:
        label = prefix[-1] if prefix else 0
        units[places[prefix]] = (places[prefix] ^ bases[prefix]) << 10 | (prefix in values) << 8 | label
        if prefix in values:
            units[bases[prefix]] = 1 << 31 | values[prefix]
    blob = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(blob)) + blob + texts


def composing() -> tokenizers.Tokenizer:
    """Byte-level BPE over composed characters, as ModernBERT has it."""
    made = byte_level()
    made.normalizer = normalizers.NFC()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made


LIBRARIES: dict[str, Callable[[], tokenizers.Tokenizer]] = {
    "byte-level": byte_level,
    "byte-level with a prefix": lambda: byte_level(prefix=True),
    "byte-level untrimmed": lambda: byte_level(trim=False),
    "composing": composing,
    "xlm": xlm,
    "deberta": deberta,
    "folding": folding,
    "compiled": compiled,
}


def write_library(directory: Path, made: tokenizers.Tokenizer, **config: Any) -> Path:
    """A directory with `tokenizer.json` and `tokenizer_config.json`."""
    directory.mkdir(exist_ok=True, parents=True)
    made.save(str(directory / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (directory / "tokenizer_config.json").write_text(json.dumps(kind | ROLES | config))
    return directory
