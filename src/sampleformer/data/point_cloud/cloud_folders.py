"""Folders of clouds, a sub-folder for each class."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.reading import SUFFIXES
from sampleformer.errors import InputError, shown

FOLDER = "folder"
"""The column that holds the class folder of each cloud."""
SPLIT = "split"
"""The column that holds the split folder of each cloud, if there are such folders."""
_SPLITS = {"train": "train", "test": "test", "val": "valid", "valid": "valid", "validation": "valid"}
_NO_CLOUDS = ("readme", "license", "licence")
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SHOWN = ".off, .ply, .xyz, .npy, …"


def holds_clouds(path: str) -> bool:
    """Whether a path is a folder with files of points below it, or in class folders.

    Example:
        >>> holds_clouds("no such folder")
        False
    """
    folder = Path(path)
    return folder.is_dir() and any(_is_cloud(file) for file in folder.rglob("*"))


def read_folder(path: Path, *, classes: bool, suffixes: tuple[str, ...] = SUFFIXES) -> CloudRows:
    """All files of points below a folder, in the order of their names.

    The class of a file is the first folder on its way; a folder train, test or valid on its way, before or after that
    of the class, says its split, as in ModelNet. Files that cannot hold points, hidden ones and
    those called README or LICENSE are passed over.

    Args:
        path: the folder.
        classes: whether every file must lie in the folder of a class, and each such folder must have files.
        suffixes: what the names of files end in that are read.

    Returns:
        A table with the columns id (the path below the folder), `FOLDER` and, if there are split folders, `SPLIT`.

    Raises:
        InputError: if there are no files, classes are wanted and missing, or a name on the way of a file is not UTF-8.
    """
    if not path.is_dir():
        raise InputError(f"{path}: {'found a file' if path.exists() else 'no such folder'}, expected a folder")
    files = sorted(file for file in path.rglob("*") if _is_cloud(file, suffixes))
    if not files:
        raise InputError(f"{path}: found no file of points ({_SHOWN}) in the folder or below it, expected at least one")
    check_name(path)
    for file in files:
        check_name(file.relative_to(path), path)
    outer = _splits_are_outside(path, files) if classes else False
    folders, splits = [], []
    for file in files:
        way = list(file.relative_to(path).parts[:-1])
        split = way.pop(0) if outer else None
        folder = way.pop(0) if way else ""
        inner = way.pop(0) if way and not outer and way[0].lower() in _SPLITS else None
        if classes and not folder:
            raise InputError(f"{file}: lies in no class folder, expected {path}/CLASS/{file.name}")
        folders.append(folder)
        splits.append(_SPLITS.get((split or inner or "").lower(), ""))
    columns = {"id": [file.relative_to(path).as_posix() for file in files], FOLDER: folders}
    if any(splits):
        without = [file for file, split in zip(files, splits, strict=True) if not split]
        if without:
            raise InputError(f"{without[0]}: lies in no folder train, test or valid, but others do; expected all to")
        columns[SPLIT] = splits
    if classes:
        _check_class_folders(path, files, outer)
    return CloudRows(str(path), columns, range(1, len(files) + 1), clouds=files, files=files)


def check_name(name: PurePath, folder: Path | None = None) -> None:
    """Refuses the name of a file or class that no text file can hold, before anything is computed for it.

    Args:
        name: Path whose parts are checked.
        folder: Folder that it is in, for the message.

    Raises:
        InputError: if a part of the path is not UTF-8, or has a line break or another control character.
    """
    found = _UNWRITABLE.search(str(name))
    if found is None:
        return
    wrong = next(part for part in name.parts if _UNWRITABLE.search(part))
    problem = "not UTF-8" if found[0] >= "\ud800" else "with a control character"
    where = "" if folder is None else f"{folder}: "
    raise InputError(f"{where}found the name {shown(wrong)}, which is {problem}; rename it to use it")


def _is_cloud(file: Path, suffixes: tuple[str, ...] = SUFFIXES) -> bool:
    if file.suffix.lower() not in suffixes or file.name.startswith(".") or file.stem.lower() in _NO_CLOUDS:
        return False
    return file.is_file()


def _splits_are_outside(path: Path, files: list[Path]) -> bool:
    """Whether the first folders of all files are train, test and the like, and class folders lie in them."""
    ways = [file.relative_to(path).parts[:-1] for file in files]
    return all(len(way) >= 2 and way[0].lower() in _SPLITS for way in ways)


def _check_class_folders(path: Path, files: list[Path], outer: bool) -> None:
    """Refuses class folders without a file of points."""
    parents = [folder for folder in sorted(path.iterdir()) if folder.is_dir()] if outer else [path]
    filled = {folder for file in files for folder in file.parents}
    for parent in parents:
        for folder in sorted(parent.iterdir()):
            if folder.is_dir() and not folder.name.startswith(".") and folder not in filled:
                raise InputError(
                    f"{folder}: found no file of points ({_SHOWN}), expected at least one in a class folder"
                )
