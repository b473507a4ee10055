"""What a sample earns: the local part alone, beside samples of several sizes and beside all tokens, at equal CPU time.

    python -m benchmarks.equal_time.study --data FOLDER -o equal-time.json --minutes 5 --plot equal-time.png

Steps are counted out for each model before it trains, by the processor time of some, so that other programs on the
machine do not decide. What is in the file already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, Trainer

from benchmarks.equal_time.plot import draw
from sampleformer.data.source import Splits
from sampleformer.recipes import Recipe, request
from sampleformer.training import train
from sampleformer.training.recipe import change, make_source

SETS: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("sets.yaml").read_text(encoding="utf-8"))
FIRST, LAST = 5, 45
"""Steps between which the price of one is taken."""


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
    asked = settings["data"] | {"path": settings["data"]["path"].format(data=data)}
    return request(None, data=asked, changes=settings["changes"])


def variants(recipe: Recipe, sizes: Sequence[int]) -> Iterator[tuple[str, Recipe]]:
    """The models that are compared.

    Args:
        recipe: Recipe whose model has a local part and an attention with a sample.
        sizes: Sizes of the sample, k.

    Yields:
        "local", a size or "full", and a recipe.
    """
    layers = recipe.model.attention.arguments.get("layers")
    yield "local", change(recipe, ["model.attention.layers=[]"])
    for size in sizes:
        yield str(size), change(recipe, [f"model.attention.sampled={size}"])
    yield "full", change(recipe, [f"model.attention={json.dumps({'name': 'full', 'layers': layers})}"])


def price(recipe: Recipe, splits: Splits) -> float:
    """Processor time of a training step, in seconds."""
    trial = change(recipe, [f"training.steps={LAST + 1}", f"training.check_every={LAST + 1}"])
    with tempfile.TemporaryDirectory() as folder, suppress(Priced):
        clock = Clock()
        train(trial, f"{folder}/run", splits=splits, quiet=True, callbacks=[clock])
    return clock.seconds


def trained(recipe: Recipe, splits: Splits, seconds: float) -> dict[str, Any]:
    """Scores after so many seconds of processor time in steps."""
    step = price(recipe, splits)
    steps = max(1, round(seconds / step))
    checks = max(1, steps // 8)
    with tempfile.TemporaryDirectory() as folder:
        fitted = change(recipe, [f"training.steps={steps}", f"training.check_every={checks}"])
        results = train(fitted, f"{folder}/run", splits=splits, quiet=True).read_results()
    assert results is not None
    metric = next(iter(results["best"]["test"]))
    scores = {part: results["best"][part][metric] for part in ("valid", "test")}
    return {"step_ms": round(1e3 * step, 2), "steps": steps, "metric": metric, "samples": results["samples"]} | scores


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs or goes on with a study."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equal_time.study", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the files of the sets")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file for the figures, JSON")
    parser.add_argument("--sets", default=",".join(SETS), help="names of sets (default: %(default)s)")
    parser.add_argument("--sizes", default="8,32,128", help="tokens that a head attends to (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="CPU time of each training (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each model (default: %(default)s)")
    parser.add_argument("--plot", type=Path, help="draw the figures there")
    asked = parser.parse_args(arguments)
    names = asked.sets.split(",")
    if unknown := sorted(set(names) - set(SETS)):
        parser.error(f"--sets: found {', '.join(unknown)}, expected some of {', '.join(SETS)}")
    rows = json.loads(asked.output.read_text(encoding="utf-8")) if asked.output.exists() else []
    for name in names:
        recipe = asked_recipe(SETS[name], asked.data)
        splits = make_source(recipe).load()
        for seed in range(asked.seeds):
            for variant, each in variants(recipe, [int(size) for size in asked.sizes.split(",")]):
                key = {"set": name, "variant": variant, "minutes": asked.minutes, "seed": seed}
                if any(key.items() <= row.items() for row in rows):
                    continue
                rows.append(key | trained(change(each, [f"seed={seed}"]), splits, 60 * asked.minutes))
                asked.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
                print(json.dumps(rows[-1]), flush=True)
    if asked.plot is not None:
        asked.plot.write_bytes(draw(rows))


if __name__ == "__main__":
    main()
