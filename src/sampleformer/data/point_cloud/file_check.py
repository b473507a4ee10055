"""Files that a package opens by their path."""

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Around what a package does with a file: packages raise errors of all kinds where a file is damaged.

    Args:
        path: of the file.
        kind: what it should be: "a valid LAS file".

    Raises:
        InputError: in one line, for whatever was raised; that memory does not suffice is said as such.
    """
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path}: needs more memory than there is, or is not {kind}") from error
    except Exception as error:
        raise InputError(f"{path}: not {kind} ({' '.join(str(error).split())})") from error
