"""Weights in files: compared with the model that they are for before memory is taken."""

import hashlib
import pickle
import re
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from sampleformer.documents import check_regular
from sampleformer.errors import NAMES_SHOWN, InputError, shown
from sampleformer.reading import reading

AnyModel = TypeVar("AnyModel", bound=nn.Module)

_BLOCK = 2**20
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file on the device ``meta``: names, shapes and dtypes, which the header holds.

    Args:
        path: Path of the file.

    Raises:
        InputError: if the file is missing, not regular or not whole, or holds a dtype that no model has.
    """
    tensors = {}
    with reading(path, "a whole safetensors file"):
        check_regular(path, "the weights of a saved model")
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (no mapping)
                part = file.get_slice(name)
                dtype, shape = part.get_dtype(), part.get_shape()
                if dtype not in _DTYPES:
                    raise InputError(f"{path}: {name} has dtype {dtype}, expected one of {', '.join(_DTYPES)}")
                tensors[name] = torch.empty(shape, dtype=_DTYPES[dtype], device="meta")
    return tensors


def load_weights(path: Path, expected: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, whose header was read before.

    Args:
        path: Path of the file.
        expected: SHA-256 that it had when it was written. None: not known.

    Raises:
        InputError: if the file is not whole, or has changed.
    """
    with reading(path, "a whole safetensors file"):
        if expected is not None and (found := sha256(path)) != expected:
            raise InputError(
                f"{path}: damaged or changed since it was written: SHA-256 {found}, expected {shown(expected)} by "
                "config.json"
            )
        return load_file(path)


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def load_pickled(path: Path, what: str) -> Any:
    """The content of a file that `torch.save` wrote: tensors and plain values. Nothing else is built, no code runs.

    Args:
        path: Path of the file.
        what: Words for what the file should be. For messages.

    Raises:
        InputError: if the file is missing, not regular, cut short, damaged, or holds anything else.
    """
    with reading(path, what):
        check_regular(path, what)
        if zipfile.is_zipfile(path):
            _check_zip(path)
        elif not _begins_as_pickle(path):  # torch wrote nothing but a pickle long ago
            raise ValueError(f"{path.stat().st_size} bytes, cut short or damaged")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(_without_advice(str(error))) from error


def _without_advice(message: str) -> str:
    """What torch found in a file, without its words on how to let the file run its code."""
    reason = r"(?:WeightsUnpickler error:|Trying to load)\s+(\S.*?)(?:\. Please use|\.?$)"
    found = re.search(reason, message, re.MULTILINE)
    return f"found more than tensors and plain values{f': {found[1]}' if found else ''}"


def _begins_as_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == pickle.PROTO


def _check_zip(path: Path) -> None:
    """Compares the parts of a file with their checksums, which torch does not do; refuses parts to be unpacked."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
        if packed or sum(part.file_size for part in parts) > path.stat().st_size:
            raise zipfile.BadZipFile("compressed or overlapping parts, which torch.save does not write")
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} does not match")


def build_fitting(
    make: Callable[[], AnyModel],
    found: Mapping[str, Tensor],
    path: Path,
    config: Path,
    names: Callable[[AnyModel], Mapping[str, Tensor]] = nn.Module.state_dict,
) -> AnyModel:
    """A model that has a place for each of some weights and none without; until that is known it takes no memory.

    A configuration may claim any size, such as a width or a number of layers of 10⁹. The model is built on the device
    ``meta`` first, where tensors have shapes and no memory, and no further than it has about as many tensors as there
    are weights.

    Args:
        make: Builds the model from its configuration; called twice.
        found: Weights by name, whose shapes and dtypes count.
        path: Path of the file with the weights, for messages.
        config: Path of the file with the configuration, for messages.
        names: Tensors of a model under the names that the file has.

    Returns:
        The model on the default device, with new weights.

    Raises:
        InputError: if no model can be built, or its tensors differ from the weights.
    """
    with reading(config, "settings of which a model can be built"):
        with torch.device("meta"), limited_tensors(most_tensors(found), str(config)):
            planned = make()
        check_fit(path, found, names(planned), config)
        return make()  # numbers beyond float32 fail where they are written


def check_fit(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor], config: Path) -> None:
    """Raises InputError if weights are missing, too many, or of another shape or kind than the configuration says.

    Args:
        path: Path of the file, for the message.
        found: Tensors that the file holds.
        expected: Tensors of the right shapes; floating-point weights may have any floating-point dtype.
        config: Path of the file with the configuration, for the message.
    """
    if missing := expected.keys() - found.keys():
        raise InputError(f"{path}: does not fit {config}: weights are missing: {listed(missing)}")
    if unknown := found.keys() - expected.keys():
        raise InputError(f"{path}: does not fit {config}: there is no place for {listed(unknown)}")
    for name, tensor in found.items():
        shapes = tuple(tensor.shape), tuple(expected[name].shape)
        if shapes[0] != shapes[1]:
            raise InputError(f"{path}: does not fit {config}: {name} has shape {shapes[0]}, expected {shapes[1]}")
        dtypes = tensor.dtype, expected[name].dtype
        if dtypes[1].is_floating_point and not dtypes[0].is_floating_point:
            raise InputError(f"{path}: {name} has dtype {dtypes[0]}, expected floating-point numbers")
        if not dtypes[1].is_floating_point and dtypes[0] != dtypes[1]:
            raise InputError(f"{path}: {name} has dtype {dtypes[0]}, expected {dtypes[1]}")


def listed(several: Iterable[str]) -> str:
    """Names in a message, sorted, and not too many."""
    ordered = sorted(several)
    more = f", … ({len(ordered)} in all)" if len(ordered) > NAMES_SHOWN else ""
    return ", ".join(ordered[:NAMES_SHOWN]) + more


def most_tensors(found: Mapping[str, Tensor]) -> int:
    """Parameters and buffers that a model may make for so many weights: constants and replaced ones count too."""
    return 10 * len(found) + 100


@contextmanager
def limited_tensors(most: int, where: str) -> Iterator[None]:
    """Context that stops a model with too many parameters and buffers while it is built.

    Args:
        most: Largest number of parameters and buffers.
        where: Name of the configuration, for the message.

    Raises:
        InputError: if there are more.
    """
    thread, count = threading.get_ident(), 0

    def count_up(module: nn.Module, name: str, tensor: Any) -> None:
        nonlocal count
        count += threading.get_ident() == thread  # the hooks are of the whole process
        if count > most:
            raise InputError(f"{where}: a model of more than {most:,} tensors, expected fewer layers")

    with ExitStack() as stack:
        for register in (
            torch_module.register_module_parameter_registration_hook,
            torch_module.register_module_buffer_registration_hook,
        ):
            stack.callback(register(count_up).remove)
        yield
