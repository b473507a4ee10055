"""timm's attention of vision transformers, whose heads attend to a sample of the patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import Self

from sampleformer.errors import InputError
from sampleformer.integrations.torch.multihead import SampledMultiheadAttention
from sampleformer.integrations.torch.replacement import replace_each

_PARTS = ("qkv", "q_norm", "k_norm", "attn_drop", "proj", "proj_drop", "num_heads")
"""What timm's `Attention` has, and no other attention."""


class SampledViTAttention(nn.Module):
    """What takes the place of `timm.layers.Attention`: the same projections, attention to a sample.

    With ``attention="samsa"`` and as many sampled as there are tokens it gives what timm's gives.

    Args:
        attention: Layer that attends.
        drop: Dropout of the result.
    """

    def __init__(self, attention: SampledMultiheadAttention, drop: nn.Module) -> None:
        super().__init__()
        self.attention = attention
        self.proj_drop = drop

    @classmethod
    def of(cls, module: nn.Module, attention: str = "samsa", **settings: Any) -> Self:
        """A layer with the weights of an existing module; the parameters are its own, not copies.

        Args:
            module: `timm.layers.Attention`.
            attention: Name of the method, see `SampledMultiheadAttention`.
            settings: Further arguments of the method.

        Raises:
            InputError: if the module has something that has no equivalent.
        """
        parts: Any = module
        width = parts.qkv.in_features
        others = {
            "q_norm": not isinstance(parts.q_norm, nn.Identity),
            "k_norm": not isinstance(parts.k_norm, nn.Identity),
            "norm": not isinstance(getattr(module, "norm", nn.Identity()), nn.Identity),
            "gate": getattr(module, "gate", None) is not None,
        }
        if any(others.values()):
            found = ", ".join(name for name, there in others.items() if there)
            raise InputError(f"module has {found}, expected attention without, which has no equivalent")
        if (parts.qkv.out_features, parts.proj.in_features, parts.proj.out_features) != (3 * width, width, width):
            raise InputError(f"module has heads of another width than {width}, expected heads that share its {width}")
        weight = parts.qkv.weight
        made = SampledMultiheadAttention(
            width,
            parts.num_heads,
            parts.attn_drop.p,
            parts.qkv.bias is not None,
            batch_first=True,
            device=weight.device,
            dtype=weight.dtype,
            attention=attention,
            **settings,
        )
        made.in_proj_weight, made.in_proj_bias, made.out_proj = weight, parts.qkv.bias, parts.proj
        return cls(made, parts.proj_drop).train(module.training)

    def forward(
        self, x: Float[Tensor, "b n d"], attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> Float[Tensor, "b n d"]:
        """The tokens after attention.

        Args:
            x: Tokens.
            attn_mask: None: all queries of a head see one sample.
            is_causal: False.

        Raises:
            InputError: if there is a mask of pairs.
        """
        if attn_mask is not None or is_causal:
            raise InputError("attn_mask and is_causal: found a mask of pairs, expected none: heads see one sample")
        found: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return self.proj_drop(found)


def swap(
    model: nn.Module, attention: str = "samsa", *, only: Callable[[str], bool] | None = None, **settings: Any
) -> int:
    """Replaces every `timm.layers.Attention` inside a built model by one that samples, with the same weights.

    Args:
        model: Model of timm, changed in place.
        attention: Name of the method, see `SampledMultiheadAttention`.
        only: Function that says of a module's dotted name whether it is replaced. None: all are.
        settings: Further arguments of the method, such as ``sampled=64``.

    Returns:
        How many modules were replaced. A module in several places counts once.

    Raises:
        InputError: if there is none to replace, or one has something that has no equivalent; nothing is changed then.

    Example:
        >>> model = timm.create_model("vit_small_patch16_224")          # doctest: +SKIP
        >>> swap(model, sampled=64)                                     # doctest: +SKIP
        12
    """
    return replace_each(
        model,
        lambda module: all(hasattr(module, part) for part in _PARTS),
        lambda module: SampledViTAttention.of(module, attention, **settings),
        named="timm.layers.Attention",
        only=only,
    )
