"""Masked tokens: to name tokens that were hidden, from those that were not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.sample import Sample
from sampleformer.tables.report import RowReport
from sampleformer.tasks.classification import Classification
from sampleformer.tasks.predictions import Predictions
from sampleformer.tasks.regression import Regression
from sampleformer.tasks.task import Task

if TYPE_CHECKING:
    from typing_extensions import Self

    from sampleformer.tables.table import Table

SHARE = 0.15
HIDDEN, SWAPPED = 0.8, 0.1
CELL = 0.5
"""Side of the cell in which a hidden point lies, as a share of the root mean square of the cloud's coordinates."""
KEPT = 5
_BLANKED = ("features", "normals", "coordinates")


@dataclass(frozen=True)
class Contents:
    """What tokens carry, and what of it a hidden one is asked for.

    Args:
        labels: Name of each code, if tokens carry codes; of several codes, of the first.
        columns: Name of each number, if tokens carry numbers.
        unknown: Code that stands for everything unknown, of which nobody is asked. None: there is none.
        places: Whether the numbers asked for are coordinates.
    """

    labels: Sequence[str] = ()
    columns: Sequence[str] = ()
    unknown: int | None = None
    places: bool = False


class Masked(Task):
    """Name what hidden tokens carried, without any label.

    Of each sample 15 % of the tokens, one at least, are asked about, drawn anew in each pass of training. Of these 80 %
    are hidden, 10 % carry what another token of the sample carries, 10 % are as they were, so that the model must doubt
    what it sees. Codes (words, bytes, atoms) are classes; numbers are a regression. A hidden point is known by the cell
    in which it lies, half as wide as the cloud's root mean square, and its place in the cell is asked for, in cells.

    Recipes name this class; which of its two kinds it is, the inputs tell, see `of_inputs`.

    Source: Devlin et al. 2019, BERT (arXiv 1810.04805), section 3.1.
    """

    name = "masked"
    levels = ("token",)
    from_inputs = True

    @classmethod
    def parse_columns(cls, table: Table, columns: list[str], report: RowReport, *, gaps: bool = False) -> np.ndarray:
        return np.zeros((len(table), 1))

    @classmethod
    def learn(cls, columns: list[str], values: np.ndarray, path: str, level: str | None = None) -> Self:
        raise NotImplementedError("masked tokens are learnt from the inputs, see of_inputs")

    @classmethod
    def of_inputs(cls, contents: Contents | None, kind: str) -> Task:
        if contents is None:
            raise InputError(f"task: 'masked' cannot hide the tokens of {kind} data, of which nothing is known to name")
        if contents.labels:
            return MaskedCodes(list(contents.labels), contents.unknown)
        return MaskedNumbers(list(contents.columns), places=contents.places)

    def draw(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        """The sample with some tokens hidden, and what they carried as targets; evaluation does the same."""
        askable = self._askable(sample)
        count = min(len(askable), max(1, round(SHARE * len(sample))))
        asked = np.sort(random.choice(askable, count, replace=False))
        chance = random.random(count)
        hidden = np.zeros(len(sample), dtype=bool)
        hidden[asked[chance < HIDDEN]] = True
        swapped = asked[(chance >= HIDDEN) & (chance < HIDDEN + SWAPPED)]
        others = random.integers(0, max(1, len(sample)), len(swapped))
        changed: dict[str, Any] = {}
        for name in _BLANKED:
            if (values := getattr(sample, name)) is not None:
                values = values.copy()
                values[swapped] = values[others]
                values[hidden] = self._in_place_of(name, getattr(sample, name)[hidden], sample)
                changed[name] = values
        return replace(
            sample, target=self._carried(sample, asked), asked=asked, hidden=hidden, level=self.level, **changed
        )

    def _askable(self, sample: Sample) -> np.ndarray:
        return np.arange(len(sample))

    def _in_place_of(self, name: str, values: np.ndarray, sample: Sample) -> np.ndarray:
        return np.zeros_like(values)

    def _carried(self, sample: Sample, asked: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class MaskedCodes(Masked, Classification):
    """Masked tokens that carry codes.

    Of the outputs, one for each code, only the five best are kept of each token: with 50 000 words all of them would
    fill the memory.

    Args:
        labels: Name of each code.
        unknown: Code of everything unknown, of which nobody is asked. None: there is none.
        level: "token".
    """

    name = "masked_codes"
    losses = ("cross_entropy",)

    def __init__(self, labels: list[str], unknown: int | None = None, level: str | None = None) -> None:
        Classification.__init__(self, "token", labels, level)
        self.unknown = unknown

    def condense(self, outputs: Tensor) -> Tensor:
        """The five best codes and their log-probabilities, ``(rows, 10)``; fewer if there are fewer codes."""
        found = outputs.float().log_softmax(-1).topk(min(KEPT, self.outputs), dim=-1)
        return torch.cat([found.indices.float(), found.values], dim=-1)

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("accuracy", "top5_accuracy")

    def score(self, predictions: Predictions) -> dict[str, float]:
        known = predictions.with_targets()
        assert known.targets is not None
        right = self.best(known.outputs)[0] == known.targets[:, None]
        return {"accuracy": float(right[:, 0].mean()), "top5_accuracy": float(right.any(1).mean())}

    def decode(self, outputs: np.ndarray) -> dict[str, list[Any]]:
        codes, probabilities = self.best(outputs)
        names = [self.labels[code] for code in codes[:, 0].tolist()]
        return {"prediction": names, "probability": probabilities[:, 0].tolist()}

    def best(self, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes and probabilities of condensed outputs."""
        codes, values = np.split(outputs, 2, axis=1)
        return codes.astype(np.int64), np.exp(values.astype(np.float64))

    def to_json(self) -> dict[str, Any]:
        return {"labels": self.labels, "unknown": self.unknown}

    def _askable(self, sample: Sample) -> np.ndarray:
        codes = self._codes(sample)
        return np.arange(len(codes)) if self.unknown is None else np.flatnonzero(codes != self.unknown)

    def _carried(self, sample: Sample, asked: np.ndarray) -> np.ndarray:
        return self._codes(sample)[asked].astype(np.int64)

    def _codes(self, sample: Sample) -> np.ndarray:
        return sample.features if sample.features.ndim == 1 else sample.features[:, 0]


class MaskedNumbers(Masked, Regression):
    """Masked tokens that carry numbers, or points.

    Args:
        columns: Name of each number.
        places: Whether they are coordinates.
        level: "token".
    """

    name = "masked_numbers"
    losses = Regression.losses

    def __init__(self, columns: list[str], places: bool = False, level: str | None = None) -> None:
        Regression.__init__(self, columns, [0.0] * len(columns), [1.0] * len(columns), level)
        self.places = places

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns, "places": self.places}

    def _askable(self, sample: Sample) -> np.ndarray:
        if self.places:
            return super()._askable(sample)
        return np.flatnonzero(~np.isnan(sample.features).any(axis=1))

    def _carried(self, sample: Sample, asked: np.ndarray) -> np.ndarray:
        if not self.places:
            return sample.features[asked].astype(np.float32)
        assert sample.coordinates is not None
        cell = _cell(sample.coordinates)
        points = sample.coordinates[asked]
        return ((points - _centres(points, cell)) / cell).astype(np.float32)

    def _in_place_of(self, name: str, values: np.ndarray, sample: Sample) -> np.ndarray:
        if not self.places or name != "coordinates":
            return np.zeros_like(values)
        assert sample.coordinates is not None
        return _centres(values, _cell(sample.coordinates))


def _cell(coordinates: np.ndarray) -> float:
    size = float(np.sqrt(np.square(coordinates.astype(np.float64)).mean())) if len(coordinates) else 0.0
    return CELL * size or 1.0


def _centres(points: np.ndarray, cell: float) -> np.ndarray:
    """Centre of the cell of each point."""
    return ((np.floor(points / cell) + 0.5) * cell).astype(points.dtype)
