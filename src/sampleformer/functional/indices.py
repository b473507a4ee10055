"""Indices of tokens, compared with how many tokens there are."""

from jaxtyping import Int64
from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.tracing import is_readable


def check_indices(indices: Int64[Tensor, "b ..."], length: int, name: str) -> None:
    """Refuses indices of tokens that are not there; a look-up would find those of the next set.

    Elsewhere than in eager mode on a CPU nobody looks at them: that would mean to wait for the device.

    Args:
        indices: Indices, ``(b, …)``; padding holds some token's.
        length: n, tokens of each set, padding included.
        name: What has them, for the message.

    Raises:
        InputError: if one is negative or n or more.
    """
    if is_readable(indices) and indices.numel():
        least, most = (int(end) for end in indices.aminmax())
        if least < 0 or most >= length:
            found = least if least < 0 else most
            raise InputError(f"{name} has index {found}, expected 0 to {length - 1}: there are {length} tokens")
