"""timm's attention in the place of which ours stands: of timm where it is installed, and of a twin of it."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.errors import InputError
from sampleformer.integrations.timm import SampledViTAttention, swap


class Attention(nn.Module):
    """What timm 1.0's `Attention` is, without norms and gate unless they are asked for."""

    def __init__(self, dim: int = 16, heads: int = 2, bias: bool = True, norm: bool = False) -> None:
        super().__init__()
        self.num_heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.q_norm = nn.LayerNorm(dim // heads) if norm else nn.Identity()
        self.k_norm = nn.Identity()
        self.attn_drop, self.proj_drop = nn.Dropout(0.0), nn.Dropout(0.0)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, attn_mask: Any = None, is_causal: bool = False) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj_drop(self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)))


@pytest.mark.parametrize("bias", [True, False])
def test_as_many_sampled_as_there_are_tokens_give_the_same(bias: bool) -> None:
    model, x = nn.Sequential(Attention(bias=bias), Attention(bias=bias)).eval(), torch.randn(2, 9, 16)
    expected, parameters = model(x), set(model.parameters())
    assert swap(model, sampled=9) == 2
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)
    assert parameters <= set(model.parameters())
    assert not model[0].training
    few = nn.Sequential(Attention(), Attention())
    assert swap(few, only=lambda name: name == "0", sampled=3) == 1
    few.train()(x).sum().backward()
    assert few[0].attention.in_proj_weight.grad.abs().sum() > 0


def test_one_in_several_places_is_replaced_in_all_and_counts_once() -> None:
    shared = Attention()
    model = nn.Sequential(shared, nn.Sequential(shared))
    assert swap(model, sampled=3) == 1
    assert model[0] is model[1][0]
    assert isinstance(model[0], SampledViTAttention)


def test_what_has_no_equivalent_is_refused_and_nothing_is_changed() -> None:
    model = nn.Sequential(Attention(), Attention(norm=True))
    with pytest.raises(InputError, match="1: module has q_norm, expected attention without"):
        swap(model)
    assert all(isinstance(each, Attention) for each in model)
    with pytest.raises(InputError, match="model is a Linear without timm.layers.Attention"):
        swap(nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"model is timm\.layers\.Attention itself, expected a model around it"):
        swap(Attention())
    with pytest.raises(InputError, match="found a mask of pairs"):
        SampledViTAttention.of(Attention())(torch.zeros(1, 3, 16), is_causal=True)
    odd = Attention()
    odd.proj = nn.Linear(16, 8)
    with pytest.raises(InputError, match="heads of another width than 16"):
        SampledViTAttention.of(odd)


def test_a_vision_transformer_of_timm() -> None:
    timm = pytest.importorskip("timm", reason="timm is no dependency of any extra: it brings torchvision")
    model = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=3).eval()
    images = torch.randn(2, 3, 64, 64)
    expected = model(images)
    assert swap(model, sampled=17) == 12  # 16 patches and the token of the class
    torch.testing.assert_close(model(images), expected, rtol=1e-3, atol=1e-4)
