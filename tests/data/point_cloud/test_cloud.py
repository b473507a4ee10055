"""Clouds: what they refuse, coordinates far away, some of the points."""

import numpy as np
import pytest

from sampleformer.data.point_cloud.cloud import Cloud

POINTS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"points": np.zeros((0, 3), np.float32)}, "found no points, expected at least one"),
        ({"points": POINTS[:, :2]}, r"points: found shape \(4, 2\), expected \(points, 3\)"),
        ({"points": POINTS[0]}, r"points: found shape \(3,\), expected \(points, 3\)"),
        ({"points": POINTS.astype(str)}, "points: found <U.*, expected real numbers"),
        ({"points": np.full((2, 3), np.nan)}, r"points: row 1 is \(nan, nan, nan\), expected finite numbers"),
        ({"normals": POINTS[:3]}, "normals: found 3 rows, expected 4, one a point"),
        ({"normals": POINTS[:, :2]}, r"normals: found shape \(4, 2\), expected \(points, 3\)"),
        ({"features": POINTS[:, 0]}, r"features: found shape \(4,\), expected \(points, features\)"),
        ({"features": np.array([[0.0], [np.inf], [0], [0]])}, r"features: row 2 is \(inf\), expected finite numbers"),
        ({"labels": np.zeros(3, int)}, "labels: found 3 rows, expected 4, one a point"),
        ({"labels": np.zeros(4)}, r"labels: found float64 of shape \(4,\), expected whole numbers, one a point"),
    ],
)
def test_wrong_parts_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Cloud(**{"points": POINTS, **given})


def test_the_first_wrong_point_is_named():
    points = POINTS.copy()
    points[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"points: row 3 is \(6, nan, 8\), expected finite numbers"):
        Cloud(points)


def test_measured_numbers_take_the_types_of_a_cloud():
    cloud = Cloud.measured([[0, 1, 2]], [[0, 0, 5]], [[1]], [7.0])
    assert [part.dtype for part in (cloud.points, cloud.normals, cloud.features)] == [np.float32] * 3
    assert cloud.labels.dtype == np.int64
    assert cloud.normals.tolist() == [[0, 0, 1]]
    assert cloud.origin == (0, 0, 0)


@pytest.mark.parametrize(("labels", "message"), [([1.5], "found 1.5"), (["a"], "found <U1"), ([np.nan], "found nan")])
def test_labels_that_are_no_whole_numbers_are_refused(labels, message):
    with pytest.raises(ValueError, match=f"labels: {message}, expected whole numbers"):
        Cloud.measured([[0, 1, 2]], labels=labels)


def test_normals_of_length_zero_stay():
    assert Cloud.measured(POINTS, np.zeros((4, 3))).normals.tolist() == np.zeros((4, 3)).tolist()


def test_coordinates_of_a_map_keep_their_digits():
    shape = np.random.default_rng(0).random((100, 3))
    corner = np.array([4_512_345.25, -500_000, 17])
    cloud = Cloud.measured(shape + corner)
    assert cloud.origin == (4_512_345.0, -500_000.0, 17.0)
    np.testing.assert_allclose(cloud.points + np.array(cloud.origin), shape + corner, atol=1e-6)


@pytest.mark.parametrize("points", [[[1e9, 0, 0]], [[1e9, 0, 0]] * 3, POINTS], ids=["one", "coinciding", "near"])
def test_other_coordinates_stay_as_they_are(points):
    assert Cloud.measured(points).origin == (0, 0, 0)
    assert Cloud.measured(points).points.tolist() == np.asarray(points).tolist()


def test_some_of_the_points_keep_what_they_carry():
    cloud = Cloud(POINTS, POINTS + 1, POINTS + 2, np.arange(4), (1.0, 2.0, 3.0)).take(np.array([3, 1, 1]))
    for part, added in ((cloud.points, 0), (cloud.normals, 1), (cloud.features, 2)):
        assert part.tolist() == (POINTS[[3, 1, 1]] + added).tolist()
    assert cloud.labels.tolist() == [3, 1, 1]
    assert cloud.origin == (1, 2, 3)
    assert len(cloud) == 3


@pytest.mark.parametrize("part", ["points", "normals", "features"])
def test_complex_numbers_are_not_cast(part: str) -> None:
    given = {"points": np.zeros((2, 3))} | {part: np.ones((2, 3)) * 1j}
    with pytest.raises(ValueError, match=rf"{part}: found complex128, expected real numbers"):
        Cloud.measured(**given)


@pytest.mark.parametrize("extent", [1.0, 100.0, 5_000.0, 50_000.0])
@pytest.mark.parametrize("corner", [(500_000.0, 5_400_000.0, 120.0), (0.0, 0.0, 0.0), (-2e7, 1e6, 8000.0)])
def test_coordinates_are_moved_before_they_are_rounded(extent, corner):
    points = np.random.default_rng(0).random((200, 3)) * extent + np.array(corner)
    cloud = Cloud.measured(points)
    error = np.abs(cloud.points.astype(np.float64) + cloud.origin - points).max()
    assert error <= 2e-6 * extent


def test_features_such_as_times_keep_their_digits():
    times = 1.3e9 + np.arange(4)[:, None] * 1e-3
    cloud = Cloud.measured(POINTS, features=np.hstack([times, np.ones((4, 1))]))
    assert cloud.features.dtype == np.float64
    assert cloud.features[:, 0].tolist() == times[:, 0].tolist()
    assert Cloud.measured(POINTS, features=np.arange(4.0)[:, None] * 0.1).features.dtype == np.float32


@pytest.mark.parametrize("length", [1e-300, 1e-30, 1.0, 1e38])
def test_normals_of_any_length_become_unit(length):
    assert Cloud.measured(POINTS, [[0, length, 0]] * 4).normals.tolist() == [[0, 1, 0]] * 4


@pytest.mark.parametrize(
    ("dtype", "number"), [(np.float32, 1e20), (np.float64, 2.0**60), (np.float64, np.inf), (np.uint64, 2**63)]
)
def test_labels_that_would_be_wrapped_or_rounded(dtype, number):
    with pytest.raises(ValueError, match="labels: found .*, expected whole numbers"):
        Cloud.measured(POINTS, labels=np.full(4, number, dtype))


@pytest.mark.parametrize("part", ["points", "normals", "features"])
def test_numbers_beyond_single_precision_are_named(part):
    values = np.ones((4, 3))
    values[2, 1] = -1e39
    with pytest.raises(ValueError, match=rf"{part}: row 3, column 2 is -1e\+39, expected at most 3.40282e\+38"):
        Cloud.measured(**{"points": POINTS, part: values})
