"""Farthest points against their twin, one cloud and many; random subsets; fewer points than asked for."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.point_cloud.resampling import farthest_point_order, farthest_point_orders, random_subset
from tests.naive import clouds as naive


def normal(points: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((points, 3)).astype(np.float32)


@pytest.mark.parametrize("start", [None, 0, 6])
@pytest.mark.parametrize(("points", "count"), [(17, 1), (17, 5), (17, 17), (7, 17)])
def test_farthest_points_equal_the_twin(points, count, start):
    cloud = normal(points)
    found = farthest_point_order(cloud, count, start)
    assert found.dtype == np.int64
    assert found.tolist() == naive.farthest_points(cloud, count, start)


@given(seed=st.integers(0, 10**6), points=st.integers(1, 20), count=st.integers(1, 25))
def test_ties_and_coinciding_points_equal_the_twin(seed, points, count):
    random = np.random.default_rng(seed)
    cloud = random.integers(0, 3, (points, 3)).astype(np.float32)
    start = int(
        random.integers(points)
    )  # the centroid of such points is not exact, so ties for the start are not either
    assert farthest_point_order(cloud, count, start).tolist() == naive.farthest_points(cloud, count, start)


def test_ties_for_the_start_go_to_the_lower_index():
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    assert farthest_point_order(corners, 2).tolist() == [0, 7]


@given(seed=st.integers(0, 10**6))
def test_many_clouds_give_what_each_gives_alone(seed):
    sizes = np.random.default_rng(seed).integers(1, 40, 5)
    clouds = [normal(size, seed + row) for row, size in enumerate(sizes)]
    clouds.append(np.zeros((4, 3), np.float32))
    together = farthest_point_orders([torch.from_numpy(cloud) for cloud in clouds], 12)
    for found, cloud in zip(together, clouds, strict=True):
        assert found.tolist() == farthest_point_order(cloud, 12).tolist()


def test_starts_of_many_clouds():
    clouds = [torch.from_numpy(normal(size)) for size in (5, 9)]
    assert farthest_point_orders(clouds, 4, [3, 8])[:, 0].tolist() == [3, 8]


def test_a_shorter_order_starts_the_longer_one():
    cloud = normal(50)
    assert farthest_point_order(cloud, 10).tolist() == farthest_point_order(cloud, 50)[:10].tolist()
    assert sorted(farthest_point_order(cloud, 50).tolist()) == list(range(50))


def test_chosen_points_cover_the_cloud():
    """No point is farther from the first 20 than the 21 first are from each other, which Gonzalez' bound rests on."""
    cloud = normal(200).astype(np.float64)
    order = farthest_point_order(cloud, 21)
    distances = np.linalg.norm(cloud[:, None] - cloud[order], axis=2)
    covered = distances[:, :20].min(axis=1).max()
    gaps = distances[order] + np.where(np.eye(21, dtype=bool), np.inf, 0)
    assert covered <= gaps.min() + 1e-12


def test_fewer_points_are_repeated_from_the_start():
    order = farthest_point_order(normal(4), 10).tolist()
    assert sorted(order[:4]) == [0, 1, 2, 3]
    assert order == (order[:4] * 3)[:10]
    drawn = random_subset(4, 10, np.random.default_rng(0)).tolist()
    assert sorted(drawn[:4]) == [0, 1, 2, 3]
    assert drawn == (drawn[:4] * 3)[:10]


def test_no_clouds_give_no_orders():
    assert farthest_point_orders([], 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("points", "count", "settings", "message"),
    [
        (0, 3, {}, "found no points, expected at least one"),
        (4, 0, {}, "count is 0, expected at least 1"),
        (4, 5, {"repeat": False}, "found 4 points, expected at least 5"),
    ],
)
def test_wrong_counts_are_refused(points, count, settings, message):
    with pytest.raises(ValueError, match=message):
        farthest_point_order(normal(points), count, **settings)
    with pytest.raises(ValueError, match=message):
        random_subset(points, count, np.random.default_rng(0), **settings)


@pytest.mark.parametrize("start", [-1, 4])
def test_a_start_outside_is_refused(start):
    with pytest.raises(ValueError, match=f"start is {start}, expected 0 to 3"):
        farthest_point_order(normal(4), 2, start)


def test_random_subsets_are_seeded_and_hold_no_point_twice():
    first, again, other = (random_subset(50, 20, np.random.default_rng(seed)).tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 20


def test_every_point_is_drawn_alike():
    """Each of 5 points is among 2 drawn with probability 2/5; five standard deviations are left for chance."""
    random, rounds = np.random.default_rng(0), 5000
    counts = np.bincount(np.concatenate([random_subset(5, 2, random) for _ in range(rounds)]), minlength=5)
    assert np.abs(counts / rounds - 0.4).max() < 5 * (0.4 * 0.6 / rounds) ** 0.5


def test_a_few_of_many_points_take_no_memory_for_the_others():
    tracemalloc.start()
    drawn = random_subset(20_000_000, 1000, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6
    assert drawn.dtype == np.int64
    assert len(np.unique(drawn)) == 1000
    assert (drawn[:-1] > drawn[1:]).sum() == pytest.approx(500, abs=100)
