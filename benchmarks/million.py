"""Memory and time of a model of four layers over one sample of up to a million tokens, on one process and shared.

python -m benchmarks.million -o docs/million-model.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from sampleformer import ModelSettings, TokenModel, Tokens
from sampleformer.bench.memory import peak_bytes
from sampleformer.bench.ranks import in_ranks
from sampleformer.distributed import shard_tokens, token_parallel
from sampleformer.functional.blocks import activation_checkpointing
from sampleformer.settings import Component

LENGTHS = (65_536, 262_144, 1_048_576)
RANKS = (1, 4)
PASSES = ("forward", "train")
BLOCK = 16_384
"""Tokens of a block of activation checkpointing."""
SETTINGS = ModelSettings(
    width=64, layers=4, heads=4, feedforward=256, attention=Component(name="samsa", sampled=256), residual_scale=1.0
)


def sample(length: int) -> Tokens:
    """Bytes drawn at random, of which this rank has its share."""
    codes = torch.randint(0, 256, (1, length), generator=torch.Generator().manual_seed(0))
    return shard_tokens(codes, None)


def work(model: TokenModel, tokens: Tokens, *, train: bool) -> Tensor:
    """Answers, and in training all gradients."""
    with torch.set_grad_enabled(train), ExitStack() as held:
        if dist.get_world_size() > 1:
            held.enter_context(token_parallel(None, tokens.length))
        held.enter_context(activation_checkpointing(BLOCK))
        answers: Tensor = model(tokens)
    if train:
        (answers.square().sum() / dist.get_world_size()).backward()
    return answers.detach()


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call, which all ranks begin together, and how many of them a processor worked for it."""
    dist.barrier()
    start, worked = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - worked


def resident() -> int:
    """Most bytes that this process has held of the machine's memory, on Linux."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def cell(length: int, direction: str) -> dict[str, Any]:
    """One pass: the memory of the rank that needs most, the time of the slowest one."""
    torch.manual_seed(0)
    model = TokenModel(SETTINGS, {"vocabulary": 256}, outputs=2).train(direction == "train")
    tokens, seconds, answers = sample(length), [], []
    first = work(model, sample(1024), train=direction == "train")  # connections, and what torch does only once
    assert bool(first.isfinite().all())

    def run() -> None:
        answers.append(work(model, tokens, train=direction == "train"))

    peak = peak_bytes(lambda: seconds.append(timed(run)), "cpu")
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, (*seconds[0], peak, resident()))
    of_seconds, of_processor, of_peak, of_resident = map(max, zip(*found, strict=True))
    return {
        "n": length,
        "ranks": dist.get_world_size(),
        "pass": direction,
        "seconds": of_seconds,
        "processor_seconds": of_processor,
        "peak_bytes": of_peak,
        "resident_bytes": of_resident,
        "answer": answers[0][0].tolist(),
        "settings": SETTINGS.model_dump(),
        "checkpoint": BLOCK,
        "threads": torch.get_num_threads(),
        "dtype": "float32",
        "torch": str(torch.__version__),
    }


def main() -> None:
    """Measures some cells, each in new processes, and writes them beside those of other lengths in the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="file for the figures, JSON")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="numbers of tokens")
    parser.add_argument("--ranks", type=int, nargs="+", default=RANKS, help="numbers of processes")
    parser.add_argument("--passes", choices=PASSES, nargs="+", default=PASSES, help="forward, train or both")
    given = parser.parse_args()
    records = json.loads(given.output.read_text(encoding="utf-8")) if given.output.exists() else []
    for length, ranks, direction in product(given.lengths, given.ranks, given.passes):
        record = in_ranks(ranks, cell, length, direction, threads=1)
        key = ("n", "ranks", "pass")
        records = [each for each in records if any(each[name] != record[name] for name in key)] + [record]
        records.sort(key=lambda each: tuple(each[name] for name in key))
        given.output.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
