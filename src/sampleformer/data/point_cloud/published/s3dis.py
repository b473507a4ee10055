"""S3DIS: scanned rooms, every point with its class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.data.download import Download
from sampleformer.data.point_cloud.array_rows import read_array_rows
from sampleformer.data.point_cloud.cloud_folders import SPLIT
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.cutting import Cutting
from sampleformer.data.point_cloud.published.modelnet import read_names
from sampleformer.data.point_cloud.published.published_clouds import PublishedClouds
from sampleformer.data.point_cloud.published.s3dis_rooms import CLASSES, room_folders
from sampleformer.data.point_cloud.published.unpacking import folder_with
from sampleformer.data.split import PERIOD, split_tenths
from sampleformer.errors import InputError
from sampleformer.wording import count

BLOCK_COLUMNS = ("x", "y", "z", "red", "green", "blue", "room x", "room y", "room z")
"""Of a point in a published block: its place in the block, its colour, and its place in the room, scaled to [0, 1]."""


class S3dis(PublishedClouds):
    """S3DIS: 272 rooms in six areas; a class of thirteen for each point. One area is the test.

    A tenth of the other rooms validates.

    Args:
        path: ``indoor3d_sem_seg_hdf5_data`` (rooms cut into blocks of 4 096 points), zipped or not; or the folder of
            the original text files, ``Area_1/office_1/Annotations/chair_1.txt``, which takes tens of gigabytes of
            memory.
            None: the blocks are downloaded.
        test_area: 1 to 6.
        block: side of the columns that original rooms are cut into, in metres.
        stride: from one column to the next; overlapping ones vote together.
        limit: use at most so many rooms or blocks of each split.
        seed: seed of the validation part and of the choice.
        on_error: "stop" at the first wrong room, or "skip" and count wrong ones.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
        view: what of a cloud the model sees: points, train_rotation and all other settings of `CloudView`.

    Source: Armeni et al. 2016, "3D Semantic Parsing of Large-Scale Indoor Spaces"; blocks and features as in Qi et al.
    2017, PointNet (arXiv 1612.00593), section 5.1.
    """

    archive = Download(
        "indoor3d_sem_seg_hdf5_data.zip", ("https://shapenet.cs.stanford.edu/media/indoor3d_sem_seg_hdf5_data.zip",)
    )

    def __init__(
        self,
        path: str | None = None,
        test_area: int = 5,
        block: float = 1.0,
        stride: float | None = 0.5,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "stop",
        cache: str | None = None,
        **view: Any,
    ) -> None:
        if not 1 <= test_area <= 6:
            raise InputError(f"test_area: found {test_area}, expected 1 to 6")
        super().__init__(
            path,
            "labels",
            {"normalise": "none", "points": 4096, "normals": False, **view},
            cutting=Cutting.of(block=block, stride=stride, least=100, room=True),
            names=CLASSES,
            parts=False,
            limit=limit,
            seed=seed,
            on_error=on_error,
            cache=cache,
        )
        self.test_area = test_area

    def read(self) -> CloudRows:
        given = self.prepare()
        place = folder_with(given, ("all_files.txt", "Area_*/*/Annotations"))
        if place is None:
            raise InputError(
                f"{given}: found neither layout of S3DIS, expected all_files.txt with ply_data_all_0.h5, or "
                "Area_1/ROOM/Annotations/CLASS_1.txt"
            )
        if (place / "all_files.txt").exists():
            self.cutting = Cutting()
            return self._blocks(place)
        folders = room_folders(place)
        rooms = [f"{folder.parent.name}_{folder.name}" for folder in folders]
        columns = {"id": rooms, SPLIT: self._splits(rooms)}
        files = [folder / "Annotations" for folder in folders]
        return CloudRows(str(place), columns, range(1, len(rooms) + 1), clouds=files, files=[])

    def _blocks(self, folder: Path) -> CloudRows:
        names = read_names(folder / "all_files.txt")
        rooms = read_names(folder / "room_filelist.txt")
        rows = read_array_rows([folder / Path(name).name for name in names], BLOCK_COLUMNS)
        if len(rooms) != len(rows):
            raise InputError(
                f"{folder / 'room_filelist.txt'}: found {count(len(rooms), 'room')}, expected {len(rows)}, one a block"
            )
        columns = {"id": [f"{room}/{place}" for place, room in enumerate(rooms)], SPLIT: self._splits(rooms)}
        return CloudRows(str(folder), columns, rows.rows, clouds=rows.clouds, files=rows.files)

    def _splits(self, rooms: list[str]) -> list[str]:
        """The split of each room or block: a room is never in two."""
        area = f"Area_{self.test_area}_"
        different = sorted({room for room in rooms if not room.startswith(area)})
        if len(different) == len(set(rooms)):
            raise InputError(f"{self.path}: found no room of {area[:-1]}, expected some for the test")
        if len(different) < 2:
            raise InputError(
                f"{self.path}: found {count(len(different), 'room')} beside {area[:-1]}, expected at least 2"
            )
        few = len(different) < PERIOD
        places = [len(different) - 1] if few else split_tenths(np.zeros(len(different)), 1, self.seed)[0].tolist()
        valid = {different[place] for place in places}
        return ["test" if room.startswith(area) else "valid" if room in valid else "train" for room in rooms]
