"""The attentions, one sample, one head and one query at a time, projecting every token.

Padded tokens are dropped before anything is computed, so a twin cannot leak padding. The weights are those of the
module under test: its parameters, taken by name.
"""

import math

import torch
from torch import Tensor, nn

from tests.naive import estimators, probabilities, sampling


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    out = x @ layer.weight.T
    return out if layer.bias is None else out + layer.bias


def _rms_norm(layer: nn.Module, x: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + layer.epsilon) * layer.weight


def _gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def _attend(query: Tensor, keys: Tensor, values: Tensor, presence: Tensor | None = None) -> Tensor:
    """Softmax attention of one query (e,) over keys (m, e) and values (m, e), each of which counts so many times."""
    logits = torch.stack([(query * key).sum() / math.sqrt(len(query)) for key in keys])
    counts = None if presence is None else presence[None, None]
    weights = probabilities.softmax(logits[None, None, None], presence=counts)[0, 0, 0]
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def real_tokens(mask: Tensor | None, row: int, n: int) -> list[int]:
    return [i for i in range(n) if mask is None or bool(mask[row, i])]


def attend_row(module: nn.Module, x: Tensor, real: list[int], seen_by_head: list[tuple[Tensor, ...]]) -> Tensor:
    """All queries of one sample (n, d) over the keys and values of each head; padding, and nothing to see, give 0."""
    e = module.width // module.heads
    out = [torch.zeros_like(x[0]) for _ in x]
    for i in real:
        if len(seen_by_head[0][0]) == 0:
            continue
        query = linear(module.query, module.norm(x[i]))
        heads = [_attend(query[h * e : (h + 1) * e], *seen) for h, seen in enumerate(seen_by_head)]
        out[i] = linear(module.output, torch.cat(heads))
    return torch.stack(out)


def keys_and_values(module: nn.Module, context: Tensor, head: int) -> tuple[Tensor, Tensor]:
    """One head's keys and values of every token of one sample."""
    e = module.width // module.heads
    key, value = linear(module.key_value, module.norm(context)).chunk(2, dim=-1)
    return key[:, head * e : (head + 1) * e], value[:, head * e : (head + 1) * e]


def full(
    module: nn.Module,
    x: Tensor,
    mask: Tensor | None = None,
    context: Tensor | None = None,
    context_mask: Tensor | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Every real token attends to every real token of the context, which is the input itself if there is no other."""
    context, context_mask = (x, mask) if context is None else (context, context_mask)
    rows = []
    for b in range(len(x)):
        seen = context[b][real_tokens(context_mask, b, context.shape[1])]
        by_head = [keys_and_values(module, seen, h) for h in range(module.heads)]
        rows.append(attend_row(module, x[b], real_tokens(mask, b, x.shape[1]), by_head))
    return torch.stack(rows)


def samsa_scores(module: nn.Module, x: Tensor) -> Tensor:
    """`Linear(x + RMSNorm(MLP(x)))`: the importance of every token for every head, (n, d) to (n, h)."""
    scorer = module.sampler.scorer
    hidden = linear(scorer.mlp[2], _gelu(linear(scorer.mlp[0], x)))
    return linear(scorer.score, x + _rms_norm(scorer.norm, hidden))


def samsa(
    module: nn.Module,
    x: Tensor,
    mask: Tensor | None = None,
    context: Tensor | None = None,
    context_mask: Tensor | None = None,
    noise: tuple[Tensor, None] | None = None,
) -> Tensor:
    """Every real token attends, per head, to what that head chose among the context's real and the extra tokens.

    The noise of the scores has the shape (draws, b, g, n + extra): the extra tokens come after the context's.
    """
    context, context_mask = (x, mask) if context is None else (context, context_mask)
    rows = []
    for b in range(len(x)):
        real = real_tokens(context_mask, b, context.shape[1])
        scores = samsa_scores(module, context[b])
        by_head = []
        for h in range(module.heads):
            key, value = keys_and_values(module, context[b], h)
            group = h // (module.heads // module.sampler.groups)
            candidates = [(scores[i, group], torch.cat([key[i], value[i]]), i) for i in real]
            candidates += _extra_tokens(module, h, context.shape[1])
            chosen, *presence = _choose(module, candidates, h, None if noise is None else noise[0][:, b, group])
            by_head.append((*chosen.chunk(2, dim=-1), *presence))
        rows.append(attend_row(module, x[b], real_tokens(mask, b, x.shape[1]), by_head))
    return torch.stack(rows)


def _extra_tokens(module: nn.Module, head: int, n: int) -> list[tuple[Tensor, Tensor, int]]:
    if module.sampler.extra == 0:
        return []
    heads = module.heads // module.sampler.groups
    carried = module.extra_key_value[head // heads].unflatten(-1, (heads, -1))[:, head % heads]
    scores = module.sampler.extra_score[head // heads]
    return [(scores[t], carried[t], n + t) for t in range(module.sampler.extra)]


def _choose(
    module: nn.Module, candidates: list[tuple[Tensor, Tensor, int]], head: int, noise: Tensor | None
) -> tuple[Tensor, ...]:
    """What one head attends to, key and value side by side (m, 2e), and perhaps how often each of them counts (m,)."""
    if not candidates:
        return (torch.zeros(0, 2 * module.width // module.heads, dtype=torch.float64),)
    scores = torch.stack([score for score, _, _ in candidates])
    noisy = torch.stack(
        [
            score if noise is None else score + noise[0, index] * module.sampler.noise_scale
            for score, _, index in candidates
        ]
    )
    tokens = torch.stack([token for _, token, _ in candidates])
    order = sorted(range(len(candidates)), key=lambda i: (-noisy[i].item(), candidates[i][2]))
    name, k, heads = module.sampler.choice, module.sampler.sampled, module.heads // module.sampler.groups
    top, rest = order[:k], order[k : 2 * k]
    temperature = torch.log1p(torch.exp(module.sampler.raw_temperature[head // heads]))
    if name == "soft" or (name == "hard" and noise is not None):
        choose = {"soft": sampling.choose_soft, "hard": sampling.choose_hard}[name]
        return (choose(tokens[top], tokens[rest], noisy[top], noisy[rest], temperature),)
    if name == "gated":
        gate = 1 / (1 + torch.exp(-scores[top] / temperature))
        key, value = tokens[top].chunk(2, dim=-1)
        return (torch.cat([key, value * gate[:, None]], dim=-1),)
    if noise is None or name == "score_function":
        return (tokens[top],)
    both = top + rest
    if name == "relaxed_subset":
        return tokens[both], estimators.relaxed_subset(noisy[both], k, temperature)
    if name == "straight_through":
        shares = estimators.relaxed_topk_with_gradient(noisy[both], k, temperature)
        return tokens[both], estimators.straight_through(shares, range(len(top)))
    logits = scores[both] / temperature
    drawn = estimators.draw_subset(logits, k, [noise[1, candidates[i][2]].item() for i in both])
    return tokens[both], estimators.straight_through(estimators.subset_marginals(logits, k), drawn)
