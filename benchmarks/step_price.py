"""CPU time of a training step of a recipe, beside that of its matrix products, and what the rest goes to.

python -m benchmarks.step_price --data peptides.csv.gz --smiles smiles --label y0,y1 --test split -o step.json
python -m benchmarks.step_price texts --data reviews.csv.gz --text text --label label -o step.json

Steps of one training are timed and profiled in turns, after some that warm up: a profiler slows what it looks at. A
step is everything from zeroing gradients to the average of the weights; what comes between two steps (assembling the
batch, Lightning's loop) is told apart.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.profiler import ProfilerActivity, profile

from sampleformer.allocator import keep_few_primitives, keep_freed_memory
from sampleformer.cli.data_options import add_data_options, data_section
from sampleformer.models import MODELS
from sampleformer.recipes import Recipe, request
from sampleformer.training.batches import SIDE_BY_SIDE
from sampleformer.training.callbacks.random_states import RandomStates
from sampleformer.training.data_module import TrainingData
from sampleformer.training.module import TrainingModule
from sampleformer.training.random_state import WEIGHTS, seed_everything
from sampleformer.training.recipe import make_source
from sampleformer.training.trainer import cut_for, make_trainer, run_trainer

PRODUCTS = frozenset(f"aten::{name}" for name in ("mm", "addmm", "bmm", "baddbmm", "linear"))
"""Operators that count as matrix products."""
WARM_UP_STEPS = 4


class StepPrice(Callback):
    """Times every second step after some that warm up, and profiles the others.

    Args:
        warm_up: Steps before.
    """

    def __init__(self, warm_up: int = WARM_UP_STEPS) -> None:
        self._warm_up = warm_up
        self._profile: profile | None = None
        self._started = self._ended = self._clock = 0.0
        self._between = 0.0
        self.steps: list[float] = []
        self.between: list[float] = []
        self.profiled = 0
        self.calls: Counter[str] = Counter()
        self.times: defaultdict[str, float] = defaultdict(float)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Starts the profiler or the clock."""
        number = trainer.global_step - self._warm_up
        if number >= 0 and number % 2:
            self._profile = profile(activities=[ProfilerActivity.CPU])
            self._profile.start()
        self._clock, self._started = time.perf_counter(), time.process_time()
        self._between = self._started - self._ended

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops it, and adds up what it found."""
        spent = time.process_time() - self._started
        if self._profile is not None:
            clock = time.perf_counter() - self._clock
            self._profile.stop()
            # A profiler looks at the clock on the wall, which runs on while other programs have the processor.
            share = min(1.0, spent / clock)
            for event in self._profile.key_averages():
                if event.key.startswith(("aten::", "sampleformer::")):
                    self.calls[event.key] += event.count
                self.times[event.key] += share * event.self_cpu_time_total
            self.profiled += 1
            self._profile = None
        elif trainer.global_step > self._warm_up:  # the step is counted by now
            self.steps.append(spent)
            self.between.append(self._between)
        self._ended = time.process_time()

    def figures(self, most: int) -> dict[str, Any]:
        """Milliseconds of CPU time and calls of a step, means over the steps.

        Args:
            most: Operators that are named, those with the largest self time first.
        """
        step = 1e3 * sum(self.steps) / len(self.steps)
        products = sum(self.times[name] for name in PRODUCTS) / 1e3 / self.profiled
        return {
            "step_ms": round(step, 2),
            "products_ms": round(products, 2),
            "ratio": round(step / products, 3),
            "between_steps_ms": round(1e3 * sum(self.between) / len(self.between), 2),
            "calls": round(self.calls.total() / self.profiled),
            "operators": [
                {
                    "name": name,
                    "self_ms": round(spent / 1e3 / self.profiled, 3),
                    "calls": round(self.calls[name] / self.profiled, 1),
                }
                for name, spent in sorted(self.times.items(), key=lambda each: -each[1])[:most]
            ],
        }


def price(recipe: Recipe, steps: int, most: int = 40) -> dict[str, Any]:
    """The figures of a recipe.

    Args:
        recipe: Recipe of the training; nothing is blended, checked or written.
        steps: Steps that are timed, and as many that are profiled.
        most: Operators that are named.
    """
    total = WARM_UP_STEPS + 2 * steps
    settings = recipe.training.model_copy(update={"steps": total, "epochs": None, "min_steps": 0, "check_every": total})
    splits = make_source(recipe).load()
    seed_everything(recipe.seed, WEIGHTS)
    kind, task = MODELS.resolve(recipe.model.name, "model.name"), splits.encoding.task
    model = kind(recipe.model, splits.encoding.model_inputs, task.outputs, level=task.level, hides=task.from_inputs)
    cut = cut_for(model, settings)
    data = TrainingData(splits, settings, recipe.seed, cut)
    module = TrainingModule(model, splits, settings, data.batches_per_pass, together=cut in SIDE_BY_SIDE)
    found = StepPrice()
    nothing_else = {"logger": False, "enable_checkpointing": False, "limit_val_batches": 0}
    trainer = make_trainer(settings, data.checks, "cpu", [RandomStates(recipe.seed), found], nothing_else)
    run_trainer(trainer, module, data, None)
    return found.figures(most)


def main() -> None:
    """Reads the command line, measures, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", help="name of a packaged recipe, or a YAML file")
    add_data_options(parser)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting, dotted names")
    parser.add_argument("--steps", type=int, default=20, help="steps that are timed, and as many profiled (20)")
    parser.add_argument("--operators", type=int, default=40, help="operators that are named (40)")
    parser.add_argument("-o", "--output", type=Path, help="file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as the program does
    keep_few_primitives()
    recipe = request(options.recipe, data=data_section(options), changes=options.set)
    found = {"torch": torch.__version__, "threads": 1, "recipe": recipe.name, "steps": options.steps}
    found |= price(recipe, options.steps, options.operators)
    text = json.dumps(found, indent=1) + "\n"
    print(text, end="")
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
