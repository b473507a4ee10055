"""Trains a network as a baseline."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sampleformer.bench.peers.baseline import BaselineResult, Judge, Score
from sampleformer.bench.peers.network import Network
from sampleformer.tasks import Task


class PeerBatch(Protocol):
    """What a step is made with."""

    @property
    def targets(self) -> Tensor:
        """One entry or row a sample."""
        ...

    def to(self, device: str) -> PeerBatch:
        """The same on a device."""
        ...


class Part(Protocol):
    """One part of the data as a kind of network takes it."""

    @property
    def targets(self) -> np.ndarray:
        """Classes ``(N,)``, or columns ``(N, o)``, NaN where unknown."""
        ...

    def __len__(self) -> int: ...

    def batch(self, rows: Sequence[int] | np.ndarray) -> PeerBatch:
        """The samples of some rows as evaluation sees them."""
        ...

    def drawn(self, rows: Sequence[int] | np.ndarray, seed: Sequence[int]) -> PeerBatch:
        """The samples of some rows as a step of training sees them; the seed and the row decide what is drawn."""
        ...


@dataclass(frozen=True, kw_only=True)
class NetworkTraining:
    """How a network is trained: Adam at one rate, until the steps or the seconds are used up.

    Args:
        steps: at most; None: no limit.
        seconds: of wall-clock time at most, checks of the validation part included; None: no limit.
        batch: samples of a step, about: those of an epoch are shared out evenly.
        learning_rate: of Adam.
        check_every: steps between checks of the validation part.
        seed: of the order of the samples, of augmentations and of dropout.
        device: where the model is, by torch's name.

    Raises:
        ValueError: if there is neither a limit of steps nor of seconds, or a number is not positive.
    """

    steps: int | None = None
    seconds: float | None = None
    batch: int = 64
    learning_rate: float = 1e-3
    check_every: int = 100
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise ValueError("steps and seconds are None, expected a limit")
        for name in ("steps", "seconds", "batch", "learning_rate", "check_every"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}, expected more than 0")


def train_network(
    model: Network,
    parts: tuple[Part, Part, Part],
    task: Task,
    score: Score,
    settings: NetworkTraining,
    watch: Callable[[str], None] = lambda doing: None,
    *,
    selected_by: str | None = None,
) -> BaselineResult:
    """Trains, keeps what is best on the validation part, and scores that and the last state on the test part.

    Args:
        model: on the settings' device; it is left in its last state.
        parts: training, validation and test.
        task: of the data.
        score: of outputs and targets, the same as for our own models.
        settings: of the training.
        watch: told at each check what came of it.
        selected_by: name of the score that chooses what is best; None: that of the task.
    """
    train, valid, test = parts
    torch.manual_seed(settings.seed)
    judge = Judge(task, score, train.targets, selected_by)
    start = time.perf_counter()
    best, steps = _optimize(model, train, valid, judge, settings, watch)
    seconds = time.perf_counter() - start
    last = score(network_outputs(model, test, device=settings.device), test.targets)
    chosen = copy.deepcopy(model)
    chosen.load_state_dict(best)
    assert judge.best_valid is not None
    return BaselineResult(
        best=score(network_outputs(chosen, test, device=settings.device), test.targets),
        last=last,
        best_valid=judge.best_valid,
        last_valid=judge.last_valid,
        best_step=judge.best_step,
        steps=steps,
        seconds=seconds,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


def _optimize(
    model: Network,
    train: Part,
    valid: Part,
    judge: Judge,
    settings: NetworkTraining,
    watch: Callable[[str], None],
) -> tuple[dict[str, Any], int]:
    """Steps until the limit; the state that was best on the validation part, and how many steps there were."""
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    best = copy.deepcopy(model.state_dict())
    start, last_check = time.perf_counter(), 0.0
    for step, rows in enumerate(_batches(len(train), settings), start=1):
        batch = train.drawn(rows, [settings.seed, step - 1]).to(settings.device)
        model.train()
        optimizer.zero_grad(set_to_none=True)
        outputs, penalty = model.with_penalty(batch)
        (judge.loss(outputs, batch.targets) + penalty).backward()
        optimizer.step()
        now = time.perf_counter()
        # The last check is to end with the time, so it begins as much earlier as the one before it took.
        late = settings.seconds is not None and now - start + last_check >= settings.seconds
        finished = late or step == settings.steps
        if finished or step % settings.check_every == 0:
            if judge.is_best(step, network_outputs(model, valid, device=settings.device), valid.targets):
                best = copy.deepcopy(model.state_dict())
            last_check = time.perf_counter() - now
            watch(f"step {step}, validation {judge.selected_by} {judge.last_valid[judge.selected_by]:.4f}")
        if finished:
            break
    return best, step


@torch.no_grad()
@torch.no_grad()
def network_outputs(model: Network, part: Part, *, batch: int = 256, device: str = "cpu") -> np.ndarray:
    """The model's outputs in evaluation, ``(N, o)`` float32, in the order of the part."""
    model.eval()
    starts = range(0, len(part), batch)
    found = [model(part.batch(range(start, min(start + batch, len(part)))).to(device)).cpu() for start in starts]
    return torch.cat(found).numpy()


def _batches(samples: int, settings: NetworkTraining) -> Iterator[np.ndarray]:
    """Rows of one step after the other, every epoch in another order; no batch is much smaller than the others.

    None is of one sample, which a batch norm cannot take, unless there is but one.
    """
    random = np.random.default_rng(settings.seed)
    batches = max(1, min(round(samples / settings.batch), samples // 2))
    while True:
        yield from np.array_split(random.permutation(samples), batches)
