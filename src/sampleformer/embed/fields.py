"""Fields of raw tokens that an embedding cannot do without, and what they may hold."""

from collections.abc import Sequence

from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.tracing import is_readable


def given(value: Tensor | None, name: str) -> Tensor:
    """A field that must be there.

    Raises:
        InputError: if it is not.
    """
    if value is None:
        raise InputError(f"the tokens have no {name}, which the model was made for")
    return value


def numbers(value: Tensor | None, name: str, count: int) -> Tensor:
    """A field that holds so many numbers for each token or edge.

    Args:
        value: The field.
        name: Name of the field, for the message.
        count: How many numbers the model was made for.

    Raises:
        InputError: if it is missing, has another number of them, or holds codes.
    """
    value = given(value, name)
    if value.ndim < 3 or value.shape[-1] != count:
        raise InputError(f"{name} have shape {tuple(value.shape)}, expected (batch, tokens, {count})")
    if not value.is_floating_point():
        raise InputError(f"{name} are {value.dtype}, expected floating-point numbers, which the model was made for")
    return value


def codes(value: Tensor, vocabularies: Sequence[int], name: str = "code") -> Tensor:
    """Codes as int64, each below the size of its vocabulary.

    Elsewhere than in eager mode on a CPU nobody looks at them, which would mean to wait for the device: there the
    look-up ends with an error of torch's, as that of `torch.nn.Embedding` does.

    Args:
        value: Codes, ``(b, n)``, or ``(b, n, c)`` of c vocabularies.
        vocabularies: Number of codes of each.
        name: What a code is, for the message.

    Raises:
        InputError: if they are no integers, or one is negative or too large.
    """
    if value.is_floating_point() or value.is_complex():
        raise InputError(f"{name}s are {value.dtype}, expected integers, to be looked up in a vocabulary")
    several = len(vocabularies) > 1 or value.ndim == 3
    if several and (value.ndim != 3 or value.shape[-1] != len(vocabularies)):
        raise InputError(f"{name}s have shape {tuple(value.shape)}, expected (batch, tokens, {len(vocabularies)})")
    if not several and value.ndim != 2:
        raise InputError(f"{name}s have shape {tuple(value.shape)}, expected (batch, tokens)")
    value = value.long()
    if is_readable(value) and value.numel():
        by_feature = value.reshape(-1, len(vocabularies))
        ends = zip(by_feature.amin(0).tolist(), by_feature.amax(0).tolist(), vocabularies, strict=True)
        for feature, (least, most, size) in enumerate(ends):
            if least < 0 or most >= size:
                wrong = (by_feature[:, feature] < 0) | (by_feature[:, feature] >= size)
                place = int(wrong.nonzero()[0])
                row, token = divmod(place, value.shape[1])
                of = f" of feature {feature + 1}" if several else ""
                raise InputError(
                    f"{name} {int(by_feature[place, feature])}{of} at token {token + 1} of set {row + 1}, "
                    f"expected 0 to {size - 1}"
                )
    return value
