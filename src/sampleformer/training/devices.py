"""Where a model runs."""

import torch

from sampleformer.errors import InputError, nearest

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str) -> str:
    """The device of that name, if this machine has it.

    Args:
        name: ``cpu``, ``cuda``, ``mps``, or ``auto`` for the fastest there is.

    Raises:
        InputError: if there is none.

    Example:
        >>> pick_device("cpu")
        'cpu'
    """
    if name not in DEVICES:
        raise InputError(f"--device: unknown device {name!r}; {nearest(name, DEVICES)}")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available[name]:
        found = ", ".join(device for device, there in available.items() if there)
        raise InputError(f"--device: {name!r} is not available on this machine with this torch; available: {found}")
    return name
