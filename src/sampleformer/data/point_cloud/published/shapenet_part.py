"""ShapeNetPart: shapes whose points have the names of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sampleformer.data.download import Download
from sampleformer.data.point_cloud.cloud_folders import FOLDER, SPLIT
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.published.published_clouds import PublishedClouds
from sampleformer.data.point_cloud.published.unpacking import folder_with
from sampleformer.errors import InputError
from sampleformer.parsing import parse_json
from sampleformer.unpacking import read_bytes

PARTS = {
    "Airplane": 4,
    "Bag": 2,
    "Cap": 2,
    "Car": 4,
    "Chair": 4,
    "Earphone": 3,
    "Guitar": 3,
    "Knife": 2,
    "Lamp": 4,
    "Laptop": 2,
    "Motorbike": 6,
    "Mug": 2,
    "Pistol": 3,
    "Rocket": 3,
    "Skateboard": 3,
    "Table": 3,
}
"""Number of parts of each category, numbered one category after the other."""
COLUMNS = ("x", "y", "z", "nx", "ny", "nz", "label")
_CATEGORIES = "synsetoffset2category.txt"
_LISTS = {"train": "train", "val": "valid", "test": "test"}


def part_names() -> dict[str, list[str]]:
    """The names of the parts of each category, which are only numbered.

    Example:
        >>> part_names()["Bag"]
        ['Bag 0', 'Bag 1']
    """
    return {category: [f"{category} {part}" for part in range(count)] for category, count in PARTS.items()}


class ShapeNetPart(PublishedClouds):
    """ShapeNetPart: 16 880 shapes of 16 categories, whose points are of 50 parts; all three splits as published.

    Args:
        path: ``shapenetcore_partanno_segmentation_benchmark_v0_normal.zip`` or the folder that it unpacks to. None: the
            archive is downloaded.
        limit: use at most so many shapes of each split.
        seed: seed of the choice of shapes.
        on_error: "stop" at the first wrong file, or "skip" and count wrong ones.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
        view: what of a cloud the model sees: points, normals, train_rotation and all other settings of `CloudView`.

    Source: Yi et al. 2016, "A Scalable Active Framework for Region Annotation in 3D Shape Collections".
    """

    archive = Download(
        "shapenetcore_partanno_segmentation_benchmark_v0_normal.zip",
        (
            "https://shapenet.cs.stanford.edu/media/shapenetcore_partanno_segmentation_benchmark_v0_normal.zip",
            "https://huggingface.co/datasets/wangps/shapenet_segmentation/resolve/main/"
            "shapenetcore_partanno_segmentation_benchmark_v0_normal.zip",
        ),
        sha256="0e26411700bae2da38ee8ecc719ba4db2e6e0133486e258665952ad5dfced0fe",
    )

    def __init__(
        self,
        path: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "stop",
        cache: str | None = None,
        **view: Any,
    ) -> None:
        names = part_names()
        super().__init__(
            path,
            "labels",
            {"columns": COLUMNS, **view},
            names=[part for parts in names.values() for part in parts],
            categories=names,
            limit=limit,
            seed=seed,
            on_error=on_error,
            cache=cache,
        )

    def read(self) -> CloudRows:
        given = self.prepare()
        folder = folder_with(given, (_CATEGORIES,))
        if folder is None:
            raise InputError(
                f"{given}: found no {_CATEGORIES}, expected the folder of ShapeNetPart with normals of 2019"
            )
        categories = _read_categories(folder / _CATEGORIES)
        files, splits = [], []
        for name, split in _LISTS.items():
            listed = _read_list(folder / "train_test_split" / f"shuffled_{name}_file_list.json")
            files += [folder / f"{'/'.join(each.split('/')[-2:])}.txt" for each in listed]
            splits += [split] * len(listed)
        unknown = [file for file in files if file.parent.name not in categories]
        if unknown:
            raise InputError(f"{unknown[0]}: its folder is not in {folder / _CATEGORIES}, expected a known category")
        columns = {
            "id": [file.relative_to(folder).as_posix() for file in files],
            FOLDER: [categories[file.parent.name] for file in files],
            SPLIT: splits,
        }
        return CloudRows(str(folder), columns, range(1, len(files) + 1), clouds=files, files=files)


def _read_categories(path: Path) -> dict[str, str]:
    """The category of each folder."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected a list of categories and folders") from error
    pairs = [line.split() for line in lines if line.strip()]
    for pair in pairs:
        if len(pair) != 2 or pair[0] not in PARTS:
            raise InputError(f"{path}: found {' '.join(pair)!r}, expected a category ({', '.join(PARTS)}) and a folder")
    return {folder: category for category, folder in pairs}


def _read_list(path: Path) -> list[str]:
    listed = parse_json(read_bytes(path), path)
    if not isinstance(listed, list) or not all(isinstance(each, str) and each.count("/") >= 1 for each in listed):
        raise InputError(f"{path}: expected a JSON list of texts such as shape_data/FOLDER/NAME")
    return listed
