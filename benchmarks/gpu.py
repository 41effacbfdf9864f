"""All that waits for a GPU, one thing after another; each is tried, whatever became of those before.

    make gpu
    python -m benchmarks.gpu [--shards SHARDS] [--only tests --only run] [--device cpu]

tests      pytest -m gpu
pretrain   tokens/s beside transformers, share of the matrix rate
encoder    encoders of three families beside transformers
feeding    time spent waiting for data
run        200 steps of zh-modern, killed in the middle and resumed

Without shards the last two learn from made-up text. What each printed last goes to `results/gpu-cuda-*.md`;
the benchmarks write pages of their own there. `--device cpu` rehearses the tests and a run of few steps.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import machine, save
from benchmarks.made_up import write_made_up_shards

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("tests", "pretrain", "encoder", "feeding", "run")
LIMIT_S = 1800
RUN = ("size=base", "train.steps=200", "train.batch_tokens=65536", "train.batch_ramp.from_tokens=16384")
REHEARSAL = (
    *("size=tiny", "train.steps=20", "train.batch_tokens=2048", "train.batch_ramp.from_tokens=1024"),
    "train.threads=1",
)


@dataclass(frozen=True)
class Outcome:
    """How a part went: in a word, in seconds, and what it said last."""

    part: str
    said: str
    seconds: float
    tail: str


def call(words: Sequence[str | Path]) -> tuple[bool, str]:
    """Run `python -m WORDS` with the code that lies here: whether it ended well, and its output."""
    with subprocess.Popen(
        command(words),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            output, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
    print(output, flush=True)
    return process.returncode == 0, output


def command(words: Sequence[str | Path]) -> list[str]:
    return [sys.executable, "-m", *map(str, words)]


def environment() -> dict[str, str]:
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def killed_and_resumed(shards: Path, out: Path, *, device: str) -> tuple[bool, str]:
    """Pre-train, kill -9 at half of the steps, and give the same command again."""
    steps = REHEARSAL if device == "cpu" else RUN
    last = int(steps[1].partition("=")[2])
    words = (
        *("erya", "pretrain", ROOT / "recipes" / "pretrain" / "zh-modern.yaml", f"data.shards={shards}"),
        *("--out", out, f"train.device={device}", "data.max_length=512", "evaluation.max_tokens=50000"),
        *("train.batch_ramp.over_tokens=500000", "train.log_every_steps=1", f"train.eval_every_steps={last}"),
        *(f"train.save_every_steps={last // 4}", *steps),
    )
    began = time.monotonic()
    with subprocess.Popen(command(words), cwd=ROOT, env=environment()) as process:
        while process.poll() is None and time.monotonic() - began < LIMIT_S:
            if len(losses(out)) > last // 2:
                break
            time.sleep(0.05)
        process.kill()
    before = losses(out)
    is_well, output = call(words)
    after = losses(out)
    again = sorted(before.keys() & after.keys())
    apart = max((abs(before[step] - after[step]) for step in again), default=0.0)
    is_well &= sorted(after) == list(range(1, last + 1)) and last // 4 <= len(before) < last
    speed = _speed(out)
    return is_well, (
        f"{output}\nkilled after step {max(before, default=0)}; steps {min(after, default=0)} to"
        f" {max(after, default=0)} recorded; losses of the same steps at most {apart:.2g} apart; last loss"
        f" {after.get(last)}; {speed:,.0f} tokens/s in the second half\n"
    )


def losses(run: Path) -> dict[int, float]:
    """The loss of every step recorded, by step."""
    return {int(line["step"]): line["loss"] for line in _lines(run) if line.get("loss") is not None}


def _speed(run: Path) -> float:
    rates = [line["tokens_per_s"] for line in _lines(run) if "tokens_per_s" in line]
    rates = sorted(rates[len(rates) // 2 :])
    return float(rates[len(rates) // 2]) if rates else 0.0


def _lines(run: Path) -> list[dict[str, float]]:
    path = run / "metrics.jsonl"
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break  # being written
    return found


def attempt(part: str, folder: Path, shards: Path, *, device: str) -> Outcome:
    """Do one part."""
    began = time.monotonic()
    if part == "tests":
        found = call(("pytest", "-m", "gpu", "-q", "-rs", "-p", "no:cacheprovider", "tests"))
    elif part == "pretrain":
        found = call(("benchmarks.pretrain", "--device", device))
    elif part == "encoder":
        families = ("--family", "bert", "--family", "roformer", "--family", "modernbert")
        # Mixed lengths are those of real reviews.
        reviews = (
            Path(os.environ.get("ERYA_DATA", ROOT.parent / "shared" / "data")) / "tasks" / "chnsenticorp"
        )
        lengths = () if reviews.is_dir() else ("--lengths", "equal")
        found = call(("benchmarks.encoder", "--device", device, *families, *lengths))
    elif part == "feeding":
        sizes = ("train.batch_tokens=65536", "size=base")
        found = call(("benchmarks.pretrain_feeding", shards, "--device", device, *sizes))
    else:
        found = killed_and_resumed(shards, folder / "run", device=device)
    is_well, output = found
    return Outcome(part, "well" if is_well else "NOT WELL", time.monotonic() - began, _tail(output))


def _tail(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-25:])


def page(outcomes: Sequence[Outcome], where: str) -> str:
    rows = [f"| {it.part} | {it.said} | {it.seconds:,.0f} |" for it in outcomes]
    tails = [f"## {it.part}\n\n```\n{it.tail}\n```\n" for it in outcomes]
    head = f"# On a GPU\n\n{where}.\n\n| part | went | seconds |\n| --- | --- | ---: |\n"
    return head + "\n".join(rows) + "\n\n" + "\n".join(tails)


def main() -> int:
    """Do all parts; 1 if one did not go well."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shards", type=Path, default=None)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    device = arguments.device
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("this machine has no CUDA device that torch can use; --device cpu rehearses")
    wanted = arguments.only or (PARTS if device == "cuda" else ("tests", "run"))
    where = f"{machine()}, {torch.cuda.get_device_name() if device == 'cuda' else 'rehearsed on a CPU'}"
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        folder, shards = Path(name), arguments.shards
        if shards is None and {"feeding", "run"} & set(wanted):
            tokens = 20_000_000 if device == "cuda" else 200_000
            shards = write_made_up_shards(folder / "shards", tokens=tokens)
        for part in wanted:
            outcomes.append(attempt(part, folder, shards, device=device))
            text = page(outcomes, where)
            if device == "cuda":  # kept after every part: the machine may be gone before the last
                save("gpu", text, hardware="cuda")
    print(text)
    return int(any(it.said != "well" for it in outcomes))


if __name__ == "__main__":
    sys.exit(main())
