"""What every registered function of relative features promises, tested for each of them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sampleformer.attention.relative import RELATIVES, Relative
from sampleformer.attention.samplers.choice import Choice
from sampleformer.edges import Edges
from sampleformer.tokens import Tokens
from tests.naive import relative as naive

EXACT = {"rtol": 1e-10, "atol": 1e-10}
HEADS, EDGE_FEATURES, SLOTS = 4, 3, 3
ARGUMENTS: dict[str, dict[str, int]] = {
    "offsets": {"frequencies": 3},
    "sinusoidal_concat": {"frequencies": 2},
    "sinusoidal_product": {"frequencies": 3},
    "edges": {"features": EDGE_FEATURES},
}
FIELDS = ("features", "mask", "positions", "coordinates", "normals", "edges")
every_relative = pytest.mark.parametrize("name", RELATIVES)
every_number_of_groups = pytest.mark.parametrize("groups", [1, 2, HEADS])


def build(name: str, dtype: torch.dtype = torch.float64) -> Relative:
    return RELATIVES[name](HEADS, **ARGUMENTS.get(name, {})).to(dtype)


def token_sets(lengths: list[int], padding: int = 0, keys: int | None = None, **left_out: None) -> Tokens:
    """Random sets that have every field, with edges to so many keys (None: to the sets' own tokens)."""
    batch, longest = len(lengths), max(lengths) + padding
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    ends = torch.randint(longest, (batch, 2 * longest)), torch.randint(keys or longest, (batch, 2 * longest))
    fields = {
        "features": torch.randn(batch, longest, 5, dtype=torch.float64),
        "mask": mask,
        "positions": torch.randint(30, (batch, longest)),
        "coordinates": torch.randn(batch, longest, 3, dtype=torch.float64),
        "normals": nn.functional.normalize(torch.randn(batch, longest, 3, dtype=torch.float64), dim=-1),
        "edges": Edges(
            *ends,
            torch.randn(batch, 2 * longest, EDGE_FEATURES, dtype=torch.float64),
            torch.rand(batch, 2 * longest) < 0.8,
        ),
    }
    return Tokens(**{**fields, **left_out}).without_padding()


def choose(tokens: Tokens, groups: int, slots: int = SLOTS) -> tuple[Tensor, Tensor | None]:
    """Real tokens first, then padding, which is not valid; each group its own."""
    real = torch.ones(tokens.batch, tokens.length) if tokens.mask is None else tokens.mask.double()
    scores = torch.rand(tokens.batch, groups, tokens.length) + real[:, None]
    indices = scores.argsort(-1, descending=True)[..., :slots].clone()
    return indices, None if tokens.mask is None else tokens.mask[:, None].expand_as(scores).gather(-1, indices)


def leaves_of(module: Relative, tokens: Tokens) -> dict[str, Tensor]:
    """The tokens' tensors that have gradients, and the parameters, by name."""
    inputs = {"coordinates": tokens.coordinates, "normals": tokens.normals, "edges": tokens.edges.features}
    return inputs | dict(module.named_parameters())


def with_gradients(tokens: Tokens) -> Tokens:
    edges = tokens.edges
    return Tokens(
        tokens.features,
        tokens.mask,
        tokens.positions,
        tokens.coordinates.clone().requires_grad_(),
        tokens.normals.clone().requires_grad_(),
        edges=Edges(edges.source, edges.target, edges.features.clone().requires_grad_(), edges.mask),
    )


def value_and_gradients(terms: tuple[Tensor, Tensor], leaves: dict[str, Tensor], valid: Tensor | None) -> list[Tensor]:
    """Of both terms, where slots hold a token."""
    both = torch.stack(terms)
    if valid is not None:
        by_head = valid.repeat_interleave(HEADS // valid.shape[1], dim=1)
        both = both.masked_fill(~by_head[:, :, None], 0)
    upstream = torch.randn(both.shape, generator=torch.Generator().manual_seed(7), dtype=both.dtype)
    return [both.detach(), *torch.autograd.grad(both, list(leaves.values()), upstream, materialize_grads=True)]


def assert_all_close(found: list[Tensor], expected: list[Tensor], names: list[str], **tolerance: float) -> None:
    for name, value, other in zip(["value", *names], found, expected, strict=True):
        torch.testing.assert_close(value, other, **tolerance, msg=lambda text, name=name: f"{name}: {text}")


def test_every_relative_has_a_twin():
    assert set(RELATIVES) == set(naive.TWINS), "write the slow second implementation in tests/naive"


@every_relative
@every_number_of_groups
@pytest.mark.parametrize("positions", [True, False], ids=["positions", "counted"])
def test_value_and_every_gradient_equal_the_twin(name, groups, positions):
    module = build(name)
    tokens = with_gradients(token_sets([5, 3], padding=1, **({} if positions else {"positions": None})))
    indices, valid = choose(tokens, groups, slots=4)
    leaves = leaves_of(module, tokens)
    found = value_and_gradients(module(tokens, tokens, indices, valid), leaves, valid)
    twin = naive.relative(name, module, tokens, tokens, indices, valid)
    assert_all_close(found, value_and_gradients(twin, leaves, valid), list(leaves), **EXACT)


@every_relative
def test_cross_attention_equals_the_twin(name):
    module, tokens, context = build(name), token_sets([3, 2], keys=7), token_sets([7, 5], edges=None)
    indices, valid = choose(context, 2)
    found = torch.stack(module(tokens, context, indices, valid))
    twin = torch.stack(naive.relative(name, module, tokens, context, indices, valid))
    assert found.shape == (2, 2, HEADS, 3, SLOTS)
    torch.testing.assert_close(found, twin, **EXACT)


@every_relative
def test_padding_changes_nothing(name):
    module, tokens = build(name), token_sets([7, 3])
    indices, _ = choose(tokens, 2)
    terms = torch.stack(module(tokens, tokens, indices))
    length, edges = 3, tokens.edges
    inside = (edges.source[1:] < length) & (edges.target[1:] < length) & edges.mask[1:]
    alone = Tokens(
        tokens.features[1:, :length],
        None,
        tokens.positions[1:, :length],
        tokens.coordinates[1:, :length],
        tokens.normals[1:, :length],
        edges=Edges(edges.source[1:, inside[0]], edges.target[1:, inside[0]], edges.features[1:, inside[0]]),
    )
    expected = torch.stack(module(alone, alone, indices[1:]))
    torch.testing.assert_close(terms[:, 1:, :, :length], expected, **EXACT)


@every_relative
def test_terms_are_linear_maps_of_the_same_features(name):
    module, tokens = build(name), token_sets([7, 5])
    indices, valid = choose(tokens, 2)
    with torch.no_grad():
        module.additive.copy_(2 * module.multiplicative)
    multiplicative, additive = module(tokens, tokens, indices, valid)
    torch.testing.assert_close(additive, 2 * multiplicative, **EXACT)
    assert bool(multiplicative.any())


# What a sampler chose


def soft_mixture(candidates: Tensor) -> Tensor:
    """Every slot holds a mixture of all candidates, with weights that add up to one."""
    weights = torch.linspace(-1, 1, SLOTS * candidates.shape[2]).double().view(SLOTS, -1).softmax(-1)
    return weights @ candidates


CHOICES: dict[str, Callable[[Tensor, Tensor | None], Choice]] = {
    "first": lambda indices, valid: Choice(indices, valid, SLOTS),
    "pairs": lambda indices, valid: Choice(
        indices, valid, SLOTS, shares=torch.linspace(0.1, 0.9, 2).double().expand(*indices.shape[:2], -1)
    ),
    "mixture": lambda indices, valid: Choice(indices, valid, SLOTS, soft_mixture),
}


@every_relative
@every_number_of_groups
@pytest.mark.parametrize("kind", CHOICES)
def test_slots_hold_mixtures_of_the_terms_of_their_candidates(name, groups, kind):
    module, tokens = build(name), with_gradients(token_sets([7, 6]))
    indices, valid = choose(tokens, groups, slots=SLOTS + 2)
    choice = CHOICES[kind](indices, valid)
    leaves = leaves_of(module, tokens)
    terms = module.of_choice(tokens, tokens, choice)
    found = value_and_gradients(terms.make(*terms.of_queries), leaves, None)
    of_candidates = torch.stack(module(tokens, tokens, indices, valid))
    columns = of_candidates.unflatten(2, (groups, -1)).permute(1, 2, 5, 0, 3, 4).flatten(3)  # (b, g, m, 2 h / g n)
    mixed = choice.mixed(columns).unflatten(3, (2, -1, tokens.length)).permute(3, 0, 1, 4, 5, 2).flatten(2, 3)
    expected = value_and_gradients((mixed[0], mixed[1]), leaves, None)
    assert_all_close(found, expected, list(leaves), **EXACT)


@every_relative
@pytest.mark.parametrize("kind", CHOICES)
def test_terms_of_some_queries_are_those_of_all(name, kind):
    module, tokens = build(name), token_sets([13, 9], padding=1)
    indices, valid = choose(tokens, 2, slots=SLOTS + 2)
    terms = module.of_choice(tokens, tokens, CHOICES[kind](indices, valid))
    whole = torch.stack(terms.make(*terms.of_queries))
    of_parts = zip(*(of.split(4, dim=1) for of in terms.of_queries), strict=True)
    parts = [torch.stack(terms.make(*part)) for part in of_parts]
    assert len(parts) == 4
    torch.testing.assert_close(torch.cat(parts, dim=3), whole, rtol=1e-12, atol=1e-12)


# What must not matter


def rotated(tokens: Tokens, rotation: Tensor) -> Tokens:
    coordinates, normals = tokens.coordinates @ rotation.T, tokens.normals @ rotation.T
    return Tokens(tokens.features, tokens.mask, tokens.positions, coordinates, normals, edges=tokens.edges)


@pytest.mark.parametrize("name", [name for name, made in RELATIVES.items() if made.invariant])
def test_invariant_ones_do_not_change_when_the_cloud_is_rotated(name):
    module, tokens = build(name), token_sets([7, 5])
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    indices, valid = choose(tokens, 2)
    for before, after in zip(
        module(tokens, tokens, indices, valid),
        module(*[rotated(tokens, rotation)] * 2, indices, valid),
        strict=True,
    ):
        torch.testing.assert_close(after, before, **EXACT)


def test_those_of_points_are_invariant():
    assert all(made.invariant for made in RELATIVES.values() if "coordinates" in made.needs)
    assert not Relative.invariant


def permuted(tokens: Tokens, new: Tensor) -> Tokens:
    """Token i becomes number new[i]."""
    old, edges = new.argsort(), tokens.edges
    moved = {field: getattr(tokens, field)[:, old] for field in FIELDS[:-1]}
    return Tokens(**moved, edges=Edges(new[edges.source], new[edges.target], edges.features, edges.mask))


@every_relative
def test_order_of_tokens_and_slots_does_not_matter(name):
    module, tokens = build(name), token_sets([7, 5], padding=1)
    indices, valid = choose(tokens, 2)
    expected = torch.stack(module(tokens, tokens, indices, valid))
    new, slots = torch.randperm(tokens.length), torch.randperm(SLOTS)
    moved = permuted(tokens, new)
    found = torch.stack(module(moved, moved, new[indices][..., slots], valid[..., slots]))
    torch.testing.assert_close(found[:, :, :, new], expected[..., slots], **EXACT)


# Precision, compilers


@every_relative
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("autocast", [True, False], ids=["autocast", "plain"])
def test_lower_precision_is_close_and_trains_with_gradients_of_its_own_dtype(name, dtype, autocast):
    module, wide, tokens = build(name, dtype), build(name), token_sets([7, 5], padding=1)
    wide.load_state_dict(module.state_dict())
    indices, valid = choose(tokens, 2)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = torch.stack(module(tokens, tokens, indices, valid))
    assert found.dtype == dtype
    # The codes have float32 angles of up to 30 radians; the result is rounded once.
    tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-4
    expected = torch.stack(wide(tokens, tokens, indices, valid))
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)
    found.square().sum().backward()
    for parameter_name, parameter in module.named_parameters():
        assert parameter.grad.dtype == dtype, parameter_name
        assert bool(parameter.grad.isfinite().all()), parameter_name


@every_relative
def test_points_that_coincide_give_finite_gradients(name):
    module, tokens = build(name), token_sets([5, 4])
    together = Tokens(
        tokens.features,
        tokens.mask,
        torch.zeros_like(tokens.positions),
        tokens.coordinates[:, :1].expand_as(tokens.coordinates).clone().requires_grad_(),
        tokens.normals,
        edges=tokens.edges,
    )
    both = torch.stack(module(together, together, *choose(together, 1)))
    inputs = [together.coordinates, *module.parameters()]
    gradients = torch.autograd.grad(both.square().sum(), inputs, materialize_grads=True)
    assert all(bool(gradient.isfinite().all()) for gradient in (both, *gradients))


@every_relative
def test_compiled_in_one_graph_equals_eager(name, fresh_compiler):
    module, tokens = build(name), with_gradients(token_sets([7, 5], padding=1))
    indices, valid = choose(tokens, 2)
    leaves = leaves_of(module, tokens)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    expected = value_and_gradients(module(tokens, tokens, indices, valid), leaves, valid)
    found = value_and_gradients(compiled(tokens, tokens, indices, valid), leaves, valid)
    assert_all_close(found, expected, list(leaves), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["offsets", "edges", "distance_normals"])
@torch.no_grad()
def test_compiled_for_any_length_equals_eager(name, fresh_compiler):
    module = build(name)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=True)
    for lengths in ([7, 5], [13, 4]):
        tokens = token_sets(lengths)
        indices, valid = choose(tokens, 2)
        found, expected = (torch.stack(made(tokens, tokens, indices, valid)) for made in (compiled, module))
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


