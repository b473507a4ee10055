"""Linear layers and embeddings with weights of fewer bits, for models that only answer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, Num
from torch import Tensor, nn

from sampleformer.attention import Sampler
from sampleformer.errors import InputError
from sampleformer.models import Model

FEWEST = 16
"""Inputs of a linear layer, below which nothing is gained: numbers of a table or coordinates enter as they are."""
_LARGEST = 127
_BLOCK = 256


class Bfloat16Linear(nn.Module):
    """A linear layer that multiplies in bfloat16; its result has the type of its input.

    Args:
        layer: Layer whose weights it takes.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", layer.weight.detach().to(torch.bfloat16))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().to(torch.bfloat16))

    def forward(self, x: Float[Tensor, "*rest inputs"]) -> Float[Tensor, "*rest outputs"]:
        """``x W^T + b``."""
        return F.linear(x.to(torch.bfloat16), self.weight, self.bias).to(x.dtype)


class Int8Linear(nn.Module):
    """A linear layer that multiplies whole numbers of eight bits: weights by row, inputs by token as they come.

    ``y_o = s_x s_o Σ_i round(x_i / s_x) round(W_oi / s_o) + b_o`` with ``s = max |·| / 127``, as torchao's
    ``Int8DynamicActivationInt8WeightConfig``, which takes longer. torch has no public product of such numbers.

    Args:
        layer: Layer whose weights it takes.
    """

    codes: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        codes, scale = _rounded(layer.weight.detach().float())
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale[:, 0])
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    @property
    def weight(self) -> Tensor:
        """The weights as they count."""
        return self.codes * self.scale[:, None]

    def forward(self, x: Float[Tensor, "*rest inputs"]) -> Float[Tensor, "*rest outputs"]:
        """``x W^T + b``."""
        rows = x.reshape(-1, x.shape[-1])
        # A block stays in the cache of a core from one step to the next; compiled, the steps are one.
        blocks = [rows] if torch.compiler.is_compiling() or len(rows) <= _BLOCK else rows.split(_BLOCK)
        found = [self._of_rows(each.float()) for each in blocks]
        joined = found[0] if len(found) == 1 else torch.cat(found)
        return joined.to(x.dtype).reshape(*x.shape[:-1], len(self.codes))

    def _of_rows(self, rows: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows outputs"]:
        codes, scale = _rounded(rows)
        products = torch._int_mm(codes, self.codes.T).float().mul_(scale).mul_(self.scale)
        return products if self.bias is None else products.add_(self.bias)


class Int8Embedding(nn.Module):
    """Vectors of codes, each in whole numbers of eight bits beside its largest one.

    Args:
        layer: Layer whose vectors it takes.
    """

    codes: Tensor
    scale: Tensor

    def __init__(self, layer: nn.Embedding) -> None:
        super().__init__()
        codes, scale = _rounded(layer.weight.detach().float())
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)

    def forward(self, places: Int64[Tensor, "*places"]) -> Float[Tensor, "*places width"]:
        """The vectors of codes."""
        return self.codes[places] * self.scale[places]


class Bfloat16Embedding(nn.Module):
    """Vectors of codes, kept in bfloat16.

    Args:
        layer: Layer whose vectors it takes.
    """

    weight: Tensor

    def __init__(self, layer: nn.Embedding) -> None:
        super().__init__()
        self.register_buffer("weight", layer.weight.detach().to(torch.bfloat16))

    def forward(self, places: Int64[Tensor, "*places"]) -> Float[Tensor, "*places width"]:
        """The vectors of codes in float32."""
        return self.weight[places].float()


NARROWED = {"bfloat16": (Bfloat16Linear, Bfloat16Embedding), "int8": (Int8Linear, Int8Embedding)}
"""What takes the place of a linear layer and of an embedding, by the type of its weights."""


def narrow(model: Model, name: str) -> None:
    """Puts layers of fewer bits in the place of a trained model's own.

    Left as they are: layers of fewer than `FEWEST` inputs, what scores tokens, since it decides what is chosen, and the
    fitted models of a blend.

    Args:
        model: Model, which is changed.
        name: One of `NARROWED`.

    Raises:
        InputError: if there is no such layer in it.
    """
    of_linear, of_embedding = NARROWED[name]
    scoring = {each for sampler in model.main.modules() if isinstance(sampler, Sampler) for each in sampler.modules()}
    found = 0
    for parent in [each for each in model.main.modules() if each not in scoring]:
        for child, layer in list(parent.named_children()):
            if layer in scoring:
                continue
            if type(layer) is nn.Linear and layer.in_features >= FEWEST:
                setattr(parent, child, of_linear(layer))
            elif type(layer) is nn.Embedding:
                setattr(parent, child, of_embedding(layer))
            else:
                continue
            found += 1
    if not found:
        raise InputError(
            f"{name}: the model {model.main.name!r} has no embedding and no linear layer of at least {FEWEST} inputs, "
            "expected some to give fewer bits"
        )


def _rounded(values: Num[Tensor, "rows columns"]) -> tuple[Tensor, Tensor]:
    """Rows as whole numbers from −127 to 127, and what each row of these is multiplied by, ``(rows, 1)``."""
    largest = torch.linalg.vector_norm(values, torch.inf, dim=1, keepdim=True)
    scale = largest.clamp(min=torch.finfo(torch.float32).tiny) / _LARGEST
    return (values / scale).round_().to(torch.int8), scale
