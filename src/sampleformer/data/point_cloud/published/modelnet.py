"""Princeton ModelNet: shapes of 10 or 40 classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sampleformer.data.download import Download
from sampleformer.data.point_cloud.array_rows import LABEL, read_array_rows
from sampleformer.data.point_cloud.cloud_folders import FOLDER, SPLIT, read_folder
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.published.published_clouds import PublishedClouds
from sampleformer.data.point_cloud.published.unpacking import folder_with
from sampleformer.errors import InputError

_LISTS = "modelnet*_train.txt"
_ARRAYS = "ply_data_train*.h5"
_MESHES = "*/train/*.off"


class ModelNet(PublishedClouds):
    """Shapes of ModelNet, in any of the layouts in which they are passed on; the published test part is the test.

    Meshes (``chair/train/chair_0001.off``), from which points are drawn; ``modelnet40_normal_resampled``, 10 000 points
    with normals of each in text; ``modelnet40_ply_hdf5_2048``, 2 048 points of each in H5. In the
    meshes z points up, in the others y, unless `up` is given.

    Args:
        path: the archive or its unpacked folder, of any of these layouts. None: the meshes are downloaded.
        limit: use at most so many shapes of each split.
        seed: seed of the validation part and of the choice of shapes.
        on_error: "stop" at the first wrong file, or "skip" and count wrong ones.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
        view: what of a cloud the model sees: points, normals, train_rotation and all other settings of `CloudView`.

    Source: Wu et al. 2015, "3D ShapeNets", section 4; Qi et al. 2017, PointNet++ (arXiv 1706.02413), appendix.
    """

    def __init__(
        self,
        path: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "stop",
        cache: str | None = None,
        **view: Any,
    ) -> None:
        super().__init__(path, FOLDER, view, limit=limit, seed=seed, on_error=on_error, cache=cache)
        self.up_given = "up" in view

    def read(self) -> CloudRows:
        folder = self.prepare()
        place = folder_with(folder, (_LISTS, _ARRAYS, _MESHES))
        if place is None:
            raise InputError(
                f"{folder}: found none of the layouts of ModelNet, expected CLASS/train/NAME.off, "
                "modelnet40_train.txt with CLASS/NAME.txt, or ply_data_train0.h5"
            )
        listed = next(place.glob(_LISTS), None) is not None
        if listed or next(place.glob(_ARRAYS), None) is not None:
            if not self.up_given:
                self.view = self.view.model_copy(update={"up": "y"})
            return read_listed(place) if listed else read_arrays(place)
        return read_folder(place, classes=True, suffixes=(".off",))


def read_listed(folder: Path) -> CloudRows:
    """The layout of ``modelnet40_normal_resampled``: names in two lists, a text file of points for each."""
    name = next(folder.glob(_LISTS)).name.removesuffix("_train.txt")
    files, splits = [], []
    for split in ("train", "test"):
        names = read_names(folder / f"{name}_{split}.txt")
        files += [folder / each.rpartition("_")[0] / f"{each}.txt" for each in names]
        splits += [split] * len(names)
    columns = {
        "id": [file.relative_to(folder).as_posix() for file in files],
        FOLDER: [file.parent.name for file in files],
        SPLIT: splits,
    }
    return CloudRows(str(folder), columns, range(1, len(files) + 1), clouds=files, files=files)


def read_arrays(folder: Path) -> CloudRows:
    """The layout of ``modelnet40_ply_hdf5_2048``: many clouds a file, and ``shape_names.txt``."""
    names = read_names(folder / "shape_names.txt")
    files = [sorted(folder.glob(f"ply_data_{split}*.h5")) for split in ("train", "test")]
    if not files[1]:
        raise InputError(f"{folder}: found no file ply_data_test0.h5, expected the test part beside the training part")
    rows = read_array_rows([*files[0], *files[1]], classes=names)
    if LABEL not in rows.columns:
        raise InputError(f"{files[0][0]}: found no array 'label', expected the class of each cloud")
    splits = ["train" if "_train" in each else "test" for each in rows.columns["id"]]
    columns = {"id": rows.columns["id"], FOLDER: rows.columns[LABEL], SPLIT: splits}
    return CloudRows(str(folder), columns, rows.rows, clouds=rows.clouds, files=rows.files)


def read_names(path: Path) -> list[str]:
    """The lines of a list, without empty ones.

    Raises:
        InputError: if it cannot be read, or is empty.
    """
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected a list of names") from error
    if not names:
        raise InputError(f"{path}: the file is empty, expected a list of names")
    return names


class ModelNet10(ModelNet):
    """ModelNet10: 4 899 furniture meshes of ten classes; 3 991 to train (a tenth validates), 908 to test."""

    archive = Download(
        "ModelNet10.zip",
        (
            "https://3dvision.princeton.edu/projects/2014/3DShapeNets/ModelNet10.zip",
            "https://3dshapenets.cs.princeton.edu/ModelNet10.zip",
        ),
        sha256="9d8679435fc07d1d26f13009878db164a7aa8ea5e7ea3c8880e42794b7307d51",
    )


class ModelNet40(ModelNet):
    """ModelNet40: 12 311 meshes of forty classes; 9 843 to train (a tenth validates), 2 468 to test."""

    archive = Download(
        "ModelNet40.zip",
        ("https://modelnet.cs.princeton.edu/ModelNet40.zip",),
        sha256="42dc3e656932e387f554e25a4eb2cc0e1a1bd3ab54606e2a9eae444c60e536ac",
    )
