"""Random rotations: orthogonal, seeded, and distributed as they should be; five standard deviations are for chance."""

import numpy as np
import pytest

from sampleformer.data.point_cloud.rotations import axis_rotations, uniform_rotations
from sampleformer.errors import InputError

COUNT = 40_000
TURNS = uniform_rotations(COUNT, np.random.default_rng(0))


def assert_mean(values: np.ndarray, expected: float, variance: float) -> None:
    """Whether means over the first axis are as expected, each value having this variance."""
    assert np.abs(values.mean(axis=0) - expected).max() < 5 * (variance / len(values)) ** 0.5


@pytest.mark.parametrize("turns", [TURNS, *(axis_rotations(1000, np.random.default_rng(0), axis) for axis in "xyz")])
def test_rotations_are_orthogonal_and_no_reflections(turns):
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turns.shape), atol=1e-13)
    np.testing.assert_allclose(np.linalg.det(turns), 1, atol=1e-13)


@pytest.mark.parametrize("draw", [uniform_rotations, axis_rotations])
def test_rotations_are_seeded(draw):
    first, again, other = (draw(5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert draw(0, np.random.default_rng(0)).shape == (0, 3, 3)


def test_entries_have_the_moments_of_the_uniform_distribution():
    """A column is uniform on the sphere: E r = 0, E r² = 1/3, E r⁴ = 1/5, so r² has the variance 1/5 − 1/9."""
    assert_mean(TURNS, 0, 1 / 3)
    assert_mean(TURNS**2, 1 / 3, 1 / 5 - 1 / 9)


def test_products_of_different_entries_have_mean_zero():
    """Orthogonality of matrix coefficients (Peter and Weyl): E r_ij r_kl = 0; E (r_ij r_kl)² ≤ E r⁴ = 1/5."""
    flat = TURNS.reshape(COUNT, 9)
    first, second = np.triu_indices(9, 1)
    assert_mean(flat[:, first] * flat[:, second], 0, 1 / 5)


def test_traces_have_the_moments_of_an_irreducible_character():
    """E χ = 0, E χ² = 1, E χ³ = 1, E χ⁴ = 3 (how often the trivial one is in the tensor powers); χ² has variance 2."""
    traces = np.trace(TURNS, axis1=1, axis2=2)
    assert_mean(traces, 0, 1)
    assert_mean(traces**2, 1, 3 - 1)
    assert_mean(traces**3, 1, 15 - 1)
    assert_mean(traces**4, 3, 91 - 9)


def test_angles_have_the_density_of_haar_measure():
    """The density (1 − cos θ) / π on [0, π]: its distribution function (θ − sin θ) / π makes angles uniform.

    Kolmogorov and Smirnov: sup |F_n − F| > 2.2 / √n has probability 2 exp(−2 · 2.2²) ≈ 1e-4.
    """
    angles = np.arccos(np.clip((np.trace(TURNS, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert_uniform((angles - np.sin(angles)) / np.pi)


def test_axes_of_rotation_are_uniform_on_the_sphere():
    """Each coordinate of a uniform point of the sphere is uniform in [−1, 1] (Archimedes)."""
    skew = np.stack(
        [TURNS[:, 2, 1] - TURNS[:, 1, 2], TURNS[:, 0, 2] - TURNS[:, 2, 0], TURNS[:, 1, 0] - TURNS[:, 0, 1]], 1
    )
    axes = skew / np.linalg.norm(skew, axis=1, keepdims=True)
    for coordinate in axes.T:
        assert_uniform((coordinate + 1) / 2)


def test_turning_further_changes_nothing_in_the_distribution():
    """Haar measure is invariant: entries of Q R are distributed as those of R, uniform in [−1, 1]."""
    fixed = uniform_rotations(1, np.random.default_rng(9))[0]
    for turned in (fixed @ TURNS, TURNS @ fixed):
        for entry in turned.reshape(COUNT, 9).T:
            assert_uniform((entry + 1) / 2)


def assert_uniform(values: np.ndarray) -> None:
    values, steps = np.sort(values), np.arange(len(values) + 1) / len(values)
    distance = max(np.abs(values - steps[:-1]).max(), np.abs(values - steps[1:]).max())
    assert distance < 2.2 / len(values) ** 0.5


@pytest.mark.parametrize(("axis", "up"), [("x", 0), ("y", 1), ("z", 2)])
def test_rotations_about_an_axis_keep_it_and_have_uniform_angles(axis, up):
    turns = axis_rotations(COUNT, np.random.default_rng(0), axis)
    unit = np.eye(3)[up]
    assert np.array_equal(turns @ unit, np.broadcast_to(unit, (COUNT, 3)))
    first, second = (up + 1) % 3, (up + 2) % 3
    assert_uniform(np.arctan2(turns[:, second, first], turns[:, first, first]) / (2 * np.pi) + 0.5)


def test_z_is_the_default():
    default, given = (axis_rotations(3, np.random.default_rng(0), *axis) for axis in ([], ["z"]))
    assert np.array_equal(default, given)


def test_a_quarter_turn_about_z_takes_x_to_y():
    class Quarter(np.random.Generator):
        def uniform(self, low=0.0, high=1.0, size=None):
            return np.full(size, low + (high - low) / 4)

    turn = axis_rotations(1, Quarter(np.random.PCG64()))[0]
    np.testing.assert_allclose(turn @ [1, 0, 0], [0, 1, 0], atol=1e-15)


def test_unknown_axis():
    with pytest.raises(InputError, match="axis: found 'w', expected one of x, y, z"):
        axis_rotations(1, np.random.default_rng(0), "w")
