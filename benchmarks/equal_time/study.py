"""What a sample earns: the local part alone, beside samples of several sizes and beside all tokens, at equal CPU time.

    python -m benchmarks.equal_time.study --data FOLDER -o equal-time.json --minutes 5 --plot equal-time.png

Steps are counted out for each model before it trains, by the processor time of some, so that other programs on the
machine do not decide. What is in the file already is not trained again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.equal_time.plot import draw
from benchmarks.equal_time.trials import SETS, Variant, asked_sets, parser, run
from sampleformer.recipes import Recipe
from sampleformer.training.recipe import change


def variants(recipe: Recipe, sizes: Sequence[int]) -> Iterator[Variant]:
    """The models that are compared: "local", each size and "full".

    Args:
        recipe: Recipe whose model has a local part and an attention with a sample.
        sizes: Sizes of the sample, k.
    """
    layers = recipe.model.attention.arguments.get("layers")
    yield Variant("local", change(recipe, ["model.attention.layers=[]"]))
    for size in sizes:
        yield Variant(str(size), change(recipe, [f"model.attention.sampled={size}"]))
    yield Variant("full", change(recipe, [f"model.attention={json.dumps({'name': 'full', 'layers': layers})}"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs or goes on with a study."""
    options = parser(__doc__.splitlines()[0], SETS)
    options.add_argument("--sizes", default="8,32,128", help="tokens that a head attends to (default: %(default)s)")
    options.add_argument("--plot", type=Path, help="draw the figures there")
    asked = options.parse_args(arguments)
    sizes = [int(size) for size in asked.sizes.split(",")]
    rows = run(asked, asked_sets(asked, options, SETS), lambda _, recipe: variants(recipe, sizes))
    if asked.plot is not None:
        asked.plot.write_bytes(draw(rows))


if __name__ == "__main__":
    main()
