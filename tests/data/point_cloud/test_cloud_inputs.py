"""Tests of clouds as tokens."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data import SOURCES, collate
from sampleformer.data.encoding import Encoding
from sampleformer.data.point_cloud import cloud_parsing
from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.cloud_folder import CloudFolder
from sampleformer.data.point_cloud.cloud_inputs import CloudInputs
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.placed_cloud import PlacedCloud
from sampleformer.data.point_cloud.resampling import farthest_point_order
from sampleformer.data.point_cloud.thinning import MOST_ORDERED, reduced, thin
from sampleformer.data.point_cloud.view import CloudView
from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport
from tests.data.point_cloud.small import cloud, write_shapes


def test_evaluation_sees_the_farthest_points_of_what_is_stored() -> None:
    points = cloud(0, 200).astype(np.float32)
    (placed,) = thin([PlacedCloud.whole(Cloud(points))], 16, 64)
    order = farthest_point_order(points, 64)
    assert np.array_equal(placed.index, order)
    assert np.array_equal(placed.cloud.points, points[order])


def test_a_thinned_cloud_does_not_depend_on_those_beside_it() -> None:
    sizes = enumerate((10, 30, 60, 61))
    clouds = [PlacedCloud.whole(Cloud(cloud(seed, size).astype(np.float32))) for seed, size in sizes]
    together = thin(clouds, 20, 40)
    assert [len(each) for each in together] == [10, 30, 40, 40]
    for one, each in zip(clouds, together, strict=True):
        assert np.array_equal(thin([one], 20, 40)[0].index, each.index)


def test_clouds_of_fewer_points_are_seen_whole(tmp_path: Path) -> None:
    splits = CloudFolder(str(write_shapes(tmp_path)), points=64, stored=128).load()
    assert splits.train.lengths.max() <= 49
    assert np.array_equal(splits.train.sizes, splits.train.lengths)
    sample = splits.train.drawn(0, np.random.default_rng(0))
    assert sorted(sample.places.tolist()) == list(range(len(sample)))


def test_training_draws_others_of_the_stored_points_and_evaluation_never(tmp_path: Path) -> None:
    train = CloudFolder(str(write_shapes(tmp_path)), points=8, stored=32).load().train
    drawn = [train.drawn(0, np.random.default_rng(seed)).places for seed in range(2)]
    assert len(drawn[0]) == len(drawn[1]) == 8
    assert set(drawn[0].tolist()) != set(drawn[1].tolist())
    assert np.array_equal(train[0].places, train[0].places)
    assert train.sizes.tolist() == [8] * len(train)


@pytest.mark.parametrize("rotation", ["z", "so3"])
def test_rotations_of_the_evaluation_depend_on_the_cloud_alone(tmp_path: Path, rotation: str) -> None:
    folder = write_shapes(tmp_path)
    plain = CloudFolder(str(folder), points=20).load().test
    turned = CloudFolder(str(folder), points=20, evaluation_rotation=rotation).load().test
    before, after = plain[0].coordinates, turned[0].coordinates
    assert before is not None
    assert after is not None
    assert np.allclose(np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1), atol=1e-5)
    assert np.allclose(before[:, 2], after[:, 2], atol=1e-6) == (rotation == "z")
    assert not np.allclose(before, after, atol=1e-2)
    assert np.array_equal(after, turned.subset([0])[0].coordinates)


def test_identifiers_are_the_same_in_every_evaluation_and_new_in_every_pass(tmp_path: Path) -> None:
    test = CloudFolder(str(write_shapes(tmp_path)), points=20, identifiers=5).load().test
    assert np.array_equal(test[0].identifiers, test[0].identifiers)
    drawn = [test.drawn(0, np.random.default_rng(seed)).identifiers for seed in range(2)]
    assert drawn[0].shape == (20, 5)
    assert not np.array_equal(drawn[0], drawn[1])
    tokens = collate([test[0], test[1]]).tokens
    assert tokens.features.shape == (2, 20, 0)
    assert tokens.identifiers is not None
    assert tokens.identifiers.shape == (2, 20, 5)


def test_clouds_come_in_the_unit_sphere_or_as_they_are(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path)
    sphere = CloudFolder(str(folder), points=100).load().test[0].coordinates
    assert np.allclose(np.linalg.norm(sphere, axis=1).max(), 1, atol=1e-5)
    plain = CloudFolder(str(folder), points=100, normalise="none").load().test[0]
    assert np.array_equal(plain.coordinates, np.loadtxt(folder / plain.id).astype(np.float32)[plain.places])


def test_features_are_standardised_by_the_training_part() -> None:
    clouds = [PlacedCloud.whole(Cloud(cloud(n, 9).astype(np.float32), None, np.full((9, 1), n, "f4"))) for n in (1, 3)]
    inputs = CloudInputs.learn(CloudView(), clouds)
    assert inputs.model_inputs == {"features": 1, "normals": False, "identifiers": 0}
    assert (inputs.mean.tolist(), inputs.deviation.tolist()) == ([2.0], [1.0])


def test_dropout_leaves_points_out_in_training_alone(tmp_path: Path) -> None:
    test = CloudFolder(str(write_shapes(tmp_path)), points=32, dropout=0.5).load().test
    assert len(test[0]) == 32
    assert 1 <= len(test.drawn(0, np.random.default_rng(0))) < 32


def test_what_is_saved_reads_new_files(tmp_path: Path) -> None:
    splits = CloudFolder(str(write_shapes(tmp_path / "shapes")), points=20, evaluation_rotation="so3").load()
    splits.encoding.save(tmp_path / "encoding.json")
    again = Encoding.load(tmp_path / "encoding.json")
    samples = again.read(tmp_path / "shapes", targets=True)
    assert len(samples) == 20
    place = samples.ids.index(splits.test.ids[0])
    assert np.array_equal(samples[place].coordinates, splits.test[0].coordinates)
    alone = again.read(tmp_path / "shapes" / splits.test.ids[0], targets=False)
    assert np.array_equal(alone[0].coordinates, splits.test[0].coordinates)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"points": 0}, "data: points"),
        ({"pointz": 5}, "pointz: unknown setting; did you mean 'points'"),
        ({"train_rotation": "y"}, "train_rotation"),
        ({"scale": [2, 1]}, "scale: found"),
        ({"jitter": -1.0}, "jitter: found"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_wrong_settings(setting: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as error:
        CloudFolder("folder", **setting)  # type: ignore[arg-type]
    assert words.split(";")[0] in str(error.value)
    assert "\n" not in str(error.value)


def test_a_sample_of_another_content_gets_another_rotation(tmp_path: Path) -> None:
    test = SOURCES["clouds"](str(write_shapes(tmp_path)), points=20).load().test
    sample = test[0]
    assert sample.coordinates is not None
    assert sample.digest() != replace(sample, coordinates=sample.coordinates + 1).digest()


def test_a_model_that_sees_many_points_gets_them() -> None:
    large = Cloud(cloud(0, 20_000).astype(np.float32))
    assert len(reduced(large, 1024)) == MOST_ORDERED
    assert len(thin([reduced(large, 18_000)], 18_000, 18_000)[0]) == 18_000


def test_large_clouds_are_made_smaller_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    monkeypatch.setattr(cloud_parsing, "thin", lambda clouds, *_: held.extend(map(len, clouds)) or list(clouds))
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.npy")
        np.save(paths[-1], cloud(number, 20_000))
    rows = CloudRows("", {"id": ["0", "1", "2"]}, [1, 2, 3], clouds=paths, files=paths)
    cloud_parsing.parse_clouds(rows, CloudView(), RowReport("", str))
    assert held == [MOST_ORDERED] * 3


def with_feature(value: float, deviation: float = 0.0, points: int = 50) -> PlacedCloud:
    features = np.full((points, 1), value) + deviation * np.random.default_rng(points).normal(size=(points, 1))
    return PlacedCloud.whole(Cloud(cloud(0, points).astype(np.float32), features=features))


@pytest.mark.parametrize("value", [0.1, 0.2, -1.7])
def test_a_feature_that_is_constant_has_the_deviation_one(value: float) -> None:
    learnt = CloudInputs.learn(CloudView(points=16), [with_feature(value, points=50 + number) for number in range(15)])
    assert (learnt.mean.tolist(), learnt.deviation.tolist()) == ([value], [1.0])


def test_a_feature_too_far_from_those_of_the_training_is_refused() -> None:
    learnt = CloudInputs.learn(CloudView(points=16), [with_feature(1.0, 1e-3), with_feature(1.0, 1e-3, 40)])
    values = np.array([with_feature(1.0), with_feature(1e37)], dtype=object)
    report = RowReport("a", lambda row: f"cloud {row}", "stop")
    with pytest.raises(InputError, match=r"cloud 1: feature 0 of point 0: found 1e\+37, too far from the mean"):
        learnt.encode(values, report)
