"""The one structure that every model part sees."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Num
from torch import Tensor
from torch.utils import _pytree as pytree


@dataclass(frozen=True)
class Tokens:
    """A batch of token sets of unequal sizes, padded to one length.

    Args:
        features: what each token carries, shape ``(b, n)`` for integer codes or ``(b, n, d)`` for vectors.
        mask: shape ``(b, n)``, True where a token is real and False where it is padding. None: every token is real,
            which lets attention skip its masks.
        positions: place of each token in its sequence, shape ``(b, n)``. None: 0, 1, 2, …

    Raises:
        ValueError: if mask or positions do not have the shape ``(b, n)``, or the mask is not boolean.

    Example:
        >>> tokens = Tokens(torch.zeros(2, 5, 8))
        >>> tokens.batch, tokens.length
        (2, 5)
    """

    features: Num[Tensor, "b n *rest"]
    mask: Bool[Tensor, "b n"] | None = None
    positions: Num[Tensor, "b n"] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.features, Tensor) or torch.compiler.is_compiling():
            return  # tree utilities rebuild the structure with placeholders in the place of tensors
        for name, value in (("mask", self.mask), ("positions", self.positions)):
            if isinstance(value, Tensor) and value.shape != self.features.shape[:2]:
                raise ValueError(
                    f"{name} has shape {tuple(value.shape)}, but the features' first two dimensions are "
                    f"{tuple(self.features.shape[:2])}"
                )
        if isinstance(self.mask, Tensor) and self.mask.dtype != torch.bool:
            raise ValueError(f"mask has dtype {self.mask.dtype}, expected torch.bool (True = a real token)")

    @property
    def batch(self) -> int:
        """Number of token sets."""
        return self.features.shape[0]

    @property
    def length(self) -> int:
        """Tokens of the longest set, padding included."""
        return self.features.shape[1]

    def with_features(self, features: Num[Tensor, "b n *rest"]) -> "Tokens":
        """The same tokens carrying other features."""
        return Tokens(features, self.mask, self.positions)

    def without_padding(self) -> "Tokens":
        """The same tokens with zeros in the place of padding, whatever it held (NaN too, in value and gradient)."""
        if self.mask is None:
            return self
        mask = self.mask.reshape(self.mask.shape + (1,) * (self.features.ndim - 2))
        return self.with_features(self.features.masked_fill(~mask, 0))

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Tokens":
        """Moves every tensor to a device; to change the precision, use `with_features`: a mask stays boolean."""
        return pytree.tree_map_only(Tensor, lambda tensor: tensor.to(device, non_blocking=non_blocking), self)


pytree.register_pytree_node(
    Tokens,
    lambda tokens: ([tokens.features, tokens.mask, tokens.positions], None),
    lambda children, _: Tokens(*children),
    serialized_type_name="sampleformer.tokens.Tokens",
    flatten_with_keys_fn=lambda tokens: (
        [(pytree.GetAttrKey(name), getattr(tokens, name)) for name in ("features", "mask", "positions")],
        None,
    ),
)
