"""CIFAR-10 in grey, from files of the published layout."""

from pathlib import Path

import numpy as np
import pytest

from sampleformer.data import Cifar10
from sampleformer.data.sequence.cifar10 import CLASSES, grey
from sampleformer.errors import InputError

IMAGES = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for name in [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]:
        records = random.integers(0, 256, size=(IMAGES, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(IMAGES)
        (tmp_path / "cifar-10-batches-bin" / name).write_bytes(records.tobytes())
    return tmp_path / "cifar-10-batches-bin"


def test_grey_is_pillows_luma() -> None:
    image = pytest.importorskip("PIL.Image")
    colours = np.random.default_rng(0).integers(0, 256, size=(50, 32, 32, 3), dtype=np.uint8)
    planes = colours.transpose(0, 3, 1, 2).reshape(50, -1)
    expected = np.stack([np.asarray(image.fromarray(one).convert("L")).reshape(-1) for one in colours])
    assert np.array_equal(grey(planes), expected)


def test_grey_of_grey_is_itself() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(grey(np.concatenate([levels] * 3)[None])[0], levels)


def test_images_and_parts(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    splits = Cifar10(path=str(folder)).load()
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [45, 5, 10]
    assert (splits.encoding.model_inputs, splits.encoding.layout) == ({"vocabulary": 256, "length": 1024}, (32, 32))
    assert splits.encoding.task.labels == sorted(CLASSES)
    assert splits.test.ids == [f"test_batch.bin/{row}" for row in range(IMAGES)]
    assert splits.test.targets is not None
    assert [splits.encoding.task.labels[target] for target in splits.test.targets] == list(CLASSES)
    record = np.frombuffer((folder / "test_batch.bin").read_bytes(), dtype=np.uint8).reshape(-1, 3073)[4, 1:]
    assert np.array_equal(splits.test[4].features, grey(record[None])[0])
    assert "found 10 images, the published file has 10000" in caplog.text


def test_levels_as_numbers(folder: Path) -> None:
    splits = Cifar10(path=str(folder.parent), values="pixels", limit=5).load()
    assert splits.encoding.model_inputs == {"features": 1, "length": 1024}
    assert splits.train[0].features.shape == (1024, 1)
    assert splits.train[0].features.max() <= 1


def test_missing_file(folder: Path) -> None:
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(InputError, match=r"data_batch_3\.bin is missing, expected the files data_batch_1\.bin"):
        Cifar10(path=str(folder)).load()


@pytest.mark.parametrize("change", [b"", b"x" * 3000])
def test_file_of_the_wrong_size(folder: Path, change: bytes) -> None:
    (folder / "test_batch.bin").write_bytes(change)
    with pytest.raises(
        InputError, match=rf"test_batch\.bin: found {len(change):,} bytes, expected a multiple of 3,073"
    ):
        Cifar10(path=str(folder)).load()


def test_label_out_of_range(folder: Path) -> None:
    content = bytearray((folder / "test_batch.bin").read_bytes())
    content[3073 * 2] = 10
    (folder / "test_batch.bin").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"test_batch\.bin: image 2: found the label 10, expected 0 to 9"):
        Cifar10(path=str(folder)).load()
