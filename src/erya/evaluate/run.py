"""Scoring a model on a file: streamed, whatever its size; predictions are written as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from erya import __version__
from erya.errors import InputError
from erya.evaluate.adapters.embed import require_pairs_somewhere
from erya.evaluate.evaluation import Evaluation
from erya.evaluate.measured import Measured
from erya.evaluate.reading import DataFile, TrainTexts
from erya.files import atomic_write, sha256_of
from erya.tasks.embed.task import EmbedTask
from erya.tasks.predictor import Predictor
from erya.tasks.texts import EncodingReport

NUM_MISTAKES = 50


def evaluate(
    predictor: Predictor,
    data: Path,
    *,
    model: Path,
    columns: Mapping[str, str],
    source: str | None = None,
    train: Path | None = None,
    truncate: bool = False,
    max_length: int | None = None,
    batch_tokens: int = 8192,
    num_mistakes: int = NUM_MISTAKES,
    predictions: Path | None = None,
    progress: Callable[[int], None] = lambda num_texts: None,
) -> Evaluation:
    """Predict every example of a labelled file and compare.

    Args:
        predictor: the model.
        data: the file, of a format the task knows.
        model: the model's directory, for the record.
        columns: for each field of the task the column it stands in.
        source: a column that says where an example comes from, to score the sources apart.
        train: the training file, with the same columns, to score apart what stands in it too.
        truncate: whether texts longer than the limit are cut (and counted); otherwise they are an error.
        max_length: longest input in tokens; None is the model's limit.
        batch_tokens: tokens computed at once, at most.
        num_mistakes: how many of the worst mistakes to keep.
        predictions: where to write every prediction, a JSON object a line; None writes none.
        progress: is told how many more examples are done.
    Raises:
        InputError: a file or a row cannot be used, a truth is none the model knows, or texts are longer than
            the limit and may not be cut (all are counted before the first is predicted).
        StorageError: the disk refuses.
    """
    file = open_data(predictor, data, columns=columns, source=source, train=train)
    if not truncate:
        require_whole(predictor, file, max_length=max_length)
    when = now()
    with ExitStack() as stack:
        stream = stack.enter_context(atomic_write(predictions)) if predictions is not None else None
        measured = Measured(
            predictor,
            truncate=truncate,
            max_length=max_length,
            batch_tokens=batch_tokens,
            num_worst=num_mistakes,
            stream=stream,
        )
        for chunk in file.chunks():
            measured.take(chunk)
            progress(len(chunk.examples))
    return conclude(measured, file, model=model, when=when, max_length=max_length)


def open_data(
    predictor: Predictor, data: Path, *, columns: Mapping[str, str], source: str | None, train: Path | None
) -> DataFile:
    """A data file as the predictor's task reads it; the arguments are those of `evaluate`.

    Raises:
        InputError: a file cannot be read, has nothing that vectors could be scored by, or the model has no
            task to be scored on.
    """
    predictor.task.tally()  # raises where the task has nothing to be scored by
    if isinstance(predictor.task, EmbedTask):
        examples = predictor.kind.examples(data, columns=columns, labelled=True)
        require_pairs_somewhere(examples, path=data, columns=columns)
    texts = TrainTexts(train, predictor.kind, columns=columns) if train is not None else None
    return DataFile(data, predictor.kind, columns, source, texts)


def conclude(
    measured: Measured, file: DataFile, *, model: Path, when: str, max_length: int | None
) -> Evaluation:
    """What one model's answers come to; the arguments are those of `evaluate`."""
    info = measured.predictor.info
    return Evaluation(
        model=model,
        kind=measured.predictor.kind.name,
        file=file,
        data_sha256=sha256_of(file.path),
        when=when,
        version=__version__,
        scores=measured.scores(),
        ledger=measured.ledger,
        encoding=measured.report,
        cost=measured.cost(),
        max_length=max_length or info.max_length,
        provenance=info.provenance,
    )


def now() -> str:
    """Local date and time, ISO 8601."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def require_whole(predictor: Predictor, file: DataFile, *, max_length: int | None) -> None:
    """Look at the length of every text first: tokenising is a hundred times quicker than predicting.

    Raises:
        InputError: texts are longer than the limit, and the task does not read them in windows: how many,
            which, what to do.
    """
    report = EncodingReport()
    for chunk in file.chunks():
        try:
            predictor.encode(chunk.examples, truncate=False, max_length=max_length)
        except InputError:  # how many there are in the whole file is worth knowing
            report += predictor.encode(chunk.examples, truncate=True, max_length=max_length).report
    report.require_whole(predictor.limit(max_length, truncate=False))
