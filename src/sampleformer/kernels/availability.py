"""Whether a Triton kernel can run, and which of the two forms of a function is used."""

import importlib.util
import logging
import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from sampleformer.errors import InputError, nearest
from sampleformer.tracing import is_exporting

_Function = TypeVar("_Function", bound=Callable[..., Any])

KERNELS = ("auto", "plain", "triton")
"""What a kernel can be asked for with: where it can run, never, always."""

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
NARROWEST, WIDEST = 8, 128
OLDEST = (8, 0)
"""The compute capability from which on Triton knows NVIDIA's GPUs."""

logger = logging.getLogger("sampleformer")
_said: set[str] = set()
_installed = importlib.util.find_spec("triton") is not None

_EXPORTING = "a program is being exported, and shall run without Triton"
_NO_GPU = "the tensors are on {device}, expected cuda"
_INTERPRETED = "Triton's interpreter is on (TRITON_INTERPRET), which is for checks"


def _constant_when_compiled(function: _Function) -> _Function:
    # All that torch.compiler.assume_constant_result does, which would import Dynamo, and with it Triton: two seconds.
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def check_kernel(kernel: str) -> None:
    """Refuses, with a ValueError, what no kernel can be asked for with.

    Example:
        >>> check_kernel("tritom")
        Traceback (most recent call last):
        ValueError: kernel is 'tritom'; did you mean 'triton'? allowed: auto, plain, triton
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel is {kernel!r}; {nearest(kernel, KERNELS)}")


def unavailable(
    *where: Tensor | torch.device, widths: tuple[int, ...] = (), narrowest: int = NARROWEST, widest: int = WIDEST
) -> str | None:
    """Why a Triton kernel cannot run, in a few words; None if it can.

    On CPU tensors it can where Triton's interpreter is on (``TRITON_INTERPRET=1``), which is slow and for checks.

    Args:
        where: the tensors that the kernel reads, or the device that it shall run on. Tensors of floating-point numbers
            must be float32, bfloat16 or float16; others (indices, masks) may be anything.
        widths: e, of the heads: those that the kernel has in registers.
        narrowest: the smallest width.
        widest: the largest one.

    Example:
        >>> unavailable(torch.zeros(2, dtype=torch.float64)) is None
        False
    """
    if is_exporting():
        return _EXPORTING
    tensors = [given for given in where if isinstance(given, Tensor)]
    devices = [given.device if isinstance(given, Tensor) else given for given in where]
    reasons = [_of_machine(device.type, device.index) for device in devices]
    reasons += [_of_dtype(tensor) for tensor in tensors]
    reasons += [_of_width(width, narrowest, widest) for width in widths]
    for reason in reasons:
        if reason is not None:
            return reason
    return None


def use_triton(kernel: str, reason: str | None) -> bool:
    """Whether to run the kernel, or else its plain twin.

    Args:
        kernel: ``"auto"``: the kernel, where it can run and Triton's interpreter is off; that it cannot is logged
            once a process and reason, where there is a GPU. ``"plain"``: the plain twin. ``"triton"``: the kernel.
        reason: why the kernel cannot run, from `unavailable`; None: it can.

    Raises:
        InputError: if the kernel is ``"triton"`` and cannot run; it names the reason.

    Example:
        >>> use_triton("plain", None), use_triton("triton", None)
        (False, True)
    """
    if kernel == "plain":
        return False
    if kernel == "triton":
        if reason is not None:
            raise InputError(f"kernel is 'triton', which cannot run: {reason}; allowed: 'auto', 'plain'")
        return True
    if reason is None and interpreting():
        reason = _INTERPRETED
    if reason is not None:
        _say(reason)
    return reason is None


@_constant_when_compiled
def interpreting() -> bool:
    """Whether Triton runs kernels in its interpreter, as it does where TRITON_INTERPRET is set.

    It must be so before Triton is imported, which torch does.
    """
    return os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "on", "yes", "y")


@_constant_when_compiled
def _of_machine(device: str, index: int | None) -> str | None:
    if device != "cuda" and not interpreting():
        return _NO_GPU.format(device=device)
    if not _installed:
        return 'Triton is not installed: pip install "sampleformer[kernels]"'
    if interpreting():
        return None
    if not torch.cuda.is_available():
        built = torch.version.cuda is not None or torch.version.hip is not None
        return "no CUDA device was found" if built else f"torch {torch.__version__} is built without CUDA"
    if torch.version.hip is None and torch.cuda.get_device_capability(index) < OLDEST:
        found = ".".join(map(str, torch.cuda.get_device_capability(index)))
        return f"the GPU has compute capability {found}, expected at least {'.'.join(map(str, OLDEST))}"
    return None


def _of_dtype(tensor: Tensor) -> str | None:
    if tensor.is_floating_point() and tensor.dtype not in DTYPES:
        return f"the dtype is {_short(tensor.dtype)}, expected {', '.join(map(_short, DTYPES))}"
    return None


def _of_width(width: int, narrowest: int, widest: int) -> str | None:
    if narrowest <= width <= widest:
        return None
    return f"the head width is {width}, expected {narrowest} to {widest}"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _say(reason: str) -> None:
    if torch.compiler.is_compiling() or reason in _said:
        return
    _said.add(reason)
    # Without a GPU, or with tensors elsewhere, plain functions are what one expects: no line for what nobody missed.
    if torch.cuda.is_available() and reason not in (_EXPORTING, _NO_GPU.format(device="cpu")):
        logger.warning("plain functions in place of Triton kernels: %s", reason)
