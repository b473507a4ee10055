"""ScanObjectNN: objects cut out of scans of rooms."""

from __future__ import annotations

from typing import Any

from sampleformer.data.download import Download
from sampleformer.data.point_cloud.array_rows import LABEL, SPLIT, read_array_rows
from sampleformer.data.point_cloud.cloud_rows import CloudRows
from sampleformer.data.point_cloud.published.published_clouds import PublishedClouds
from sampleformer.data.point_cloud.published.unpacking import folder_with
from sampleformer.errors import InputError, nearest

CLASSES = (
    *("bag", "bin", "box", "cabinet", "chair", "desk", "display", "door"),
    *("shelf", "table", "bed", "pillow", "sink", "sofa", "toilet"),
)
VARIANTS = {
    "objects": ("main_split_nobg", "objectdataset"),
    "background": ("main_split", "objectdataset"),
    "hardest": ("main_split", "objectdataset_augmentedrot_scale75"),
}
"""OBJ_ONLY, OBJ_BG and PB_T50_RS: the folder and what stands in the files' names."""


class ScanObjectNN(PublishedClouds):
    """ScanObjectNN: real scans of about 15 000 objects of 15 classes, 2 048 points each, with the published test.

    Args:
        path: ``h5_files.zip`` or the folder that it unpacks to. None: it is downloaded; its owners ask to agree to
            their terms first, https://hkust-vgd.github.io/scanobjectnn.
        variant: "hardest" (PB_T50_RS: moved, turned and scaled boxes, with background), "background" (OBJ_BG) or
            "objects" (OBJ_ONLY).
        limit: use at most so many objects of each split.
        seed: seed of the validation part and of the choice of objects.
        on_error: "stop" at the first wrong cloud, or "skip" and count wrong ones.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
        view: what of a cloud the model sees: points, train_rotation and all other settings of `CloudView`.

    Source: Uy et al. 2019, "Revisiting Point Cloud Classification" (arXiv 1908.04616), section 3.
    """

    archive = Download(
        "scanobjectnn_h5_files.zip",
        ("https://hkust-vgd.ust.hk/scanobjectnn/h5_files.zip",),
        md5="36876af479f9ad39abad5ebcd89038dd",
    )

    def __init__(
        self,
        path: str | None = None,
        variant: str = "hardest",
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "stop",
        cache: str | None = None,
        **view: Any,
    ) -> None:
        if variant not in VARIANTS:
            raise InputError(f"variant: found {variant!r}; {nearest(variant, VARIANTS)}")
        super().__init__(
            path,
            LABEL,
            {"classes": CLASSES, **view},
            limit=limit,
            seed=seed,
            on_error=on_error,
            cache=cache,
        )
        self.variant = variant

    def read(self) -> CloudRows:
        folder, name = VARIANTS[self.variant]
        given = self.prepare()
        place = folder_with(given, (folder,))
        files = [] if place is None else [place / folder / f"{part}_{name}.h5" for part in ("training", "test")]
        missing = [file for file in files if not file.exists()]
        if not files or missing:
            expected = f"{folder}/training_{name}.h5 and {folder}/test_{name}.h5"
            raise InputError(f"{missing[0] if missing else given}: not found, expected {expected}")
        rows = read_array_rows(files, self.view.columns, classes=self.view.classes)
        if LABEL not in rows.columns:
            raise InputError(f"{files[0]}: found no array 'label', expected the class of each cloud")
        splits = ["train" if str(each).startswith("training") else "test" for each in rows.columns["id"]]
        return CloudRows(str(place), {**rows.columns, SPLIT: splits}, rows.rows, clouds=rows.clouds, files=files)
