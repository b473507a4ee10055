"""Whether another program gives the model's answers."""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sampleformer.attention import Sampler
from sampleformer.errors import InputError
from sampleformer.export.inputs import answer, random_inputs
from sampleformer.models import Model

TOLERANCE = 1e-3
LONGEST_CHOICE = 512


def longest(model: Model) -> int | None:
    """How many tokens a model can take; None: any number."""
    embed = getattr(model.main, "embed", None)
    return int(embed.length) if getattr(embed, "places", None) is not None else None  # type: ignore[union-attr]


@torch.no_grad()
def largest_difference(model: Model, program: Callable[[dict[str, Tensor]], Tensor]) -> float:
    """The largest difference between a program's answers and the model's, for random sets of many sizes.

    Each set must get the model's answer, to a thousandth of the largest one: other programs add in another order, but
    no more. A set whose answer depends on rounding in the model itself, because it is another one in float64, is left
    out: where two scores are as good as equal, rounding decides which token is chosen.

    Args:
        model: in float32, on the CPU, in evaluation mode.
        program: what is to be compared, for the tensors of `program_inputs`.

    Raises:
        InputError: if they differ, or rounding decides most of the model's answers.
    """
    generator = torch.Generator().manual_seed(0)
    exact = copy.deepcopy(model).double()
    largest, sets, settled_sets = 0.0, 0, 0
    for lengths in _sizes(model):
        given = random_inputs(model, lengths, generator)
        wide = {name: value.double() if value.is_floating_point() else value for name, value in given.items()}
        expected, precise, found = answer(model, given), answer(exact, wide), program(given)
        if found.shape != expected.shape:
            raise InputError(f"the answers have the shape {tuple(found.shape)} in place of {tuple(expected.shape)}")
        scale = expected.abs().max().clamp(min=1e-6)
        settled = _close(precise, expected, scale)
        differences = (found - expected).abs()[settled].nan_to_num(torch.inf)
        difference = float(differences.max()) if differences.numel() else 0.0
        if not bool((_close(found, expected, scale) | ~settled).all()):
            raise InputError(
                f"the answers differ from the model's by {difference:.2g}, where those are up to {float(scale):.2g}, "
                f"for {len(lengths)} sets of up to {max(lengths)} tokens"
            )
        largest = max(largest, difference)
        sets, settled_sets = sets + len(lengths), settled_sets + int(settled.sum())
    if 2 * settled_sets < sets:
        raise InputError("the model's own answers change with rounding, so that no other program can give them")
    return largest


def _close(found: Tensor, expected: Tensor, scale: Tensor) -> Tensor:
    """Which sets of tokens have the same answer."""
    return ((found - expected).abs() <= TOLERANCE * scale).flatten(1).all(1)


def _sizes(model: Model) -> Iterator[list[int]]:
    """Lengths of the sets of several batches: shorter and longer than what is chosen, and empty."""
    chosen = max((module.sampled for module in model.modules() if isinstance(module, Sampler)), default=1)
    k, most = min(chosen, LONGEST_CHOICE), longest(model)
    for lengths in ([1], [2, 0, 1], [17, 3, 9, 16], [k, max(1, k // 2)], [2 * k + 7, 2 * k, k + 1, k]):
        yield [length if most is None else min(length, most) for length in lengths]
