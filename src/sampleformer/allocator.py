"""What glibc does with freed memory. With another C library nothing here has an effect."""

import ctypes
import functools
import sys
from typing import Any

# Of malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4


@functools.cache
def _glibc() -> Any:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None


def keep_freed_memory() -> bool:
    """Lets this process keep freed memory for what it needs next, until `return_freed_memory`.

    By default glibc hands large pieces back at once, and the system clears every page of the next one. An encoder layer
    makes and frees megabytes in every operation: of a training step of 65 536 tokens that was more than a third. It
    concerns the whole process, so it is for programs, not for libraries.

    Returns:
        Whether it has an effect.
    """
    library = _glibc()
    if library is None:
        return False
    never = -1
    return bool(library.mallopt(_TRIM_THRESHOLD, never) and library.mallopt(_MMAP_MAX, 0))


def return_freed_memory() -> bool:
    """Gives all freed memory back to the system, the holes between pieces in use included.

    Returns:
        Whether there was any.
    """
    library = _glibc()
    return library is not None and bool(library.malloc_trim(0))
