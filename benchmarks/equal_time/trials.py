"""Trainings of equal processor time, written to a file one after the other."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, Trainer

from benchmarks.equal_time.order import ordered
from sampleformer.data.source import Splits
from sampleformer.recipes import Recipe, request
from sampleformer.training import train
from sampleformer.training.recipe import change, make_source

SETS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("sets.yaml").read_text(encoding="utf-8"))
FIRST, LAST = 5, 45
"""Steps between which the price of one is taken."""


@dataclass(frozen=True)
class Variant:
    """A model of a set, or a way to train it.

    Args:
        name: Its name in the file.
        recipe: Its recipe.
        by_length: Whether each batch holds samples of similar length, in the place of random ones.
    """

    name: str
    recipe: Recipe
    by_length: bool = False


class Priced(Exception):
    """A trial is over."""


class Clock(Callback):
    """Takes the processor time of a step, `seconds`, and ends the training."""

    begun = seconds = 0.0

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """Looks at the clock."""
        if trainer.global_step == FIRST:
            self.begun = time.process_time()
        if trainer.global_step == LAST:
            self.seconds = (time.process_time() - self.begun) / (LAST - FIRST)
            raise Priced


def asked_recipe(settings: Mapping[str, Any], data: Path) -> Recipe:
    """The recipe of a set.

    Args:
        settings: Its settings in `SETS`.
        data: Folder with the files.
    """
    asked = dict(settings.get("data", {}))
    if "path" in asked:
        asked["path"] = asked["path"].format(data=data)
    return request(settings.get("recipe"), data=asked, changes=settings["changes"])


def price(recipe: Recipe, splits: Splits) -> float:
    """Processor time of a training step, in seconds."""
    trial = change(recipe, [f"training.steps={LAST + 1}", f"training.check_every={LAST + 1}"])
    with tempfile.TemporaryDirectory() as folder, suppress(Priced):
        clock = Clock()
        train(trial, f"{folder}/run", splits=splits, quiet=True, callbacks=[clock])
    return clock.seconds


def trained(variant: Variant, splits: Splits, seconds: float, checks: int) -> dict[str, Any]:
    """Scores after so many seconds of processor time in steps.

    Args:
        variant: What is trained.
        splits: The data.
        seconds: Processor time of all steps; checks and scores come on top.
        checks: Number of checks.
    """
    with ordered(splits.train.sizes if variant.by_length else None), tempfile.TemporaryDirectory() as folder:
        step = price(variant.recipe, splits)
        steps = max(1, round(seconds / step))
        every = max(1, steps // checks)
        fitted = change(variant.recipe, [f"training.steps={steps}", f"training.check_every={every}"])
        results = train(fitted, f"{folder}/run", splits=splits, quiet=True).read_results()
    assert results is not None
    metric = next(iter(results["best"]["test"]))
    scores = {part: results["best"][part][metric] for part in ("valid", "test")}
    return {"step_ms": round(1e3 * step, 2), "steps": steps, "metric": metric, "samples": results["samples"]} | scores


def parser(description: str, sets: Iterable[str]) -> argparse.ArgumentParser:
    """Options of every study of equal time.

    Args:
        description: What the study finds out.
        sets: Names of the sets it knows.
    """
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--data", type=Path, required=True, help="folder with the files of the sets")
    found.add_argument("-o", "--output", type=Path, required=True, help="file for the figures, JSON")
    found.add_argument("--sets", default=",".join(sets), help="names of sets (default: %(default)s)")
    found.add_argument("--minutes", type=float, default=5.0, help="CPU time of each training (default: %(default)s)")
    found.add_argument("--seeds", type=int, default=1, help="trainings of each model (default: %(default)s)")
    return found


def asked_sets(asked: argparse.Namespace, found: argparse.ArgumentParser, sets: Iterable[str]) -> list[str]:
    """Names that ``--sets`` gave; an unknown one ends the program with a message."""
    names: list[str] = asked.sets.split(",")
    if unknown := sorted(set(names) - set(sets)):
        found.error(f"--sets: found {', '.join(unknown)}, expected some of {', '.join(sets)}")
    return names


def run(
    asked: argparse.Namespace,
    names: Iterable[str],
    variants: Callable[[str, Recipe], Iterable[Variant]],
    *,
    checks: int = 8,
    parts: Callable[[Splits], Splits] = lambda splits: splits,
) -> list[dict[str, Any]]:
    """Trains what is not in the file already.

    Args:
        asked: Options of `parser`.
        names: Names of sets.
        variants: From the name of a set and its recipe to what is trained.
        checks: Number of checks of each training.
        parts: The parts of the data that a training is given.

    Returns:
        The rows of the file.
    """
    rows: list[dict[str, Any]] = json.loads(asked.output.read_text(encoding="utf-8")) if asked.output.exists() else []
    for name in names:
        recipe = asked_recipe(SETS[name], asked.data)
        splits = parts(make_source(recipe).load())
        for seed in range(asked.seeds):
            for variant in variants(name, recipe):
                key = {"set": name, "variant": variant.name, "minutes": asked.minutes, "seed": seed}
                if any(key.items() <= row.items() for row in rows):
                    continue
                seeded = Variant(variant.name, change(variant.recipe, [f"seed={seed}"]), variant.by_length)
                rows.append(key | trained(seeded, splits, 60 * asked.minutes, checks))
                asked.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
                print(json.dumps(rows[-1]), flush=True)
    return rows
