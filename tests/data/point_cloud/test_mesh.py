"""Triangles: what is refused, fans, and points that are uniform over the area."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.point_cloud.mesh import Mesh, fan

TETRAHEDRON = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (TETRAHEDRON, np.zeros((0, 3), int), "the mesh is empty: found no faces, expected at least one"),
        (TETRAHEDRON[:, :2], FACES, r"vertices: found shape \(4, 2\), expected \(vertices, 3\)"),
        (TETRAHEDRON, FACES[:, :2], r"faces: found shape \(4, 2\), expected \(faces, 3\)"),
        (TETRAHEDRON, [[0, 1, 2], [0, 9, 1]], r"face 2 names vertex 9 \(counted from 0\), expected less than 4"),
        (TETRAHEDRON, [[0, 1, -1]], r"face 1 names vertex -1 \(counted from 0\), expected less than 4"),
        ([[0, 0, 0], [1, np.nan, 0], [0, 1, 0]], [[0, 1, 2]], r"vertex 2 is \(1, nan, 0\), expected finite numbers"),
        (np.zeros((3, 3)), [[0, 1, 2]], "the mesh has no area: found 0 at an extent of 0, expected a surface"),
        (TETRAHEDRON, [[0, 1, 1], [2, 2, 2]], "the mesh has no area: found 0 at an extent of 1, expected a surface"),
    ],
)
def test_wrong_meshes_are_refused(vertices, faces, message):
    with pytest.raises(ValueError, match=message):
        Mesh(np.asarray(vertices, float), np.asarray(faces))


@given(seed=st.integers(0, 10**6))
def test_points_on_a_line_have_no_area_whatever_float32_makes_of_them(seed):
    random = np.random.default_rng(seed)
    places = np.array([[0.0], [random.random()], [1.0]])
    line = (places * random.standard_normal(3)).astype(np.float32).astype(np.float64)
    with pytest.raises(ValueError, match="the mesh has no area"):
        Mesh(line, np.array([[0, 1, 2]]))


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_size_does_not_matter(scale):
    assert len(Mesh(TETRAHEDRON * scale, FACES).sample(3, np.random.default_rng(0))) == 3


def test_fans_cover_polygons():
    assert fan(np.array([[4, 5, 6], [7, 8, 9]])).tolist() == [[4, 5, 6], [7, 8, 9]]
    assert fan(np.array([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])).tolist() == [
        *([0, 1, 2], [0, 2, 3], [0, 3, 4]),
        *([5, 6, 7], [5, 7, 8], [5, 8, 9]),
    ]


def test_sampling_is_seeded():
    mesh = Mesh(TETRAHEDRON, FACES)
    first, again, other = (mesh.sample(50, np.random.default_rng(seed)).points for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_points_lie_on_their_faces_with_outward_normals():
    cloud = Mesh(TETRAHEDRON, FACES).sample(500, np.random.default_rng(0))
    slanted = cloud.normals.min(axis=1) > 0
    np.testing.assert_allclose(cloud.points[slanted].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(cloud.normals[slanted], 3**-0.5, atol=1e-6)
    flat = cloud.normals[~slanted]
    assert set(map(tuple, flat.tolist())) == {(-1, 0, 0), (0, -1, 0), (0, 0, -1)}
    assert not (cloud.points[~slanted] * flat).any()
    assert (cloud.points >= 0).all()


def test_faces_are_drawn_by_their_area():
    """The slanted face has √3 / (3 + √3) of the area; five standard deviations are left for chance."""
    count = 40_000
    cloud = Mesh(TETRAHEDRON, FACES).sample(count, np.random.default_rng(0))
    share = 3**0.5 / (3 + 3**0.5)
    found = (cloud.normals.min(axis=1) > 0).mean()
    assert abs(found - share) < 5 * (share * (1 - share) / count) ** 0.5


def test_points_are_uniform_in_a_triangle():
    """Mean (a + b + c) / 3; cut into the 16 triangles of a grid, each has the same share (χ² with 15 degrees)."""
    count = 40_000
    points = Mesh(TETRAHEDRON, np.array([[0, 1, 2]])).sample(count, np.random.default_rng(0)).points[:, :2]
    # A coordinate of a uniform point of this triangle has the variance 1/18.
    assert np.abs(points.mean(axis=0) - 1 / 3).max() < 5 * (1 / 18 / count) ** 0.5
    x, y = np.minimum(np.floor(4 * points).astype(int), 3).T
    upper = (4 * points - np.stack([x, y], axis=1)).sum(axis=1) > 1
    counts = np.unique(x * 8 + y * 2 + upper, return_counts=True)[1]
    assert len(counts) == 16
    assert ((counts - count / 16) ** 2 / (count / 16)).sum() < 15 + 5 * 30**0.5


def test_faces_without_area_are_never_drawn():
    faces = np.array([[0, 0, 0], [0, 1, 2], [1, 1, 2], [0, 1, 3], [3, 3, 3]])
    cloud = Mesh(TETRAHEDRON, faces).sample(2000, np.random.default_rng(0))
    assert set(map(tuple, cloud.normals.tolist())) == {(0, 0, 1), (0, -1, 0)}


class AtTheEnd(np.random.Generator):
    """A source of numbers as close to one as they come."""

    def random(self, size=None):
        return np.full(size, np.nextafter(1, 0))


def test_the_last_number_draws_the_last_face_with_an_area():
    mesh = Mesh(TETRAHEDRON * 0.1, np.array([[0, 1, 2], [0, 1, 3], [0, 0, 0]]))
    assert mesh.sample(1, AtTheEnd(np.random.PCG64())).normals.tolist() == [[0, -1, 0]]
