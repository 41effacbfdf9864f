"""A kind of task: how its files are read, its task made, its network built. Importing one needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from erya.checkpoints.info import KindName, ModelInfo
from erya.tasks.recipe import FinetuneRecipe
from erya.tasks.task import Example, ExampleT, Task

if TYPE_CHECKING:
    from erya.checkpoints.directory import ModelDirectory
    from erya.checkpoints.info import TaskName
    from erya.models.encoder import Encoder
    from erya.tasks.learner import Learner

RecipeT = TypeVar("RecipeT", bound=FinetuneRecipe)
TaskT = TypeVar("TaskT", bound=Task[Any, Any])
ExampleCo = TypeVar("ExampleCo", bound=Example, covariant=True)


class PredictedKind(Protocol[ExampleCo]):
    """What prediction needs to know of a kind of task, fine-tuned for or not."""

    @property
    def name(self) -> str:
        """What a user calls it."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields a prediction is made from, the first of which is always wanted."""
        ...

    @property
    def optional_inputs(self) -> frozenset[str]:
        """Those of them that may be left out."""
        ...

    def examples(self, path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[ExampleCo]:
        """Read a file.

        Args:
            path: of any format the task knows.
            columns: for each field the column it stands in.
            labelled: whether the truth is wanted.
        Raises:
            InputError: the file or a row cannot be used; says where.
        """
        ...


class Kind(PredictedKind[ExampleT], Protocol[RecipeT, TaskT, ExampleT]):
    """What fine-tuning, prediction and evaluation need to know of a kind of task."""

    @property
    def name(self) -> KindName:
        """What a user calls it: `erya finetune NAME`."""
        ...

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        ...

    @property
    def recipe(self) -> type[RecipeT]:
        """Its recipe's class."""
        ...

    @property
    def head(self) -> TaskName | None:
        """Which head its model directories hold; None for an encoder alone."""
        ...

    @property
    def needs_pooler(self) -> bool:
        """Whether its network uses the encoder's pooler."""
        ...

    def task_for(self, recipe: RecipeT, train: Sequence[ExampleT]) -> TaskT:
        """The task that these examples are of: their labels.

        Raises:
            InputError: nothing can be learnt from them.
        """
        ...

    def task_from(self, info: ModelInfo) -> TaskT:
        """The task of a model directory.

        Raises:
            CheckpointError: it does not say what is needed.
        """
        ...

    def check(self, task: TaskT, dev: Sequence[ExampleT]) -> None:
        """Find mistakes in the dev examples that only the training examples show.

        Raises:
            InputError: a label that the training file lacks.
        """
        ...

    def describe(self, task: TaskT, train: Sequence[ExampleT], dev: Sequence[ExampleT]) -> list[str]:
        """What the examples are, and warnings about what makes a score meaningless."""
        ...

    def new_learner(
        self, encoder: Encoder, task: TaskT, recipe: RecipeT, train: Sequence[ExampleT]
    ) -> Learner:
        """`encoder` with a fresh head, the noise of which comes from the recipe's seed alone."""
        ...

    def open_learner(self, model: ModelDirectory, task: TaskT) -> Learner:
        """The network of a fine-tuned directory, ours or Hugging Face's.

        Raises:
            CheckpointError: tensors are missing or left over.
        """
        ...


AnyKind = Kind[Any, Any, Any]
AnyPredictedKind = PredictedKind[Any]
