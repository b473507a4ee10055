"""What torch's tracers are doing."""

import torch
from torch import Tensor


def is_readable(tensor: Tensor) -> bool:
    """Whether Python may look at what a tensor holds at no price: no device to wait for, no trace to cut.

    Example:
        >>> is_readable(torch.zeros(3)), is_readable(torch.zeros(3, device="meta"))
        (True, False)
    """
    return (
        tensor.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and type(tensor) in (Tensor, torch.nn.Parameter)  # a fake one is of another class
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


def is_exporting() -> bool:
    """Whether the code is being traced by `torch.export`.

    torch 2.6 does not tell; there it is tracing without Dynamo, which is how `torch.export` traces by default.
    """
    known = getattr(torch.compiler, "is_exporting", None)
    if known is not None:
        return bool(known())
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()
