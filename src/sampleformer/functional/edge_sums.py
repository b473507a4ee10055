"""Sums over the edges that leave each token: messages, and softmax attention to what they lead to.

Time and memory grow linearly with the edges, and the same edges give the same sums bit for bit, on GPUs too.
"""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.functional.gathering import rows_at
from sampleformer.zeroing import zeroed


def edge_sums(
    of_edges: Float[Tensor, "b E c"], source: Int64[Tensor, "b E"], length: int, mask: Bool[Tensor, "b E"] | None = None
) -> Float[Tensor, "b n c"]:
    """``result[b, i] = Σ of_edges[b, e]`` over the edges e that leave token i, added in float32 or wider.

    Args:
        of_edges: Numbers of each edge.
        source: Index of the token that each edge leaves, from 0 to n − 1; of padding anything in that range.
        length: n, tokens of each set.
        mask: True where an edge is real. None: all are.

    Example:
        >>> edge_sums(torch.tensor([[[5.0], [7.0], [1.0]]]), torch.tensor([[2, 0, 2]]), 3).flatten()
        tensor([7., 0., 6.])
    """
    batch = of_edges.shape[0]
    wide = of_edges.to(torch.promote_types(of_edges.dtype, torch.float32))
    if mask is not None:
        wide = zeroed(wide, mask[:, :, None])
    first = torch.arange(batch, device=source.device)[:, None] * length
    rows, values = (source + first).flatten(), wide.flatten(0, 1)
    result = added_rows(rows, values, batch * length, by_sorting=values.is_cuda)
    return result.unflatten(0, (batch, length)).to(of_edges.dtype)


def added_rows(
    rows: Int64[Tensor, "e"], values: Float[Tensor, "e c"], number: int, *, by_sorting: bool
) -> Float[Tensor, "number c"]:
    """``result[r] = Σ values[e]`` over all e with ``rows[e] = r``, in an order that does not change from call to call.

    Args:
        rows: Index of the row that each value is added to.
        values: Numbers to add.
        number: Rows of the result.
        by_sorting: Whether in torch's form that sorts on GPUs; it adds in any order on processors. The other form adds
            one after the other on processors, and in any order on GPUs.
    """
    nothing = values.new_zeros(number, values.shape[1])
    return nothing.index_put((rows,), values, accumulate=True) if by_sorting else nothing.index_add(0, rows, values)


def edge_messages(
    features: Float[Tensor, "b n d"],
    source: Int64[Tensor, "b E"],
    target: Int64[Tensor, "b E"],
    of_edges: Float[Tensor, "b E d"] | None = None,
    mask: Bool[Tensor, "b E"] | None = None,
) -> Float[Tensor, "b n d"]:
    """``Σ_j relu(x_j + e_ij)`` over the edges i → j that leave each token i; zero where none does.

    Args:
        features: x of the tokens.
        source: i of each edge.
        target: j of each edge.
        of_edges: e. None: zero.
        mask: True where an edge is real. None: all are.

    Source: Hu et al. 2019 (arXiv 1905.12265), appendix A.

    Example:
        >>> ends = torch.tensor([[0, 0]]), torch.tensor([[1, 2]])
        >>> edge_messages(torch.tensor([[[9.0], [-1.0], [3.0]]]), *ends, torch.tensor([[[2.0], [0.5]]])).flatten()
        tensor([4.5000, 0.0000, 0.0000])
    """
    messages = rows_at(features, target)
    if of_edges is not None:
        messages = messages + of_edges
    return edge_sums(messages.relu(), source, features.shape[1], mask)


def edge_attention(
    query: Float[Tensor, "b n d"],
    key: Float[Tensor, "b n d"],
    value: Float[Tensor, "b n d"],
    source: Int64[Tensor, "b E"],
    target: Int64[Tensor, "b E"],
    of_edges: Float[Tensor, "b E d"] | None = None,
    mask: Bool[Tensor, "b E"] | None = None,
    *,
    heads: int,
) -> Float[Tensor, "b n d"]:
    """``Σ_j A_ij (v_j + e_ij)`` with ``A_i = softmax_j(q_i·(k_j + e_ij) / √(d/h))`` over the edges i → j, in each head.

    Args:
        query, key, value: Vectors of the tokens, those of the heads one after the other.
        source: i of each edge.
        target: j of each edge.
        of_edges: e, which biases the logit and is carried along. None: zero.
        mask: True where an edge is real. None: all are.
        heads: h, a divisor of d.

    Returns:
        Zeros where no edge leaves.

    Source: Shi et al. 2020 (arXiv 2009.03509), equations 3 and 4.

    Example:
        >>> ends = torch.tensor([[0, 0]]), torch.tensor([[1, 2]])
        >>> value = torch.tensor([[[9.0], [1.0], [3.0]]])
        >>> edge_attention(torch.zeros(1, 3, 1), value, value, *ends, heads=1).flatten()
        tensor([2., 0., 0.])
    """
    length, width = query.shape[1:]
    keys, values = rows_at(key, target), rows_at(value, target)
    if of_edges is not None:
        keys, values = keys + of_edges, values + of_edges
    products = (rows_at(query, source) * keys).unflatten(2, (heads, -1))
    logits = products.to(torch.promote_types(products.dtype, torch.float32)).sum(-1) / math.sqrt(width // heads)
    if mask is not None:
        logits = logits.masked_fill(~mask[:, :, None], -torch.inf)
    with torch.no_grad():  # what is taken off all logits of a token changes nothing
        largest = logits.new_full((logits.shape[0], length, heads), -torch.inf)
        largest = largest.scatter_reduce(1, source[:, :, None].expand_as(logits), logits, "amax")
        largest = largest.masked_fill(largest == -torch.inf, 0)
    weights = (logits - rows_at(largest, source)).exp()
    totals = edge_sums(weights, source, length)
    weights = weights / rows_at(totals.masked_fill(totals == 0, 1), source)
    mixed = weights[..., None] * values.unflatten(2, (heads, -1))
    return edge_sums(mixed.flatten(2), source, length, mask).to(value.dtype)
