"""SFT attention, one sample, one head and one query at a time, from the formulas."""

import math

import torch
from torch import Tensor, nn

from tests.naive.attention import linear, real_tokens

VARIATIONS: dict[str, dict[str, object]] = {
    "defaults": {},
    "leaky-relu": {"sampled": 3},
    "token-dropout": {"sampled": 5, "token_dropout": 0.4, "bias": False},
    "leaky-softmax": {"sampled": 3, "probability": "leaky_softmax"},
    "scaled-dot": {"sampled": 3, "score": "scaled_dot", "probability": "softmax"},
}


def sft(
    module: nn.Module,
    x: Tensor,
    mask: Tensor | None = None,
    context: Tensor | None = None,
    context_mask: Tensor | None = None,
    noise: tuple[Tensor, None] | None = None,
    pair_terms: Tensor | None = None,
) -> Tensor:
    """Every real token attends to the mixed pairs of the context's real tokens.

    The noise has the shape (3, b, 1, n): Gumbel, token dropout, pairing. `pair_terms`, of the shape (2, b, h, n, m),
    holds `w_h·r_ij` and `u_h·r_ij` of every query i and every token j of the context.
    """
    context, context_mask = (x, mask) if context is None else (context, context_mask)
    rows = []
    for b in range(len(x)):
        real = real_tokens(context_mask, b, context.shape[1])
        pairs = _pairs(module, context[b], real, None if noise is None else noise[0][:, b, 0])
        terms = None if pair_terms is None else pair_terms[:, b]
        rows.append(_attend_row(module, x[b], real_tokens(mask, b, x.shape[1]), context[b], pairs, terms))
    return torch.stack(rows)


def _pairs(module: nn.Module, context: Tensor, real: list[int], noise: Tensor | None) -> list[dict[int, Tensor]]:
    """What each slot holds: the weight of each token in it."""
    sampler = module.sampler
    scores = [_score(sampler, context[i]) + (0 if noise is None else noise[0, i]) for i in range(len(context))]
    candidates = real
    if noise is not None and sampler.token_dropout:
        candidates = [i for i in real if noise[1, i] >= sampler.token_dropout] or real
    order = sorted(candidates, key=lambda i: (-scores[i].item(), i))
    top, rest = order[: sampler.sampled], order[sampler.sampled : 2 * sampler.sampled]
    if noise is not None:
        top = sorted(top, key=lambda i: noise[2, i].item())
    slots = []
    for place, i in enumerate(top):
        if place >= len(rest):
            slots.append({i: torch.ones((), dtype=torch.float64)})
            continue
        j = rest[place]
        a, b = _softplus(scores[i]), _softplus(scores[j])
        slots.append({i: a / (a + b), j: b / (a + b)})
    return slots


def _score(sampler: nn.Module, token: Tensor) -> Tensor:
    centred = token - token.mean()
    normal = centred / torch.sqrt((centred * centred).mean() + sampler.norm.epsilon)
    normal = normal * sampler.norm.weight + sampler.norm.bias
    return linear(sampler.score, normal)[0] / math.sqrt(2)


def _softplus(x: Tensor) -> Tensor:
    return torch.log(1 + torch.exp(x))


def _attend_row(
    module: nn.Module,
    x: Tensor,
    real: list[int],
    context: Tensor,
    slots: list[dict[int, Tensor]],
    terms: Tensor | None,
) -> Tensor:
    e = module.width // module.heads
    out = [torch.zeros_like(x[0]) for _ in x]
    seen = module.norm(context)
    key, value = linear(module.key_value, seen).chunk(2, dim=-1)
    leak = None if module.leak is None else linear(module.leak, seen)
    for i in real:
        if not slots:
            continue
        query, heads = linear(module.query, module.norm(x[i])), []
        for h in range(module.heads):
            part = slice(h * e, (h + 1) * e)
            logits = []
            for slot in slots:
                logit = _scored(module.mixing.score, query[part], _held(slot, key[:, part]))
                if terms is not None:
                    logit = logit * _softplus(_held(slot, terms[0, h, i])) + _held(slot, terms[1, h, i])
                logits.append(logit)
            leaks = [] if leak is None else [_held(slot, leak[:, h]) for slot in slots]
            weights = _weights(module.mixing.probability, logits, leaks)
            heads.append(sum(w * _held(slot, value[:, part]) for w, slot in zip(weights, slots, strict=True)))
        out[i] = linear(module.output, torch.cat(heads))
    return torch.stack(out)


def _held(slot: dict[int, Tensor], of_tokens: Tensor) -> Tensor:
    """What a slot holds of something that each token has."""
    return sum(weight * of_tokens[i] for i, weight in slot.items())


def _scored(name: str, query: Tensor, key: Tensor) -> Tensor:
    e = len(query)
    if name == "scaled_dot":
        return (query * key).sum() / math.sqrt(e)
    mean, variance = 1 / math.sqrt(math.pi), 1 - 1 / math.pi
    return sum((torch.maximum(query[c], key[c]) - mean) / math.sqrt(variance) for c in range(e)) / math.sqrt(e)


def _weights(name: str, logits: list[Tensor], leaks: list[Tensor]) -> list[Tensor]:
    if name == "leaky_relu":
        gained = [torch.relu(logit) for logit in logits]
        lost = sum(_softplus(leak) for leak in leaks)
    else:
        gained = [torch.exp(logit) for logit in logits]
        lost = sum(torch.exp(leak) for leak in leaks) if leaks else 0
    total = sum(gained) + lost
    return [gain / total for gain in gained]
