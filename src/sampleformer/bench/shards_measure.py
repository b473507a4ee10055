"""Time, memory and bytes sent of layers whose tokens several ranks share."""

import argparse
import functools
import inspect
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sampleformer.attention import ATTENTIONS
from sampleformer.bench import options
from sampleformer.bench.memory import peak_bytes
from sampleformer.bench.ranks import in_ranks
from sampleformer.bench.settings import PASSES
from sampleformer.bench.timing import Pass
from sampleformer.distributed import token_parallel
from sampleformer.distributed.over_shards import joined
from sampleformer.encoder import Encoder
from sampleformer.errors import InputError
from sampleformer.functional.blocks import activation_checkpointing
from sampleformer.tokens import Tokens

ALL_GATHER = "all-gather"
COUNTER = Path("/proc/self/io")


@dataclass(frozen=True)
class ShardSettings:
    """Settings of the benchmark of shared tokens, checked.

    Args:
        attentions: Registered names, and ``all-gather``.
        lengths: Numbers of tokens of a sample, rising.
        ranks: Numbers of ranks.
        width: d.
        heads: h.
        layers: Number of layers.
        sampled: k, for attentions that sample.
        passes: ``forward``, ``train`` or both.
        checkpoint: Tokens of a block of activation checkpointing. None: there is none.
        threads: Threads of each rank. None: the cores over the ranks.
        repeats: Timed passes of each cell.
        seed: Seed of weights, features and noise.
    """

    attentions: tuple[str, ...]
    lengths: tuple[int, ...]
    ranks: tuple[int, ...]
    width: int = 128
    heads: int = 8
    layers: int = 1
    sampled: int = 256
    passes: tuple[str, ...] = PASSES
    checkpoint: int | None = None
    threads: int | None = None
    repeats: int = 3
    seed: int = 0

    @classmethod
    def read(cls, given: argparse.Namespace) -> "ShardSettings":
        """Settings from the command line.

        Raises:
            InputError: if one cannot be, or nothing here counts the bytes that a process writes.
        """
        options.check_positive(given, "width", "heads", "layers", "sampled", "checkpoint", "threads", "repeats")
        options.check_seed(given.seed)
        if given.width % given.heads:
            raise InputError(f"--heads: {given.heads}, expected a divisor of --width, which is {given.width}")
        if not COUNTER.exists():
            raise InputError(f"bench shards: {COUNTER} does not exist, expected Linux, which counts what is sent there")
        return cls(
            attentions=options.several_names("--attentions", given.attentions, [*ATTENTIONS, ALL_GATHER]),
            lengths=options.several_numbers("--lengths", given.lengths, of="tokens"),
            ranks=options.several_numbers("--ranks", given.ranks, of="ranks", largest=64),
            width=given.width,
            heads=given.heads,
            layers=given.layers,
            sampled=given.sampled,
            passes=options.several_names("--passes", given.passes, PASSES),
            checkpoint=given.checkpoint,
            threads=given.threads,
            repeats=given.repeats,
            seed=given.seed,
        )


def measure_shards(settings: ShardSettings, watch: Callable[[str], None] = lambda doing: None) -> list[dict[str, Any]]:
    """Measures each attention in each pass, at each length, with each number of ranks on this machine.

    Args:
        settings: What to measure.
        watch: Function that is told what is being done.

    Returns:
        One record a cell: ``bytes_sent``, what the rank that sent most wrote to its sockets in one pass;
        ``peak_bytes``, of the rank that needed most; ``median_s``, ``min_s`` and ``max_s``, of the slowest rank.
    """
    records = []
    for ranks in settings.ranks:
        watch(f"{ranks} ranks")
        records += in_ranks(ranks, _cells, settings, threads=settings.threads)
    return records


def _cells(settings: ShardSettings) -> list[dict[str, Any]]:
    return [
        _cell(settings, name, direction, length)
        for direction in settings.passes
        for length in settings.lengths
        for name in settings.attentions
    ]


class _Stack(nn.Module):
    """Layers over the tokens of this rank; from features to features."""

    def __init__(self, name: str, settings: ShardSettings, length: int) -> None:
        super().__init__()
        self.length = length
        self.checkpoint = settings.checkpoint
        makes = ATTENTIONS[name]
        sampled: dict[str, Any] = (
            {"sampled": settings.sampled} if "sampled" in inspect.signature(makes).parameters else {}
        )
        attention = functools.partial(makes, settings.width, settings.heads, **sampled)
        width, layers = settings.width, settings.layers
        self.encoder = Encoder.of(attention, width=width, layers=layers, feedforward=4 * width, residual_scale=1.0)

    def forward(self, features: Tensor) -> Tensor:
        with ExitStack() as held:
            if dist.get_world_size() > 1:
                held.enter_context(token_parallel(dist.group.WORLD, self.length))
            if self.checkpoint is not None:
                held.enter_context(activation_checkpointing(self.checkpoint))
            encoded: Tokens = self.encoder(Tokens(features))
        return encoded.features


class _AllGather(nn.Module):
    """Keys and values of all tokens, from those of this rank's."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, keys_and_values: Tensor) -> Tensor:
        with token_parallel(dist.group.WORLD, self.length):
            return joined(keys_and_values)


def _cell(settings: ShardSettings, name: str, direction: str, length: int) -> dict[str, Any]:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    own = length // ranks + (rank < length % ranks)
    torch.manual_seed(settings.seed)
    if name == ALL_GATHER:
        module: nn.Module = _AllGather(own)
        shape: tuple[int, ...] = (1, settings.heads, own, 2 * settings.width // settings.heads)
    else:
        module, shape = _Stack(name, settings, own), (1, own, settings.width)
    torch.manual_seed(settings.seed + rank)
    features = torch.randn(shape)
    gradient = None
    if direction == "train":  # some gradient, already there
        gradient = features if name != ALL_GATHER else features[:, :, :1].expand(-1, -1, length, -1)
    work = Pass(module, [features], gradient)
    peak = peak_bytes(work, "cpu")  # and what torch does only the first time
    seconds, sent = [], []
    for _ in range(settings.repeats):
        work.clear()
        dist.barrier()
        before = bytes_written()
        seconds.append(work.seconds())
        sent.append(bytes_written() - before)
    found: list[Any] = [None] * ranks
    dist.all_gather_object(found, (seconds, sent, peak))
    slowest = [max(turn) for turn in zip(*(times for times, _, _ in found), strict=True)]
    return {
        "attention": name,
        "pass": direction,
        "n": length,
        "ranks": ranks,
        "bytes_sent": max(statistics.median(written) for _, written, _ in found),
        "median_s": statistics.median(slowest),
        "min_s": min(slowest),
        "max_s": max(slowest),
        "peak_bytes": max(most for _, _, most in found),
        "width": settings.width,
        "heads": settings.heads,
        "layers": settings.layers,
        "sampled": settings.sampled,
        "checkpoint": settings.checkpoint,
        "batch": 1,
        "device": "cpu",
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }


def bytes_written() -> int:
    """Bytes that this process has written, to sockets too, on Linux."""
    counters = dict(line.split(": ") for line in COUNTER.read_text(encoding="ascii").splitlines())
    return int(counters["wchar"])
