"""What is said of files that a package cannot read."""

from pathlib import Path

import pytest

from sampleformer.data.point_cloud.file_check import reading
from sampleformer.errors import InputError

PATH = Path("scan.las")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("cut\n short"), r"scan.las: not a valid LAS file \(cut short\)"),
        (MemoryError(), "scan.las: needs more memory than there is, or is not a valid LAS file"),
        (InputError("scan.las: row 3: no number"), "^scan.las: row 3: no number$"),
    ],
)
def test_whatever_a_package_raises_is_one_line(error: Exception, words: str) -> None:
    with pytest.raises(InputError, match=words), reading(PATH, "a valid LAS file"):
        raise error


def test_an_interruption_is_not_taken_for_a_damaged_file() -> None:
    with pytest.raises(KeyboardInterrupt), reading(PATH, "a valid LAS file"):
        raise KeyboardInterrupt
