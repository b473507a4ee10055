"""The drop of the score over the number of deleted tokens, against models that are known through and through."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sampleformer.data import Sample
from sampleformer.errors import InputError
from sampleformer.explain.choices import Choices
from sampleformer.explain.faithfulness import Deletions, faithfulness
from sampleformer.explain.scores import score_of
from sampleformer.tasks import Classification, MultiLabel, Regression, Task
from sampleformer.tokens import Tokens
from tests import test_graph_models as graphs

TASK = Classification("kind", ["no", "yes"])


class Adding(nn.Module):
    """Adds up what the tokens carry; the class "yes" gets the sum. For tokens, each gets its own and their mean."""

    def __init__(self, level: str = "sample") -> None:
        super().__init__()
        self.level = level

    def forward(self, tokens: Tokens, **asked: Tensor) -> Tensor:
        mask = torch.ones_like(tokens.features[..., 0]) if tokens.mask is None else tokens.mask.double()
        values = tokens.features[..., 0] * mask
        total = values.sum(1)
        if self.level != "sample":
            total = values + (total / mask.sum(1).clamp(min=1))[:, None]
        return torch.stack([torch.zeros_like(total), total], dim=-1)


def sample(values: list[float], **fields: Any) -> Sample:
    return Sample(np.array(values, np.float32)[:, None], None, "one", **fields)


def choices(counts: list[int]) -> Choices:
    """Choices of one layer, by as many heads as are said of each token."""
    heads = max(counts) + 1
    return Choices((np.arange(heads)[:, None] < np.array(counts))[None], np.zeros((1, heads), int))


def probability(values: np.ndarray) -> float:
    return float(1 / (1 + np.exp(-values.sum())))


def test_drops_are_those_of_the_formula() -> None:
    values, counts = [0.5, -0.25, 2.0, 0.125, 1.0, 0.0], [1, 0, 3, 0, 2, 0]
    found = faithfulness(Adding(), TASK, sample(values), choices(counts))
    assert found is not None
    assert found.numbers.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    whole, given = probability(np.array(values)), np.array(values)
    ranked = [2, 4, 0]  # no two were chosen equally often
    expected = [whole - probability(np.delete(given, ranked[:number])) for number in found.numbers]
    assert found.chosen == pytest.approx(np.tile(expected, (10, 1)))
    assert found.of_chosen == pytest.approx(np.mean(expected))
    # A random deletion of one token costs, on average over many draws, the mean over all tokens.
    many = faithfulness(Adding(), TASK, sample(values), choices(counts), Deletions(draws=4000))
    assert many is not None
    single = [whole - probability(np.delete(given, place)) for place in range(6)]
    error = np.std(single) / np.sqrt(4000)
    assert abs(many.random[:, 0].mean() - np.mean(single)) < 4 * error
    assert found.of_chosen > found.of_random


def test_chance_decides_among_equally_chosen_tokens_and_a_seed_decides_chance() -> None:
    values = np.random.default_rng(0).standard_normal(30).tolist()
    one = faithfulness(Adding(), TASK, sample(values), choices([1] * 15 + [0] * 15))
    assert one is not None
    assert len({tuple(row) for row in one.chosen.round(9).tolist()}) == 10
    assert np.ptp(one.chosen[:, -1]) < 1e-12  # all of them are gone, in whichever order
    again = faithfulness(Adding(), TASK, sample(values), choices([1] * 15 + [0] * 15), Deletions())
    other = faithfulness(Adding(), TASK, sample(values), choices([1] * 15 + [0] * 15), Deletions(seed=1))
    assert again is not None
    assert other is not None
    assert (again.random == one.random).all()
    assert (other.random != one.random).any()


def test_random_nodes_stand_for_nodes_and_random_edges_for_edges() -> None:
    ends = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])
    graph = sample([1.0] * 6, ends=ends)
    edges_alone = faithfulness(Adding(), TASK, graph, choices([0] * 6 + [1, 2, 1, 0, 0]))
    nodes_alone = faithfulness(Adding(), TASK, graph, choices([3, 2, 1, 0, 0, 0] + [0] * 5))
    assert edges_alone is not None
    assert nodes_alone is not None
    assert (edges_alone.random == 0).all()  # the nodes hold the sum
    assert (edges_alone.chosen == 0).all()
    whole = probability(np.ones(6))
    expected = [whole - probability(np.ones(6 - number)) for number in nodes_alone.numbers]
    assert nodes_alone.random == pytest.approx(np.tile(expected, (10, 1)))


def test_answers_for_tokens_are_those_of_the_tokens_that_are_left() -> None:
    task = Classification("kind", ["no", "yes"], "token")
    values = np.array([3.0, 1.0, 2.0, 0.5])
    given = sample(values.tolist(), level="token")
    found = faithfulness(Adding("token"), task, given, choices([2, 1, 0, 0]), Deletions(draws=1))
    assert found is not None

    def by_token(kept: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(values + values[kept].mean())))

    whole = by_token(np.arange(4))
    for number, drop in zip(found.numbers, found.chosen[0], strict=True):
        kept = np.arange(4)[number:]
        assert drop == pytest.approx((whole - by_token(kept))[kept].mean())
    all_gone = faithfulness(Adding("token"), task, given, choices([2, 1, 1, 1]), Deletions(draws=2))
    assert all_gone is not None
    assert np.isnan(all_gone.chosen[:, -1]).all()
    assert np.isfinite(all_gone.of_chosen)


def test_nothing_is_deleted_where_all_were_chosen_equally_often() -> None:
    given = sample([1.0, 2.0])
    assert faithfulness(Adding(), TASK, given, Choices(np.ones((1, 2, 2), bool), np.zeros((1, 2), int))) is None
    assert faithfulness(Adding(), TASK, given, choices([0, 0])) is None
    assert faithfulness(Adding(), TASK, given, choices([2, 2])) is None


@pytest.mark.parametrize(
    ("task", "whole", "less", "drop"),
    [
        (TASK, [0.0, 2.0], [0.0, 0.0], 1 / (1 + np.exp(-2.0)) - 0.5),
        (TASK, [2.0, 0.0], [0.0, 2.0], 1 / (1 + np.exp(-2.0)) - 1 / (1 + np.exp(2.0))),
        (Regression(["a", "b"], [5.0, 5.0], [2.0, 2.0]), [1.0, 0.0], [0.0, 3.0], 2.0),
        (MultiLabel(["a", "b", "c"]), [4.0, 0.0, -9.0], [4.0, -40.0, 9.0], 0.25),
        (MultiLabel(["a", "b"]), [-2.0, -1.0], [5.0, -40.0], 1 / (1 + np.exp(1.0))),
    ],
)
def test_the_score_is_that_of_what_was_predicted(
    task: Task, whole: list[float], less: list[float], drop: float
) -> None:
    found = score_of(task).drops(np.array([whole]), np.array([[less]]))
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(drop)


@pytest.mark.parametrize(("setting", "value"), [("draws", 0), ("seed", -1)])
def test_wrong_settings_are_refused(setting: str, value: int) -> None:
    with pytest.raises(InputError, match=f"{setting}: found {value}, expected at least"):
        Deletions(**{setting: value})


@pytest.mark.parametrize("level", ["token", "pair"])
def test_graphs_with_answers_for_nodes_and_pairs_are_measured_too(level: str) -> None:
    graph = graphs.graph(9, 14, 2, level)
    task = (
        Classification("kind", ["a", "b", "c"], "token") if level == "token" else MultiLabel(["a", "b", "c"], "token")
    )
    counts = np.random.default_rng(0).integers(0, 3, 9 + 14).tolist()
    model = graphs.model("samsa", level).float()
    found = faithfulness(model, task, graph, choices(counts), Deletions(draws=2))
    assert found is not None
    assert np.isfinite(found.chosen[:, 0]).all()
    assert np.isfinite(found.of_random)
