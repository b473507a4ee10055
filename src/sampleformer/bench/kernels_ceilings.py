"""How fast a machine can copy and compute at best: what times of kernels are held against."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sampleformer.bench.kernel_cases import Operations
from sampleformer.bench.timing import wait

REPEATS = 7
# On a GPU large enough that starting the work costs nothing; elsewhere it is only checked.
COPIED_BYTES, MATRIX_SIDE = 2**30, 8192
FEW_BYTES, SMALL_SIDE = 2**20, 128


@dataclass(frozen=True)
class Ceilings:
    """Rates, measured in the same run as the kernels.

    Args:
        bytes: a second, read or written, of a copy.
        matrix: operations a second of a product of matrices, by dtype; in float32 without TF32.
        vector: instructions a second of vector units: half of the operations of the product in float32, since they
            multiply and add at once.
    """

    bytes: float
    matrix: dict[str, float]
    vector: float

    def floor(self, work: Operations, dtype: str) -> tuple[float, str]:
        """The least seconds that work of a kernel can take, and which ceiling it would then touch."""
        seconds = {
            "memory": work.bytes / self.bytes,
            "matrix": work.matrix / self.matrix[dtype],
            "vector": work.vector / self.vector,
        }
        bound = max(seconds, key=lambda name: seconds[name])
        return seconds[bound], bound


def measure_ceilings(dtypes: Sequence[str], device: str) -> Ceilings:
    """Measures a copy and products of square matrices, the best of some repeats.

    Args:
        dtypes: of the products, by torch's names.
        device: ``cuda``, or ``cpu`` for a check.
    """
    large = device == "cuda"
    copied, side = (COPIED_BYTES, MATRIX_SIDE) if large else (FEW_BYTES, SMALL_SIDE)
    source = torch.zeros(copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copying = 2 * copied / _best_seconds(lambda: target.copy_(source), device)
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        matrix = {dtype: 2 * side**3 / _product_seconds(dtype, side, device) for dtype in {*dtypes, "float32"}}
    finally:
        torch.set_float32_matmul_precision(precision)
    return Ceilings(copying, matrix, matrix["float32"] / 2)


def _product_seconds(dtype: str, side: int, device: str) -> float:
    left, right = torch.randn(2, side, side, device=device).to(getattr(torch, dtype))
    result = torch.empty_like(left)
    return _best_seconds(lambda: torch.mm(left, right, out=result), device)


def _best_seconds(work: Callable[[], object], device: str) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - start)
    return min(times)
