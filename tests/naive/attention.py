"""What the twins of attentions share, one sample, one head and one query at a time, projecting every token.

Padded tokens are dropped before anything is computed, so a twin cannot leak padding. The weights are those of the
module under test: its parameters, taken by name.
"""

import math

import torch
from torch import Tensor, nn

from tests.naive import probabilities


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    out = x @ layer.weight.T
    return out if layer.bias is None else out + layer.bias


def rms_norm(layer: nn.Module, x: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + layer.epsilon) * layer.weight


def gelu(x: Tensor) -> Tensor:
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
