"""A folder of clouds."""

from pathlib import Path
from typing import Any

from sampleformer.data.point_cloud.cloud_folders import FOLDER, read_folder
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.cloud_source import CloudSource
from sampleformer.data.point_cloud.cutting import Cutting
from sampleformer.data.point_cloud.reading import SUFFIXES
from sampleformer.tasks import Classification


class CloudFolder(CloudSource):
    """A folder of meshes or files of points, a sub-folder for each class.

    Folders train, test and valid, before or after those of the classes, say the split, as in ModelNet.

    Args:
        path: the folder, see `cloud_folders.read_folder`.
        label: "folder": the class of a cloud is the folder it lies in; "labels": the labels of points in the files.
        block, stride, room: for labels of points of scenes, see `Cutting`.
        names: what the labels of points are called: names of 0, 1, 2, …
        parts: whether the labels of points are parts of shapes. None: if several folders share no label.
        valid, test: other folders. None: as the folders' names say, else seeded tenths.
        task: Name of another task in `TASKS`, such as "masked". None: classification.
        limit: use at most so many clouds of each split.
        seed: seed of the splits.
        on_error: "stop" at the first wrong file, or "skip" and count wrong ones.
        view: what of a cloud the model sees: points, normals, train_rotation and all other settings of `CloudView`.
    """

    suffixes = SUFFIXES

    def __init__(
        self,
        path: str,
        label: str = FOLDER,
        block: float | None = None,
        stride: float | None = None,
        room: bool = False,
        names: list[str] | None = None,
        parts: bool | None = None,
        valid: str | None = None,
        test: str | None = None,
        task: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "stop",
        **view: Any,
    ) -> None:
        cutting = Cutting.of(block=block, stride=stride, room=room)
        super().__init__(
            path,
            label,
            view,
            cutting=cutting,
            names=names,
            parts=parts,
            valid=valid,
            test=test,
            task=task or Classification.name,
            limit=limit,
            seed=seed,
            on_error=on_error,
        )
        if task is None:
            self.task_reason = "each folder is a class" if self.labels == [FOLDER] else "labels are classes"

    def read(self) -> CloudRows:
        return read_folder(Path(self.path), classes=self.labels == [FOLDER])
