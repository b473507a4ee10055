"""Which tokens of one sample each head of each layer chose."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sampleformer.attention import Selection


@dataclass(frozen=True)
class LayerSummary:
    """The choices of one layer in numbers.

    Args:
        fewest: tokens that the head with the fewest of them chose.
        most: tokens that the head with the most of them chose.
        any_head: distinct tokens that at least one head chose.
        all_heads: tokens that every head chose.
        overlap: mean over pairs of heads of |both| / |either|, between 0 and 1. None: fewer than two heads.
        extra: learned extra tokens chosen, all heads together.
    """

    fewest: int
    most: int
    any_head: int
    all_heads: int
    overlap: float | None
    extra: int


@dataclass(frozen=True)
class Choices:
    """The choices of every layer and head over the tokens of one sample.

    Args:
        chosen: shape ``(layers, heads, n)``, True where the head chose the token.
        extra: shape ``(layers, heads)``, how many learned extra tokens ("nothing" slots) the head chose.
    """

    chosen: Bool[np.ndarray, "layers heads n"]
    extra: Int[np.ndarray, "layers heads"]

    @classmethod
    def from_selections(cls, selections: Sequence[Selection], length: int, padded_length: int) -> "Choices":
        """Reads the choices for the first sample of a batch.

        Args:
            selections: what `TokenModel.select` gives: one a layer, indices of shape ``(b, heads, k)``.
            length: real tokens of the sample.
            padded_length: tokens of the batch, padding included; indices from here on are learned extra tokens.
        """
        heads = selections[0].indices.shape[1] if selections else 0
        chosen = np.zeros((len(selections), heads, length), dtype=bool)
        extra = np.zeros((len(selections), heads), dtype=np.int64)
        for layer, selection in enumerate(selections):
            indices = selection.indices[0].cpu().numpy()
            valid = selection.valid[0].cpu().numpy()
            extra[layer] = (valid & (indices >= padded_length)).sum(axis=-1)
            head, slot = np.nonzero(valid & (indices < length))
            chosen[layer, head, indices[head, slot]] = True
        return cls(chosen, extra)

    @property
    def layers(self) -> int:
        """Number of layers."""
        return self.chosen.shape[0]

    @property
    def heads(self) -> int:
        """Heads of one layer."""
        return self.chosen.shape[1]

    @property
    def length(self) -> int:
        """Tokens of the sample."""
        return self.chosen.shape[2]

    @property
    def attending(self) -> Bool[np.ndarray, " layers"]:
        """Which layers have an attention, whose heads choose tokens or extra ones."""
        return np.array([each.any() for each in self.chosen], dtype=bool) | self.extra.any(axis=1)

    @property
    def voters(self) -> int:
        """Number of heads of all layers that have an attention."""
        return int(self.attending.sum()) * self.heads

    @property
    def counts(self) -> Int[np.ndarray, " n"]:
        """How many heads, all layers together, chose each token."""
        return self.chosen.sum(axis=(0, 1))

    @property
    def everything(self) -> bool:
        """Every head chose every token, so that the choice says nothing."""
        return self.length > 0 and bool(self.chosen[self.attending].all())

    @property
    def share(self) -> Float[np.ndarray, " n"]:
        """Share of the heads, all layers together, that chose each token, between 0 and 1."""
        return self.counts / max(1, self.voters)

    def summary(self, layer: int) -> LayerSummary:
        """The choices of one layer in numbers."""
        chosen = self.chosen[layer]
        per_head = chosen.sum(axis=-1)
        return LayerSummary(
            fewest=int(per_head.min(initial=self.length)),
            most=int(per_head.max(initial=0)),
            any_head=int(chosen.any(axis=0).sum()),
            all_heads=int(chosen.all(axis=0).sum()),
            overlap=_overlap(chosen),
            extra=int(self.extra[layer].sum()),
        )


def _overlap(chosen: Bool[np.ndarray, "heads n"]) -> float | None:
    """Mean over pairs of heads of the tokens chosen by both over the tokens chosen by either."""
    if len(chosen) < 2:
        return None
    weights = chosen.astype(np.float64)
    both = weights @ weights.T
    sizes = np.diagonal(both)
    either = sizes[:, None] + sizes[None, :] - both
    first, second = np.triu_indices(len(chosen), 1)
    pairs = np.divide(both, either, out=np.zeros_like(both), where=either > 0)[first, second]
    return float(pairs.mean())
