"""Kernels in Triton for what would otherwise move too many numbers, each beside the plain function that it stands for.

A function here takes what its plain twin in `functional` takes, and ``kernel``: ``"auto"`` uses the kernel where it can
run, ``"plain"`` never does, ``"triton"`` insists. Operators are defined, and what Triton compiles is imported, when the
first kernel runs.
"""

from sampleformer.kernels.availability import KERNELS, check_kernel, unavailable, use_triton
from sampleformer.kernels.maxout import scored_attention

__all__ = ["KERNELS", "check_kernel", "scored_attention", "unavailable", "use_triton"]
