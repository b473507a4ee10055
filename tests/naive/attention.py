"""Full and SAMSA attention, one sample, one head and one query at a time, projecting every token.

Padded tokens are dropped before anything is computed, so a twin cannot leak padding. The weights are those of the
module under test: its parameters, taken by name.
"""

import math

import torch
from torch import Tensor, nn

from tests.naive import sampling


def _linear(module: nn.Module, name: str, x: Tensor) -> Tensor:
    layer = module.get_submodule(name)
    out = x @ layer.weight.T
    return out if layer.bias is None else out + layer.bias


def _rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + torch.finfo(x.dtype).eps) * weight


def _gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def _normed(module: nn.Module, x: Tensor) -> Tensor:
    norm = getattr(module, "norm", None)
    return x if norm is None else norm(x)


def _attend(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax attention of one query (e,) over keys (m, e) and values (m, e); nothing to attend to gives zeros."""
    if len(keys) == 0:
        return torch.zeros_like(query)
    logits = torch.stack([(query * key).sum() / math.sqrt(len(query)) for key in keys])
    weights = torch.exp(logits - logits.max())
    weights = weights / weights.sum()
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def _real(mask: Tensor | None, row: int, n: int) -> list[int]:
    return [i for i in range(n) if mask is None or bool(mask[row, i])]


def full(
    module: nn.Module,
    x: Tensor,
    mask: Tensor | None = None,
    context: Tensor | None = None,
    context_mask: Tensor | None = None,
) -> Tensor:
    """Every real token attends to every real token of the context, which is the input itself if there is no other."""
    context, context_mask = (x, mask) if context is None else (context, context_mask)
    e = module.width // module.heads
    rows = []
    for b in range(len(x)):
        out = [torch.zeros_like(x[b, 0]) for _ in range(x.shape[1])]
        normed = _normed(module, x[b])
        seen = _normed(module, context[b])[_real(context_mask, b, context.shape[1])]
        query = _linear(module, "query", normed)
        key, value = _linear(module, "key_value", seen).chunk(2, dim=-1)
        for i in _real(mask, b, x.shape[1]):
            heads = [
                _attend(query[i, h * e : (h + 1) * e], key[:, h * e : (h + 1) * e], value[:, h * e : (h + 1) * e])
                for h in range(module.heads)
            ]
            out[i] = _linear(module, "output", torch.cat(heads))
        rows.append(torch.stack(out))
    return torch.stack(rows)


def samsa_scores(module: nn.Module, x: Tensor) -> Tensor:
    """`Linear(x + RMSNorm(MLP(x)))`: the importance of every token for every head, (n, d) to (n, h)."""
    hidden = _linear(module, "scorer.outer", _gelu(_linear(module, "scorer.inner", x)))
    return _linear(module, "scorer.score", x + _rms_norm(hidden, module.scorer.norm.weight))


def samsa(
    module: nn.Module,
    x: Tensor,
    mask: Tensor | None = None,
    context: Tensor | None = None,
    context_mask: Tensor | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Every real token attends, per head, to what that head chose among the context's real and the extra tokens.

    Noise has the shape (b, h, n + extra): the extra tokens come after the context's.
    """
    context, context_mask = (x, mask) if context is None else (context, context_mask)
    e = module.width // module.heads
    rows = []
    for b in range(len(x)):
        real = _real(context_mask, b, context.shape[1])
        scores = samsa_scores(module, context[b])
        query = _linear(module, "query", _normed(module, x[b]))
        key, value = _linear(module, "key_value", _normed(module, context[b])).chunk(2, dim=-1)
        heads = []
        for h in range(module.heads):
            part = slice(h * e, (h + 1) * e)
            candidates = [(scores[i, h], torch.cat([key[i, part], value[i, part]]), i) for i in real]
            candidates += _extra_tokens(module, h, context.shape[1])
            chosen = _choose(module, candidates, h, None if noise is None else noise[b, h])
            heads.append(torch.stack([_attend(q, chosen[:, :e], chosen[:, e:]) for q in query[:, part]]))
        out = _linear(module, "output", torch.cat(heads, dim=-1))
        masked = torch.zeros_like(out[0])
        rows.append(torch.stack([masked if mask is not None and not mask[b, i] else out[i] for i in range(len(out))]))
    return torch.stack(rows)


def _extra_tokens(module: nn.Module, head: int, n: int) -> list[tuple[Tensor, Tensor, int]]:
    if module.extra == 0:
        return []
    return [(module.extra_scores[head, t], module.extra_key_values[head, t], n + t) for t in range(module.extra)]


def _choose(module: nn.Module, candidates: list[tuple[Tensor, Tensor, int]], head: int, noise: Tensor | None) -> Tensor:
    """The tokens that one head attends to: key and value side by side, (at most k, 2e)."""
    noisy = [score if noise is None else score + noise[index] for score, _, index in candidates]
    order = sorted(range(len(candidates)), key=lambda i: (-noisy[i].item(), candidates[i][2]))
    top, rest = order[: module.sampled], order[module.sampled : 2 * module.sampled]
    if not top:
        return torch.zeros(0, 2 * module.width // module.heads, dtype=torch.float64)
    tokens = torch.stack([token for _, token, _ in candidates])
    values = torch.stack(noisy)
    choose = {"soft": sampling.choose_soft, "hard": sampling.choose_hard}[module.choice]
    temperature = module.temperature[head] if module.temperature.ndim else module.temperature
    return choose(tokens[top], tokens[rest], values[top], values[rest], temperature)
