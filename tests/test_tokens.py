"""Tokens: what they refuse, and that they travel through devices, tree utilities and the compiler."""

from dataclasses import fields

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from sampleformer.edges import Edges
from sampleformer.functional.sampling import gumbel_topk
from sampleformer.tokens import Tokens

BATCH, LENGTH, WIDTH = 2, 7, 3
OPTIONAL = [each.name for each in fields(Tokens)][1:]
GIVEN = [
    pytest.param([], id="features-alone"),
    *[pytest.param([name], id=name) for name in OPTIONAL],
    pytest.param(OPTIONAL, id="everything"),
]


def tokens(given: list[str] | None = None, batch: int = BATCH, length: int = LENGTH) -> Tokens:
    """Random tokens with these optional fields, all sets but the first shorter than the batch; None: all fields."""
    mask = torch.arange(length) < torch.tensor([length] + [length // 2] * (batch - 1))[:, None]
    source, target = torch.randint(length, (2, batch, length))
    optional = {
        "mask": mask,
        "positions": torch.arange(length).expand(batch, length),
        "coordinates": torch.randn(batch, length, 3),
        "normals": torch.randn(batch, length, 3),
        "encodings": torch.randn(batch, length, 2),
        "identifiers": torch.randn(batch, length, 4),
        "hidden": torch.rand(batch, length) < 0.3,
        "descriptors": torch.randn(batch, 5),
        "edges": Edges(source, target, torch.randn(batch, length, 4), torch.rand(batch, length) < 0.6),
    }
    given = OPTIONAL if given is None else given
    return Tokens(torch.randn(batch, length, WIDTH), **{name: optional[name] for name in given})


def assert_same(found: object, expected: object) -> None:
    leaves, structure = pytree.tree_flatten(found)
    expected_leaves, expected_structure = pytree.tree_flatten(expected)
    assert structure == expected_structure
    for leaf, expected_leaf in zip(leaves, expected_leaves, strict=True):
        assert torch.equal(leaf, expected_leaf) if isinstance(leaf, Tensor) else leaf is expected_leaf


def test_size_is_the_padded_one():
    assert (tokens().batch, tokens().length) == (BATCH, LENGTH)


@pytest.mark.parametrize("name", ["mask", "positions"])
def test_a_wrong_shape_is_refused(name, unchecked):
    with pytest.raises(ValueError, match=rf"{name} has shape \(2, 6\).*\(2, 7\)"):
        Tokens(torch.zeros(2, 7, 3), **{name: torch.ones(2, 6, dtype=torch.bool)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            {"coordinates": torch.ones(2, 6, 3)}, r"coordinates has shape \(2, 6, 3\).*\(2, 7\)", id="other-length"
        ),
        pytest.param(
            {"coordinates": torch.ones(2, 7)}, r"coordinates has shape \(2, 7\), expected 3 dimensions", id="no-vectors"
        ),
        pytest.param(
            {"positions": torch.ones(2, 7, 1)},
            r"positions has shape \(2, 7, 1\), expected 2 dimensions",
            id="no-numbers",
        ),
        pytest.param(
            {"normals": torch.ones(2, 7, 3).long()}, "normals has dtype torch.int64, expected floating", id="codes"
        ),
        pytest.param(
            {"coordinates": torch.ones(2, 7, 3), "normals": torch.ones(2, 7, 2)},
            "normals have 2 dimensions, but coordinates have 3",
            id="other-space",
        ),
        pytest.param(
            {"edges": Edges(*torch.zeros(2, 3, 5).long(), torch.ones(3, 5, 4))},
            "edges are for 3 token sets, but the features are for 2",
            id="other-batch",
        ),
    ],
)
def test_fields_that_do_not_fit_are_refused(arguments, message, unchecked):
    with pytest.raises(ValueError, match=message):
        Tokens(torch.zeros(2, 7, 3), **arguments)


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
    assert all(getattr(after, name) is getattr(before, name) for name in OPTIONAL)


def test_to_moves_every_tensor_and_keeps_what_is_none():
    moved = tokens().to("meta")
    *leaves, halo = pytree.tree_leaves(moved)
    assert halo is None
    assert [leaf.device.type for leaf in leaves] == ["meta"] * 13
    assert Tokens(torch.zeros(1, 2)).to("meta").mask is None


@pytest.mark.parametrize("given", GIVEN)
def test_tree_utilities_take_them_apart_and_rebuild_them(given):
    before = tokens(given)
    leaves, structure = pytree.tree_flatten(before)
    assert sum(isinstance(leaf, Tensor) for leaf in leaves) == 1 + len(given) + 3 * ("edges" in given)
    after = pytree.tree_unflatten(leaves, structure)
    assert all(getattr(after, name) is getattr(before, name) for name in ["features", *OPTIONAL] if name != "edges")
    assert_same(after, before)


def test_paths_of_a_tree_name_the_fields():
    paths = {pytree.keystr(path) for path, _ in pytree.tree_flatten_with_path(tokens())[0]}
    assert {".features", ".coordinates", ".edges.source", ".edges.mask"} <= paths


def test_they_cannot_be_changed():
    with pytest.raises(AttributeError):
        tokens().features = torch.zeros(1)


class Doubled(nn.Module):
    def forward(self, given: Tokens) -> Tokens:
        bare = given.without_padding()
        return bare.with_features(2 * bare.features)


@pytest.mark.parametrize("given", GIVEN)
def test_compiled_functions_take_and_return_them(given, fresh_compiler):
    before = tokens(given)
    assert_same(torch.compile(Doubled(), fullgraph=True, backend="aot_eager")(before), Doubled()(before))


@pytest.mark.parametrize("given", GIVEN)
def test_exported_programs_take_and_return_them(given):
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    shapes = [sizes, *[sizes if name in given else None for name in OPTIONAL]]
    if "edges" in given:
        shapes[-1] = [*[sizes] * 4, None]  # no halo
    if "descriptors" in given:
        shapes[1 + OPTIONAL.index("descriptors")] = {0: torch.export.Dim.DYNAMIC}
    program = torch.export.export(Doubled(), (tokens(given),), dynamic_shapes=(shapes,), strict=False).module()
    for batch, length in ((2, 7), (1, 3), (4, 5)):
        before = tokens(given, batch, length)
        assert_same(program(before), Doubled()(before))


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


def test_without_padding_cleans_every_field():
    before = tokens()
    spoilt = Tokens(
        before.features.masked_fill(~before.mask[:, :, None], torch.nan),
        before.mask,
        before.positions.masked_fill(~before.mask, -99),
        before.coordinates.masked_fill(~before.mask[:, :, None], torch.nan),
        before.normals.masked_fill(~before.mask[:, :, None], torch.inf),
        before.encodings.masked_fill(~before.mask[:, :, None], torch.nan),
        before.identifiers.masked_fill(~before.mask[:, :, None], torch.nan),
        before.hidden | ~before.mask,
        before.descriptors,
        Edges(
            before.edges.source.masked_fill(~before.edges.mask, -1),
            before.edges.target.masked_fill(~before.edges.mask, 10**9),
            before.edges.features.masked_fill(~before.edges.mask[:, :, None], torch.nan),
            before.edges.mask,
        ),
    )
    bare = spoilt.without_padding()
    assert_same(bare, before.without_padding())
    for name in ("features", "positions", "coordinates", "normals"):
        assert not getattr(bare, name)[~before.mask].any()
        assert torch.equal(getattr(bare, name)[before.mask], getattr(before, name)[before.mask])


def test_edges_lose_their_padding_where_no_token_is_padded():
    before = tokens(["edges"])
    bare = before.without_padding()
    assert bare.features is before.features
    assert not bare.edges.features[~before.edges.mask].any()


def test_edges_keep_what_their_padding_holds_where_nobody_asks_for_less():
    before = tokens()
    bare = before.without_padding(edges=False)
    assert bare.edges is before.edges
    assert not bare.coordinates[~before.mask].any()
    assert tokens(["edges"]).without_padding(edges=False).edges is not None


def test_other_edges_change_nothing_else():
    before = tokens()
    assert_same(before.with_edges(None).with_edges(before.edges), before)
    assert before.with_edges(None).edges is None
    none = torch.zeros(1, 0, dtype=torch.int64)
    with pytest.raises(ValueError, match="edges are for 1 token sets"):
        before.with_edges(Edges(none, none, torch.zeros(1, 0, 2)))
