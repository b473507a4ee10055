"""Trainings that are killed and go on: in the end every bit is that of a training that nobody disturbed.

``python -m tests.faults.kills --cycles 200`` kills so often over runs of sequences, graphs and clouds, at steps and
at writes that a seed chooses, and says how many runs came out the same.
"""

from __future__ import annotations

import argparse
import csv
import functools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.training import Recipe, RunFolder, train
from sampleformer.training.run_folder import read_checkpoint
from tests.training.small import text_recipe, write_clouds, write_graphs, write_texts

STEPS = 9
KILLS = 4
"""Of one run, at most."""

KINDS: dict[str, Callable[[Path], Recipe]] = {
    "sequence": lambda folder: text_recipe(write_texts(folder / "texts.csv")),
    "graph": write_graphs,
    "cloud": write_clouds,
}


class KillAtStep(Callback):
    """Kills the process behind a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step >= self._step:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_at_write(count: int, *, before: bool) -> None:
    """Kills the process when a file takes its name for the n-th time, just before that or just after."""
    replace, done = os.replace, 0

    def counted(*names: Any, **options: Any) -> None:
        nonlocal done
        done += 1
        if done == count and before:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*names, **options)
        if done == count:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = counted  # type: ignore[assignment]  # in a process that ends


def in_a_process(work: Callable[[], object]) -> int:
    """Does something in a fork of this process, which spares the imports; its exit code, −9 if it was killed."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_and_resumed(recipe: Recipe, output: Path, random: np.random.Generator, most: int) -> int:
    """Trains a run to its end, with kills on the way; the number of kills."""
    kills = 0
    while True:
        resume = (output / "run.json").exists()
        if output.exists() and not resume:  # killed before there was anything to go on with
            shutil.rmtree(output)
        kind, step, write = int(random.integers(3)), int(random.integers(1, STEPS + 1)), int(random.integers(1, 13))

        kill = None if kills >= most else (kind, step if kind == 0 else write)
        code = in_a_process(functools.partial(_train, recipe, output, resume, kill))
        if code == 0:
            return kills
        if code != -signal.SIGKILL:
            raise AssertionError(f"{output}: a training that was to be killed ended with exit code {code}")
        kills += 1


def _train(recipe: Recipe, output: Path, resume: bool, kill: tuple[int, int] | None) -> None:
    """Trains until the kill: behind a step (kind 0), before a write (1) or behind one (2)."""
    callbacks: list[Callback] = []
    if kill is not None and kill[0] == 0:
        callbacks.append(KillAtStep(kill[1]))
    elif kill is not None:
        kill_at_write(kill[1], before=kill[0] == 1)
    train(recipe, output, resume=resume, quiet=True, callbacks=callbacks)


def differences(left: RunFolder, right: RunFolder) -> list[str]:
    """What two finished runs do not have in common, times left out."""
    found = []
    for name in ("last", "best"):
        weights = [read_checkpoint(folder.checkpoints / f"{name}.ckpt")["state_dict"] for folder in (left, right)]
        if weights[0].keys() != weights[1].keys() or not all(
            torch.equal(value, weights[1][key]) for key, value in weights[0].items()
        ):
            found.append(f"{name} weights")
        if left.read_results()[name] != right.read_results()[name]:  # type: ignore[index]
            found.append(f"{name} scores")
    for file in ("test_predictions.csv", "model/model.safetensors"):
        if (left.path / file).read_bytes() != (right.path / file).read_bytes():
            found.append(file)
    if _metrics(left) != _metrics(right):
        found.append("metrics.csv")
    return found


def _metrics(run: RunFolder) -> list[dict[str, str]]:
    with run.metrics.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def attack(kind: str, cycles: int, seed: int, folder: Path) -> tuple[int, int]:
    """Kills trainings of one kind of data.

    Returns:
        Number of kills and of runs.

    Raises:
        AssertionError: if a run differs from one that was not disturbed.
    """
    made = KINDS[kind](folder)
    training = made.training.model_copy(update={"steps": STEPS, "check_every": 2, "batch_size": 8})
    recipe = made.model_copy(update={"training": training})
    whole = folder / "whole"
    assert in_a_process(lambda: train(recipe, whole, quiet=True)) == 0
    random, kills, runs = np.random.default_rng([seed, len(kind)]), 0, 0
    while kills < cycles:
        output = folder / f"run{runs}"
        kills += killed_and_resumed(recipe, output, random, min(KILLS, cycles - kills))
        runs += 1
        wrong = differences(RunFolder(whole), RunFolder(output))
        left = [str(path) for path in output.rglob("*.part")]
        if wrong or left:
            raise AssertionError(f"{output} (seed {seed}): differs in {', '.join(wrong)}; left behind: {left}")
        shutil.rmtree(output)
    return kills, runs


def main() -> None:
    """Says how many kills each kind of data stood."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    share = -(-options.cycles // len(KINDS))
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            kills, runs = attack(kind, share, options.seed, Path(folder))
        print(f"{kind}: {kills} kills, {runs} runs, every bit the same", flush=True)


if __name__ == "__main__":
    main()
