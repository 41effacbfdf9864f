"""Tokens a second of every family's encoder beside `transformers`, forward and forward with backward.

Equal lengths: 32 sequences of 128 tokens. Mixed lengths: 32 reviews of ChnSentiCorp, as long as they are,
capped at 256 tokens; `transformers` pads them to the longest. Both run 6 layers of 384, random weights, in
float32 and under bfloat16 autocast, with sdpa attention where the peer has it; forward without gradients, in
evaluation; forward with backward in training, with a dropout of 0.1. `transformers` has no NEZHA: there the
peer is the plain padded model that the tests keep.

The lengths are read from `$ERYA_DATA/tasks/chnsenticorp` (default `../shared/data`).
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from benchmarks.finetune import grouped_batches
from benchmarks.harness import compete, machine, save, table

VOCAB_SIZE, WIDTH, LAYERS, HEADS, SEQUENCES = 8000, 384, 6, 6, 32
_SIZES = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 4 * WIDTH,
}
# model_type to what is not its default.
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": _SIZES,
    "ernie": _SIZES | {"use_task_id": True},
    "distilbert": {
        "vocab_size": VOCAB_SIZE,
        "dim": WIDTH,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "hidden_dim": 4 * WIDTH,
    },
    "electra": _SIZES | {"embedding_size": 128},
    "albert": _SIZES
    | {
        "embedding_size": 128,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
    },
    "roberta": _SIZES | {"pad_token_id": 1},
    "roformer": _SIZES | {"embedding_size": WIDTH},
    "deberta-v2": _SIZES
    | {
        "relative_attention": True,
        "position_buckets": 64,
        "max_relative_positions": 256,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "modernbert": _SIZES
    | {
        "intermediate_size": 2 * WIDTH,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
        "mlp_dropout": 0.1,
        "embedding_dropout": 0.1,
        "attention_dropout": 0.1,
    },
    "nezha": _SIZES,
}
BERT_LIKE = ("bert", "ernie", "distilbert", "electra", "albert", "roberta", "roformer")


def lengths_of(kind: str) -> list[int]:
    """Tokens of each sequence."""
    if kind == "equal":
        return [128] * SEQUENCES
    lengths = sorted(len(item.ids) for batch in grouped_batches("classify") for item in batch)
    return lengths[:: len(lengths) // SEQUENCES][:SEQUENCES]


def autocast(precision: str, device: str) -> AbstractContextManager[Any]:
    import torch

    return torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def run(
    module: Any, compute: Callable[[], Any], *, backward: bool, precision: str, device: str, tokens: int
) -> Callable[[], float]:
    """One round: a forward pass, or a forward and a backward one; counts real tokens."""
    import torch

    module.train(backward)

    def once() -> float:
        with torch.set_grad_enabled(backward), autocast(precision, device):
            hidden = compute()
        if backward:
            hidden.float().square().mean().backward()
            module.zero_grad(set_to_none=True)
        if device == "cuda":
            torch.cuda.synchronize()
        return tokens

    return once


def peer(family: str, kind: str, precision: str, *, backward: bool, device: str) -> Callable[[], float]:
    """`transformers`, padded."""
    import torch

    lengths = lengths_of(kind)
    mask = torch.from_numpy(np.arange(max(lengths))[None] < np.array(lengths)[:, None]).long()
    torch.manual_seed(0)
    ids = torch.randint(5, VOCAB_SIZE, mask.shape) * mask + (1 - mask)
    ids, mask = ids.to(device), mask.to(device)
    module = peer_model(family).to(device)

    def compute() -> Any:
        return module(input_ids=ids, attention_mask=mask)[0]

    return run(module, compute, backward=backward, precision=precision, device=device, tokens=sum(lengths))


def peer_model(family: str) -> Any:
    from transformers import AutoConfig, AutoModel

    if family == "nezha":
        from tests.parity.nezha_reference import NezhaReference

        return NezhaReference(FAMILIES[family])
    config = AutoConfig.for_model(family, **FAMILIES[family])
    attention = "eager" if family in ("deberta-v2", "roformer") else "sdpa"
    return AutoModel.from_config(config, attn_implementation=attention)


def erya(family: str, kind: str, precision: str, *, backward: bool, device: str) -> Callable[[], float]:
    """The packed encoder of the same configuration."""
    import torch

    from erya.data.batches import bounds_of, positions_of
    from erya.nn.packing import PackedTensors

    lengths = np.array(lengths_of(kind))
    torch.manual_seed(0)
    ids = torch.randint(5, VOCAB_SIZE, (int(lengths.sum()),), device=device)
    batch = PackedTensors(
        ids=ids,
        type_ids=torch.zeros_like(ids),
        positions=torch.from_numpy(positions_of(lengths)).long().to(device),
        bounds=torch.from_numpy(bounds_of(lengths)).to(device),
        lengths=tuple(lengths.tolist()),
        targets={},
    )
    module = our_encoder(family).to(device)
    return run(
        module,
        lambda: module(batch).hidden,
        backward=backward,
        precision=precision,
        device=device,
        tokens=int(lengths.sum()),
    )


def our_encoder(family: str) -> Any:
    from transformers import AutoConfig

    from erya.checkpoints.families.table import FAMILIES as TABLES
    from erya.models.encoder import Encoder

    data = FAMILIES[family] | {"model_type": family}
    if family != "nezha":
        data = AutoConfig.for_model(family, **FAMILIES[family]).to_dict()
    config, _ = TABLES[family].parse(data, "the benchmark")
    return Encoder(config, pooler=False)


def main() -> None:
    """Run and write `results/encoder-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--family", choices=sorted(FAMILIES), action="append")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), action="append")
    parser.add_argument("--lengths", choices=("equal", "mixed"), action="append")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()
    device = arguments.device
    pages = [f"# Encoder speed\n\n{machine()}, {arguments.threads} threads.\n\n{__doc__}\n"]
    summary = [
        "| family | number format | lengths | pass | Erya is | memory |",
        "| --- " * 4 + "| ---: | ---: |",
    ]
    for family, precision, kind, backward in itertools.product(
        arguments.family or FAMILIES,
        arguments.precision or ("float32", "bfloat16"),
        arguments.lengths or ("equal", "mixed"),
        (False, True),
    ):
        contenders = {
            "transformers": functools.partial(
                peer, family, kind, precision, backward=backward, device=device
            ),
            "Erya": functools.partial(erya, family, kind, precision, backward=backward, device=device),
        }
        theirs, ours = compete(contenders, rounds=arguments.rounds, threads=arguments.threads, warmup=1)
        passes = "forward and backward" if backward else "forward"
        title = f"{family}, {precision}, {kind} lengths, {passes}"
        pages.append(table(title, [theirs, ours], unit="tokens/s", ours="Erya"))
        speed, memory = ours.median / theirs.median, ours.peak_bytes / theirs.peak_bytes
        summary.append(f"| {family} | {precision} | {kind} | {passes} | {speed:.2f}x | {memory:.2f} |")
        print(summary[-1], flush=True)
    save("encoder", "\n".join([pages[0], *summary, "", *pages[1:]]), hardware=device)


if __name__ == "__main__":
    main()
