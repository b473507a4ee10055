"""Local parts that follow edges, one token and one edge at a time, from the formulas."""

import math

import torch
from torch import Tensor, nn

from sampleformer.tokens import Tokens
from tests.naive.attention import linear, real_tokens


def messages(module: nn.Module, tokens: Tokens) -> Tensor:
    """`MLP((1 + ε) x_i + Σ relu(x_j + W e_ij))`, with x the normed features."""
    part, rows = module.part, []
    for b in range(tokens.batch):
        out = [tokens.features[b, 0] * 0 for _ in range(tokens.length)]
        for i in real_tokens(tokens.mask, b, tokens.length):
            total = (1 + part.epsilon) * part.norm(tokens.features[b, i])
            for j, carried in _leaving(part.edge, tokens, b, i):
                heard = part.norm(tokens.features[b, j]) + carried
                total = total + torch.where(heard > 0, heard, torch.zeros_like(heard))
            hidden = linear(part.mlp[0], total)
            out[i] = linear(part.mlp[2], torch.where(hidden > 0, hidden, torch.zeros_like(hidden)))
        rows.append(torch.stack(out))
    return torch.stack(rows)


def attention(module: nn.Module, tokens: Tokens) -> Tensor:
    """`Σ softmax_j(q_i·(k_j + W e_ij) / √e) (v_j + W e_ij)` in each head; zero where no edge leaves."""
    part, rows = module.part, []
    width = part.width // part.heads
    for b in range(tokens.batch):
        out = [tokens.features[b, 0] * 0 for _ in range(tokens.length)]
        for i in real_tokens(tokens.mask, b, tokens.length):
            leaving = _leaving(part.mixing.edge, tokens, b, i)
            if not leaving:
                continue
            query = linear(part.query, part.norm(tokens.features[b, i]))
            seen = []
            for j, carried in leaving:
                key, value = linear(part.key_value, part.norm(tokens.features[b, j])).chunk(2)
                seen.append((key + carried, value + carried))
            heads = []
            for h in range(part.heads):
                some = slice(h * width, (h + 1) * width)
                gained = [torch.exp((query[some] * key[some]).sum() / math.sqrt(width)) for key, _ in seen]
                heads.append(sum(g / sum(gained) * value[some] for g, (_, value) in zip(gained, seen, strict=True)))
            out[i] = linear(part.output, torch.cat(heads))
        rows.append(torch.stack(out))
    return torch.stack(rows)


def _leaving(projection: nn.Module | None, tokens: Tokens, b: int, i: int) -> list[tuple[int, Tensor]]:
    """Where the real edges lead that leave token i, and what they carry at the width of the tokens."""
    edges, found = tokens.edges, []
    for e in range(edges.number):
        if int(edges.source[b, e]) == i and (edges.mask is None or bool(edges.mask[b, e])):
            nothing = torch.zeros_like(tokens.features[b, i])
            carried = nothing if projection is None else linear(projection, edges.features[b, e])
            found.append((int(edges.target[b, e]), carried))
    return found
