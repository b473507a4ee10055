"""Kernel ridge regression over the descriptors of samples: what a sample is like decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import Self

from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.models.base import AnyModelSettings
from sampleformer.models.descriptors import DescriptorModel, ThermometerCode, described_by
from sampleformer.models.fitted.base import EXTRA, FittedModel, Strength, fitted_rows
from sampleformer.models.fitted.columns import LABELS, VALUES, Columns
from sampleformer.tokens import Tokens

MOST_ROWS = 12_000
"""Samples that are kept, of more drawn at random: fitting has a square matrix of them, 576 MB,
and where some targets are unknown another one, of the rows that are known."""
MOST_BYTES = 128_000_000
"""Of the samples that are kept."""
MOST_WORK = 10_000_000_000_000
"""Operations of solving, rows³ / 3 for each penalty and all outputs whose targets are known of the same rows. Of more,
fewer samples are kept."""
_LEVELS = 255  # a bin that is between empty and full is kept in a byte
_LEAST = 0.02  # of a probability, since a ridge regression may go below zero: what validation parts like
_BLOCK = 256  # kept samples that are compared at once: as float32 they stay in a cache


class KernelSettings(AnyModelSettings):
    """Settings of `DescriptorKernel`.

    Args:
        name: "kernel".
        penalties: What weights weigh against errors; the validation part chooses.
        form: Form of the targets, which fitting finds, see `Columns`.
        rows: Number of samples that are kept, which fitting finds. 0: it has not been fitted.
    """

    name: str = "kernel"
    penalties: tuple[Strength, ...] = Field(default=(3.0, 1.0, 0.3, 0.1, 0.03), min_length=1)
    form: str = Field(default="", pattern="^(classes|labels|values|)$")
    rows: int = Field(default=0, ge=0, le=MOST_ROWS)


class DescriptorKernel(DescriptorModel, FittedModel):
    """``f(x) = Σ_i a_i k(x, x_i) + b`` over samples of the training part, with the Tanimoto similarity of descriptors.

    ``k(x, z) = x·z / (‖x‖² + ‖z‖² − x·z)``, where x and z are the bins of the descriptors, each from 0 to 1, and one
    more that is full: of bins that are full or empty, the share of those that either has which both have.
    ``(K + λI) a = y − b`` with the mean b of the targets. A class or label is fitted as 0 or 1; f, cut to at least
    0.02, then stands for its probability.

    Args:
        settings: `KernelSettings`, fitted.
        inputs: ``{"descriptors": bins of each code}``, see `ThermometerCode`; codes without bins are left out.
        outputs: Number of outputs.
        level: "sample".

    Source: Ralaivola et al. 2005, Graph kernels for chemical informatics, section 3.3; Saunders et al. 1998, Ridge
    regression learning algorithm in dual variables.

    Example:
        >>> sample = Tokens(torch.zeros(4, 1, 0), descriptors=torch.tensor([[0.0], [1], [2], [3]]))
        >>> targets = Columns("values", np.array([[0.0], [1], [2], [3]]), 1)
        >>> settings = KernelSettings(penalties=(0.001,))
        >>> model = next(DescriptorKernel.candidates(settings, {"descriptors": [3]}, [sample], targets, seed=0))
        >>> model(sample).round().flatten().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """

    name = "kernel"
    Settings = KernelSettings
    rows: Tensor
    weights: Tensor
    bias: Tensor

    def build(self, settings: KernelSettings) -> None:
        self._check_fitted(settings.rows and settings.form)
        self.bins = _Bins(self.inputs["descriptors"])
        if settings.rows * self.bins.width > MOST_BYTES:
            raise InputError(f"kernel: rows is {settings.rows:,}, expected fewer of {self.bins.width:,} bins each")
        self.register_buffer("rows", torch.zeros(settings.rows, self.bins.width, dtype=torch.uint8))
        self.register_buffer("weights", torch.zeros(settings.rows, self.outputs))
        self.register_buffer("bias", torch.zeros(self.outputs))

    def _reset_own_parameters(self) -> None:
        for buffer in (self.rows, self.weights, self.bias):
            nn.init.zeros_(buffer)

    def of_codes(self, codes: Float[Tensor, "b f"]) -> Float[Tensor, "b outputs"]:
        levels = self.bins(codes.to(self.weights.dtype))
        blocks = zip(self.rows.split(_BLOCK), self.weights.split(_BLOCK), strict=True)
        found = self.bias + torch.stack([similarity(levels, rows) @ weights for rows, weights in blocks]).sum(0)
        if self.settings.form == VALUES:
            return found
        if self.settings.form == LABELS:
            return found.clamp(_LEAST, 1 - _LEAST).logit()
        shares = found.clamp(min=_LEAST)
        return (shares / shares.sum(1, keepdim=True)).log()

    @classmethod
    def candidates(
        cls, settings: KernelSettings, inputs: Mapping[str, Any], chunks: Iterable[Tokens], columns: Columns, seed: int
    ) -> Iterator[Self]:
        """One model for each penalty."""
        bins = _Bins(inputs["descriptors"])
        if not bins.width:
            return
        targets = np.stack([columns.output(number) for number in range(columns.outputs)], axis=1)
        systems = len(settings.penalties) * len(_systems(targets))
        most = min(MOST_ROWS, MOST_BYTES // bins.width, round((3 * MOST_WORK / systems) ** (1 / 3)))
        rows = fitted_rows(cls.name, len(targets), most, seed)
        levels, targets = _levels(bins, chunks, rows), targets[rows]
        gram = _gram(levels)
        found = settings.model_copy(update={"rows": len(levels), "form": columns.form})
        for penalty in settings.penalties:
            made = cls(found, inputs, columns.outputs)
            made.rows = levels
            made.weights, made.bias = _solved(gram, targets, penalty, columns.form)
            yield made.eval()


class _Bins(nn.Module):
    """The bins of codes, each from empty, 0, to full, 255; codes without bins are left out."""

    def __init__(self, bins: list[int]) -> None:
        super().__init__()
        self.codes = len(bins)
        self.kept = [place for place, count in enumerate(bins) if count]
        self.expand = ThermometerCode([bins[place] for place in self.kept])
        self.width = self.expand.width

    def forward(self, codes: Float[Tensor, "b f"]) -> Float[Tensor, "b width"]:
        """Levels of the bins, whole numbers."""
        return (self.expand(codes[:, self.kept]) * _LEVELS).round()


def similarity(levels: Float[Tensor, "b width"], rows: Tensor) -> Float[Tensor, "b rows"]:
    """``x·z / (‖x‖² + ‖z‖² − x·z)`` of levels from 0 to 255, with one bin more that is full in all.

    Example:
        >>> similarity(torch.tensor([[255.0, 255, 0]]), torch.tensor([[255, 0, 0], [255, 255, 255]]))
        tensor([[0.6667, 0.7500]])
    """
    wide, full = rows.to(levels.dtype), _LEVELS**2
    common = levels @ wide.T + full
    either = levels.square().sum(1)[:, None] + wide.square().sum(1) + 2 * full - common
    return common / either


def _levels(bins: _Bins, chunks: Iterable[Tokens], rows: np.ndarray) -> Tensor:
    """Levels of some of the samples, ``(len(rows), width)`` uint8."""
    found = torch.empty(len(rows), bins.width, dtype=torch.uint8)
    start = 0
    for each in chunks:
        codes = described_by(each, bins.codes)
        first, last = np.searchsorted(rows, [start, start + len(codes)])
        found[first:last] = bins(codes[rows[first:last] - start].float()).to(torch.uint8)
        start += len(codes)
    return found


def _gram(levels: Tensor) -> np.ndarray:
    """Similarities of all samples, ``(rows, rows)`` float32."""
    found = np.empty((len(levels), len(levels)), np.float32)
    for first in range(0, len(levels), _BLOCK):
        block = levels[first : first + _BLOCK].float()
        for second in range(0, first + 1, _BLOCK):
            other = levels[second : second + _BLOCK]
            found[first : first + len(block), second : second + len(other)] = similarity(block, other).numpy()
    _mirror(found)
    return found


def _systems(targets: np.ndarray) -> dict[bytes, list[int]]:
    """Outputs by the rows whose target is known: those of the same rows are solved at once."""
    found: dict[bytes, list[int]] = {}
    for output, known in enumerate(~np.isnan(targets).T):
        found.setdefault(known.tobytes(), []).append(output)
    return found


def _solved(gram: np.ndarray, targets: np.ndarray, penalty: float, form: str) -> tuple[Tensor, Tensor]:
    """Weights ``(rows, o)`` and the bias of each output, on the rows whose target is known."""
    weights = torch.zeros(targets.shape)
    bias = torch.full((targets.shape[1],), 0.0 if form == VALUES else 0.5)
    for outputs in _systems(targets).values():
        rows = np.flatnonzero(~np.isnan(targets[:, outputs[0]]))
        if len(rows) == len(targets):
            weights[:, outputs], bias[outputs] = _solve(gram, targets[:, outputs], penalty)
        elif len(rows):
            own, bias[outputs] = _solve(gram[np.ix_(rows, rows)], targets[rows][:, outputs], penalty)
            weights[torch.from_numpy(rows)[:, None], outputs] = own
    return weights, bias


def _solve(gram: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights ``(rows, o)`` and bias. The matrix lends one of its triangles to the factors and has it back."""
    lapack = require("scipy.linalg.lapack", EXTRA)
    bias = targets.mean(0)
    diagonal = gram.diagonal().copy()
    np.fill_diagonal(gram, diagonal + np.float32(penalty))
    # Its transpose lies as LAPACK wants it; of that the lower triangle is overwritten, and `clean` would the other one.
    factors, failed = lapack.spotrf(gram.T, lower=1, clean=0, overwrite_a=1)
    if failed:
        raise InputError(f"kernel: penalties has {penalty}, expected more: the similarities are not positive definite")
    weights, _ = lapack.spotrs(factors, (targets - bias).astype(np.float32), lower=1)
    _mirror(gram)
    np.fill_diagonal(gram, diagonal)
    return torch.from_numpy(weights), torch.from_numpy(bias).float()


def _mirror(square: np.ndarray) -> None:
    """Writes what is below the diagonal above it, a block at a time."""
    for start in range(0, len(square), _BLOCK):
        rows, behind = slice(start, start + _BLOCK), slice(start + _BLOCK, None)
        square[rows, behind] = square[behind, rows].T
        lower = np.tril(square[rows, rows])
        square[rows, rows] = lower + np.tril(lower, -1).T
