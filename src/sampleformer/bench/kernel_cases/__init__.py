"""What `bench kernels` measures. A kernel joins by its own file here and its entry in `KERNEL_CASES`."""

from sampleformer.bench.kernel_cases.case import KernelCase, KernelSizes, KernelWork, Operations
from sampleformer.bench.kernel_cases.maxout import MAXOUT, MAXOUT_RELATED
from sampleformer.bench.kernel_cases.yoso import YOSO, YOSO_COLLISIONS

KERNEL_CASES: dict[str, KernelCase] = {
    "maxout": MAXOUT,
    "maxout_related": MAXOUT_RELATED,
    "yoso": YOSO,
    "yoso_collisions": YOSO_COLLISIONS,
}
"""By name."""

__all__ = ["KERNEL_CASES", "KernelCase", "KernelSizes", "KernelWork", "Operations"]
