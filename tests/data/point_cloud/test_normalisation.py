"""Clouds within the unit sphere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.normalisation import unit_sphere


@given(seed=st.integers(0, 10**6), exponent=st.integers(-10, 10), points=st.integers(2, 30))
def test_the_centroid_is_the_origin_and_the_farthest_point_at_one(seed, exponent, points):
    random = np.random.default_rng(seed)
    cloud = Cloud(((random.standard_normal((points, 3)) + 5) * 10.0**exponent).astype(np.float32))
    found = unit_sphere(cloud).points.astype(np.float64)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1).max(), 1, atol=1e-6)


@given(seed=st.integers(0, 10**6), factor=st.floats(0.01, 100))
def test_place_and_size_do_not_matter(seed, factor):
    random = np.random.default_rng(seed)
    points = random.standard_normal((20, 3))
    moved = points * factor + factor * random.standard_normal(3)
    before, after = (unit_sphere(Cloud(each.astype(np.float32))).points for each in (points, moved))
    np.testing.assert_allclose(after, before, atol=1e-5)


@pytest.mark.parametrize("points", [1, 3, 7])
def test_points_that_coincide_are_not_scaled(points):
    cloud = Cloud(np.full((points, 3), 0.1, np.float32))
    assert unit_sphere(cloud).points.tolist() == np.zeros((points, 3)).tolist()


def test_the_rest_stays():
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    cloud = Cloud(points, points + 1, points + 2, np.arange(4))
    found = unit_sphere(cloud)
    assert found.points.dtype == np.float32
    assert found.normals is cloud.normals
    assert found.features is cloud.features
    assert found.labels is cloud.labels
