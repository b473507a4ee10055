"""Many clouds in one file, or in a few."""

from pathlib import Path
from typing import Any

from sampleformer.data.point_cloud.array_rows import LABEL, read_array_rows
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.cloud_source import CloudSource
from sampleformer.data.point_cloud.cutting import Cutting
from sampleformer.data.point_cloud.reading import SET_SUFFIXES
from sampleformer.errors import InputError


class CloudArrays(CloudSource):
    """NPZ or H5 files that hold many clouds each, or images whose ink is the points.

    Args:
        path: a file, several, or a folder of such files; see `array_rows.read_array_rows` for what they hold.
        label: "label": the class of each cloud; "labels" (or "pid", "seg"): the labels of points.
        classes: names that the numbers of the label stand for. None: the array `classes`, else the numbers.
        lift: of images, height of the brightest pixel; 0: all points lie in a plane.
        block, stride, room: for labels of points of scenes, see `Cutting`.
        valid, test: other files. None: the array `split` or `is_test` if there is one, else seeded tenths.
        limit: use at most so many clouds of each split.
        seed: seed of the splits and of the choice of clouds.
        on_error: "stop" at the first wrong cloud, or "skip" and count wrong ones.
        view: what of a cloud the model sees: points, normals, train_rotation and all other settings of `CloudView`.
    """

    suffixes = SET_SUFFIXES

    def __init__(
        self,
        path: str | list[str],
        label: str = LABEL,
        classes: list[str] | None = None,
        lift: float = 0.0,
        block: float | None = None,
        stride: float | None = None,
        room: bool = False,
        valid: str | None = None,
        test: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "stop",
        **view: Any,
    ) -> None:
        self.paths = [path] if isinstance(path, str) else list(path)
        if not self.paths:
            raise InputError("path: found no files, expected at least one")
        of_points = label != LABEL
        super().__init__(
            self.paths[0],
            label,
            {**view, "lift": lift, "classes": None if of_points else classes},
            cutting=Cutting.of(block=block, stride=stride, room=room),
            names=classes if of_points else None,
            valid=valid,
            test=test,
            task="classification",
            limit=limit,
            seed=seed,
            on_error=on_error,
        )
        self.task_reason = "labels are classes"

    def main_files(self) -> dict[str, list[Path]]:
        return {"path": [file for path in self.paths for file in array_files(Path(path))]}

    def read(self) -> CloudRows:
        files = [file for path in self.paths for file in array_files(Path(path))]
        return read_array_rows(files, self.view.columns, classes=self.view.classes, lift=self.view.lift)


def array_files(path: Path) -> list[Path]:
    """A file, or the files of arrays in a folder, in the order of their names.

    Raises:
        InputError: if there are none.
    """
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SET_SUFFIXES)
    if not files:
        raise InputError(f"{path}: found no file {', '.join(SET_SUFFIXES)} in the folder, expected at least one")
    return files