class SelfRelated(nn.Module):
    """An exported program takes the tokens as they are and relates them to each other."""

    def __init__(self, relative: Relative) -> None:
        super().__init__()
        self.relative = relative

    def forward(self, tokens: Tokens, indices: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        tokens = tokens.without_padding()
        return self.relative(tokens, tokens, indices, valid)


@every_relative
def test_exported_with_any_batch_length_and_number_of_edges_equals_eager(name):
    module, tokens = SelfRelated(build(name)), token_sets([7, 5, 6], padding=1)
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    of_tokens = [*[sizes] * 5, None, None, None, None, [*[sizes] * 4, None]]
    of_slots = {0: torch.export.Dim.DYNAMIC}
    program = torch.export.export(
        module, (tokens, *choose(tokens, 2)), dynamic_shapes=(of_tokens, of_slots, of_slots), strict=False
    ).module()
    for lengths in ([7, 5, 6], [3], [13, 4], [63, 60]):
        tokens = token_sets(lengths)
        indices, valid = choose(tokens, 2)
        for found, expected in zip(program(tokens, indices, valid), module(tokens, indices, valid), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


# Bad input, settings


@pytest.mark.parametrize(
    ("name", "missing", "carriers"),
    [
        (name, field, carriers)
        for name, made in RELATIVES.items()
        for field in made.needs
        for carriers in [
            {"coordinates": "point clouds", "normals": "point clouds with normals", "edges": "graphs"}[field]
        ]
    ],
)
def test_a_missing_field_is_named_with_what_has_it(name, missing, carriers):
    module, tokens = build(name), token_sets([5, 4])
    indices, valid = choose(tokens, 2)
    lacking = token_sets([5, 4], **{missing: None})
    message = rf"{type(module).__name__} needs {missing}, as {carriers} have, but the "
    with pytest.raises(ValueError, match=message + "query set has none"):
        module(lacking, lacking, indices, valid)
    if missing != "edges":
        with pytest.raises(ValueError, match=message + "context has none"):
            module(tokens, lacking, indices, valid)


@every_relative
def test_what_is_needed_is_enough(name):
    module = build(name)
    nothing = {field: None for field in FIELDS[1:] if field not in module.needs}
    tokens = token_sets([5, 4], **nothing)
    terms = module(tokens, tokens, *choose(tokens, 1))
    assert all(term.shape == (2, HEADS, 5, SLOTS) for term in terms)


@every_relative
def test_groups_that_do_not_divide_the_heads_are_refused(name):
    tokens = token_sets([5, 4])
    with pytest.raises(ValueError, match="3 groups, expected a divisor of the 4 heads"):
        build(name)(tokens, tokens, *choose(tokens, 3))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        pytest.param("distance", {"heads": 0}, "heads is 0, expected at least 1", id="heads-0"),
        pytest.param("offsets", {"heads": 2, "frequencies": 0}, "frequencies is 0, expected at least 1", id="no-sines"),
        pytest.param("edges", {"heads": 2, "features": -1}, "features is -1, expected at least 0", id="features"),
        pytest.param("distance_field", {"heads": 2, "scale": 0.0}, "scale is 0.0, expected more than 0", id="scale-0"),
        pytest.param(
            "distance_field", {"heads": 2, "scale": float("nan")}, "scale is nan, expected more than 0", id="scale-nan"
        ),
    ],
)
def test_impossible_arguments_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        RELATIVES[name](**arguments)


