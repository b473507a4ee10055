"""Random changes of clouds: what each setting does, that it does nothing else, and which settings are refused."""

import numpy as np
import pytest

from sampleformer.data.point_cloud.augmentation import Augmentation
from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.errors import InputError

RANDOM = np.random.default_rng(7)
POINTS = RANDOM.standard_normal((30, 3)).astype(np.float32)
CLOUD = Cloud.measured(POINTS, RANDOM.standard_normal((30, 3)), np.arange(30)[:, None], np.arange(30))


def apply(seed: int = 0, cloud: Cloud = CLOUD, **settings) -> Cloud:
    return Augmentation(**settings)(cloud, np.random.default_rng(seed))


def distances(cloud: Cloud) -> np.ndarray:
    return np.linalg.norm(cloud.points[:, None] - cloud.points, axis=2)


def test_the_default_does_nothing():
    found = apply()
    for name in ("points", "normals", "features", "labels"):
        assert np.array_equal(getattr(found, name), getattr(CLOUD, name))


@pytest.mark.parametrize("rotation", ["z", "so3"])
def test_rotations_turn_points_and_normals_alike(rotation):
    found = apply(rotation=rotation)
    assert not np.allclose(found.points, CLOUD.points, atol=0.1)
    np.testing.assert_allclose(distances(found), distances(CLOUD), atol=1e-5)
    np.testing.assert_allclose(found.normals @ found.normals.T, CLOUD.normals @ CLOUD.normals.T, atol=1e-5)
    np.testing.assert_allclose(found.points @ found.normals.T, CLOUD.points @ CLOUD.normals.T, atol=1e-5)
    assert np.linalg.det(np.linalg.lstsq(CLOUD.points, found.points, rcond=None)[0]) > 0


@pytest.mark.parametrize(("up", "axis"), [("y", 1), ("z", 2)])
def test_rotations_about_the_axis_that_points_up_keep_heights(up, axis):
    found = apply(rotation="z", up=up)
    np.testing.assert_allclose(found.points[:, axis], CLOUD.points[:, axis], atol=1e-6)
    np.testing.assert_allclose(found.normals[:, axis], CLOUD.normals[:, axis], atol=1e-6)


def test_clouds_without_normals_turn_too():
    assert apply(rotation="so3", cloud=Cloud(POINTS)).normals is None


def test_scales_are_uniform_between_their_limits():
    factors = np.array([apply(seed, scale=(0.5, 2.0)).points[0, 0] / POINTS[0, 0] for seed in range(400)])
    assert factors.min() >= 0.5 - 1e-6
    assert factors.max() <= 2 + 1e-6
    assert abs(factors.mean() - 1.25) < 5 * (1.5**2 / 12 / 400) ** 0.5
    found = apply(scale=(0.5, 2.0))
    np.testing.assert_allclose(found.points / POINTS, found.points[0, 0] / POINTS[0, 0], rtol=1e-5)
    assert found.normals is CLOUD.normals


def test_shifts_move_all_points_alike():
    moves = np.stack([(apply(seed, shift=0.3).points - POINTS).mean(axis=0) for seed in range(200)])
    assert np.abs(moves).max() <= 0.3 + 1e-6
    assert np.abs(moves.mean(axis=0)).max() < 5 * (0.6**2 / 12 / 200) ** 0.5
    assert np.ptp(apply(shift=0.3).points - POINTS, axis=0).max() < 1e-6


def test_jitter_is_cut_normal_noise_of_points_alone():
    many = Cloud(np.zeros((20_000, 3), np.float32), np.ones((20_000, 3), np.float32))
    noise = apply(cloud=many, jitter=0.01, jitter_clip=1.0).points
    assert abs(noise.std() - 0.01) < 5 * 0.01 / (2 * noise.size) ** 0.5
    found = apply(cloud=many, jitter=0.1, jitter_clip=0.05)
    assert np.abs(found.points).max() == np.float32(0.05)
    assert found.normals is many.normals


def test_dropout_leaves_out_points_with_all_that_they_carry():
    many = Cloud(np.arange(30_000, dtype=np.float32).reshape(-1, 3), labels=np.arange(10_000))
    found = apply(cloud=many, dropout=0.3)
    assert abs(len(found) - 7000) < 5 * (10_000 * 0.3 * 0.7) ** 0.5
    assert found.points[:, 0].tolist() == (3 * found.labels).tolist()
    assert (np.diff(found.labels) > 0).all()


def test_dropout_leaves_a_point():
    two = CLOUD.take(np.array([3, 4]))
    found = [apply(seed, two, dropout=0.99) for seed in range(300)]
    assert {len(cloud) for cloud in found} >= {1}
    assert {int(cloud.labels[0]) for cloud in found if len(cloud) == 1} == {3, 4}


def test_changes_are_seeded():
    settings = {"rotation": "so3", "scale": (0.8, 1.2), "shift": 0.1, "jitter": 0.01, "dropout": 0.1}
    first, again, other = (apply(seed, **settings).points for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)
    assert first.dtype == np.float32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rotation": "so4"}, "rotation: found 'so4', did you mean 'so3'\\? allowed: none, so3, z"),
        ({"up": "w"}, "up: found 'w', expected one of x, y, z"),
        ({"scale": (1.2, 0.8)}, r"scale: found \(1.2, 0.8\), expected two numbers, 0 < lowest <= highest"),
        ({"scale": (0.0, 1.0)}, r"scale: found \(0.0, 1.0\), expected two numbers"),
        ({"scale": (1.0,)}, r"scale: found \(1.0,\), expected two numbers"),
        ({"scale": (1.0, float("nan"))}, r"scale: found \(1.0, nan\), expected two numbers"),
        ({"shift": -0.1}, "shift: found -0.1, expected 0 or more"),
        ({"jitter": float("inf")}, "jitter: found inf, expected 0 or more"),
        ({"jitter_clip": -1}, "jitter_clip: found -1, expected 0 or more"),
        ({"dropout": 1}, "dropout: found 1, expected at least 0 and less than 1"),
        ({"dropout": -0.5}, "dropout: found -0.5, expected at least 0 and less than 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Augmentation(**settings)
