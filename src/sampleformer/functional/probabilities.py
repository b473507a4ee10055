"""How the logits of a query become weights of the values: softmax, leaky ReLU and leaky softmax.

Each comes in two forms: the weights, and their numerators and denominators apart (`PROBABILITIES`), so that a caller
may mix the values first and divide n·e numbers instead of n·k.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

_LARGEST_EXPONENT = 30.0


def softmax(logits: Float[Tensor, "b h n k"], valid: Bool[Tensor, "b #h k"] | None = None) -> Float[Tensor, "b h n k"]:
    """Weights that sum to one, ``A_ij = exp a_ij / Σ_j exp a_ij``; zeros where no slot is valid.

    Args:
        logits: a, of every query and slot.
        valid: False where a slot holds nothing and has weight zero, whatever its logits are. None: all hold something.

    Returns:
        Weights in the dtype of the logits, computed in float32 or wider.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), equation 1.

    Example:
        >>> softmax(torch.zeros(1, 1, 1, 3), torch.tensor([[[True, True, False]]]))
        tensor([[[[0.5000, 0.5000, 0.0000]]]])
    """
    return _divided(_softmax(logits, None, valid), logits.dtype)


def leaky_relu(
    logits: Float[Tensor, "b h n k"], leak: Float[Tensor, "b h k"], valid: Bool[Tensor, "b #h k"] | None = None
) -> Float[Tensor, "b h n k"]:
    """Weights that may be zero and sum to less than one.

    ``A_ij = relu(a_ij) / (Σ_j relu(a_ij) + Σ_j softplus(c_j))``. A query whose logits are all negative attends to
    nothing.

    Args:
        logits: a, of every query and slot.
        leak: c, of every slot: how much of the attention it lets escape.
        valid: False where a slot holds nothing: it has weight zero and does not leak, whatever its logits are. None:
            all hold something.

    Returns:
        Weights in the dtype of the logits, computed in float32 or wider.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> leaky_relu(torch.tensor([[[[2.0, -1.0]]]]), torch.full((1, 1, 2), -30.0))
        tensor([[[[1., 0.]]]])
    """
    return _divided(_leaky_relu(logits, leak, valid), logits.dtype)


def leaky_softmax(
    logits: Float[Tensor, "b h n k"], leak: Float[Tensor, "b h k"], valid: Bool[Tensor, "b #h k"] | None = None
) -> Float[Tensor, "b h n k"]:
    """Positive weights that sum to less than one, ``A_ij = exp a_ij / (Σ_j exp a_ij + Σ_j exp c_j)``.

    Args, Returns: as for `leaky_relu`.

    Source: SFT (arXiv 2408.05822), section 3. The published code joins the two sums along the queries, so that nothing
    leaks.

    Example:
        >>> leaky_softmax(torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 2))
        tensor([[[[0.2500, 0.2500]]]])
    """
    return _divided(_leaky_softmax(logits, leak, valid), logits.dtype)


@dataclass(frozen=True)
class Probability:
    """A way to make weights of logits.

    Args:
        split: maps logits ``(b, h, n, k)``, leak ``(b, h, k)`` (None, if it does not leak), valid ``(b, h or 1, k)``
            (None: all are) and presence ``(b, h or 1, k)`` (None: all are present) to numerators ``(b, h, n, k)`` and
            denominators ``(b, h, n, 1)``, float32 or wider. Only their quotient has a meaning: both may carry a common
            factor, which gradients leave out. Denominators are never zero. Presence is how often each slot counts: its
            numerator and its leak are multiplied by it; the gradient of a zero is what would change if the slot were
            there as a whole.
        leaks: whether it takes a leak.
    """

    split: Callable[..., tuple[Tensor, Tensor]]
    leaks: bool


def _softmax(
    logits: Tensor, leak: Tensor | None, valid: Tensor | None, presence: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    logits = _masked(_wide(logits), valid)
    exponentials = _exponentials(logits, _largest(logits, presence), presence)
    numerators, total, _ = _counted(exponentials, None, presence)
    return numerators, _never_zero(total)


def _leaky_relu(
    logits: Tensor, leak: Tensor | None, valid: Tensor | None, presence: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    logits, leak = _wide(logits), _of_slots(leak, valid)
    positive = _masked(logits, valid).relu()
    numerators, total, leaked = _counted(positive, F.softplus(leak), presence)
    # Where nothing is above zero the denominator does not matter, but a tiny one would make gradients 0·∞.
    nothing = total == 0 if presence is None else positive.detach().sum(-1, keepdim=True) == 0
    return numerators, _never_zero((total + leaked).masked_fill(nothing, 1))


def _leaky_softmax(
    logits: Tensor, leak: Tensor | None, valid: Tensor | None, presence: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    logits, leak = _masked(_wide(logits), valid), _of_slots(leak, valid)
    largest_leak = _largest(leak, presence)
    largest = torch.maximum(_largest(logits, presence), largest_leak)
    leaks = _exponentials(leak, largest_leak, presence) * (largest_leak - largest).exp()
    numerators, total, leaked = _counted(_exponentials(logits, largest, presence), leaks, presence)
    return numerators, _never_zero(total + leaked)


def _counted(
    numerators: Tensor, leaks: Tensor | None, presence: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | float]:
    """Numerators as often as they count, their sum, and the sum of the leaks as often as they count."""
    if presence is None:
        leaked = 0.0 if leaks is None else leaks.sum(-1, keepdim=True)
        return numerators, numerators.sum(-1, keepdim=True), leaked
    counts = presence.to(numerators.dtype)[:, :, None, :]
    each = numerators.detach() if leaks is None else (numerators + leaks).detach()
    total = (each * counts.detach()).sum(-1, keepdim=True)
    # As if what is absent were there as a whole: the derivative at zero has no bound.
    counts = counts * torch.where(counts > 0, 1, total / _never_zero(total + each))
    numerators = numerators * counts
    leaked = 0.0 if leaks is None else (leaks * counts).sum(-1, keepdim=True)
    return numerators, numerators.sum(-1, keepdim=True), leaked


def _exponentials(logits: Tensor, largest: Tensor, presence: Tensor | None) -> Tensor:
    if presence is None:
        return (logits - largest).exp_()
    # What is absent may be far above the largest that is present: zero times what it is must not be zero times ∞.
    return (logits - largest).clamp(max=_LARGEST_EXPONENT).exp_()


def _divided(parts: tuple[Tensor, Tensor], dtype: torch.dtype) -> Tensor:
    numerators, denominators = parts
    return (numerators / denominators).to(dtype)


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _masked(logits: Tensor, valid: Tensor | None) -> Tensor:
    return logits if valid is None else logits.masked_fill(~valid[:, :, None, :], -torch.inf)


def _of_slots(leak: Tensor | None, valid: Tensor | None) -> Tensor:
    """The leak as logits of one more query that all share, (b, h, 1, k)."""
    if leak is None:
        raise ValueError("leak is None, expected one logit for each slot: this probability leaks")
    return _masked(_wide(leak)[:, :, None, :], valid)


def _largest(logits: Tensor, presence: Tensor | None) -> Tensor:
    """What to subtract before the exponential: the maximum of each row, over the slots that are present at all."""
    if logits.shape[-1] == 0:
        return logits.new_zeros((*logits.shape[:-1], 1))
    if presence is not None:
        logits = _masked(logits.detach(), presence > 0)
    # Finite also for a row without a valid slot, since infinity minus infinity is NaN.
    return logits.detach().amax(-1, keepdim=True).clamp(min=torch.finfo(logits.dtype).min)


def _never_zero(denominators: Tensor) -> Tensor:
    return denominators.masked_fill(denominators == 0, 1)


PROBABILITIES = {
    "softmax": Probability(_softmax, leaks=False),
    "leaky_relu": Probability(_leaky_relu, leaks=True),
    "leaky_softmax": Probability(_leaky_softmax, leaks=True),
}
