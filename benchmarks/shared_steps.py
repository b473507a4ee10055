"""Losses of the first steps of a recipe in float64, by one process and by some that share the tokens of each sample.

python -m benchmarks.shared_steps digits -o steps.json
python -m benchmarks.shared_steps molecules data.path=esol.csv data.smiles=smiles data.label=logS -o steps.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from sampleformer.recipes import load
from sampleformer.training.batches import IN_ORDER
from tests.training.ranks import Ranks
from tests.training.shares import steps


def found(values: dict[str, Any], count: int) -> dict[str, Any]:
    """Losses and norms of gradients of some steps, and the weights after them, of one process or of this rank."""
    torch.set_num_threads(1)
    # All processes cut a batch into the chunks of one that draws noise for one after the other.
    got = steps(values, count, IN_ORDER)
    del got["held"]
    return {name: value.tolist() if name in ("losses", "norms") else value for name, value in got.items()}


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Largest difference of two weights, relative to the largest number of their tensor."""
    names = [name for name, value in one.items() if isinstance(value, torch.Tensor)]
    return max(float((one[name] - other[name]).abs().max() / one[name].abs().max().clamp(min=1e-9)) for name in names)


def main() -> None:
    """Trains twice, prints the differences, and writes the losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="name of a packaged recipe, or a YAML file")
    parser.add_argument("changes", nargs="*", help="dotted.name=value")
    parser.add_argument("--steps", type=int, default=50, help="steps (default: %(default)s)")
    parser.add_argument("--ranks", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file for the figures, JSON")
    given = parser.parse_args()
    recipe = load(given.recipe, [*given.changes, "training.parts=1"])
    values = recipe.model_dump()
    ranks = Ranks(given.ranks)
    several = ranks.run(found, values | {"training": values["training"] | {"strategy": "tokens"}}, given.steps)
    ranks.close()
    alone = found(values, given.steps)
    losses = {"one": alone["losses"], "ranks": [each["losses"] for each in several]}
    apart = max(
        abs(one - other) / abs(one)
        for each in losses["ranks"]
        for one, other in zip(alone["losses"], each, strict=True)
    )
    weights = max(largest_difference(alone, each) for each in several)
    print(f"{given.recipe}, {given.steps} steps: loss {alone['losses'][0]:.6f} to {alone['losses'][-1]:.6f}")
    print(f"largest relative difference of a loss {apart:.1e}; of a weight, in the end, {weights:.1e}")
    record = {"recipe": values, "steps": given.steps, "losses": losses, "of_losses": apart, "of_weights": weights}
    given.output.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from benchmarks import shared_steps  # by the name under which the other processes find its functions

    shared_steps.main()
