"""Sums over the tokens of a bucket: tables filled from tokens sorted by code, and read back by code.

Everywhere here, tokens come as ``(rows, n, width)`` and codes as ``(rows, m, n)``, a row being one head of one sample.
A code is a bucket's number, from 0 to ``buckets - 1``; a token with the code ``buckets`` is in no bucket: it is not
added up, and what it reads is zero. Sorts are stable and nothing is added atomically, so results are deterministic.
Where ranks share the tokens (`distributed.token_parallel`), tables are added up over the ranks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.distributed.over_shards import summed
from sampleformer.distributed.token_shards import current_shard

# On CPUs, tables of as many hashes and heads are filled and read together as stay in the cache (2 and 4 MiB);
# elsewhere the number of calls costs more.
NUMBERS_OF_SUMS = 2**19
NUMBERS_OF_OUTER_PRODUCTS = 2**20
TIMES_ELSEWHERE = 2**7
# Buckets are filled up to a multiple of this, so that they can be multiplied as equal matrices.
CHUNK = 16


def sum_over_collisions(read_codes: Tensor, write_codes: Tensor, values: Tensor, buckets: int) -> Tensor:
    """``out_i = Σ_hash Σ_j [read_code_i = write_code_j] value_j``, through one table of each hash.

    Args:
        read_codes: ``(rows, m, n)`` int32.
        write_codes: ``(rows, m, k)`` int32.
        values: ``(rows, k, c)``, float32 or float64.
        buckets: how many a hash has.

    Returns:
        ``(rows, n, c)``; time O(n·m·c + rows·m·buckets·c).
    """
    rows, hashes, length = read_codes.shape
    width = values.shape[-1]
    result = values.new_zeros(rows, length, width)
    if current_shard() is None and (result.numel() == 0 or values.shape[1] == 0):
        return result
    for row, hash_ in _portions(rows, hashes, (buckets + 1) * width, _limit(NUMBERS_OF_SUMS, values)):
        tables = summed(_summed(write_codes[row, hash_], values[row], buckets))
        result[row] += _read(_bucket_numbers(read_codes[row, hash_], buckets), tables)
    return result


def outer_over_collisions(
    query_codes: Tensor, key_codes: Tensor, query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, buckets: int
) -> tuple[Tensor, Tensor]:
    """``Σ_hash Σ_j [code_i = code_j] k_j (v_j · g_i)`` of query i, and ``Σ_hash Σ_i […] q_i (g_i · v_j)`` of key j.

    Through one matrix a bucket: ``M = Σ_j k_j v_jᵀ`` over its keys, ``N = Σ_i q_i g_iᵀ`` over its queries, read as
    ``M g_i`` and ``N v_j``. Cost O((n + k)·m·e·c) however the tokens fall into the buckets.

    Args:
        query_codes: ``(rows, m, n)`` int32.
        key_codes: ``(rows, m, k)`` int32.
        query: ``(rows, n, e)``, float32 or float64, as are all that follow.
        key: ``(rows, k, e)``.
        value: ``(rows, k, c)``.
        gradient: ``(rows, n, c)``, g.
        buckets: how many a hash has.

    Returns:
        ``(rows, n, e)`` and ``(rows, k, e)``.
    """
    rows, hashes, _ = query_codes.shape
    of_query, of_key = torch.zeros_like(query), torch.zeros_like(key)
    shard = current_shard()
    if shard is None and (of_query.numel() == 0 or of_key.numel() == 0 or value.shape[-1] == 0):
        return of_query, of_key
    widths = query.shape[-1] + value.shape[-1]
    # As many portions on all ranks that share the tokens.
    tokens = query.shape[1] + key.shape[1] if shard is None else 2 * shard.longest
    numbers = buckets * query.shape[-1] * value.shape[-1] + tokens * widths
    # A row of zeros after each head's tokens, for what fills the buckets up.
    query, key, value, gradient = (F.pad(tensor, (0, 0, 0, 1)) for tensor in (query, key, value, gradient))
    for row, hash_ in _portions(rows, hashes, numbers, _limit(NUMBERS_OF_OUTER_PRODUCTS, query)):
        queries, keys = (_Layout.of(codes[row, hash_], buckets) for codes in (query_codes, key_codes))
        q, g = queries.laid_out(query[row]), queries.laid_out(gradient[row])
        k, v = keys.laid_out(key[row]), keys.laid_out(value[row])
        of_query[row] += queries.read(summed(keys.outer_products(k, v)), g)
        of_key[row] += keys.read(summed(queries.outer_products(q, g)), v)
    return of_query, of_key


def _limit(numbers: int, tensor: Tensor) -> int:
    return numbers if tensor.device.type == "cpu" else numbers * TIMES_ELSEWHERE


def _portions(rows: int, hashes: int, numbers: int, limit: int) -> Iterator[tuple[slice, slice]]:
    """Rows and hashes to work on together, as many as have ``limit`` numbers, ``numbers`` for one of one."""
    together = max(1, limit // numbers)
    hashes_together, rows_together = min(together, hashes), max(1, together // hashes)
    for row in range(0, rows, rows_together):
        for hash_ in range(0, hashes, hashes_together):
            yield slice(row, row + rows_together), slice(hash_, hash_ + hashes_together)


def _bucket_numbers(codes: Tensor, buckets: int) -> Tensor:
    """Codes as numbers of buckets among those of all rows and hashes; each hash has one more, for those in none."""
    rows, hashes, _ = codes.shape
    first = torch.arange(rows * hashes, device=codes.device, dtype=torch.int32) * (buckets + 1)
    return codes + first.view(rows, hashes, 1)


def _sorted(numbers: Tensor, all_buckets: int) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of buckets in order, where each comes from, and where each bucket starts (one more: the end)."""
    # Flat and int32: that is what torch sorts by radix on CPUs, in linear time.
    in_order, order = numbers.flatten().sort(stable=True)
    ends = torch.bincount(in_order, minlength=all_buckets).cumsum(0, dtype=torch.int32)
    return in_order, order, F.pad(ends, (1, 0))


