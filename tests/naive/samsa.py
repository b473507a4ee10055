"""SAMSA, one sample, one head and one query at a time, projecting every token."""

import torch
from torch import Tensor, nn

from tests.naive import estimators, sampling
from tests.naive.attention import attend_row, gelu, keys_and_values, linear, real_tokens, rms_norm

VARIATIONS: dict[str, dict[str, object]] = {
    "defaults": {},
    "hard": {"sampled": 3},
    "hard-cold": {"sampled": 5, "temperature": 0.1, "bias": False},
    "soft": {"sampled": 3, "choice": "soft", "temperature": 0.5},
    "soft-learned-temperature": {"sampled": 5, "choice": "soft", "learned_temperature": True},
    "hard-learned-temperature": {"sampled": 3, "temperature": 2.5, "learned_temperature": True},
    "hard-extra-tokens": {"sampled": 3, "extra": 2, "learned_temperature": True},
    "soft-more-extra-than-sampled": {"sampled": 2, "choice": "soft", "extra": 5},
    "hard-one-choice-for-all": {"sampled": 3, "groups": 1, "extra": 2},
    "straight-through-no-noise": {"sampled": 3, "choice": "straight_through", "noise": 0.0},
    "straight-through": {"sampled": 3, "choice": "straight_through", "learned_temperature": True},
    "relaxed-subset": {"sampled": 2, "choice": "relaxed_subset", "extra": 1},
    "simple": {"sampled": 3, "choice": "simple", "groups": 1},
    "score-function": {"sampled": 3, "choice": "score_function"},
    "gated": {"sampled": 3, "choice": "gated", "temperature": 0.5},
}


def samsa_scores(module: nn.Module, x: Tensor) -> Tensor:
    """`Linear(x + RMSNorm(MLP(x)))`: the importance of every token for every head, (n, d) to (n, h)."""
    scorer = module.sampler.scorer
    hidden = linear(scorer.mlp[2], gelu(linear(scorer.mlp[0], x)))
    return linear(scorer.score, x + rms_norm(scorer.norm, hidden))


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
