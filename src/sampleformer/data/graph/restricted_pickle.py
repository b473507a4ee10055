"""Pickles of plain data, read without running what they may hold."""

from __future__ import annotations

import importlib
import io
import os
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import torch

from sampleformer.errors import InputError

_NUMPY = ("numpy.core", "numpy._core")  # before and since NumPy 2


def read_pickle(file: BinaryIO, path: str | os.PathLike[str]) -> Any:
    """What a pickle of plain data holds: numbers, texts, lists, tuples, dictionaries, arrays and tensors.

    A pickle is a program. This one may call nothing but what makes arrays and tensors.

    Args:
        file: opened for reading bytes.
        path: names the file in messages.

    Raises:
        InputError: if it holds anything else, or is damaged.
    """
    try:
        return _Unpickler(file).load()
    except _ForbiddenError as error:
        raise InputError(
            f"{path}: found an object of {error}, expected nothing but plain data, arrays and tensors"
        ) from None
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise InputError(f"{path}: not a whole pickle ({' '.join(str(error).split())[:200]})") from error


class _ForbiddenError(Exception):
    """Something that the pickle may not have."""


def _tensor_storage(content: bytes) -> Any:
    """The numbers of a tensor, which a pickle holds as a file that `torch.save` wrote."""
    return torch.load(io.BytesIO(content), weights_only=True)


def _allowed() -> dict[tuple[str, str], Callable[..., Any]]:
    from collections import OrderedDict

    from torch._utils import _rebuild_tensor_v2

    makers: dict[tuple[str, str], Callable[..., Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor_v2,
        ("torch.storage", "_load_from_bytes"): _tensor_storage,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _encoded,
    }
    core = _NUMPY[hasattr(np, "_core")]
    for module, names in (("multiarray", ("_reconstruct", "scalar")), ("numeric", ("_frombuffer",))):
        found = importlib.import_module(f"{core}.{module}")
        makers |= {(f"{written}.{module}", name): getattr(found, name) for written in _NUMPY for name in names}
    return makers


def _encoded(text: str, encoding: str) -> bytes:
    """Bytes, as the oldest protocols hold them."""
    return text.encode("latin-1") if encoding == "latin1" else text.encode(encoding)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        makers = _allowed()
        if (module, name) not in makers:
            raise _ForbiddenError(f"{module}.{name}")
        return makers[module, name]
