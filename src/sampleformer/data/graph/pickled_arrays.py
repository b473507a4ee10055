"""What pickles say of arrays and tensors, as checked arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_KIND = re.compile(r"[<>|=]?(?:\?|b1|[iu][1248]|f[248])")
_MOST_AXES = 32
STORAGES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
"""Classes that pickles name beside the numbers of a tensor, and what these are."""


class ForbiddenError(Exception):
    """Something that a pickle may not have; the message names it."""


@dataclass
class Kind:
    """The type of an array's numbers; its byte order is told later than the rest."""

    dtype: np.dtype

    def build(self, state: Any) -> Kind:
        """Takes the byte order from what numpy writes: version, order, and nothing of a compound type."""
        _expect(
            isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", ">", "|", "="), "the state of a type"
        )
        _expect(state[2:5] == (None, None, None), "a type of plain numbers")
        self.dtype = self.dtype.newbyteorder(state[1])
        return self


class Unbuilt:
    """An array that was announced, and whose content follows."""

    def __init__(self) -> None:
        self.made: np.ndarray | None = None

    def build(self, state: Any) -> np.ndarray:
        """The array of numpy's state: version, shape, type, order, content."""
        _expect(isinstance(state, tuple) and len(state) == 5, "the state of an array")
        _, shape, kind, by_column, content = state
        self.made = _array(content, kind, shape, "F" if by_column else "C")
        return self.made


def make(name: str, arguments: tuple[Any, ...], storage: Callable[[bytes], np.ndarray]) -> Any:
    """What one of the functions that pickles of plain data name gives.

    Args:
        name: with its module.
        arguments: as the pickle has them.
        storage: reads the numbers of a tensor from what `torch.save` wrote.

    Raises:
        ForbiddenError: if there is no such function.
        ValueError: if the arguments are not what numpy and torch write.
    """
    if name == _STORAGE:
        return storage(*_typed(arguments, bytes))
    if name not in _MAKERS:
        raise ForbiddenError(f"an object of {name}")
    return _MAKERS[name](*arguments)


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"found another thing in the place of {what}")


def _typed(arguments: tuple[Any, ...], *types: type) -> tuple[Any, ...]:
    fits = len(arguments) == len(types) and all(map(isinstance, arguments, types))
    _expect(fits, " and ".join(each.__name__ for each in types))
    return arguments


def _numbers(values: Any, what: str) -> tuple[int, ...]:
    fits = isinstance(values, tuple) and len(values) <= _MOST_AXES and all(type(each) is int for each in values)
    _expect(fits and min(values, default=0) >= 0, what)
    return values


def _dict(*arguments: Any) -> dict[str, Any]:
    _expect(not arguments, "an empty dictionary")
    return {}


def _bytes(*arguments: Any) -> bytes:
    text, encoding = _typed(arguments, str, str)
    _expect(encoding in ("latin1", "latin-1"), "the encoding latin1")
    return text.encode("latin-1")


def _no_bytes(*arguments: Any) -> bytes:
    _expect(not arguments, "no bytes")
    return b""


def _kind(*arguments: Any) -> Kind:
    name = arguments[0] if arguments else None
    if not isinstance(name, str) or not _KIND.fullmatch(name):
        raise ForbiddenError(f"numbers of the type {str(name)[:40]!r}")
    return Kind(np.dtype(name))


def _announced(*arguments: Any) -> Unbuilt:
    _expect(len(arguments) == 3, "an array that is announced")
    return Unbuilt()


def _array(content: Any, kind: Any, shape: Any, order: Any = "C") -> np.ndarray:
    """An array of bytes; they are not copied."""
    _expect(isinstance(content, bytes | bytearray) and isinstance(kind, Kind) and order in ("C", "F"), "an array")
    shape = _numbers(shape, "the shape of an array")
    size = math.prod(shape) * kind.dtype.itemsize
    if size != len(content):
        raise ValueError(f"an array of shape {shape} needs {size} bytes, found {len(content)}")
    values = np.frombuffer(content, kind.dtype)
    return values.reshape(shape[::-1]).T if order == "F" else values.reshape(shape)


def _scalar(*arguments: Any) -> Any:
    kind, content = _typed(arguments, Kind, bytes)
    return _array(content, kind, ())[()]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> np.ndarray:
    """A tensor's view of its storage."""
    _expect(isinstance(storage, np.ndarray) and storage.ndim == 1, "the numbers of a tensor")
    (offset,) = _numbers((offset,), "where a tensor begins")
    size, stride = _numbers(size, "the size of a tensor"), _numbers(stride, "the strides of a tensor")
    _expect(len(size) == len(stride), "as many strides as sizes")
    count = math.prod(size)
    last = offset + sum((axis - 1) * step for axis, step in zip(size, stride, strict=True)) if count else offset
    if count > len(storage) or (last >= len(storage) if count else last > len(storage)):
        raise ValueError(f"a tensor of size {size} and strides {stride} from {offset} in {len(storage)} numbers")
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False)


_STORAGE = "torch.storage._load_from_bytes"
_MAKERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _dict,
    "_codecs.encode": _bytes,  # bytes in old pickles
    "__builtin__.bytes": _no_bytes,
    "numpy.dtype": _kind,
    "torch._utils._rebuild_tensor_v2": _tensor,
}
for _numpy in ("numpy.core", "numpy._core"):  # before and since NumPy 2
    _MAKERS |= {
        f"{_numpy}.multiarray._reconstruct": _announced,
        f"{_numpy}.multiarray.scalar": _scalar,
        f"{_numpy}.numeric._frombuffer": _array,
    }
NAMES = frozenset({*_MAKERS, *STORAGES, _STORAGE, "numpy.ndarray"})
"""What a pickle of plain data may name."""
