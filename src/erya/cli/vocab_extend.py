"""`erya vocab extend`: more characters and words for the vocabulary of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.cli.console import messages, print_json
from erya.cli.vocab_gain import measured_gain, print_gain
from erya.cli.vocab_report import print_summary, tell_problems
from erya.errors import ConfigError

if TYPE_CHECKING:
    from erya.tokenizer.extend import Extension
    from erya.tokenizer.wordpiece import Tokenizer

HELP = """Give a model's vocabulary more characters and words.

MODEL is a model directory, ours or any Hugging Face BERT's, or a tokenizer directory. WORDS is a file with a
word or character a line. --from looks for what a corpus needs (documents, or raw text): characters that are
[UNK] now, the most frequent first, and with --words N the words that save most tokens.

A character, or a word of letters, becomes a piece. A word of several Hanzi becomes an added token: it is
found wherever it is written, before anything is cut, also across the edge of two other words (中国 in
发展中国家), so add words that do not hide in others. In `tokenizers` and `transformers` the ids are the same.

Nothing starts at random: the row of a new word is the mean of the rows of its old pieces, in the embedding
and in the bias of the masked language head; all old rows stay as they are. For a character that was unknown
the old piece is [UNK]: until the model is trained further it reads the new character as it read [UNK]. New
tokens take the places of [unused1], [unused2], ... first, the others are appended. Shards made before hold
old ids: tokenize the documents again to pre-train further.

What it brings is measured on text: the held-out documents of --from, or --measure TEXT. OUT is a complete
model directory; MODEL is not touched. extension.json in OUT holds every figure and the new tokens.

\b
Examples:
  erya vocab extend bert-base-chinese words.txt --measure papers.jsonl --out bert-medical
  erya vocab extend model --from documents --words 2000 --out model-extended
