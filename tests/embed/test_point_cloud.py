"""Point clouds into tokens: against loops over the formulas, under rotations, with padding, bad input."""

import pytest
import torch
import torch.nn.functional as F

from sampleformer.embed import EMBEDS, PointCloudEmbed
from sampleformer.errors import InputError
from sampleformer.tokens import Tokens
from tests.naive.clouds import centre_pairs, nearest, normal_pairs

WIDTH = 6
EXACT = {"rtol": 1e-10, "atol": 1e-10}
KINDS = [
    pytest.param({}, id="coordinates"),
    pytest.param({"normals": True}, id="normals"),
    pytest.param({"invariant": True}, id="invariant"),
    pytest.param({"invariant": True, "normals": True}, id="invariant-normals"),
    pytest.param({"normals": True, "neighbours": 0}, id="no-neighbours"),
]


def clouds(lengths: list[int], padding: int = 0) -> Tokens:
    longest = max(lengths) + padding
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    shape = (len(lengths), longest)
    normals = F.normalize(torch.randn(*shape, 3, dtype=torch.float64), dim=-1)
    return Tokens(
        torch.randn(*shape, 2, dtype=torch.float64),
        mask,
        coordinates=torch.randn(*shape, 3, dtype=torch.float64),
        normals=normals,
        identifiers=torch.randn(*shape, 4, dtype=torch.float64),
    )


def made(**arguments: object) -> PointCloudEmbed:
    return PointCloudEmbed(
        WIDTH, **{"features": 2, "identifiers": 4, "neighbours": 3, "hidden": 5, **arguments}
    ).double()


def looped(embed: PointCloudEmbed, tokens: Tokens, row: int) -> torch.Tensor:
    """The tokens of one cloud, point by point."""
    real = tokens.mask[row]
    x, normal = tokens.coordinates[row, real], tokens.normals[row, real]
    result = []
    if embed.neighbours:
        k, count = embed.neighbours, int(real.sum())
        scaled = x / (4 * k / count) ** 0.5
        indices, valid = map(torch.tensor, nearest(x[None], k, real[real][None]))
        centre = centre_pairs(scaled[None], indices, valid)[0]
        pairs = normal_pairs(scaled[None], normal[None], indices, valid, oriented=False)[0]
    for i in range(len(x)):
        if embed.invariant:
            own = [x[i].norm()[None]]
            own += [(normal[i] @ x[i] / x[i].norm()).abs()[None]] if embed.normals else []
        else:
            own = [x[i], normal[i]] if embed.normals else [x[i]]
        token = embed.point(torch.cat([*own, tokens.features[row, real][i]]))
        token = token + embed.identify.weight @ tokens.identifiers[row, real][i]
        if embed.neighbours:
            seen = [torch.full((5,), -torch.inf, dtype=torch.float64)]
            for slot in range(k):
                if not valid[0, i, slot]:
                    continue
                j = int(indices[0, i, slot])
                if embed.invariant:
                    pair = torch.cat([centre[i, slot], pairs[i, slot, 1:]]) if embed.normals else centre[i, slot]
                else:
                    pair = torch.cat([scaled[j] - scaled[i], normal[j]]) if embed.normals else scaled[j] - scaled[i]
                seen.append(embed.pair(pair))
            largest = torch.stack(seen).amax(0)
            token = token + embed.neighbourhood(largest.where(largest.isfinite(), 0))
        result.append(token)
    return torch.stack(result)


@pytest.mark.parametrize("arguments", KINDS)
def test_tokens_equal_the_formulas(arguments):
    embed, tokens = made(**arguments), clouds([7, 3, 1], padding=2)
    found = embed(tokens)
    for row in range(3):
        torch.testing.assert_close(found.features[row, tokens.mask[row]], looped(embed, tokens, row), **EXACT)
    assert not found.features[~tokens.mask].any()
    assert found.coordinates is not None


