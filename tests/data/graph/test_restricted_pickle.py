"""Pickles that may hold plain data alone."""

import collections
import contextlib
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sampleformer.data.graph.restricted_pickle import read_pickle
from sampleformer.errors import InputError


class Attack:
    """What a pickle may do if it is let."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


PLAIN = {
    "train": np.array([3, 1], dtype=np.int64),
    "names": ["a", ("b", 2.5, None, True), (), [], {}],
    "numbers": [0, -1, 255, 256, 65536, -(2**31), 2**31, 2**200, 1e300, float("inf")],
    "scalar": np.float32(1.5),
    "bytes": b"\xff\x00",
    "big": np.arange(6, dtype=">i2"),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "flags": np.array([[True], [False]]),
    "empty": np.zeros((0, 3), dtype=np.float32),
    "twice": [[1]] * 2,
}
TENSORS = {
    "floats": torch.ones(2, 2),
    "integers": torch.arange(3),
    "view": torch.arange(12.0).reshape(3, 4).T[1:],
    "flags": torch.tensor([True, False]),
    "half": torch.ones(2, dtype=torch.float16),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
}


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data(protocol: int) -> None:
    found = read_pickle(pickle.dumps(PLAIN, protocol), "data.pickle")
    assert list(found) == list(PLAIN)
    for name, value in PLAIN.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(found[name], value)
            assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        else:
            assert found[name] == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", TENSORS)
def test_tensors_are_arrays(name: str, protocol: int) -> None:
    tensor = TENSORS[name]
    first, second = read_pickle(pickle.dumps([tensor, tensor], protocol), "data.pickle")
    np.testing.assert_array_equal(first, tensor.numpy())
    assert first.dtype == tensor.numpy().dtype
    assert first is second


def test_a_tensor_of_a_newer_file() -> None:
    inside = io.BytesIO()
    torch.save(torch.storage.TypedStorage([1.0, 2.0], dtype=torch.float32), inside)
    np.testing.assert_array_equal(read_pickle(_loading(inside.getvalue()), "data.pickle"), [1, 2])


@settings(max_examples=30, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    ),
    st.integers(0, 5),
)
def test_any_plain_data(content: Any, protocol: int) -> None:
    assert read_pickle(pickle.dumps(content, protocol), "data.pickle") == content


def _loading(content: bytes) -> bytes:
    """A pickle that gives bytes to the function with which pickled tensors read theirs."""

    class Storage:
        def __reduce__(self) -> tuple[object, tuple[bytes]]:
            return torch.storage._load_from_bytes, (content,)

    return pickle.dumps(Storage())


def _text(value: str) -> bytes:
    content = value.encode()
    return b"X" + struct.pack("<I", len(content)) + content


def _bytes(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def _number(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _tuple(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def _call(function: bytes, *arguments: bytes) -> bytes:
    return function + _tuple(*arguments) + b"R"


def _dict(*pairs: bytes) -> bytes:
    return b"(" + b"".join(pairs) + b"d"


def _kind(name: str, *state: bytes) -> bytes:
    made = _call(_name("numpy", "dtype"), _text(name), b"\x89", b"\x88")
    return made + (_tuple(*state) + b"b" if state else b"")


def _order(order: str = "<", subdtype: bytes = b"N", names: bytes = b"N", fields: bytes = b"N") -> list[bytes]:
    return [_number(3), _text(order), subdtype, names, fields, _number(-1), _number(-1), _number(0)]


def _array(kind: bytes, shape: bytes, content: bytes) -> bytes:
    made = _call(RECONSTRUCT, NDARRAY, _tuple(_number(0)), _bytes(b"b"))
    return made + _tuple(_number(1), shape, kind, b"\x89", content) + b"b"


def _tensor(offset: int, size: list[int], stride: list[int]) -> bytes:
    typed = io.BytesIO()
    torch.save(torch.storage.TypedStorage([0.0] * 4, dtype=torch.float32), typed, _use_new_zipfile_serialization=False)
    storage = _call(_name("torch.storage", "_load_from_bytes"), _bytes(typed.getvalue()))
    sizes, strides = (_tuple(*map(_number, each)) for each in (size, stride))
    hooks = _call(_name("collections", "OrderedDict"))
    return _call(_name("torch._utils", "_rebuild_tensor_v2"), storage, _number(offset), sizes, strides, b"\x89", hooks)


NDARRAY, EIGHT = _name("numpy", "ndarray"), _bytes(b"A" * 8)
RECONSTRUCT = _name("numpy.core.multiarray", "_reconstruct")
SCALAR = _name("numpy.core.multiarray", "scalar")
FROMBUFFER = _name("numpy.core.numeric", "_frombuffer")
ORDERED, ENCODE = _name("collections", "OrderedDict"), _name("_codecs", "encode")
ONE = _tuple(_number(1))

GADGETS: dict[str, bytes] = {
    # Names that plain data does not need.
    "eval": _call(_name("builtins", "eval"), _text("1")),
    "getattr": _name("builtins", "getattr"),
    "exec": _call(_name("builtins", "exec"), _text("1")),
    "import": _call(_name("builtins", "__import__"), _text("os")),
    "system": _call(_name("os", "system"), _text("true")),
    "subprocess": _call(_name("subprocess", "Popen"), _text("true")),
    "open": _call(_name("builtins", "open"), _text("/etc/hostname")),
    "runstring": _name("numpy.testing._private.utils", "runstring"),
    "hub": _call(_name("torch.hub", "load"), _text("a/b"), _text("c")),
    "torch.load": _call(_name("torch.serialization", "load"), _text("a")),
    "copyreg": _call(_name("copyreg", "_reconstructor"), NDARRAY, NDARRAY, b"N"),
    "a dotted name": _name("numpy", "ndarray.__class__"),
    "a dotted name from the stack": _text("collections") + _text("OrderedDict.__init__.__globals__") + b"\x93",
    "a name from no text": _number(1) + _number(2) + b"\x93",
    "a module's module": _name("collections", "_sys.modules"),
    # Instructions that plain data does not need.
    "extension": b"\x82\x01",
    "extension of 4 bytes": b"\x84\x01\x00\x00\x00",
    "persistent name": b"Pabc\n",
    "persistent value": _tuple(_text("storage"), _name("torch", "FloatStorage"), _text("0"), _text("cpu"), _number(4))
    + b"Q",
    "inst": b"(ios\nsystem\n",
    "obj": b"(" + NDARRAY + b"o",
    "newobj": NDARRAY + _tuple(_number(1)) + b"\x81",
    "newobj_ex": NDARRAY + b")}\x92",
    "out-of-band buffer": b"\x97",
    "a set": b"\x8f(" + _number(1) + b"\x90",
    "a frozen set": b"(" + _number(1) + b"\x91",
    # States for what should have none.
    "state of a class": NDARRAY + _dict(_text("x"), _number(1)) + b"b",
    "state of a function": ENCODE + b"N" + _dict(_text("__defaults__"), _text("a")) + b"\x86b",
    "state of a function's globals": _name("torch._utils", "_rebuild_tensor_v2")
    + b"N"
    + _dict(_text("__doc__"), _text("x"))
    + b"\x86b",
    "state of a dictionary": _call(ORDERED) + _dict(_text("__class__"), NDARRAY) + b"b",
    "state of a list": b"]" + _dict(_text("x"), _number(1)) + b"b",
    "state of an array that is whole": _array(_kind("u1"), _tuple(_number(8)), EIGHT)
    + _tuple(_number(1), ONE, _kind("O"), b"\x89", EIGHT)
    + b"b",
    # Objects in the place of numbers.
    "objects": _array(_kind("O8", *_order("|")), ONE, EIGHT),
    "objects without state": _array(_kind("O"), ONE, EIGHT),
    "objects by their long name": _array(_kind("object"), ONE, EIGHT),
    "objects from a buffer": _call(FROMBUFFER, EIGHT, _kind("O"), ONE, _text("C")),
    "a scalar object": _call(SCALAR, _kind("O8", *_order("|")), EIGHT),
    "records": _array(_kind("V8", *_order("|")), ONE, EIGHT),
    "fields": _array(
        _kind("i8", *_order("|", names=_tuple(_text("a")), fields=_dict(_text("a"), _tuple(_kind("O"), _number(0))))),
        ONE,
        EIGHT,
    ),
    "a type inside a type": _array(_kind("i8", *_order(subdtype=_tuple(_kind("O"), ONE))), ONE, EIGHT),
    "a type from a list": _array(_call(_name("numpy", "dtype"), _tuple(_text("i8"), _text("O"))), ONE, EIGHT),
    "a comma type": _array(_kind("i4,O"), ONE, EIGHT),
    "texts": _array(_kind("U2"), ONE, EIGHT),
    "times": _array(_kind("M8[ns]"), ONE, EIGHT),
    "an array called": _call(NDARRAY, ONE, _text("O"), EIGHT),
    "an order that is none": _array(_kind("i8", *_order("S")), ONE, EIGHT),
    # Claims of more than there is.
    "20 GB": _call(NDARRAY, _tuple(_number(2_500_000_000)), _text("f8")),
    "20 GB announced": _array(_kind("f8"), _tuple(_number(2_500_000_000)), EIGHT),
    "a shape that wraps": _array(_kind("f8"), _tuple(_number(2**32), _number(2**32)), EIGHT),
    "a negative shape": _array(_kind("f8"), _tuple(_number(-1)), EIGHT),
    "a shape of no length": _array(_kind("f8"), _tuple(_number(0), _number(2**60)), EIGHT),
    "a shape of 100 axes": _array(_kind("f8"), _tuple(*[_number(1)] * 100), EIGHT),
    "a shape of texts": _array(_kind("f8"), _tuple(_text("1")), EIGHT),
    "an endless shape": _array(_kind("f8"), b"]\x94" + b"h\x00a", EIGHT),
    "content in a text": _array(_kind("f8"), ONE, _text("A" * 8)),
    "content in a list": _array(_kind("f8"), ONE, b"]"),
    "a scalar of too few bytes": _call(SCALAR, _kind("f8"), _bytes(b"A")),
    "a tensor of 4 TB": _tensor(0, [10**12], [1]),
    "a tensor beyond its numbers": _tensor(0, [5], [1]),
    "a tensor behind its numbers": _tensor(4, [1], [1]),
    "a tensor before its numbers": _tensor(-1, [1], [1]),
    "negative strides": _tensor(3, [2], [-1]),
    "strides beyond": _tensor(0, [2], [2**62]),
    "a number repeated": _tensor(0, [10**6], [0]),
    "fewer strides": _tensor(0, [2, 2], [1]),
    "a text as tensor": _call(_name("torch._utils", "_rebuild_tensor_v2"), _text("a"), _number(0), ONE, ONE),
    "a storage of nonsense": _call(_name("torch.storage", "_load_from_bytes"), _bytes(b"garbage" * 9)),
    "a storage of a pickle": _call(_name("torch.storage", "_load_from_bytes"), _bytes(pickle.dumps([1]))),
    # Codecs and dictionaries.
    "rot13": _call(ENCODE, _text("abc"), _text("rot13")),
    "zlib": _call(ENCODE, _text("abc"), _text("zlib")),
    "an unknown codec": _call(ENCODE, _text("abc"), _text("../../x")),
    "an ordered dictionary of itself": _call(ORDERED, _call(ORDERED)),
    "keys that collide": _dict(*(each for k in range(5) for each in (_number(k * (2**61 - 1)), _number(0)))),
    "keys that cannot be": _dict(b"]", _number(0)),
    # What is cut short.
    "nothing": b"",
    "no mark": b"t",
    "no function": _tuple(_number(1)) + b"R",
    "no argument": NDARRAY + b"R",
    "a call of a text": _call(_text("eval"), _text("1")),
    "appended to a tuple": b")" + _number(1) + b"a",
    "an unknown memory": b"h\x07",
    "two values": _number(1) + _number(2),
    "half a pair": b"(" + _text("a") + b"d",
    "too many digits": b"I" + b"1" * 5000 + b"\n",
    "bytes that are not there": b"B" + struct.pack("<I", 2**32 - 1) + b"A",
    "bytes that nobody has": b"\x8e" + struct.pack("<Q", 2**62) + b"A",
}


@pytest.mark.parametrize("gadget", GADGETS)
@pytest.mark.parametrize("version", [b"\x80\x02", b"\x80\x04"])
def test_gadgets_are_refused(gadget: str, version: bytes) -> None:
    within = [version + b"](" + GADGETS[gadget] + b"e."] if gadget not in ("nothing", "two values") else []
    for content in (version + GADGETS[gadget] + b".", *within):
        with pytest.raises(
            InputError, match=r"^data.pickle: (found .*, expected nothing but|not a whole pickle of|cut)"
        ) as raised:
            read_pickle(content, "data.pickle")
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 500


def test_a_large_memory_number_takes_no_memory() -> None:
    assert read_pickle(b"\x80\x04]r\xff\xff\xff\xff.", "data.pickle") == []


def test_lists_inside_each_other_are_no_recursion() -> None:
    found = read_pickle(b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".", "data.pickle")
    assert len(found) == 1


def test_arrays_cannot_be_written_to() -> None:
    found = read_pickle(pickle.dumps({"a": np.arange(3), "b": torch.ones(2)}, 2), "data.pickle")
    for array in found.values():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5


def test_nothing_is_run(tmp_path: Path) -> None:
    attack = pickle.dumps([1, Attack(tmp_path / "made")])
    with pytest.raises(
        InputError, match="data.pickle: found an object of posix.mkdir, expected nothing but plain data"
    ):
        read_pickle(attack, "data.pickle")
    for newer in (False, True):
        inside = io.BytesIO()
        torch.save(Attack(tmp_path / "made"), inside, _use_new_zipfile_serialization=newer)
        with pytest.raises(InputError, match="data.pickle: found an object of posix.mkdir"):
            read_pickle(_loading(inside.getvalue()), "data.pickle")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(list(range(100)))[:-20]])
def test_damaged(content: bytes) -> None:
    with pytest.raises(InputError, match="data.pickle: not a whole pickle"):
        read_pickle(content, "data.pickle")


@pytest.mark.parametrize("make", [lambda: PLAIN, lambda: list(TENSORS.values())], ids=["plain", "tensors"])
def test_changed_bytes_are_read_or_refused(make: Callable[[], object]) -> None:
    random = np.random.default_rng(0)
    for protocol in (2, 4, 5):
        content = pickle.dumps(make(), protocol)
        for _ in range(150):
            changed = bytearray(content)
            for place in random.integers(len(content), size=int(random.integers(1, 4))):
                changed[place] = int(random.integers(256))
            with contextlib.suppress(InputError):
                read_pickle(bytes(changed), "data.pickle")


def test_an_ordered_dictionary_is_one_of_texts() -> None:
    empty: collections.OrderedDict[str, int] = collections.OrderedDict()
    assert read_pickle(pickle.dumps(empty), "data.pickle") == {}
