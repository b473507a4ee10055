"""Fields of raw tokens that an embedding cannot do without."""

from torch import Tensor

from sampleformer.errors import InputError


def given(value: Tensor | None, name: str) -> Tensor:
    """A field that must be there.

    Raises:
        InputError: if it is not.
    """
    if value is None:
        raise InputError(f"the tokens have no {name}, which the model was made for")
    return value
