"""YOSO attention, one sample, one head and one pair of tokens at a time, from the formulas."""

import torch
from torch import Tensor, nn

from tests.naive import bernoulli
from tests.naive.attention import linear, real_tokens

VARIATIONS: dict[str, dict[str, object]] = {
    "short-codes": {"hashes": 5, "code_length": 2},
    "hadamard": {"hashes": 3, "code_length": 3, "hashing": "hadamard", "bias": False},
    "exact-gradient": {"hashes": 7, "code_length": 2, "gradient": "exact"},
    "expectation": {"hashes": None, "code_length": 9},
    "convolution": {"hashes": 5, "code_length": 2, "convolution": 3},
}


def yoso(
    module: nn.Module,
    x: Tensor,
    mask: Tensor | None = None,
    context: Tensor | None = None,
    context_mask: Tensor | None = None,
    noise: tuple[None, Tensor | None] | None = None,
) -> Tensor:
    """Every real token attends to every real token of the context, by collisions or by their probability."""
    context, context_mask = (x, mask) if context is None else (context, context_mask)
    planes = _planes(module.mixing, None if noise is None else noise[1])
    rows = []
    for b in range(len(x)):
        seen = real_tokens(context_mask, b, context.shape[1])
        rows.append(_row(module, x[b], real_tokens(mask, b, x.shape[1]), context[b], seen, planes))
    return torch.stack(rows)


def _planes(mixing: nn.Module, noise: Tensor | None) -> Tensor | None:
    if mixing.hashes is None:
        return None
    random = mixing.random if noise is None else noise
    if mixing.hashing == "gaussian":
        return random
    return bernoulli.hadamard_planes(random, mixing.hashes, mixing.width, mixing.code_length)


def _row(
    module: nn.Module, x: Tensor, real: list[int], context: Tensor, seen: list[int], planes: Tensor | None
) -> Tensor:
    e = module.width // module.heads
    out = [torch.zeros_like(x[0]) for _ in x]
    if not seen or not real:
        return torch.stack(out)
    query = linear(module.query, module.norm(x[real]))
    key, value = linear(module.key_value, module.norm(context[seen])).chunk(2, dim=-1)
    heads = []
    for h in range(module.heads):
        part = slice(h * e, (h + 1) * e)
        mixed = _attend(module.mixing, _unit(query[:, part]), _unit(key[:, part]), value[:, part], planes)
        heads.append(_unit(mixed))
    joined = torch.cat(heads, dim=-1)
    if module.mixing.convolution is not None:
        joined = joined + _convolved(module, x, real, e)[real]
    for place, i in enumerate(real):
        out[i] = linear(module.output, joined[place])
    return torch.stack(out)


def _attend(mixing: nn.Module, query: Tensor, key: Tensor, value: Tensor, planes: Tensor | None) -> Tensor:
    """The sum of the values; a term that is zero carries the surrogate gradients of queries and keys."""
    exact = bernoulli.probabilities(query.detach(), key.detach(), mixing.code_length)
    weight = exact
    if planes is not None:
        codes = (bernoulli.sign_codes(tensor.detach(), planes) for tensor in (query, key))
        weight = bernoulli.frequencies(*codes, mixing.code_length)
    slope = mixing.code_length / 2 * (exact if mixing.gradient == "exact" else weight)
    cosine = query @ key.T
    return weight @ value + (slope * (cosine - cosine.detach())) @ value.detach()


def _unit(x: Tensor) -> Tensor:
    rows = [row / torch.sqrt((row * row).sum()) if bool((row.detach() != 0).any()) else row * 0 for row in x]
    return torch.stack(rows)


def _convolved(module: nn.Module, x: Tensor, real: list[int], e: int) -> Tensor:
    """The values of the sequence, zero at padding, times each head's kernel around each place."""
    value = torch.zeros_like(x)
    value[real] = linear(module.key_value, module.norm(x[real])).chunk(2, dim=-1)[1]
    kernels = module.mixing.convolution.weight[:, 0, :, 0]
    rows = []
    for i in range(len(x)):
        row = torch.zeros_like(x[0])
        for h, kernel in enumerate(kernels):
            for place, weight in enumerate(kernel):
                j = i + place - len(kernel) // 2
                if 0 <= j < len(x):
                    chosen = torch.zeros_like(row)
                    chosen[h * e : (h + 1) * e] = 1
                    row = row + weight * chosen * value[j]
        rows.append(row)
    return torch.stack(rows)
