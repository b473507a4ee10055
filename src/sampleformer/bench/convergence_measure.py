"""How near sampled YOSO comes to its expectation, before both are normalised."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from sampleformer.functional.bernoulli import (
    bernoulli_attention,
    expected_attention,
    gaussian_planes,
    hadamard_planes,
    hadamard_signs,
    unit_length,
)

PLANES = ("gaussian", "hadamard")
VALUE_WIDTH = 4  # few entries: of many, some would be four standard errors off by chance
HASHES_OF_A_DRAW = 16


@dataclass(frozen=True)
class ConvergenceSettings:
    """What is sampled, checked.

    Args:
        hashes: m, at least two numbers, rising.
        tokens: n, queries and as many keys.
        head_width: e.
        code_length: τ.
        repeats: sets of hashes for each m, over which the error is averaged.
        draws: sets of 16 hashes, over which the bias is averaged.
        seed: of tokens and hashes.
        json: file to write the results to.
        plot: PNG file to draw.
    """

    hashes: tuple[int, ...]
    tokens: int = 64
    head_width: int = 32
    code_length: int = 9
    repeats: int = 16
    draws: int = 2000
    seed: int = 0
    json: Path | None = None
    plot: Path | None = None


class ErrorRecord(TypedDict):
    """Errors with m hashes, relative to the expectation's root mean square: of all repeats, and of single ones."""

    planes: str
    hashes: int
    error: float
    min_error: float
    max_error: float


class BiasRecord(TypedDict):
    """The mean of many draws against the expectation, entry by entry.

    ``largest_z`` and ``rms_z`` are its deviations in standard errors (an unbiased mean has a root mean square near 1);
    ``relative_bias`` is what is left of the deviation when the share of chance, ``relative_chance``, is taken off. Both
    are relative as the errors are.
    """

    planes: str
    hashes: int
    draws: int
    entries: int
    largest_z: float
    rms_z: float
    relative_bias: float
    relative_chance: float


@dataclass
class Convergence:
    """What was found.

    Args:
        settings: of the tokens and hashes.
        errors: in the order of planes and hashes.
        biases: one for each kind of planes.
        z: deviations of the mean in standard errors, of each entry, by planes.
    """

    settings: ConvergenceSettings
    errors: list[ErrorRecord] = field(default_factory=list)
    biases: list[BiasRecord] = field(default_factory=list)
    z: dict[str, list[float]] = field(default_factory=dict)

    def slope(self, planes: str) -> float:
        """Power of m with which the error falls; -0.5 for independent unbiased hashes."""
        own = [record for record in self.errors if record["planes"] == planes]
        return fitted_power([record["hashes"] for record in own], [record["error"] for record in own])


def measure_convergence(
    settings: ConvergenceSettings, watch: Callable[[str], None] = lambda doing: None
) -> Convergence:
    """Errors and biases with Gaussian and with Hadamard planes.

    The keys are the queries, disturbed, so that each query has some key near it as tokens of one sequence have. All
    runs in float64.

    Args:
        settings: what to sample.
        watch: told what is being done.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    shape = (1, 1, settings.tokens, settings.head_width)
    query = unit_length(torch.randn(shape, generator=generator, dtype=torch.float64))
    disturbed = query + torch.randn(shape, generator=generator, dtype=torch.float64) / math.sqrt(settings.head_width)
    key = unit_length(disturbed)
    value = torch.randn(*shape[:-1], VALUE_WIDTH, generator=generator, dtype=torch.float64)
    expected = expected_attention(query, key, value, settings.code_length)
    found = Convergence(settings)
    for planes in PLANES:

        def sampled(hashes: int, planes: str = planes) -> Tensor:
            drawn = _planes(planes, hashes, settings, generator)
            return bernoulli_attention(query, key, value, drawn)

        for hashes in settings.hashes:
            watch(f"{planes} planes, m = {hashes}")
            errors = [_relative_error(sampled(hashes), expected) for _ in range(settings.repeats)]
            found.errors.append(_error_record(planes, hashes, errors))
        watch(f"{planes} planes, bias")
        draws = torch.stack([sampled(HASHES_OF_A_DRAW) for _ in range(settings.draws)])
        record, z = _bias(planes, draws, expected)
        found.biases.append(record)
        found.z[planes] = z
    return found


def fitted_power(hashes: Sequence[int], errors: Sequence[float]) -> float:
    """The power p of ``error = constant · hashes^p``, by least squares on the logarithms.

    Example:
        >>> fitted_power([1, 4, 16], [8.0, 4.0, 2.0])
        -0.5
    """
    x, y = (torch.tensor(numbers, dtype=torch.float64).log() for numbers in (hashes, errors))
    x = x - x.mean()
    return round(float((x * y).sum() / (x * x).sum()), 12)


def _planes(kind: str, hashes: int, settings: ConvergenceSettings, generator: torch.Generator) -> Tensor:
    width, code_length = settings.head_width, settings.code_length
    if kind == "gaussian":
        return gaussian_planes(hashes, width, code_length, generator=generator, dtype=torch.float64)
    signs = hadamard_signs(hashes, width, code_length, generator=generator, dtype=torch.float64)
    return hadamard_planes(signs, hashes, width, code_length)


def _relative_error(found: Tensor, expected: Tensor) -> float:
    return float(_root_mean_square(found - expected) / _root_mean_square(expected))


def _error_record(planes: str, hashes: int, errors: Sequence[float]) -> ErrorRecord:
    mean_square = sum(error**2 for error in errors) / len(errors)
    return {
        "planes": planes,
        "hashes": hashes,
        "error": math.sqrt(mean_square),
        "min_error": min(errors),
        "max_error": max(errors),
    }


def _bias(planes: str, draws: Tensor, expected: Tensor) -> tuple[BiasRecord, list[float]]:
    scale = _root_mean_square(expected)
    deviation = draws.mean(0) - expected
    standard_error = draws.std(0) / math.sqrt(len(draws))
    z = deviation / standard_error.clamp(min=1e-12 * float(scale))
    chance = _root_mean_square(standard_error)
    beyond_chance = (deviation.square().mean() - chance.square()).clamp(min=0).sqrt()
    record: BiasRecord = {
        "planes": planes,
        "hashes": HASHES_OF_A_DRAW,
        "draws": len(draws),
        "entries": z.numel(),
        "largest_z": float(z.abs().max()),
        "rms_z": float(_root_mean_square(z)),
        "relative_bias": float(beyond_chance / scale),
        "relative_chance": float(chance / scale),
    }
    return record, z.flatten().tolist()


def _root_mean_square(values: Tensor) -> Tensor:
    return values.square().mean().sqrt()
