"""Tokens: what they refuse, and that they travel through devices, tree utilities and the compiler."""

import pytest
import torch
from jaxtyping import TypeCheckError
from torch.utils import _pytree as pytree

from sampleformer.functional.sampling import gumbel_topk
from sampleformer.tokens import Tokens

BATCH, LENGTH, WIDTH = 2, 7, 3


def tokens() -> Tokens:
    mask = torch.arange(LENGTH) < torch.tensor([[7], [4]])
    return Tokens(torch.randn(BATCH, LENGTH, WIDTH), mask, torch.arange(LENGTH).expand(BATCH, LENGTH))


def test_size_is_the_padded_one():
    assert (tokens().batch, tokens().length) == (BATCH, LENGTH)


@pytest.mark.parametrize("name", ["mask", "positions"])
def test_a_wrong_shape_is_refused(name, unchecked):
    with pytest.raises(ValueError, match=rf"{name} has shape \(2, 6\).*\(2, 7\)"):
        Tokens(torch.zeros(2, 7, 3), **{name: torch.ones(2, 6, dtype=torch.bool)})


def test_a_mask_that_is_not_boolean_is_refused(unchecked):
    with pytest.raises(ValueError, match="mask has dtype torch.int64, expected torch.bool"):
        Tokens(torch.zeros(2, 7, 3), torch.ones(2, 7, dtype=torch.int64))


def test_annotations_are_checked_while_the_tests_run():
    with pytest.raises(TypeCheckError, match="mask"):
        gumbel_topk(torch.zeros(2, 7), 3, mask=torch.ones(2, 6, dtype=torch.bool))


def test_annotation_checks_can_be_turned_off(unchecked):
    with pytest.raises(RuntimeError, match="must match the size"):
        gumbel_topk(torch.zeros(2, 7), 3, mask=torch.ones(2, 6, dtype=torch.bool))


def test_with_features_keeps_the_rest():
    before = tokens()
    after = before.with_features(torch.zeros(BATCH, LENGTH, 11))
    assert after.features.shape == (BATCH, LENGTH, 11)
    assert after.mask is before.mask
    assert after.positions is before.positions


def test_to_moves_every_tensor_and_keeps_what_is_none():
    moved = tokens().to("meta")
    assert {moved.features.device.type, moved.mask.device.type, moved.positions.device.type} == {"meta"}
    assert Tokens(torch.zeros(1, 2)).to("meta").mask is None


def test_tree_utilities_take_them_apart_and_rebuild_them():
    before = tokens()
    leaves, structure = pytree.tree_flatten(before)
    assert len(leaves) == 3
    after = pytree.tree_unflatten(leaves, structure)
    assert all(getattr(after, name) is getattr(before, name) for name in ("features", "mask", "positions"))


def test_they_cannot_be_changed():
    with pytest.raises(AttributeError):
        tokens().features = torch.zeros(1)


def test_compiled_functions_take_and_return_them(fresh_compiler):
    def double(given: Tokens) -> Tokens:
        return given.with_features(2 * given.features)

    given = tokens()
    out = torch.compile(double, fullgraph=True, backend="aot_eager")(given)
    assert torch.equal(out.features, 2 * given.features)
    assert torch.equal(out.mask, given.mask)


@pytest.mark.parametrize(
    "features", [torch.ones(2, 7), torch.ones(2, 7, 3), torch.ones(2, 7).long()], ids=["scalars", "vectors", "codes"]
)
def test_without_padding_holds_zeros_there(features):
    mask = torch.arange(LENGTH) < torch.tensor([[7], [4]])
    bare = Tokens(features, mask).without_padding()
    assert bare.features.dtype == features.dtype
    assert torch.equal(bare.features != 0, mask if features.ndim == 2 else mask[:, :, None].expand(2, 7, 3))
    everything = Tokens(features)
    assert everything.without_padding() is everything
