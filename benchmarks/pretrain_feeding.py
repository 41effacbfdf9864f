"""How long training waits for its batches, read from real shards while the last one is learnt from.

    python -m benchmarks.pretrain_feeding SHARDS [key=value ...]
    python -m benchmarks.pretrain_feeding SHARDS --device cuda size=base train.batch_tokens=65536

Without a peer: `DataCollatorForLanguageModeling` reads no shards.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from benchmarks.harness import machine, save
from erya.config import load_config
from erya.data.plan import WHOLE
from erya.data.shards import Shards
from erya.nn.packing import PackedTensors
from erya.pretrain.feed import cut_split, training_source
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.source import MaskedSource
from erya.pretrain.start import build_start
from erya.runtime import pick_dtype
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.ahead import Ahead, pace_for

RECIPE = Path(__file__).parent.parent / "recipes" / "pretrain" / "wwm.yaml"
WARMUP = 3


def feed(recipe: PretrainRecipe) -> tuple[MaskedSource, torch.nn.Module]:
    """The training batches of a recipe and the model they are for."""
    shards = Shards.open(Path(recipe.data.shards), split="train")
    tokenizer = Tokenizer.open(shards.tokenizer_directory)
    sequences = cut_split(shards, "train", recipe, tokenizer, tell=print)
    source = training_source(sequences, recipe, tokenizer)
    return source, build_start(recipe, tokenizer, tell=print).module


def measure(source: MaskedSource, module: torch.nn.Module, device: torch.device, *, rounds: int) -> str:
    """A Markdown paragraph: seconds to prepare a batch, to learn from it, and to wait for it."""
    began = time.perf_counter()
    for index in range(rounds):
        source.batch(0, index)
    preparing = (time.perf_counter() - began) / rounds
    waited, tokens = 0.0, 0
    with Ahead(source, pace_for(device)) as ahead:
        for index in range(WARMUP + rounds):
            if index == WARMUP:
                waited, tokens, began = 0.0, 0, time.perf_counter()
            asked = time.perf_counter()
            batches = ahead.take(0, index, WHOLE)
            waited += time.perf_counter() - asked
            tokens += sum(batch.num_tokens for batch in batches)
            for batch in batches:
                learn(module, PackedTensors.from_batch(batch, device), device)
        seconds = time.perf_counter() - began
    return (
        f"{tokens / rounds:,.0f} tokens a step: {1e3 * seconds / rounds:,.1f} ms a step, of which"
        f" {1e3 * waited / rounds:,.2f} ms waiting for data ({waited / seconds:.2%}); preparing a batch alone"
        f" takes {1e3 * preparing:,.1f} ms, in threads beside the step.\n"
    )


def learn(module: torch.nn.Module, batch: PackedTensors, device: torch.device) -> None:
    """Forward and backward; the optimiser would only make steps longer and waiting less."""
    dtype = pick_dtype("auto", device)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        terms = module(batch)
    torch.stack([term.total / max(term.count, 1) for term in terms]).sum().backward()
    module.zero_grad(set_to_none=True)
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Run and write `results/pretrain-feeding-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=20)
    arguments, overrides = parser.parse_known_args()
    recipe = load_config(PretrainRecipe, RECIPE, [f"data.shards={arguments.shards}", *overrides])
    device = torch.device(arguments.device)
    source, module = feed(recipe)
    found = measure(source, module.to(device).train(), device, rounds=arguments.rounds)
    page = f"# Waiting for data\n\n{machine()}. Recipe wwm {' '.join(overrides)}.\n\n{found}"
    save("pretrain-feeding", page, hardware=arguments.device)


if __name__ == "__main__":
    main()