def test_edges_with_other_features_are_refused():
    tokens = token_sets([5, 4])
    with pytest.raises(ValueError, match="the edges have 3 features, but EdgeRelative was made for features = 7"):
        RELATIVES["edges"](HEADS, features=7)(tokens, tokens, *choose(tokens, 1))


@every_relative
def test_weights_start_as_those_of_a_linear_layer(name):
    module = RELATIVES[name](64, **ARGUMENTS.get(name, {}))
    heads, features = module.multiplicative.shape
    assert heads == 64
    linear = nn.Linear(features, 64, bias=False)
    for weight in (module.multiplicative, module.additive):
        assert weight.shape == linear.weight.shape
        bound = features**-0.5
        assert 0.8 * bound < weight.abs().max() <= bound
        assert linear.weight.abs().max() <= bound
        assert weight.min() < 0 < weight.max()
    assert not torch.equal(module.multiplicative, module.additive)


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_scale_is_where_the_rates_start(scale):
    module = RELATIVES["distance_field"](HEADS, scale=scale)
    torch.testing.assert_close(module.rates, torch.full((3,), 1 / scale))


@every_relative
def test_repr_tells_its_size(name):
    module = build(name)
    assert f"heads={HEADS}, features={module.multiplicative.shape[1]}" in repr(module)