@pytest.mark.parametrize("arguments", KINDS)
def test_edges_lead_to_the_nearest_points_and_carry_the_pairs(arguments):
    embed, tokens = made(**arguments), clouds([7, 3, 1], padding=2)
    edges = embed(tokens).edges
    if not embed.neighbours:
        assert edges is None
        assert embed.edge_features is None
        return
    assert edges.features.shape == (3, tokens.length * 3, embed.edge_features)
    indices, valid = map(torch.tensor, nearest(tokens.coordinates, 3, tokens.mask))
    for row, count in enumerate([7, 3, 1]):
        real = edges.mask[row]
        found = list(zip(edges.source[row, real].tolist(), edges.target[row, real].tolist(), strict=True))
        assert found == [(i, int(j)) for i in range(count) for j in indices[row, i][valid[row, i]]]
        for (i, j), pair in zip(found, edges.features[row, real], strict=True):
            offset = (tokens.coordinates[row, j] - tokens.coordinates[row, i]) / (4 * 3 / count) ** 0.5
            if embed.invariant:
                torch.testing.assert_close(pair[0], offset.norm(), **EXACT)
            else:
                torch.testing.assert_close(pair[:3], offset, **EXACT)


@pytest.mark.parametrize("arguments", KINDS)
def test_every_parameter_gets_a_finite_gradient(arguments):
    embed, tokens = made(**arguments), clouds([7, 3])
    tokens.coordinates[0, 0] = 0  # a point at the centre
    tokens.coordinates[0, 2] = tokens.coordinates[0, 1]  # and two at one place
    points = tokens.coordinates.clone().requires_grad_()
    moving = Tokens(
        tokens.features, tokens.mask, coordinates=points, normals=tokens.normals, identifiers=tokens.identifiers
    )
    embed(moving).features.square().sum().backward()
    assert points.grad.isfinite().all()
    for name, parameter in embed.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("normals", [False, True])
def test_rotations_and_the_sides_of_normals_change_nothing_in_the_invariant_form(normals):
    embed, tokens = made(invariant=True, normals=normals), clouds([9, 4])
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    signs = torch.randint(2, (2, 9, 1)).double() * 2 - 1
    turned = Tokens(
        tokens.features,
        tokens.mask,
        coordinates=tokens.coordinates @ rotation,
        normals=signs * tokens.normals @ rotation,
        identifiers=tokens.identifiers,
    )
    torch.testing.assert_close(embed(turned).features, embed(tokens).features, **EXACT)
    assert not torch.allclose(made(normals=normals)(turned).features, made(normals=normals)(tokens).features)


@pytest.mark.parametrize("content", [float("nan"), 1e9])
@pytest.mark.parametrize("arguments", KINDS)
def test_padding_changes_nothing(arguments, content):
    embed, tokens = made(**arguments), clouds([7, 3, 0], padding=1)
    noise = {
        name: getattr(tokens, name).masked_fill(~tokens.mask[..., None], content)
        for name in ("features", "coordinates", "normals", "identifiers")
    }
    found = embed(Tokens(mask=tokens.mask, **noise)).features
    torch.testing.assert_close(found, embed(tokens).features, rtol=0, atol=0)


def test_permuting_the_points_permutes_the_tokens():
    embed, tokens = made(normals=True), clouds([8])
    order = torch.randperm(8)
    names = ("features", "coordinates", "normals", "identifiers")
    moved = Tokens(**{name: getattr(tokens, name)[:, order] for name in names})
    torch.testing.assert_close(embed(moved).features, embed(tokens).features[:, order], **EXACT)


@pytest.mark.parametrize("missing", ["coordinates", "normals", "identifiers"])
def test_tokens_without_what_the_model_needs_are_refused(missing):
    tokens = clouds([3])
    given = {
        name: getattr(tokens, name) for name in ("mask", "coordinates", "normals", "identifiers") if name != missing
    }
    with pytest.raises(InputError, match=f"the tokens have no {missing}, which the model was made for"):
        made(normals=True)(Tokens(tokens.features, **given))


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("neighbours", -1), ("hidden", 0)])
def test_what_cannot_be_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}, expected at least"):
        PointCloudEmbed(**{"width": WIDTH, name: value})


def test_it_is_registered():
    assert EMBEDS["point_cloud"] is PointCloudEmbed
