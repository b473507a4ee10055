"""Edges: what they refuse, their padding, and that tree utilities rebuild them."""

import pytest
import torch
from torch.utils import _pytree as pytree

from sampleformer.edges import Edges

BATCH, NUMBER, WIDTH = 2, 5, 3


def edges(mask: bool = True) -> Edges:
    source, target = torch.randint(7, (2, BATCH, NUMBER))
    return Edges(
        source,
        target,
        torch.randn(BATCH, NUMBER, WIDTH),
        torch.arange(NUMBER) < torch.tensor([[5], [2]]) if mask else None,
    )


def test_size_is_the_padded_one():
    assert (edges().batch, edges().number) == (BATCH, NUMBER)


def test_edges_may_carry_nothing_and_be_none():
    assert Edges(*torch.zeros(2, 1, 5).long(), torch.zeros(1, 5, 0)).number == 5
    assert Edges(*torch.zeros(2, 1, 0).long(), torch.zeros(1, 0, 3)).number == 0


INDEX, FEATURES = torch.zeros(2, 5).long(), torch.zeros(2, 5, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"source": INDEX[0]}, r"source has shape \(5,\), expected \(sets, edges\)", id="one-set"),
        pytest.param({"target": INDEX[:, :4]}, r"target has shape \(2, 4\), expected \(2, 5\)", id="fewer-targets"),
        pytest.param({"features": FEATURES[:1]}, r"features has shape \(1, 5, 3\), expected \(2, 5, f\)", id="batch"),
        pytest.param(
            {"features": FEATURES[..., 0]}, r"features has shape \(2, 5\), expected \(2, 5, f\)", id="numbers"
        ),
        pytest.param({"mask": INDEX[:, :4] > 0}, r"mask has shape \(2, 4\), expected \(2, 5\)", id="shorter-mask"),
        pytest.param({"source": INDEX.int()}, "source has dtype torch.int32, expected torch.int64", id="int32-source"),
        pytest.param({"target": INDEX.float()}, "target has dtype torch.float32, expected torch.int64", id="floats"),
        pytest.param({"features": FEATURES.int()}, "features have dtype torch.int32, expected floating", id="codes"),
        pytest.param({"mask": INDEX}, "mask has dtype torch.int64, expected torch.bool", id="mask-of-numbers"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message, unchecked):
    with pytest.raises(ValueError, match=message):
        Edges(**{"source": INDEX, "target": INDEX, "features": FEATURES, **arguments})


@pytest.mark.parametrize("mask", [True, False], ids=["masked", "no-mask"])
def test_tree_utilities_take_them_apart_and_rebuild_them(mask):
    before = edges(mask)
    leaves, structure = pytree.tree_flatten(before)
    after = pytree.tree_unflatten(leaves, structure)
    assert all(getattr(after, name) is getattr(before, name) for name in ("source", "target", "features", "mask"))


def test_without_padding_holds_zeros_there_and_keeps_its_mask():
    before = edges()
    features = before.features.masked_fill(~before.mask[:, :, None], torch.nan).requires_grad_()
    spoilt = Edges(before.source.masked_fill(~before.mask, -7), before.target, features, before.mask)
    bare = spoilt.without_padding()
    for name in ("source", "target", "features"):
        value, real = getattr(bare, name), getattr(before, name)
        assert torch.equal(value[before.mask], real[before.mask])
        assert not value[~before.mask].any()
    assert bare.mask is before.mask
    bare.features.square().sum().backward()
    assert torch.equal(features.grad[before.mask], 2 * before.features[before.mask])
    assert not features.grad[~before.mask].any()
    everything = edges(mask=False)
    assert everything.without_padding() is everything


def test_they_cannot_be_changed():
    with pytest.raises(AttributeError):
        edges().source = INDEX
