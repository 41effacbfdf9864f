"""`erya pretrain`: shards in, a masked language model out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.cli.console import print_json, print_table, results
from erya.cli.speaking import speaks, tell
from erya.errors import ConfigError

if TYPE_CHECKING:
    from erya.pretrain.run import Pretrained

HELP = """Pre-train a Chinese encoder by masked language modelling.

The recipe is a YAML file that says everything. recipes/pretrain/ has zh-modern (the one to begin with), wwm,
bert-original, electra, and domain, which goes on with a model on your text; the head of each says what it
costs. KEY=VALUE overrides a key. The text comes as shards, which `erya corpus` makes.

\b
Example:
  erya corpus tokenize documents --tokenizer tokenizer --out shards
  erya pretrain recipes/pretrain/zh-modern.yaml data.shards=shards size=small --estimate
  erya pretrain recipes/pretrain/zh-modern.yaml data.shards=shards size=small --out runs/small
  erya info runs/small
  erya pretrain recipes/pretrain/wwm.yaml data.shards=shards --out runs/wwm --probe train.tsv dev.tsv
  erya finetune classify --model runs/small/model --train train.tsv --dev dev.tsv --out runs/sentiment

\b
What you may want to change:
  size=small                    tiny 2x128, mini 4x256, small 6x384, base 12x768, large 24x1024
  train.steps=20000             length; also train.epochs, train.max_tokens, train.max_time_s
  train.batch_tokens=32768      tokens a step; train.micro_batch_tokens=8192 when memory is short
  train.learning_rate=5e-4      small models bear more than large ones
  masking.prob=0.3              share of the tokens to predict
  'train.optimiser={kind: muon}'   a key with keys below it: in quotes, or train.optimiser.kind=muon
  train.threads=1               where other programs use the same cores
  init_from=DIR model=null size=null  go on with a model you have, on the shards of its vocabulary

OUT/ then holds recipe.yaml, metrics.jsonl, TensorBoard events, checkpoints/ and at the end model/, which
every other verb and Hugging Face's transformers open. The same command given again goes on from the last
checkpoint, as if it had never stopped; Ctrl-C leaves one first. On the same machine and number of threads the
losses are the same to the last bit.

\b
On several processors or machines (runs/ has scripts for clusters):
  torchrun --nproc-per-node=8 --max-restarts=3 -m erya pretrain RECIPE --out runs/base
  train.parallel.kind=fsdp      cuts up models that do not fit; hybrid does so within each machine
"""


def register(app: typer.Typer) -> None:
    """Add `erya pretrain`."""
    app.command("pretrain", help=HELP)(_pretrain)


def _pretrain(
    recipe: Path = typer.Argument(..., metavar="RECIPE", help="A YAML recipe."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Recipe keys."),
    out: Path = typer.Option(None, help="Run directory; the model ends up in OUT/model."),
    resume: bool = typer.Option(True, help="Go on with the run in OUT, or set it aside and start over."),
    probe: tuple[Path, Path] = typer.Option(
        None,
        metavar="TRAIN DEV",
        help="Labelled texts (columns text, label): at evaluations fine-tune on TRAIN, score on DEV.",
    ),
    probe_every: int = typer.Option(
        None, min=1, help="Evaluations from one probe to the next.  [default: 1]"
    ),
    estimate: bool = typer.Option(False, "--estimate", help="Say what the run will cost; do not start it."),
    hardware: str = typer.Option(None, help="With --estimate: reckon it for this machine, such as h100."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    from erya.config import load_config
    from erya.pretrain.recipe import PretrainRecipe

    config = load_config(PretrainRecipe, recipe, overrides or [])
    if estimate:
        from erya.cli.pretrain_estimate import show_estimate

        show_estimate(config, hardware=hardware, as_json=as_json, tell=tell, with_probes=probe is not None)
        return
    if hardware is not None:
        raise ConfigError("--hardware goes with --estimate")
    if probe_every is not None and probe is None:
        raise ConfigError("--probe-every goes with --probe")
    if out is None:
        raise ConfigError("--out is missing", hint="name a directory for the run, or ask for an --estimate")

    from erya.cli.probe import ClassificationProbe
    from erya.cli.training_progress import TrainingProgress
    from erya.pretrain.run import pretrain

    wanted = {}
    if probe is not None:
        wanted["probe"] = ClassificationProbe(*probe, tell=tell, num_threads=config.train.threads)
    done = pretrain(
        config,
        out,
        callbacks=[TrainingProgress()],
        tell=tell,
        resume=resume,
        probe_every=probe_every or 1,
        **wanted,
    )
    _show(done, out, as_json=as_json)


def _show(done: Pretrained, out: Path, *, as_json: bool) -> None:
    state = done.result.state
    if done.model is None:
        tell(f"interrupted at step {state.step}; the same command goes on from here")
        raise typer.Exit(130)
    if not speaks():
        return
    reached: dict[str, Any] = {
        "model": str(done.model),
        "steps": state.step,
        "skipped_steps": len(state.skips),
        "tokens": state.tokens,
        "tokens_per_s": round(state.tokens / state.seconds, 1) if state.seconds else 0.0,
        **(state.best_metrics or state.metrics),
    }
    if done.baseline is not None:
        reached["bigram_masked_accuracy"] = done.baseline
    if as_json:
        print_json(reached)
    else:
        rows = [{"": name.removeprefix("eval_"), "pre-trained": value} for name, value in reached.items()]
        print_table(str(out), rows, as_json=False)
        results.print(
            f"next: erya finetune classify --model {done.model} --train FILE --dev FILE --out DIR\n"
            f"      tensorboard --logdir {out}",
            markup=False,
        )
