"""Files from an archive, or from the folder that it unpacks to."""

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sampleformer.errors import InputError
from sampleformer.reading import reading
from sampleformer.unpacking import open_gzip, open_zip


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
    with open_zip(path) as archive:
        for member in archive.infolist():
            parts = PurePosixPath(member.filename).parts
            if top in parts and not member.is_dir():
                yield "/".join(parts[parts.index(top) + 1 :]), archive.read(member)


def _folder_files(path: Path, top: str) -> Iterator[tuple[str, bytes]]:
    folder = path / top if (path / top).is_dir() else path
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file.read_bytes()


def _tar_files(path: Path, top: str) -> Iterator[tuple[str, bytes]]:
    kind = "a valid .tar.gz or .zip archive"
    with open_gzip(path, kind) as content, reading(path, kind):
        with tarfile.open(fileobj=content, mode="r|") as archive:
            for member in archive:
                parts = PurePosixPath(member.name).parts
                opened = archive.extractfile(member) if member.isfile() and top in parts else None
                if opened is not None:
                    yield "/".join(parts[parts.index(top) + 1 :]), opened.read()
        while content.read(1 << 20):  # to the end, where the checksum is compared
            pass
