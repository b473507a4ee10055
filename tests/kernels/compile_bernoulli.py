"""Compiles YOSO's kernels for an H100, on any machine: a program of its own, because the tests run the interpreter."""

import triton.language as tl
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from sampleformer.kernels.bernoulli import codes_triton, expected_triton, matrices_triton, pairs_triton, sums_triton

SHARED = 99 * 1024  # what a block may have on every GPU of today
TENSORS = {
    "i64": ("order", "own_order", "other_order"),
    "i32": ("starts", "other_starts", "codes", "own_numbers", "other_numbers", "first_slots", "bucket_of_slot"),
    "fp32": ("tables", "wide", "signs", "matrices"),
}


def check(kernel, tensors: str, result: str = "bf16", **constants: object) -> None:
    types = dict.fromkeys(kernel.arg_names, "i32") | {"scale": "fp32", "result": f"*{result}"}
    types |= dict.fromkeys(tensors.split(), "*bf16")
    types |= {name: f"*{dtype}" for dtype, names in TENSORS.items() for name in names}
    types |= dict.fromkeys(constants, "constexpr")
    signature = {name: types[name] for name in kernel.arg_names}
    places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    compiled = compile(
        ASTSource(kernel, signature, places), target=GPUTarget("cuda", 90, 32), options={"num_stages": 2}
    )
    assert compiled.asm["cubin"]
    assert compiled.metadata.shared <= SHARED, f"{kernel.__name__} has {compiled.metadata.shared} bytes in a block"


if __name__ == "__main__":
    check(codes_triton.hadamard_codes_kernel, "vectors", SIZE=32, LEVELS=5, TOKENS=64, HASHES=16)
    check(sums_triton.fill_kernel, "values", TOKENS=32, WIDTH=64)
    check(sums_triton.fill_atomic_kernel, "values", TOKENS=32, WIDTH=64)
    check(sums_triton.read_kernel, "", TOKENS=32, WIDTH=64, IS_FIRST=False, IS_LAST=True)
    products = {"WIDTH": 64, "OTHER": 32, "PRECISION": "tf32"}
    widths = {"VALUE_WIDTH": 64}
    check(matrices_triton.build_kernel, "left right", CHUNK=1024, **widths, **products)
    check(matrices_triton.fold_kernel, "", NUMBERS=1024)
    lefts = "own_left other_left other_right"
    how = {"OPERAND": tl.bfloat16, "ATOMIC": False, "HAS_LARGE": True, "PART": 32}
    check(pairs_triton.pairs_kernel, lefts, "fp32", OWN=64, **how, **widths, **products)
    how = {"UNIT": tl.bfloat16, "LEFT": tl.bfloat16, "IS_WEIGHTED": True, "CODE_LENGTH": 9}
    widths = {"LEFT_WIDTH": 64, "RIGHT_WIDTH": 64}
    check(expected_triton.expected_kernel, f"own_unit other_unit {lefts}", OWN=64, **how, **widths, **products)
