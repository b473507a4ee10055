"""Small files of points for the tests."""

import json
from pathlib import Path

import numpy as np

BOX = "OFF\n8 6 0\n" + "".join(f"{x} {y} {z}\n" for x in (0, 1) for y in (0, 1) for z in (0, 1))
BOX += "4 0 1 3 2\n4 4 6 7 5\n4 0 4 5 1\n4 2 3 7 6\n4 0 2 6 4\n4 1 5 7 3\n"
TRIANGLE = "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"


def cloud(seed: int, points: int = 40, flat: bool = False) -> np.ndarray:
    """Points of a ball of dust, or of a flat one."""
    return np.random.default_rng(seed).normal(size=(points, 3)) * ([1, 1, 0.1] if flat else [1, 1, 1])


def write_points(path: Path, values: np.ndarray, header: str = "") -> Path:
    """A text file with a line a point."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values, header=header, comments="", fmt="%.6f")
    return path


def write_shapes(folder: Path, each: int = 10, points: int = 40) -> Path:
    """Two classes in two folders."""
    for number in range(each):
        write_points(folder / "ball" / f"{number}.xyz", cloud(number, points + number))
        write_points(folder / "disc" / f"{number}.xyz", cloud(100 + number, points + number, flat=True))
    return folder


def write_parts(folder: Path, each: int = 10) -> Path:
    """Two categories of two parts each: the label of each point in the last column."""
    for number in range(each):
        for offset, category in ((0, "ball"), (2, "disc")):
            points = cloud(number + 50 * offset, 40 + number, flat=offset > 0)
            labels = offset + (points[:, 0] > 0)
            write_points(folder / category / f"{number}.txt", np.c_[points, labels], "x y z label")
    return folder


def write_meshes(folder: Path) -> Path:
    """The layout of ModelNet: CLASS/train/NAME.off, the header of one file as ModelNet breaks it."""
    for name, text in (("box", BOX), ("sheet", TRIANGLE)):
        for split, count in (("train", 10), ("test", 2)):
            (folder / name / split).mkdir(parents=True)
            for number in range(count):
                (folder / name / split / f"{name}_{number:04}.off").write_text(text)
    (folder / "README.txt").write_text("This is ModelNet.\n")
    first = folder / "box" / "train" / "box_0000.off"
    first.write_text(BOX.replace("OFF\n", "OFF", 1))
    return folder


def write_shapenet(folder: Path) -> Path:
    """The layout of ShapeNetPart with normals."""
    categories = {"Bag": "02773838", "Cap": "02954340"}
    first_part = {"Bag": 4, "Cap": 6}
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for category, synset in categories.items():
        for number, split in enumerate(("train", "train", "val", "test")):
            points = cloud(number, 30)
            labels = first_part[category] + (points[:, 0] > 0)
            normals = points / np.linalg.norm(points, axis=1, keepdims=True)
            write_points(folder / synset / f"s{number}.txt", np.c_[points, normals, labels])
            lists[split].append(f"shape_data/{synset}/s{number}")
    (folder / "synsetoffset2category.txt").write_text("".join(f"{a}\t{b}\n" for a, b in categories.items()))
    (folder / "train_test_split").mkdir()
    for split, names in lists.items():
        (folder / "train_test_split" / f"shuffled_{split}_file_list.json").write_text(json.dumps(names))
    return folder
