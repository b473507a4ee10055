"""What torch's tracers are doing."""

import torch


def is_exporting() -> bool:
    """Whether the code is being traced by `torch.export`.

    torch 2.6 does not tell; there it is tracing without Dynamo, which is how `torch.export` traces by default.
    """
    known = getattr(torch.compiler, "is_exporting", None)
    if known is not None:
        return bool(known())
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()
