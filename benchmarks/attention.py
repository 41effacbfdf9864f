"""Which way of computing attention on packed sequences is the quickest on this CPU.

Forward and backward of one attention layer's core, bfloat16, 6 heads of 64: sequences of 128 tokens as in
pre-training, and mixed lengths as in fine-tuning. The losers live here only; the winner is
`erya.nn.attention_matmul`.
"""

from __future__ import annotations

import argparse
import functools

import numpy as np

from benchmarks.harness import compete, machine, save, table

HEADS, WIDTH = 6, 384
# Quantiles of a review corpus: median 78, mean about 100, capped at 256.
REVIEW_LENGTHS = (
    *(12, 18, 24, 30, 36, 42, 48, 54, 60, 66, 70, 74, 76, 78, 80, 84),
    *(90, 96, 102, 108, 116, 124, 132, 140, 150, 160, 180, 200, 230, 256, 256, 256),
)
BATCHES = {"32 sequences of 128": (128,) * 32, "mixed lengths, 12 to 256": REVIEW_LENGTHS}


def sequence_loop(qkv, lengths, dropout):  # type: ignore[no-untyped-def]
    """sdpa for one sequence after another."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    outs = []
    for part in qkv.split(lengths):
        query, key, value = part.view(1, len(part), 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        out = scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        outs.append(out.transpose(1, 2).reshape(len(part), -1))
    return torch.cat(outs)


def pad_inside(qkv, lengths, dropout):  # type: ignore[no-untyped-def]
    """Pad to the longest, one masked sdpa, take the padding out again."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    lengths_tensor = torch.tensor(lengths)
    keep = torch.arange(max(lengths)) < lengths_tensor[:, None]
    padded = qkv.new_zeros(*keep.shape, qkv.shape[1])
    padded[keep] = qkv
    query, key, value = padded.view(*keep.shape, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
    mask = None if bool(keep.all()) else keep[:, None, None, :]
    out = scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
    return out.transpose(1, 2).reshape(*keep.shape, -1)[keep]


def nested(qkv, lengths, dropout):  # type: ignore[no-untyped-def]
    """sdpa on nested tensors of the jagged layout."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    bounds = torch.tensor([0, *np.cumsum(lengths)])
    query, key, value = (
        torch.nested.nested_tensor_from_jagged(
            part.contiguous().view(len(qkv), HEADS, -1),
            bounds,
            min_seqlen=min(lengths),
            max_seqlen=max(lengths),
        ).transpose(1, 2)
        for part in qkv.chunk(3, dim=1)
    )
    out = scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    return out.transpose(1, 2).values().reshape(len(qkv), -1)


def matmul(qkv, lengths, dropout):  # type: ignore[no-untyped-def]
    """Erya's: plain products over groups of similar length."""
    import torch

    from erya.data.batches import bounds_of, positions_of
    from erya.nn.attention_matmul import attend
    from erya.nn.layout import layout_of
    from erya.nn.packing import PackedTensors

    ids = torch.zeros(len(qkv), dtype=torch.int64)
    array = np.array(lengths)
    bounds, positions = torch.from_numpy(bounds_of(array)), torch.from_numpy(positions_of(array))
    batch = PackedTensors(ids, ids, positions, bounds, lengths, {})
    return attend(qkv, layout_of(batch), num_heads=HEADS, dropout_prob=dropout)


def contender(kernel, lengths, dropout):  # type: ignore[no-untyped-def]
    """Rounds of ten forward and backward passes; counts tokens."""
    import torch

    torch.manual_seed(0)
    qkv = torch.randn(sum(lengths), 3 * WIDTH, dtype=torch.bfloat16, requires_grad=True)
    grad = torch.randn(sum(lengths), WIDTH, dtype=torch.bfloat16)

    def one_round() -> float:
        for _ in range(10):
            kernel(qkv, lengths, dropout).backward(grad)
            qkv.grad = None
        return 10 * len(qkv)

    return one_round


def main() -> None:
    """Run and write `results/attention-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    pages = [f"# Attention on a CPU\n\n{machine()}, {arguments.threads} threads.\n\n{__doc__}\n"]
    for title, lengths in BATCHES.items():
        for dropout in (0.0, 0.1):
            kernels = {
                "sequence loop": sequence_loop,
                "pad inside attention": pad_inside,
                "nested tensors": nested,
                "Erya": matmul,
            }
            contenders = {
                name: functools.partial(contender, kernel, lengths, dropout)
                for name, kernel in kernels.items()
            }
            results = compete(contenders, rounds=arguments.rounds, threads=arguments.threads)
            pages.append(table(f"{title}, dropout {dropout}", results, unit="tokens/s", ours="Erya"))
    save("attention", "\n".join(pages))


if __name__ == "__main__":
    main()
