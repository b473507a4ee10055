"""Whether another program gives the model's answers."""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sampleformer.attention import Sampler
from sampleformer.errors import InputError
from sampleformer.models import Model
from sampleformer.tokens import Tokens

TOLERANCE = 1e-3
LONGEST_CHOICE = 512
_SHARE_OF_GAPS = 0.2

_OTHERS = {"edge_features": "graphs", "normals": "point clouds"}
"""Kinds of data of which a token is more, by an input of their models."""


def longest(model: Model) -> int | None:
    """How many tokens a model can take; None: any number."""
    embed = getattr(model.main, "embed", None)
    return int(embed.length) if getattr(embed, "places", None) is not None else None  # type: ignore[union-attr]


def random_tokens(model: Model, lengths: list[int], generator: torch.Generator) -> Tokens:
    """Tokens of the kind that the model takes, padded to the longest set, of one token at least.

    Raises:
        InputError: if the model takes anything else than codes or numbers.
    """
    for sign, kind in _OTHERS.items():
        if sign in model.inputs:
            raise InputError(
                f"a model of {kind} cannot be exported: an ONNX file takes codes or numbers and a mask, so runs of "
                "texts, images and rows of numbers can be; ask this one by `sampleformer serve`, `predict` or "
                "`Predictor`"
            )
    mask = torch.arange(max(1, *lengths)) < torch.tensor(lengths)[:, None]
    if (vocabulary := model.inputs.get("vocabulary")) is not None:
        codes = torch.randint(vocabulary, mask.shape, generator=generator)
        return Tokens(codes, mask, descriptors=_descriptors(model, len(lengths), generator))
    if (features := model.inputs.get("features")) is not None:
        vectors = torch.randn(*mask.shape, features, generator=generator)
        if model.inputs.get("gaps"):
            vectors[torch.rand(vectors.shape, generator=generator) < _SHARE_OF_GAPS] = torch.nan
        return Tokens(vectors, mask, descriptors=_descriptors(model, len(lengths), generator))
    raise InputError(f"a model of {', '.join(model.inputs)} cannot be exported yet, only one of sequences")


@torch.no_grad()
def largest_difference(model: Model, program: Callable[[Tokens], Tensor]) -> float:
    """The largest difference between a program's answers and the model's, for random sets of many sizes.

    Each set must get the model's answer, to a thousandth of the largest one: other programs add in another order, but
    no more. A set whose answer depends on rounding in the model itself, because it is another one in float64, is left
    out: where two scores are as good as equal, rounding decides which token is chosen.

    Args:
        model: in float32, on the CPU, in evaluation mode.
        program: what is to be compared.

    Raises:
        InputError: if they differ, or rounding decides most of the model's answers.
    """
    generator = torch.Generator().manual_seed(0)
    exact = copy.deepcopy(model).double()
    largest, sets, settled_sets = 0.0, 0, 0
    for lengths in _sizes(model):
        tokens = random_tokens(model, lengths, generator)
        wide = tokens.features.double() if tokens.features.is_floating_point() else tokens.features
        expected, precise, found = model(tokens), exact(tokens.with_features(wide)), program(tokens)
        if found.shape != expected.shape:
            raise InputError(f"the answers have the shape {tuple(found.shape)} in place of {tuple(expected.shape)}")
        scale = expected.abs().max().clamp(min=1e-6)
        settled = _close(precise, expected, scale)
        differences = (found - expected).abs()[settled].nan_to_num(torch.inf)
        difference = float(differences.max()) if differences.numel() else 0.0
        if not bool((_close(found, expected, scale) | ~settled).all()):
            raise InputError(
                f"the answers differ from the model's by {difference:.2g}, where those are up to {float(scale):.2g}, "
                f"for {tokens.batch} sets of up to {tokens.length} tokens"
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


def _descriptors(model: Model, count: int, generator: torch.Generator) -> Tensor | None:
    bins = model.inputs.get("descriptors")
    return None if bins is None else torch.rand(count, len(bins), generator=generator) * torch.tensor(bins).clamp(min=1)
