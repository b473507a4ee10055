"""Pickles of plain data, read without running what they may hold."""

from __future__ import annotations

import io
import os
import pickletools
import zipfile
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np

from sampleformer.data.graph.pickled_arrays import NAMES, STORAGES, ForbiddenError, Kind, Unbuilt, make
from sampleformer.errors import InputError
from sampleformer.reading import reading

_MARK = object()
_VALUES = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
        *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MAGIC = 0x1950A86A20F9469CFC6C  # of a file that torch.save wrote before it wrote zip files


def read_pickle(content: bytes, path: str | os.PathLike[str]) -> Any:
    """What a pickle of plain data holds: numbers, texts, lists, tuples, dictionaries, arrays; tensors as arrays.

    A pickle is a program. This one is not run: its instructions are read one by one, and those that plain data needs
    are followed. Nothing is imported or called, and an array never has more content than the file holds. Arrays cannot
    be written to.

    Args:
        content: of the file.
        path: names the file in messages.

    Raises:
        InputError: if it holds anything else, or is damaged.
    """
    with reading(path, "a whole pickle of plain data"):
        try:
            return _Reading(io.BytesIO(content)).value()
        except ForbiddenError as error:
            raise InputError(f"{path}: found {error}, expected nothing but plain data, arrays and tensors") from None


@dataclass(frozen=True)
class _Name:
    """A function or class that the pickle names."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """The numbers of a tensor, which stand elsewhere."""

    dtype: np.dtype
    key: str
    count: int


class _Reading:
    """Follows the instructions of one pickle after the other.

    Args:
        file: the pickles.
        storages: whether they may name numbers of tensors that stand elsewhere.
    """

    def __init__(self, file: BinaryIO, *, storages: bool = False) -> None:
        self._file = file
        self._storages = storages

    def value(self) -> Any:
        """What the next pickle holds."""
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        for instruction, given, _ in pickletools.genops(self._file):
            name, argument = instruction.name, cast(Any, given)
            if name in _VALUES:
                self._stack.append(argument)
            elif name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name])
            elif name in _TUPLES:
                self._stack[-_TUPLES[name] :] = [tuple(self._last(_TUPLES[name]))]
            elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                self._memo[argument] = self._top()
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                self._stack.append(self._remembered(argument))
            else:
                step = getattr(self, f"_do_{name.lower()}", None)
                if step is None:
                    raise ForbiddenError(f"the instruction {name}")
                step(argument)
        (value,) = self._stack
        return value

    def _last(self, count: int) -> list[Any]:
        values = self._stack[-count:]
        if len(values) < count or any(value is _MARK for value in values):
            raise ValueError("an instruction lacks what it is about")
        return values

    def _top(self) -> Any:
        return self._last(1)[0]

    def _pop(self) -> Any:
        value = self._top()
        self._stack.pop()
        return value

    def _since_mark(self) -> list[Any]:
        place = len(self._stack) - 1
        while self._stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("an instruction lacks its beginning")
        values = self._stack[place + 1 :]
        del self._stack[place:]
        return values

    def _remembered(self, key: int) -> Any:
        value = self._memo[key]
        return value.made if isinstance(value, Unbuilt) and value.made is not None else value

    # Each of the following is named like its instruction, see pickletools.

    def _do_proto(self, _: int) -> None:
        """The version; all are read alike."""

    def _do_frame(self, _: int) -> None:
        """A number of bytes, which a reader of streams needs."""

    def _do_stop(self, _: None) -> None:
        """The end."""

    def _do_memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._top()

    def _do_empty_list(self, _: None) -> None:
        self._stack.append([])

    def _do_empty_dict(self, _: None) -> None:
        self._stack.append({})

    def _do_tuple(self, _: None) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _do_list(self, _: None) -> None:
        self._stack.append(self._since_mark())

    def _do_dict(self, _: None) -> None:
        values = self._since_mark()
        self._stack.append({})
        self._set(values)

    def _do_append(self, _: None) -> None:
        self._extend([self._pop()])

    def _do_appends(self, _: None) -> None:
        self._extend(self._since_mark())

    def _do_setitem(self, _: None) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _do_setitems(self, _: None) -> None:
        self._set(self._since_mark())

    def _extend(self, values: list[Any]) -> None:
        found = self._top()
        if type(found) is not list:
            raise ValueError(f"a {type(found).__name__} cannot be appended to")
        found.extend(values)

    def _set(self, values: list[Any]) -> None:
        found = self._top()
        keys = values[::2]
        # Texts alone: numbers can be chosen so that a dictionary takes the square of their count.
        if type(found) is not dict or len(values) % 2 or not all(type(key) is str for key in keys):
            raise ValueError("expected a dictionary whose keys are texts")
        found.update(zip(keys, values[1::2], strict=True))

    def _do_global(self, name: str) -> None:
        self._name(name.replace(" ", ".", 1))

    def _do_stack_global(self, _: None) -> None:
        name, module = self._pop(), self._pop()
        self._name(f"{module}.{name}")

    def _name(self, name: str) -> None:
        if name not in NAMES:
            raise ForbiddenError(f"an object of {name[:200]}")
        self._stack.append(_Name(name))

    def _do_reduce(self, _: None) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise ValueError("found a call of what is no function")
        self._stack.append(make(function.name, arguments, _read_storage))

    def _do_build(self, _: None) -> None:
        state, made = self._pop(), self._pop()
        if not isinstance(made, Kind | Unbuilt):
            raise ForbiddenError(f"a {type(made).__name__} that is given a state")
        self._stack.append(made.build(state))

    def _do_binpersid(self, _: None) -> None:
        found = self._pop()
        if not self._storages:
            raise ForbiddenError("something outside the pickle")
        if not isinstance(found, tuple) or len(found) < 5 or found[0] != "storage" or not isinstance(found[1], _Name):
            raise ValueError("expected the numbers of a tensor")
        _, kind, key, _, count = found[:5]
        if kind.name not in STORAGES or type(key) is not str or type(count) is not int or count < 0:
            raise ValueError("expected the type, key and count of a tensor's numbers")
        self._stack.append(_Storage(np.dtype(STORAGES[kind.name]), key, count))


def _read_storage(content: bytes) -> np.ndarray:
    """The numbers of a tensor, which a pickle holds as a file that `torch.save` wrote."""
    if content.startswith(b"PK"):
        return _read_zip_storage(content)
    file = io.BytesIO(content)
    values = _Reading(file, storages=True)
    if values.value() != _MAGIC:
        raise ValueError("found no tensor that torch.save wrote")
    _, _, storage, keys = (values.value() for _ in range(4))
    if not isinstance(storage, _Storage) or keys != [storage.key]:
        raise ValueError("expected the numbers of one tensor")
    count = int.from_bytes(file.read(8), "little")
    return _numbers(content[file.tell() :], storage, count)


def _read_zip_storage(content: bytes) -> np.ndarray:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name.partition("/")[2]: archive.getinfo(name) for name in archive.namelist()}
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
            raise ValueError("found compressed numbers of a tensor, expected plain ones")
        storage = _Reading(io.BytesIO(archive.read(members["data.pkl"])), storages=True).value()
        if not isinstance(storage, _Storage):
            raise ValueError("expected the numbers of one tensor")
        return _numbers(archive.read(members[f"data/{storage.key}"]), storage, storage.count)


def _numbers(content: bytes, storage: _Storage, count: int) -> np.ndarray:
    if count != storage.count or count * storage.dtype.itemsize != len(content):
        raise ValueError(f"{storage.count} numbers of a tensor are announced, found {len(content)} bytes")
    return np.frombuffer(content, storage.dtype)
