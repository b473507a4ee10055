"""What the libraries below torch keep of a process's memory: glibc of what is freed, oneDNN of what it has compiled."""

import ctypes
import functools
import os
import sys
from typing import Any

# Of malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4

PRIMITIVES = 64
"""Compiled primitives that oneDNN may keep: more than one step on inputs of one shape needs, whatever the depth."""


@functools.cache
def _glibc() -> Any:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None


def keep_freed_memory() -> bool:
    """Lets this process keep freed memory for what it needs next, until `return_freed_memory`.

    By default glibc hands large pieces back at once, and the system clears every page of the next one. An encoder layer
    makes and frees megabytes in every operation: of a training step of 65 536 tokens that was more than a third. It
    concerns the whole process, so it is for programs, not for libraries. With another C library it has no effect.

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


def keep_few_primitives() -> None:
    """Lets oneDNN keep 64 compiled primitives in place of 1 024, if the environment does not say how many.

    oneDNN compiles a primitive (torch's GELU; in bfloat16 matrix products too) for each shape of its input. Batches of
    unequal lengths have a new shape in nearly every step; what is kept of them lies between the pieces of memory that
    a step frees, which then cannot be joined again. Has to come before oneDNN's first primitive.
    """
    if "DNNL_PRIMITIVE_CACHE_CAPACITY" not in os.environ:
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PRIMITIVES))
