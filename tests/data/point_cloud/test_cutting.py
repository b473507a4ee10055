"""Tests of clouds that are cut."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.point_cloud import cloud_parsing
from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_parsing import parse_clouds
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.cutting import Cutting, deal
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.data.point_cloud.view import CloudView
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport


def _room(points: int = 400) -> PlacedCloud:
    random = np.random.default_rng(0)
    places = (random.random((points, 3)) * [4, 3, 2] + 5).astype(np.float32)
    return PlacedCloud.whole(Cloud(places, None, random.random((points, 1)).astype(np.float32)))


@pytest.mark.parametrize("points", [1, 7, 100, 400, 1000])
def test_every_point_is_dealt_once(points: int) -> None:
    sets = deal(_room(), points)
    assert max(map(len, sets)) <= points
    assert max(map(len, sets)) - min(map(len, sets)) <= 1
    assert np.array_equal(np.sort(np.concatenate([each.index for each in sets])), np.arange(400))


@pytest.mark.parametrize(("stride", "least"), [(None, 1), (0.5, 1), (0.5, 30), (1.0, 1000)])
def test_every_point_is_in_a_column(stride: float | None, least: int) -> None:
    room = _room()
    columns = Cutting(block=1.0, stride=stride, least=least).columns(room)
    assert set(np.concatenate([each.index for each in columns]).tolist()) == set(range(400))
    for column in columns:
        assert np.ptp(column.cloud.points[:, :2], axis=0).max() <= 1.0
        assert np.array_equal(column.cloud.points, room.cloud.points[column.index])


def test_columns_overlap_as_their_stride_says() -> None:
    counts = [sum(map(len, Cutting(block=1.0, stride=stride).columns(_room()))) for stride in (1.0, 0.5)]
    assert counts[0] < 1.2 * 400
    assert counts[1] > 2 * 400


def test_the_place_in_the_room_goes_along() -> None:
    room = _room()
    for column in Cutting(block=1.0, room=True).columns(room):
        assert column.cloud.features is not None
        assert column.cloud.features.shape == (len(column), 4)
        assert np.abs(column.cloud.points[:, :2]).max() <= 0.5 + 1e-5
        low, high = room.cloud.points.min(axis=0), room.cloud.points.max(axis=0)
        expected = (room.cloud.points[column.index] - low) / (high - low)
        assert np.allclose(column.cloud.features[:, 1:], expected, atol=1e-5)


def test_clouds_are_whole_without_a_block_and_gaps_are_no_columns() -> None:
    room = _room()
    assert Cutting().columns(room) == [room]
    with pytest.raises(InputError, match=r"data: stride: found 2.0, expected at most the block, 1.0"):
        Cutting.of(block=1.0, stride=2.0)
    with pytest.raises(InputError, match=r"data: stride: found 2.0, expected it beside the setting block"):
        Cutting.of(stride=2.0)
    with pytest.raises(InputError, match=r"data: block: input should be greater than 0, got 0"):
        Cutting.of(block=0)


def test_the_memory_of_many_columns_is_that_of_their_points() -> None:
    random = np.random.default_rng(0)
    scene = PlacedCloud.whole(Cloud((random.random((20_000, 3)) * [300, 300, 1]).astype(np.float32)))
    tracemalloc.start()
    columns = Cutting(block=1.0).columns(scene)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(columns) > 10_000
    assert peak < 100e6  # a mask of all points for each of the 90 000 columns would take twenty times as much
    assert set(np.concatenate([each.index for each in columns]).tolist()) == set(range(20_000))


def test_clouds_that_were_cut_are_not_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLEFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cloud_parsing, "_WORTH_KEEPING", 2)
    path = tmp_path / "room.npy"
    np.save(path, _room().cloud.points)
    rows, view = CloudRows(str(path), {"id": ["room"]}, [1], clouds=[path], files=[path]), CloudView(points=400)
    found = []
    for columns in ([0, 1], [2, 3]):  # as two settings of columns may give, both of two sets
        parts = [_room().take(np.arange(first, 400, 4)) for first in columns]
        cut = replace(rows.take([0, 0]), clouds=parts)
        found.append(parse_clouds(cut, view, RowReport("", str), whole=True))
    assert not np.array_equal(found[0][0].index, found[1][0].index)