def _summed(codes: Tensor, values: Tensor, buckets: int) -> Tensor:
    """Tables of the sum of the values in each bucket: ``(all buckets, c)``."""
    rows, hashes, length = codes.shape
    _, order, starts = _sorted(_bucket_numbers(codes, buckets), rows * hashes * (buckets + 1))
    tokens = order % length
    if rows > 1:
        tokens += order // (hashes * length) * length
    tokens = tokens.to(torch.int32)
    tables = F.embedding_bag(tokens, values.flatten(0, 1), starts, mode="sum", include_last_offset=True)
    tables.view(rows * hashes, buckets + 1, -1)[:, buckets] = 0
    return tables


def _read(places: Tensor, table: Tensor) -> Tensor:
    """The sum over the hashes of the table's rows at ``(rows, m, n)`` places: ``(rows, n, width)``."""
    rows, _, length = places.shape
    bags = places.transpose(1, 2).flatten(0, 1)
    return F.embedding_bag(bags, table, mode="sum").view(rows, length, table.shape[1])


@dataclass(frozen=True)
class _Layout:
    """Tokens in the order of their buckets, each bucket filled up with zeros to u chunks, in blocks of equal size.

    A bucket of u chunks is split like the binary number u: a block of 2^level chunks for each level whose bit is set.
    The blocks of one level lie side by side, so one batched product multiplies them all; there are few levels, and
    memory and work are linear whether the buckets are small and many or one bucket holds everything.
    """

    tokens: Tensor  # (padded,): the token of each place; the row of zeros where there is none
    places: Tensor  # (rows, m, n) int32: each token's place; ``padded``, which reads zero, if it is in no bucket
    levels: list[tuple[Tensor, slice, int]]  # buckets that have a block of this level, the blocks' places, their size
    all_buckets: int

    @classmethod
    def of(cls, codes: Tensor, buckets: int) -> "_Layout":
        rows, hashes, length = codes.shape
        all_buckets = rows * hashes * (buckets + 1)
        bucket, order, starts = _sorted(_bucket_numbers(codes, buckets), all_buckets)
        sizes = starts.diff().view(-1, buckets + 1)
        sizes[:, buckets] = 0
        chunks = ((sizes + CHUNK - 1) // CHUNK).flatten().long()
        first = chunks.cumsum(0) - chunks
        levels, moved_to = _levels(chunks, first)
        padded = len(moved_to) * CHUNK

        bucket = bucket.long()
        rank = torch.arange(len(order), device=codes.device) - starts[bucket]
        in_none = bucket % (buckets + 1) == buckets
        # Tokens in no bucket take the chunk past the last one, for as long as it takes to look its number up.
        chunk = F.pad(moved_to, (0, 1))[torch.where(in_none, len(moved_to), first[bucket] + rank // CHUNK)]
        place = torch.where(in_none, padded, chunk * CHUNK + rank % CHUNK)

        tokens = order.new_full((padded + 1,), length)
        tokens[place] = order // (hashes * length) * (length + 1) + order % length
        places = torch.empty_like(place, dtype=torch.int32)
        places[order] = place.to(torch.int32)
        return cls(tokens[:padded], places.view(codes.shape), levels, all_buckets)

    def laid_out(self, values: Tensor) -> Tensor:
        """Tokens, ``(rows, n + 1, width)`` with the row of zeros, in their places."""
        return values.flatten(0, 1).index_select(0, self.tokens)

    def outer_products(self, left: Tensor, right: Tensor) -> Tensor:
        """``Σ left rightᵀ`` over each bucket, ``(all buckets, e, c)``, of tokens in their places."""
        matrices = left.new_zeros(self.all_buckets, left.shape[-1], right.shape[-1])
        for active, at, size in self.levels:
            blocks = (tensor[at].view(len(active), size, -1) for tensor in (left, right))
            matrices.index_add_(0, active, next(blocks).transpose(1, 2) @ next(blocks))
        return matrices

    def read(self, matrices: Tensor, weights: Tensor) -> Tensor:
        """``Σ_hash matrix · weight``: its buckets' matrices times each token, ``(rows, n, e)``."""
        products = weights.new_zeros(len(weights) + 1, matrices.shape[1])
        for active, at, size in self.levels:
            blocks = weights[at].view(len(active), size, -1)
            products[at] = (blocks @ matrices[active].transpose(1, 2)).flatten(0, 1)
        return _read(self.places, products)


def _levels(chunks: Tensor, first: Tensor) -> tuple[list[tuple[Tensor, slice, int]], Tensor]:
    """Blocks of each level, and where each chunk comes to lie when the levels follow each other."""
    moved_to = torch.empty(int(chunks.sum()), device=chunks.device, dtype=torch.int64)
    levels, start = [], 0
    for level in range(int(chunks.max()).bit_length()):
        in_block = 2**level
        active = (chunks & in_block).nonzero().squeeze(1)
        if len(active) == 0:
            continue
        begin = first[active] + (chunks[active] & (in_block - 1))
        members = (begin[:, None] + torch.arange(in_block, device=chunks.device)).flatten()
        moved_to[members] = torch.arange(start, start + len(members), device=chunks.device)
        levels.append((active, slice(start * CHUNK, (start + len(members)) * CHUNK), in_block * CHUNK))
        start += len(members)
    return levels, moved_to
