"""The operator of `codes`: what the compiler sees in place of the kernel."""

import torch
from torch import Tensor

NUMBERS_PER_PROGRAM = 2048


@torch.library.custom_op("sampleformer::hadamard_codes_triton", mutates_args=())
def _hadamard_codes(vectors: Tensor, signs: Tensor, hashes: int, code_length: int) -> Tensor:
    from sampleformer.kernels.bernoulli.codes_triton import hadamard_codes_kernel

    *rows, tokens, width = vectors.shape
    size = signs.shape[-1]
    codes = vectors.new_empty((*rows, hashes, tokens), dtype=torch.int32)
    if codes.numel() == 0:
        return codes
    all_tokens, together = vectors.numel() // width, max(16, NUMBERS_PER_PROGRAM // size)
    with torch.cuda.device_of(vectors):
        hadamard_codes_kernel[(-(-all_tokens // together),)](
            vectors.contiguous(),
            signs.contiguous(),
            codes,
            all_tokens,
            tokens,
            width,
            # Blocks past those that the hashes need have no bits.
            -(-hashes * code_length // size),
            hashes,
            code_length,
            SIZE=size,
            LEVELS=size.bit_length() - 1,
            TOKENS=together,
            HASHES=max(16, 1 << (hashes - 1).bit_length()),
        )
    return codes


@_hadamard_codes.register_fake
def _(vectors: Tensor, signs: Tensor, hashes: int, code_length: int) -> Tensor:
    return vectors.new_empty((*vectors.shape[:-2], hashes, vectors.shape[-2]), dtype=torch.int32)
