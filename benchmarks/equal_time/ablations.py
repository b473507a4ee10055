"""What each part of a recipe is worth: the recipe with one change at a time, at equal CPU time, on validation parts.

    python -m benchmarks.equal_time.ablations --data FOLDER -o ablations.json --minutes 1 --seeds 3

The test part is not looked at: some rows of the validation part stand in its place, so the scores called "test" in the
file mean nothing. What is in the file already is not trained again; a table of all of it is printed at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

from benchmarks.equal_time.trials import SETS, Variant, asked_sets, parser, run
from sampleformer.data.source import Splits
from sampleformer.recipes import Recipe
from sampleformer.training.recipe import change

BY_LENGTH = "by length"
"""In the place of changes of the recipe: batches of samples of similar length."""
KEPT = "the recipe"
TEST_ROWS = 256


def variants(recipe: Recipe, changes: Mapping[str, Any]) -> Iterator[Variant]:
    """The recipe as it is, and with one change at a time.

    Args:
        recipe: The recipe of a set.
        changes: By what they are called, changes of the recipe, or `BY_LENGTH`.
    """
    yield Variant(KEPT, recipe)
    for name, each in changes.items():
        if each == BY_LENGTH:
            yield Variant(name, recipe, by_length=True)
        else:
            yield Variant(name, change(recipe, each))


def without_test(splits: Splits) -> Splits:
    """Data whose test part is some of the validation part."""
    rows = min(TEST_ROWS, len(splits.valid))
    return replace(splits, test=splits.valid.subset(range(rows)))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of a study in Markdown: mean, least and greatest score of the seeds of each variant."""
    lines = []
    for name in dict.fromkeys(row["set"] for row in rows):
        of_set = [row for row in rows if row["set"] == name]
        lines += [f"| {name} | steps | validation {of_set[0]['metric'].replace('_', ' ')} | seeds |"]
        lines += ["| --- | ---: | ---: | ---: |"]
        for variant in dict.fromkeys(row["variant"] for row in of_set):
            found = [row for row in of_set if row["variant"] == variant]
            scores = [row["valid"] for row in found]
            steps = round(mean(row["steps"] for row in found))
            span = f"{min(scores):.3f} to {max(scores):.3f}"
            lines.append(f"| {variant} | {steps} | {mean(scores):.3f} | {span} |")
        lines.append("")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs or goes on with a study."""
    known = [name for name, settings in SETS.items() if "ablations" in settings]
    options = parser(__doc__.splitlines()[0], known)
    asked = options.parse_args(arguments)
    names = asked_sets(asked, options, known)
    rows = run(
        asked, names, lambda name, recipe: variants(recipe, SETS[name]["ablations"]), checks=2, parts=without_test
    )
    print(table(rows), end="")


if __name__ == "__main__":
    main()
