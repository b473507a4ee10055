"""Training that makes token-wise work again in the backward pass, alone and in several processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sampleformer.training import Recipe, train
from sampleformer.training.batches import BY_LENGTH, IN_ORDER
from sampleformer.training.processes import ALONE
from tests.training.ranks import Ranks
from tests.training.shares import parts_of, step
from tests.training.small import text_recipe, write_clouds, write_graphs, write_texts
from tests.training.test_processes import STEPS, _assert_alike, _assert_close, _with
from tests.training.test_strategies import GRAPHS

ALL = 10_000
"""More tokens than any chunk has."""


@pytest.fixture(scope="module")
def ranks() -> Iterator[Ranks]:
    """Two processes."""
    two = Ranks(2)
    yield two
    two.close()


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Recipes by the kind of their data."""
    folder = tmp_path_factory.mktemp("data")
    several = {"text": text_recipe(write_texts(folder / "texts.csv"))}
    several |= {"graph": write_graphs(folder), "cloud": write_clouds(folder)}
    return {name: recipe.model_dump() for name, recipe in several.items()}


def _values(recipes: dict[str, dict[str, Any]], case: str, **model: Any) -> dict[str, Any]:
    kind, changed, training = STEPS[case]
    return _with(recipes[kind] | {"model": recipes[kind]["model"] | changed | model}, parts=2, **training)


@pytest.mark.parametrize("case", [case for case in STEPS if case != "gin"])
def test_a_step_is_that_without_it(recipes: dict[str, dict[str, Any]], case: str) -> None:
    values = _values(recipes, case)
    _assert_close(step(_with(values, activation_checkpointing=ALL)), step(values))


@pytest.mark.parametrize("case", ["samsa", "graph", "cloud"])
def test_blocks_smaller_than_chunks_change_nothing_where_nothing_is_random(
    recipes: dict[str, dict[str, Any]], case: str
) -> None:
    values = _values(recipes, case, dropout=0.0)
    _assert_close(step(_with(values, activation_checkpointing=3)), step(values))


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("case", ["samsa", "graph"])
def test_processes_that_share_a_batch(
    ranks: Ranks, recipes: dict[str, dict[str, Any]], strategy: str, case: str
) -> None:
    values = _with(_values(recipes, case), activation_checkpointing=3)
    expected = step(values)
    whole = int(expected.pop("samples"))
    found = ranks.run(step, _with(values, strategy=strategy))
    assert sum(int(each.pop("samples")) for each in found) == whole
    for each in found:
        _assert_close(each, expected)


@pytest.mark.parametrize("kind", ["text", "graph"])
def test_processes_that_share_tokens(ranks: Ranks, recipes: dict[str, dict[str, Any]], kind: str) -> None:
    model = GRAPHS if kind == "graph" else {}
    values = _with(recipes[kind] | {"model": recipes[kind]["model"] | model}, parts=2)
    expected = step(values, cut=IN_ORDER if kind == "graph" else BY_LENGTH)
    del expected["samples"]
    for each in ranks.run(step, _with(values, activation_checkpointing=2, strategy="tokens")):
        del each["samples"]
        _assert_close(each, expected)


def test_less_is_kept(tmp_path: Path) -> None:
    recipe = text_recipe(write_texts(tmp_path / "texts.csv"), model={"feedforward": 512})
    kept = []
    for block in (None, ALL):
        training = recipe.training.model_copy(update={"activation_checkpointing": block})
        module, data = parts_of(recipe.model_copy(update={"training": training}), ALONE)
        numbers = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal numbers
            numbers += tensor.numel()
            return tensor

        chunks = data.chunks[0][0]
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            next(module.float().step_loss([chunks]))
        kept.append(numbers)
    assert kept[1] < 0.5 * kept[0]


def test_a_training_runs_and_what_is_compiled_is_refused(tmp_path: Path) -> None:
    recipe = text_recipe(write_texts(tmp_path / "texts.csv"), steps=2, check_every=1)
    several = [
        recipe.model_copy(update={"training": recipe.training.model_copy(update={"activation_checkpointing": block})})
        for block in (None, ALL)
    ]
    one, other = (
        train(each, tmp_path / f"run {number}", quiet=True).read_model().state_dict()
        for number, each in enumerate(several)
    )
    _assert_alike(other, one)
    values = recipe.model_dump()
    with pytest.raises(ValueError, match="activation_checkpointing is 5 beside compile, expected none"):
        Recipe.model_validate(_with(values, activation_checkpointing=5, compile=True))
