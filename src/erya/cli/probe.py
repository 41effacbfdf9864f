"""What a model in training is worth for a task: fine-tuned on the side, again and again, always alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erya.tasks.classify.recipe import ClassifyRecipe
from erya.tasks.splits import read_split
from erya.tasks.table import KINDS

if TYPE_CHECKING:
    from erya.train.protocols import Tell

_SETTINGS = ("train.epochs=4", "train.trackers=[]")
_MAX_LENGTH = 128
# A probe is one process, also where the run is several: what torchrun says in the environment is not for it.
_TORCHRUN = "TORCHELASTIC_"
_INTERRUPTED = 130


class ClassificationProbe:
    """Fine-tunes a classifier from a model directory, in a process of its own, and says how it scores.

    Four epochs, at most 128 tokens, one seed: what matters is how the score moves along a run. What random
    weights of the same sizes reach is said once, so that the first probe means something.

    Args:
        train_file: labelled texts to learn from, with the columns `text` and `label`.
        dev_file: labelled texts to score.
        tell: is given the label spread, now, and what random weights reach, at the first probe.
        num_threads: of the fine-tuning; None: all cores.
    Raises:
        InputError: a file cannot be used; better now than after hours.
    """

    def __init__(
        self, train_file: Path, dev_file: Path, *, tell: Tell, num_threads: int | None = None
    ) -> None:
        self._files, self._tell, self._told = (train_file, dev_file), tell, False
        self._threads = "null" if num_threads is None else str(num_threads)
        recipe = ClassifyRecipe(model="", train_file=str(train_file), dev_file=str(dev_file))
        kind = KINDS[recipe.kind]
        for line in kind.describe(*read_split(kind, recipe)):
            tell(f"probe: {line}")

    def __call__(self, model: Path) -> Mapping[str, float]:
        """`eval_probe_accuracy` and `eval_probe_macro_f1`, in [0, 1]; nothing where it came to nothing.

        Args:
            model: the model directory to start from; it is not changed.
        """
        if not self._told:
            self._told = True
            scores = self._finetune(model, "--random-init")
            if scores:
                self._tell(f"probe: random weights reach accuracy {scores['eval_accuracy']:.4f}")
        scores = self._finetune(model)
        names = ("eval_accuracy", "eval_macro_f1") if scores else ()
        return {name.replace("eval_", "eval_probe_", 1): float(scores[name]) for name in names}

    def _finetune(self, model: Path, *switches: str) -> dict[str, Any]:
        """The scores of a fine-tuning; empty, and the user told, where it failed: training goes on."""
        longest = int(json.loads((model / "erya.json").read_text(encoding="utf-8"))["max_length"])
        train_file, dev_file = (str(path) for path in self._files)
        with tempfile.TemporaryDirectory(prefix="erya-probe-") as place:
            command = [
                *(sys.executable, "-m", "erya", "finetune", "classify", "--json", "--truncate"),
                *("--model", str(model), "--train", train_file, "--dev", dev_file, "--out", f"{place}/run"),
                *(*switches, *_SETTINGS),
                f"train.threads={self._threads}",
                f"max_length={min(longest, _MAX_LENGTH)}",
            ]
            environment = {key: value for key, value in os.environ.items() if not key.startswith(_TORCHRUN)}
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode == 0:
            return dict(json.loads(done.stdout))
        if done.returncode != _INTERRUPTED:  # Ctrl-C reaches the run as well, which then ends
            self._tell(f"warning: the probe failed: {done.stderr.strip()[-500:]}")
        return {}
