"""YOSO for one head, one pair of tokens at a time in float64, from the formulas.

`c_ij = (1 - arccos(q_i·k_j) / π)^t` is the probability that a hash gives query i and key j the same code, `ĉ_ij` the
share of hashes that do. Attention adds up `out_i = Σ_j w_ij v_j` with either as the weight w. Gradients of q and k
are surrogates, with `t / 2 w` for the derivative of w in `q_i·k_j`; they are written out, for autograd cannot know.
"""

import math

import torch
from torch import Tensor


def unit_length(x: Tensor) -> Tensor:
    """`x / sqrt(Σ x²)` of each row; a row of zeros as it is."""
    rows = [row / torch.sqrt((row * row).sum()) if bool((row != 0).any()) else row for row in x]
    return torch.stack(rows)


def hadamard_matrix(size: int) -> Tensor:
    """`H_ij = (-1)^(ones in i & j) / sqrt(size)`."""
    entries = [[(-1.0) ** bin(i & j).count("1") for j in range(size)] for i in range(size)]
    return torch.tensor(entries, dtype=torch.float64) / math.sqrt(size)


def hadamard_planes(signs: Tensor, hashes: int, width: int, code_length: int) -> Tensor:
    """Plane i of hash h is row `h t + i` of all blocks' `sqrt(size) H D3 H D2 H D1`, cut to the width: (m, e, t)."""
    size = signs.shape[-1]
    hadamard, rows = hadamard_matrix(size), []
    for first, second, third in signs.double():
        rows.extend(math.sqrt(size) * hadamard @ third.diag() @ hadamard @ second.diag() @ hadamard @ first.diag())
    planes = torch.zeros(hashes, width, code_length, dtype=torch.float64)
    for h in range(hashes):
        for i in range(code_length):
            planes[h, :, i] = rows[h * code_length + i][:width]
    return planes


def sign_codes(vectors: Tensor, planes: Tensor) -> list[list[int]]:
    """For each hash, for each vector, the sum of 2^i over the planes i that it lies on the positive side of."""
    hashes, width, code_length = planes.shape
    codes, normals = [], planes.tolist()
    for h in range(hashes):
        codes.append([])
        for vector in vectors.tolist():
            code = 0
            for i in range(code_length):
                projection = sum(vector[c] * normals[h][c][i] for c in range(width))
                code += 2**i if projection > 0 else 0
            codes[h].append(code)
    return codes


def collision_probability(cosine: float, code_length: int) -> float:
    """`(1 - arccos(cosine) / π)^t`."""
    return (1 - math.acos(min(1.0, max(-1.0, cosine))) / math.pi) ** code_length


def _counts(valid: Tensor | None, i: int) -> bool:
    return valid is None or bool(valid[i])


def probabilities(
    query: Tensor, key: Tensor, code_length: int, valid: Tensor | None = None, query_valid: Tensor | None = None
) -> Tensor:
    """`c_ij`, zero where the query or the key does not count: (n, k)."""
    weight = torch.zeros(len(query), len(key), dtype=torch.float64)
    for i, q in enumerate(query.tolist()):
        for j, k in enumerate(key.tolist()):
            if _counts(query_valid, i) and _counts(valid, j):
                cosine = sum(a * b for a, b in zip(q, k, strict=True))
                weight[i, j] = collision_probability(cosine, code_length)
    return weight


def frequencies(
    query_codes: list[list[int]],
    key_codes: list[list[int]],
    code_length: int,
    valid: Tensor | None = None,
    query_valid: Tensor | None = None,
) -> Tensor:
    """`ĉ_ij`: each hash's table as a product of dense indicators, which token is in which bucket, (n, 2^t) (2^t, k)."""
    hashes = len(query_codes)
    weight = torch.zeros(len(query_codes[0]), len(key_codes[0]), dtype=torch.float64)
    for h in range(hashes):
        reads = torch.zeros(len(query_codes[h]), 2**code_length, dtype=torch.float64)
        writes = torch.zeros(2**code_length, len(key_codes[h]), dtype=torch.float64)
        for i, code in enumerate(query_codes[h]):
            reads[i, code] = _counts(query_valid, i)
        for j, code in enumerate(key_codes[h]):
            writes[code, j] = _counts(valid, j)
        weight += reads @ writes / hashes
    return weight


def attend(weight: Tensor, value: Tensor) -> Tensor:
    """`out_i = Σ_j w_ij v_j`."""
    (n, k), width, w, v = weight.shape, value.shape[1], weight.tolist(), value.tolist()
    out = [[sum(w[i][j] * v[j][c] for j in range(k)) for c in range(width)] for i in range(n)]
    return torch.tensor(out, dtype=torch.float64)


def gradients(
    upstream: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    code_length: int,
    weight: Tensor,
    surrogate_weight: Tensor,
) -> dict[str, Tensor]:
    """From g: `dv_j = Σ_i w_ij g_i`, `dq_i = Σ_j (g_i·v_j) t/2 s_ij k_j`, `dk_j = Σ_i (g_i·v_j) t/2 s_ij q_i`.

    The weights s are those that the surrogate gradients take; they may be others than w.
    """
    g, q, k, v, w, s = (x.tolist() for x in (upstream, query, key, value, weight, surrogate_weight))
    of_query, of_key, of_value = (torch.zeros_like(x).tolist() for x in (query, key, value))
    for i in range(len(q)):
        for j in range(len(k)):
            slope = sum(a * b for a, b in zip(g[i], v[j], strict=True)) * code_length / 2 * s[i][j]
            for c in range(len(v[j])):
                of_value[j][c] += w[i][j] * g[i][c]
            for c in range(len(q[i])):
                of_query[i][c] += slope * k[j][c]
                of_key[j][c] += slope * q[i][c]
    named = {"query": (of_query, query), "key": (of_key, key), "value": (of_value, value)}
    return {name: torch.tensor(numbers, dtype=torch.float64).view(x.shape) for name, (numbers, x) in named.items()}
