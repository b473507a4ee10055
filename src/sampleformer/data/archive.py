"""Files from an archive, or from the folder that it unpacks to."""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sampleformer.errors import InputError


def archive_files(path: Path, top: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files in a .tar.gz or .zip archive or in its unpacked folder.

    Args:
        path: the archive, the folder `top` that it holds, or the folder where it was unpacked.
        top: name of the folder that all files lie in.

    Yields:
        Each file's name below `top`, with "/", and a content.

    Raises:
        InputError: if the path does not exist, or the archive is damaged.
    """
    if path.is_dir():
        yield from _folder_files(path, top)
    elif not path.exists():
        raise InputError(f"{path}: no such file or folder")
    elif zipfile.is_zipfile(path):
        yield from _zip_files(path, top)
    else:
        yield from _tar_files(path, top)


def _zip_files(path: Path, top: str) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                parts = PurePosixPath(member.filename).parts
                if top in parts and not member.is_dir():
                    yield "/".join(parts[parts.index(top) + 1 :]), archive.read(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise InputError(f"{path}: not a whole .zip archive ({error})") from error


def _folder_files(path: Path, top: str) -> Iterator[tuple[str, bytes]]:
    folder = path / top if (path / top).is_dir() else path
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file.read_bytes()


def _tar_files(path: Path, top: str) -> Iterator[tuple[str, bytes]]:
    try:
        with gzip.open(path) as content:
            with tarfile.open(fileobj=content, mode="r|") as archive:
                for member in archive:
                    parts = PurePosixPath(member.name).parts
                    opened = archive.extractfile(member) if member.isfile() and top in parts else None
                    if opened is not None:
                        yield "/".join(parts[parts.index(top) + 1 :]), opened.read()
            while content.read(1 << 20):  # to the end, where the checksum is compared
                pass
    except EOFError as error:
        raise InputError(f"{path}: the archive is cut short") from error
    except (tarfile.TarError, zlib.error, OSError) as error:
        raise InputError(f"{path}: not a valid .tar.gz or .zip archive ({error})") from error
