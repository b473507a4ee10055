"""Relative terms of pairs, one pair, one head and one feature at a time in float64.

The formula: with `r_ij` the relative features of the query i and the token j that head h has in a slot, the
linear map of this head gives `Σ_c weight[h, c] r_ij[c]`. Heads are dealt out to the groups in order.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sampleformer.tokens import Tokens

Features = Callable[[int, int, int, int], Sequence[Tensor]]


def _terms(features: Features, weight: Tensor, indices: Tensor, queries: int) -> Tensor:
    """Of features(sample, query, group, slot), the terms (b, h, n, m)."""
    heads, _ = weight.shape
    batch, groups, slots = indices.shape
    result = []
    for b in range(batch):
        of_pairs = [[[features(b, i, g, s) for s in range(slots)] for i in range(queries)] for g in range(groups)]
        for h in range(heads):
            group = next(g for g in range(groups) if h < (g + 1) * heads / groups)
            for i in range(queries):
                for s in range(slots):
                    pair = of_pairs[group][i][s]
                    assert len(pair) == weight.shape[1]
                    result.append(sum(weight[h, c] * pair[c] for c in range(len(pair))))
    return torch.stack(result).reshape(batch, heads, queries, slots)


def offsets(positions: Tensor, others: Tensor, rates: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """`r_ij = [sin(ω_1 (p_i − p_j)), …, cos(ω_1 (p_i − p_j)), …]`."""

    def features(b: int, i: int, g: int, s: int) -> list[Tensor]:
        offset = positions[b, i] - others[b, indices[b, g, s]]
        return [torch.sin(rate * offset) for rate in rates] + [torch.cos(rate * offset) for rate in rates]

    return _terms(features, weight, indices, positions.shape[1])


def code(positions: Tensor, rates: Tensor) -> Tensor:
    """The sinusoidal code of every position, (b, n) to (b, n, 2c): all sines, then all cosines."""
    return torch.stack(
        [
            torch.stack([torch.stack([f(rate * p) for f in (torch.sin, torch.cos) for rate in rates]) for p in row])
            for row in positions
        ]
    )


def concatenation(of_queries: Tensor, of_others: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """`r_ij = [code_i ; code_j]`."""

    def features(b: int, i: int, g: int, s: int) -> list[Tensor]:
        return [*of_queries[b, i], *of_others[b, indices[b, g, s]]]

    return _terms(features, weight, indices, of_queries.shape[1])


def product(of_queries: Tensor, of_others: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """`r_ij = code_i ⊙ code_j`."""

    def features(b: int, i: int, g: int, s: int) -> list[Tensor]:
        return [x * y for x, y in zip(of_queries[b, i], of_others[b, indices[b, g, s]], strict=True)]

    return _terms(features, weight, indices, of_queries.shape[1])


def edges(
    source: Tensor,
    target: Tensor,
    of_edges: Tensor,
    mask: Tensor | None,
    indices: Tensor,
    valid: Tensor | None,
    weight: Tensor,
    queries: int,
) -> Tensor:
    """`r_ij = Σ [features ; 1]` over the real edges from i to j; a slot without a token has none."""

    def features(b: int, i: int, g: int, s: int) -> list[Tensor]:
        found = [torch.zeros((), dtype=torch.float64) for _ in range(of_edges.shape[2] + 1)]
        for edge in range(source.shape[1]):
            real = mask is None or bool(mask[b, edge])
            holds = valid is None or bool(valid[b, g, s])
            if real and holds and source[b, edge] == i and target[b, edge] == indices[b, g, s]:
                found = [value + more for value, more in zip(found, [*of_edges[b, edge], 1], strict=True)]
        return found

    return _terms(features, weight, indices, queries)


def _squared_distance(x: Tensor, y: Tensor) -> Tensor:
    return sum((a - b) ** 2 for a, b in zip(x, y, strict=True))


def _distance(x: Tensor, y: Tensor) -> Tensor:
    squared = _squared_distance(x, y)
    return squared.sqrt() if squared > 0 else torch.zeros((), dtype=torch.float64)


def squared_distance(points: Tensor, others: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """`r_ij = [‖x_i − x_j‖²]`."""

    def features(b: int, i: int, g: int, s: int) -> list[Tensor]:
        return [_squared_distance(points[b, i], others[b, indices[b, g, s]])]

    return _terms(features, weight, indices, points.shape[1])


def distance_normals(
    points: Tensor, others: Tensor, normals: Tensor, other_normals: Tensor, indices: Tensor, weight: Tensor
) -> Tensor:
    """`r_ij = [‖x_i − x_j‖, ν_i · ν_j]`."""

    def features(b: int, i: int, g: int, s: int) -> list[Tensor]:
        j = indices[b, g, s]
        facing = sum(x * y for x, y in zip(normals[b, i], other_normals[b, j], strict=True))
        return [_distance(points[b, i], others[b, j]), facing]

    return _terms(features, weight, indices, points.shape[1])


def distance_field(points: Tensor, others: Tensor, rates: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """`r_ij = [1 − exp(−ρ_1 d), d / (1/ρ_2 + d), (exp(2 ρ_3 d) − 1) / (exp(2 ρ_3 d) + 1)]`, the last being tanh."""

    def features(b: int, i: int, g: int, s: int) -> list[Tensor]:
        d = _distance(points[b, i], others[b, indices[b, g, s]])
        grown = torch.exp(2 * rates[2] * d)
        return [1 - torch.exp(-rates[0] * d), d / (1 / rates[1] + d), (grown - 1) / (grown + 1)]

    return _terms(features, weight, indices, points.shape[1])


def _positions(tokens: Tokens) -> Tensor:
    batch, length = tokens.features.shape[:2]
    counted = torch.tensor([list(range(length))] * batch)
    return (counted if tokens.positions is None else tokens.positions).double()


def _rates(module: nn.Module) -> Tensor:
    count = module.frequencies
    return torch.tensor([10_000 ** (-c / count) for c in range(count)], dtype=torch.float64)


def _of_codes(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def twin(module: nn.Module, tokens: Tokens, context: Tokens, indices: Tensor, valid, weight: Tensor) -> Tensor:
        codes = [code(_positions(given), _rates(module)) for given in (tokens, context)]
        return function(*codes, indices, weight)

    return twin


def _of_offsets(module, tokens, context, indices, valid, weight) -> Tensor:
    return offsets(_positions(tokens), _positions(context), _rates(module), indices, weight)


def _of_edges(module, tokens, context, indices, valid, weight) -> Tensor:
    given = tokens.edges
    length = tokens.features.shape[1]
    return edges(given.source, given.target, given.features, given.mask, indices, valid, weight, length)


def _of_distance(module, tokens, context, indices, valid, weight) -> Tensor:
    return squared_distance(tokens.coordinates, context.coordinates, indices, weight)


def _of_distance_normals(module, tokens, context, indices, valid, weight) -> Tensor:
    given = tokens.coordinates, context.coordinates, tokens.normals, context.normals
    return distance_normals(*given, indices, weight)


def _of_distance_field(module, tokens, context, indices, valid, weight) -> Tensor:
    rates = torch.log1p(torch.exp(module.raw_rates))
    return distance_field(tokens.coordinates, context.coordinates, rates, indices, weight)


TWINS: dict[str, Callable[..., Tensor]] = {
    "offsets": _of_offsets,
    "sinusoidal_concat": _of_codes(concatenation),
    "sinusoidal_product": _of_codes(product),
    "edges": _of_edges,
    "distance": _of_distance,
    "distance_normals": _of_distance_normals,
    "distance_field": _of_distance_field,
}


def relative(
    name: str, module: nn.Module, tokens: Tokens, context: Tokens, indices: Tensor, valid: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Both terms of a registered function, (b, h, n, m) each; the weights are the module's parameters, by name."""
    multiplicative, additive = (
        TWINS[name](module, tokens, context, indices, valid, weight)
        for weight in (module.multiplicative, module.additive)
    )
    return multiplicative, additive
