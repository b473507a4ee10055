"""The controlled task: a few tokens among many carry the answer, and one of them alone does not tell it."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

_DIRECTIONS_SEED = 20241108  # the same task whatever the seed of a training


@dataclass(frozen=True)
class NeedleBatch:
    """Samples of the task.

    Args:
        features: of all tokens, shape ``(b, n, f)``.
        labels: the class asked for, shape ``(b,)``.
        places: of the informative tokens, shape ``(b, m)``.
        values: classes that they carry, shape ``(b, m)``.
    """

    features: Tensor
    labels: Tensor
    places: Tensor
    values: Tensor


@dataclass(frozen=True)
class Needles:
    """Which class do most of the informative tokens carry? They alone have the mark.

    Every token is noise. The m informative ones add the mark and the code of a class each: two of them that of the
    answer, the others one class each, all different, so that who misses one of the two has to guess. Decoys add the
    code of a class without the mark. The directions of mark and codes are orthogonal; in all other directions the noise
    is stronger, so that a token's length tells little.

    Args:
        length: n, tokens of a sample.
        informative: m, at least 3.
        decoys: how many.
        classes: c, at least ``m − 1``.
        features: f, numbers of a token, at least ``c + 1``.
        noise: standard deviation in the directions of mark and codes.
        other_noise: the same in all others.
        strength: length of the mark and of the codes.

    Raises:
        ValueError: if the numbers do not go together.

    Example:
        >>> batch = Needles(length=20).batch(2, torch.Generator().manual_seed(0))
        >>> batch.features.shape, batch.places.shape
        (torch.Size([2, 20, 12]), torch.Size([2, 4]))
    """

    length: int
    informative: int = 4
    decoys: int = 4
    classes: int = 4
    features: int = 12
    noise: float = 0.5
    other_noise: float = 1.0
    strength: float = 4.0
    directions: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value, least in (
            ("informative", self.informative, 3),
            ("classes", self.classes, self.informative - 1),
            ("features", self.features, self.classes + 1),
            ("length", self.length, self.informative + self.decoys),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}, expected at least {least}")
        generator = torch.Generator().manual_seed(_DIRECTIONS_SEED)
        directions = torch.linalg.qr(torch.randn(self.features, self.features, generator=generator)).Q
        object.__setattr__(self, "directions", directions)

    def batch(self, count: int, generator: torch.Generator) -> NeedleBatch:
        """New samples.

        Args:
            count: b.
            generator: source of randomness, which alone decides what they are.
        """
        m, c = self.informative, self.classes
        order = torch.rand(count, c, generator=generator).argsort(1)
        values = torch.cat([order[:, :1], order[:, : m - 1]], dim=1)
        places = torch.rand(count, self.length, generator=generator).topk(m + self.decoys, dim=1).indices
        decoys = torch.randint(c, (count, self.decoys), generator=generator)
        # The first c directions are codes, the next one is the mark.
        noise = torch.tensor([self.noise] * (c + 1) + [self.other_noise] * (self.features - c - 1))
        parts = torch.randn(count, self.length, self.features, generator=generator) * noise
        added = F.one_hot(torch.cat([values, decoys], dim=1), self.features).to(parts.dtype)
        added[:, :m, c] = 1
        parts.scatter_add_(1, places[..., None].expand_as(added), self.strength * added)
        return NeedleBatch(parts @ self.directions, order[:, 0], places[:, :m], values)


def found_share(chosen: Tensor, places: Tensor) -> float:
    """Share of the informative tokens that some head chose.

    Args:
        chosen: indices of the tokens that each head chose, shape ``(b, h, k)``.
        places: of the informative tokens, shape ``(b, m)``.

    Example:
        >>> found_share(torch.tensor([[[0, 3], [3, 1]]]), torch.tensor([[1, 2]]))
        0.5
    """
    return float((chosen.flatten(1)[:, None, :] == places[..., None]).any(-1).float().mean())
