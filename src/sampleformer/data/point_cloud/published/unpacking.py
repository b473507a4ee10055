"""Archives of published sets, unpacked once into the cache."""

from pathlib import Path

from sampleformer.data.cache import cache_folder, make_folder
from sampleformer.errors import InputError
from sampleformer.files import made_whole
from sampleformer.unpacking import open_zip


def unpacked(path: Path, cache: str | None = None) -> Path:
    """A folder, or the folder in the cache where a .zip archive is unpacked; it appears there whole or not at all.

    Args:
        path: of the folder or archive.
        cache: folder of the cache. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.

    Raises:
        InputError: if there is neither, or the archive is damaged.
    """
    if path.is_dir():
        return path
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    state = path.stat()
    place = cache_folder(cache) / "unpacked" / f"{path.stem}-{state.st_size}-{state.st_mtime_ns}"
    if place.is_dir():
        return place
    make_folder(place.parent)
    with made_whole(place) as part, open_zip(path) as archive:
        archive.extractall(part)
    return place


def folder_with(path: Path, patterns: tuple[str, ...], deepest: int = 2) -> Path | None:
    """The folder itself or one below it in which a file or folder fits one of the patterns; None: there is none.

    Args:
        path: where to look.
        patterns: as `Path.glob` takes them.
        deepest: how many folders below.
    """
    level = [path]
    for _ in range(deepest + 1):
        for folder in level:
            if any(next(folder.glob(pattern), None) is not None for pattern in patterns):
                return folder
        level = [inner for folder in level for inner in sorted(folder.iterdir()) if inner.is_dir()]
    return None
