"""Edges between tokens."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.trees import tree_node
from sampleformer.zeroing import zeroed


@tree_node
@dataclass(frozen=True)
class Edges:
    """Directed edges between the tokens of each set of a batch, padded to one number of edges.

    An edge leads from its source, the token that attends, to its target, the token attended to. An undirected graph has
    two edges for each of its own. Several edges may join the same pair.

    Args:
        source: index of the token that each edge leaves, shape ``(b, E)``.
        target: index of the token that it enters, shape ``(b, E)``.
        features: what each edge carries, shape ``(b, E, f)``; f may be 0.
        mask: shape ``(b, E)``, True where an edge is real and False where it is padding. None: every edge is real.

    Raises:
        ValueError: if the shapes do not fit together, the indices are not int64, the features no floating-point
            numbers, or the mask is not boolean.

    Example:
        >>> edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 3))
        >>> edges.batch, edges.number
        (1, 2)
    """

    source: Int64[Tensor, "b E"]
    target: Int64[Tensor, "b E"]
    features: Float[Tensor, "b E f"]
    mask: Bool[Tensor, "b E"] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.source, Tensor) or torch.compiler.is_compiling():
            return  # tree utilities rebuild the structure with placeholders in the place of tensors
        if self.source.ndim != 2:
            raise ValueError(f"source has shape {tuple(self.source.shape)}, expected (sets, edges)")
        shapes = {"target": self.source.shape, "mask": self.source.shape, "features": (*self.source.shape, "f")}
        for name, expected in shapes.items():
            value = getattr(self, name)
            if isinstance(value, Tensor) and (value.ndim != len(expected) or value.shape[:2] != expected[:2]):
                raise ValueError(
                    f"{name} has shape {tuple(value.shape)}, expected ({', '.join(map(str, expected))}) like the source"
                )
        for name, index in (("source", self.source), ("target", self.target)):
            if index.dtype != torch.int64:
                raise ValueError(f"{name} has dtype {index.dtype}, expected torch.int64")
        if not self.features.is_floating_point():
            raise ValueError(f"features have dtype {self.features.dtype}, expected floating-point numbers")
        if isinstance(self.mask, Tensor) and self.mask.dtype != torch.bool:
            raise ValueError(f"mask has dtype {self.mask.dtype}, expected torch.bool (True = a real edge)")

    @property
    def batch(self) -> int:
        """Number of token sets."""
        return self.source.shape[0]

    @property
    def number(self) -> int:
        """Edges of the set that has most, padding included."""
        return self.source.shape[1]

    def without_padding(self) -> "Edges":
        """The same edges with index 0 and zero features in the place of padding, whatever it held; the mask stays."""
        if self.mask is None:
            return self
        padding = ~self.mask
        return Edges(
            self.source.masked_fill(padding, 0),
            self.target.masked_fill(padding, 0),
            zeroed(self.features, self.mask[:, :, None]),
            self.mask,
        )
