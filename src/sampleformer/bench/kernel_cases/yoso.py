"""YOSO's sums over collisions of 16 hashes, with the hashing and without, in buckets of some 32 tokens."""

import functools

import torch
from torch import Tensor

from sampleformer.bench.kernel_cases.case import KernelCase, KernelSizes, KernelWork, Operations
from sampleformer.functional.bernoulli import hadamard_signs, unit_length
from sampleformer.kernels.bernoulli import collision_attention, hadamard_codes

HASHES = 16
BUCKET = 32
LONGEST_CODE = 16


def _code_length(sizes: KernelSizes) -> int:
    return min(LONGEST_CODE, max(1, (sizes.length // BUCKET).bit_length() - 1))


def _work(sizes: KernelSizes, *, hashing: bool) -> KernelWork:
    shape = (sizes.batch, sizes.heads, sizes.length, sizes.head_width)
    query, key, value = sizes.draw(shape, shape, shape)
    query, key, code_length = unit_length(query), unit_length(key), _code_length(sizes)
    generator = torch.Generator(sizes.device).manual_seed(sizes.seed)
    signs = hadamard_signs(HASHES, sizes.head_width, code_length, generator=generator, device=sizes.device)
    known = None if hashing else hadamard_codes(query, key, signs, HASHES, code_length, kernel="plain")

    def attend(query: Tensor, key: Tensor, value: Tensor, *, kernel: str) -> Tensor:
        codes = known or hadamard_codes(query, key, signs, HASHES, code_length, kernel=kernel)
        return collision_attention(query, key, value, *codes, code_length, kernel=kernel)

    forms = {
        "kernel": functools.partial(attend, kernel="triton"),
        "plain": functools.partial(attend, kernel="plain"),
    }
    return KernelWork((query, key, value), forms, shape)


def _operations(sizes: KernelSizes, *, hashing: bool) -> tuple[Operations, Operations]:
    tokens, e, size = sizes.batch * sizes.heads * sizes.length, sizes.head_width, sizes.bytes_per_number
    together = 1 << (e - 1).bit_length()
    blocks = -(-HASHES * _code_length(sizes) // together)
    # Three rounds of additions for queries and keys; and of each hash a value added to a row, and a row read and added.
    rounds = 2 * tokens * blocks * 3 * together * (together.bit_length() - 1) if hashing else 0
    sums = 2 * tokens * HASHES * e
    codes = 2 * tokens * HASHES * 4
    of_sums = tokens * HASHES * e * (size + 4)  # in the order of the codes, so once for each hash
    of_inputs = 2 * tokens * e * size * hashing  # queries and keys: nothing but the hashing reads them
    forward = of_inputs + codes * (1 + hashing) + of_sums + tokens * e * size
    # On both sides the own vectors, and two of each other, are read, and the sum is read and written.
    of_pairs = 2 * tokens * HASHES * e * (3 * size + 8)
    pairs = tokens * HASHES * sizes.length / 2 ** _code_length(sizes)
    return (
        Operations(vector=rounds + sums, bytes=forward),
        Operations(vector=rounds + 2 * sums, matrix=2 * pairs * 4 * e, bytes=forward + of_sums + 2 * codes + of_pairs),
    )


YOSO = KernelCase(
    title="YOSO: 16 hashes by Hadamard rounds, sums over collisions, sampled gradients",
    work=functools.partial(_work, hashing=True),
    operations=functools.partial(_operations, hashing=True),
    # A projection that is zero up to rounding may get another sign, and its token another bucket.
    exact=False,
)
YOSO_COLLISIONS = KernelCase(
    title="YOSO's sums over collisions of 16 hashes whose codes are known, sampled gradients",
    work=functools.partial(_work, hashing=False),
    operations=functools.partial(_operations, hashing=False),
)
