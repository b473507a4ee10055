"""Files that a package opens by their path."""

from pathlib import Path

from sampleformer.errors import InputError


def check_file(path: Path) -> None:
    """Looks whether there is anything to read, so that the words for it are ours and not a package's.

    Raises:
        InputError: if the file cannot be opened or is empty.
    """
    try:
        with path.open("rb") as file:
            start = file.read(1)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: found a folder, expected a file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not start:
        raise InputError(f"{path}: the file is empty")
