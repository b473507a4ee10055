"""Everything that can be wrong with point clouds ends in one line, exit code 2, and nothing made or changed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.program import refused, run_program
from tests.cli.test_clouds import SMALLEST
from tests.data.point_cloud.small import TRIANGLE, cloud, write_meshes, write_points, write_shapes

TRAIN = ["train", "--data", "shapes", "--label", "folder", "--output", "run", *SMALLEST]


def _nan(folder: Path) -> None:
    write_shapes(folder / "shapes")
    (folder / "shapes" / "ball" / "bad.xyz").write_text("0 0 0\n1 nan 0\n")


def _empty_mesh(folder: Path) -> None:
    write_meshes(folder / "shapes")
    (folder / "shapes" / "box" / "train" / "bad.off").write_text("OFF\n0 0 0\n")


def _no_area(folder: Path) -> None:
    write_meshes(folder / "shapes")
    (folder / "shapes" / "box" / "train" / "bad.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n2 0 0\n3 0 1 2\n")


def _mixed(folder: Path) -> None:
    write_shapes(folder / "shapes")
    write_points(folder / "shapes" / "ball" / "bad.xyz", np.c_[cloud(0), cloud(1)[:, :2]])


def _new_class(folder: Path) -> None:
    write_meshes(folder / "shapes")
    (folder / "shapes" / "cone" / "test").mkdir(parents=True)
    (folder / "shapes" / "cone" / "test" / "bad.off").write_text(TRIANGLE)


def _empty_folder(folder: Path) -> None:
    (folder / "shapes").mkdir()


def _empty_class(folder: Path) -> None:
    write_shapes(folder / "shapes")
    (folder / "shapes" / "cone").mkdir()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (_nan, "ball/bad.xyz: line 2: found 'nan' in column 2, expected a finite number"),
        (_empty_mesh, "box/train/bad.off: the mesh is empty: found no faces, expected at least one"),
        (_no_area, "box/train/bad.off: the mesh has no area"),
        (_mixed, "ball/bad.xyz: found 2 features a point beside coordinates and normals, expected 0, as in training"),
        (_mixed, "train with --set data.point_features=false to see neither colours nor intensity"),
        (_new_class, "cone/test/bad.off: column 'folder': label 'cone' does not occur in the training part"),
        (_empty_folder, "shapes: found no file of points"),
        (_empty_class, "shapes/cone: found no file of points"),
    ],
)
def test_wrong_clouds(tmp_path: Path, prepare: Callable[[Path], None], words: str) -> None:
    prepare(tmp_path)
    assert words in refused(tmp_path, TRAIN)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["--set", "data.points=0"], "data: points: input should be greater than or equal to 1, got 0"),
        (["--set", "data.pointz=9"], "data: pointz: unknown setting; did you mean 'points'"),
        (["--set", "data.normals=true"], "found no normals, expected them as in training"),
        (["--set", "data.limit=many"], "data.limit: "),
    ],
)
def test_wrong_settings(tmp_path: Path, changes: list[str], words: str) -> None:
    write_shapes(tmp_path / "shapes")
    assert words in refused(tmp_path, [*TRAIN, *changes])


def test_broken_headers_of_modelnet_and_fewer_points_than_asked_for_work(tmp_path: Path) -> None:
    write_meshes(tmp_path / "shapes")
    write_points(tmp_path / "shapes" / "box" / "train" / "three.xyz", np.eye(3))
    done = run_program(tmp_path, TRAIN)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "results.json").exists()


def test_new_clouds_that_a_model_cannot_read(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes")
    assert run_program(tmp_path, TRAIN).returncode == 0
    write_points(tmp_path / "odd.xyz", np.c_[cloud(0), cloud(1)[:, :1]])
    predict = ["predict", "run", "--output", "p.csv"]
    assert "odd.xyz: found 1 feature a point" in refused(tmp_path, [*predict, "odd.xyz"])
    assert "none.xyz: no such file or folder" in refused(tmp_path, [*predict, "none.xyz"])
    (tmp_path / "page.html").write_text("x")
    assert "page.html: found a name that ends in '.html'" in refused(tmp_path, [*predict, "page.html"])
    (tmp_path / "new").mkdir()
    assert "new: found no file of points" in refused(tmp_path, [*predict, "new"])