"""
REPORT = "extension.json"
_MEASURED = 5_000_000
_HIDDEN = ("new_tokens", "known_words", "measured")


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where to look for words, and how many to take."""

    word_list: Path | None
    corpus: list[str]
    measure: list[str]
    characters: int
    words: int
    min_frequency: int
    sample: int | None
    text_field: str


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What is to be added, how often the file said a word again, and texts to measure on."""

    words: list[str]
    repeated: int
    texts: list[str]


def register(app: typer.Typer) -> None:
    """Add `extend`."""
    app.command("extend", help=HELP)(_extend)


def _extend(
    model: Path = typer.Argument(..., help="Model or tokenizer directory to extend."),
    word_list: Path = typer.Argument(None, metavar="[WORDS]", help="A word or character a line."),
    out: Path = typer.Option(..., help="Directory to make."),
    corpus: list[str] = typer.Option(
        [], "--from", metavar="DOCUMENTS|TEXT", help="Look for what this corpus needs; may be repeated."
    ),
    characters: int = typer.Option(1000, min=0, help="Unknown characters to take from the corpus, at most."),
    words: int = typer.Option(0, min=0, help="Words of two Hanzi or more to take from the corpus."),
    min_frequency: int = typer.Option(5, min=1, help="What the corpus has less often is not taken."),
    measure: list[str] = typer.Option(
        [], metavar="DOCUMENTS|TEXT", help="Text to measure the gain on; may be repeated."
    ),
    append: bool = typer.Option(False, "--append", help="Leave [unusedN] places alone: append all."),
    pad_to: int = typer.Option(1, min=1, help="Round the size up to a multiple of this, for example 64."),
    sample: int = typer.Option(
        200_000_000, min=0, help="Characters of the corpus to look at, spread over all of it; 0: all."
    ),
    field: str = typer.Option("text", help="Field of the text in JSON lines."),
    replace: bool = typer.Option(False, "--replace", help="Replace OUT if erya vocab extend wrote it."),
    as_json: bool = typer.Option(False, "--json", help="Print the figures as JSON."),
) -> None:
    from erya.bundled import located
    from erya.files import atomic_directory, to_json
    from erya.tokenizer.extend import extend_vocabulary
    from erya.tokenizer.wordpiece import Tokenizer

    asked = _Asked(word_list, corpus, measure, characters, words, min_frequency, sample or None, field)
    model = located(model)
    _check(asked, model, out)
    old = _opened(model)
    with atomic_directory(out, replace=replace, marker=REPORT) as directory:
        gathered = _gather(old, asked)
        extension = extend_vocabulary(old, gathered.words, reuse=not append, pad_to=pad_to)
        new = Tokenizer(extension.spec)
        report = _report(old, extension, gathered) | _write(model, directory, old, new, extension)
        report |= measured_gain(old, new, gathered.texts)
        (directory / REPORT).write_text(to_json(report, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(report)
        return
    print_summary(f"extended: {out}", {name: value for name, value in report.items() if name not in _HIDDEN})
    if "measured" in report:
        print_gain(report["measured"])
    else:
        messages.print(
            "nothing was measured: give a text with --measure, or a corpus with held-out documents"
        )


def _check(asked: _Asked, model: Path, out: Path) -> None:
    """Refuse what cannot work before any work begins."""
    if asked.word_list is None and not asked.corpus:
        raise ConfigError(
            "nothing says what to add", hint="name a file of words, or a corpus: --from DOCUMENTS"
        )
    if asked.words and not asked.corpus:
        raise ConfigError("--words takes words from a corpus, and there is none", hint="add --from DOCUMENTS")
    if asked.word_list is None and not asked.characters + asked.words:
        raise ConfigError("--characters and --words are both 0: nothing is taken from the corpus")
    if model.resolve() == out.resolve():
        raise ConfigError("OUT is the model itself, which is not touched", hint="choose another --out")


def _opened(model: Path) -> Tokenizer:
    """The tokenizer of the directory; of a model directory all of it is looked at."""
    from erya.tokenizer.wordpiece import Tokenizer

    tokenizer = Tokenizer.open(model)
    if (model / "config.json").is_file():
        from erya.checkpoints.directory import read_model, require_vocabulary_fits

        require_vocabulary_fits(tokenizer, read_model(model).encoder_config, where=str(model))
    return tokenizer


def _gather(old: Tokenizer, asked: _Asked) -> _Gathered:
    """The words of the file, then characters and words of the corpus, and the texts to measure on."""
    from erya.tokenizer.word_list import read_word_list

    listed = read_word_list(asked.word_list) if asked.word_list is not None else None
    words = list(listed.words) if listed is not None else []
    texts = _texts(asked)
    if asked.corpus:
        found, heldout = _needed(old, asked)
        words += found
        texts = texts if asked.measure else heldout
    if not words:
        raise ConfigError(
            f"nothing to add: the corpus has no unknown character that it holds {asked.min_frequency} times",
            hint="--words N takes frequent words; a lower --min-frequency takes rarer characters",
        )
    return _Gathered(words, listed.repeated if listed is not None else 0, texts)


def _needed(old: Tokenizer, asked: _Asked) -> tuple[list[str], list[str]]:
    """What the corpus needs, and its held-out texts."""
    from erya.cli.reading_progress import reading
    from erya.corpus.texts import open_texts
    from erya.text.words import Segmenter
    from erya.tokenizer.candidates import Candidates

    candidates = Candidates(old, Segmenter() if asked.words else None)
    with reading("looking for what is missing") as on_progress:
        source = open_texts(asked.corpus, field=asked.text_field, on_progress=on_progress)
        for text in source.train(sample=asked.sample):
            candidates.add(text)
        heldout = list(source.heldout(sample=_MEASURED))
    tell_problems(source)
    found = candidates.characters(asked.characters, min_frequency=asked.min_frequency)
    found += candidates.words(asked.words, min_frequency=asked.min_frequency)
    return [candidate.text for candidate in found], heldout


def _texts(asked: _Asked) -> list[str]:
    """The texts of --measure: of documents the held-out ones, of raw files all, some megabytes at most."""
    from erya.cli.reading_progress import reading
    from erya.corpus.texts import DocumentTexts, open_texts

    if not asked.measure:
        return []
    with reading("reading what to measure on") as on_progress:
        source = open_texts(asked.measure, field=asked.text_field, on_progress=on_progress)
        texts = [] if isinstance(source, DocumentTexts) else list(source.train(sample=_MEASURED))
        texts += source.heldout(sample=_MEASURED)
    tell_problems(source)
    return texts


def _write(
    model: Path, directory: Path, old: Tokenizer, new: Tokenizer, extension: Extension
) -> dict[str, Any]:
    """Write the extended model, or tokenizer; gives what to report of the tensors."""
    if not (model / "config.json").is_file():
        new.save(directory)
        return {}
    from erya.checkpoints.surgery import extend_model

    grown = extend_model(
        model,
        directory,
        tokenizer=new,
        parts={token.id: token.parts for token in (*extension.new, *extension.padding)},
        provenance={"tokens": len(extension.new), "tokenizer_before": old.hash, "tokenizer": new.hash},
    )
    return {
        "embedding_rows_before": grown.rows_before,
        "embedding_rows": grown.rows,
        "more_parameters": grown.num_parameters,
    }


def _report(old: Tokenizer, extension: Extension, gathered: _Gathered) -> dict[str, Any]:
    added = {token.id for token in extension.spec.added}
    return {
        "vocabulary_before": old.vocab_size,
        "vocabulary": len(extension.spec.vocab),
        "new_pieces": sum(token.id not in added for token in extension.new),
        "new_added_words": sum(token.id in added for token in extension.new),
        "took_unused_places": extension.reused,
        "padding_places": len(extension.padding),
        "known_already": len(extension.known),
        "said_twice": extension.repeated + gathered.repeated,
        "start_as_unknown": sum(token.parts == (old.unk_id,) for token in extension.new),
        "new_tokens": [token.content for token in extension.new],
        "known_words": list(extension.known),
    }
