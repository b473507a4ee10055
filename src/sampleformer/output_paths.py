"""Places that can be written, which is found out before anything is done for them."""

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sampleformer.errors import InputError, one_line


def check_output(
    path: str | os.PathLike[str],
    *,
    force: bool | None = None,
    option: str = "",
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> Path:
    """The path of a file that can be written, which is found out before anything is done for it.

    A link is followed, and a device or a pipe is written to: neither is replaced.

    Args:
        path: of the file to be made.
        force: whether it may exist already. None: it may not, and the user has no option for it.
        option: that names it, for the messages.
        inputs: files and folders that are read for it, which it may not be.

    Raises:
        InputError: if it exists, is an input, or cannot be written where it is.
    """
    where = f"{option}: {path}" if option else f"{path}"
    path = Path(path)
    with output_errors(where):
        for read in inputs:
            if _is_read(path, Path(read)):
                raise InputError(f"{where}: is what is read ({read}); give another name")
        if path.is_dir():
            raise InputError(f"{where}: is a folder, expected the name of a file")
        if path.exists() and not force and not is_stream(path):
            remedy = "" if force is None else ", or overwrite it with --force"
            raise InputError(f"{where}: exists already and is not overwritten; give another name{remedy}")
        _check_writable(path, where)
    return path


def check_writable(path: Path, option: str) -> None:
    """Raises InputError if a file, which may exist, cannot be written, before anything is done for it.

    Args:
        path: of the file.
        option: that names it, for the message.
    """
    check_output(path, force=True, option=option)


def check_new_folder(path: Path) -> None:
    """Raises InputError if a folder that is not there cannot be made, before anything is done for it."""
    with output_errors(str(path)):
        place = Path(os.path.abspath(path))
        above = next(folder for folder in place.parents if folder.exists())
        if not above.is_dir():
            raise InputError(f"{path}: cannot be made, since {above} is a file")
        with tempfile.TemporaryDirectory(dir=above) as tried:
            Path(tried, place.relative_to(above)).mkdir(parents=True)


def _check_writable(path: Path, where: str) -> None:
    if is_stream(path):
        if not os.access(path, os.W_OK):
            raise InputError(f"{where}: cannot be written (permission denied)")
        return
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise InputError(f"{where}: found a folder, expected the name of a file")
    if not place.parent.is_dir():
        raise InputError(f"{where}: there is no folder {place.parent}, expected a file in a folder that exists")
    with suppress(FileNotFoundError):
        os.lstat(place)  # a name may be too long for the file system
    with tempfile.TemporaryFile(dir=place.parent):
        pass


def _is_read(path: Path, read: Path) -> bool:
    """Whether writing a file would change what is read."""
    if not path.exists() or not read.exists() or is_stream(path):
        return False
    return os.path.samefile(path, read) or (read.is_dir() and path.resolve().is_relative_to(read.resolve()))


def is_standard_output(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of this process's standard output, such as ``/dev/stdout``."""
    return stream_number(path) == 1


def stream_number(path: str | os.PathLike[str]) -> int | None:
    """1 or 2 if a path is that of standard output or of standard error."""
    with suppress(OSError, ValueError):
        found = os.stat(path)
        for number in (1, 2):
            with suppress(OSError):
                if os.path.samestat(found, os.fstat(number)):
                    return number
    return None


def is_stream(path: Path) -> bool:
    """Whether a path is that of a device, a pipe or standard output, to be written to, and not of a file to replace."""
    if not path.exists() or path.is_dir():
        return False
    return not stat.S_ISREG(path.stat().st_mode) or stream_number(path) is not None


@contextmanager
def output_errors(where: str) -> Iterator[None]:
    """Raises InputError for whatever hinders a file from being written."""
    try:
        yield
    except Exception as error:
        if not _is_of_writing(error):
            raise
        reason = getattr(error, "strerror", None) or one_line(str(error), 200)
        raise InputError(f"{where}: cannot be written ({reason})") from error


def _is_of_writing(error: Exception) -> bool:
    if isinstance(error, RuntimeError):  # of torch, where a disk is full
        return "inline_container" in str(error)
    if isinstance(error, ValueError):  # a NUL in a path
        return "embedded null" in str(error)
    return isinstance(error, OSError) or type(error).__module__.startswith("safetensors")
