"""Compiles the kernels of SAMSA for an H100, which needs none: the launchers run, but nothing is launched.

Run as a program, because Triton decides at import whether it interprets.
"""

import itertools
import sys
from types import SimpleNamespace

import torch
import triton
from triton.backends.compiler import GPUTarget

from sampleformer.kernels import choice_operators, projection_operators, top_k_launch_triton

CAPABILITY = 90


def compile_only() -> list[str]:
    """From now on kernels are compiled and not run; the list gets their names."""
    compiled: list[str] = []
    triton.runtime.driver.set_active(
        SimpleNamespace(
            get_current_device=lambda: 0,
            get_current_stream=lambda device: 0,
            get_current_target=lambda: GPUTarget("cuda", CAPABILITY, 32),
        )
    )
    run = triton.JITFunction.run

    def compiled_alone(self, *args, grid, warmup, **kwargs):
        kernel = run(self, *args, grid=grid, warmup=True, **kwargs)
        assert kernel.asm["cubin"]
        assert kernel.metadata.shared <= 99 * 1024, "more shared memory than smaller GPUs have"
        compiled.append(self.__name__)
        return kernel

    triton.JITFunction.run = compiled_alone
    return compiled


def launch_all() -> None:
    """Every kernel, with float32 and half precision, with and without what is optional."""
    for n, optional in itertools.product((100, 10_000), (False, True)):
        scores = torch.zeros(1, 2, n)
        mask = torch.ones(1, 1, n, dtype=torch.bool).expand(1, 2, n)
        top_k_launch_triton.select(scores, scores if optional else None, mask if optional else None, 64)
    for dtype, optional in itertools.product((torch.float32, torch.bfloat16), (False, True)):
        many = 128 if optional else 2  # rows: enough for the larger blocks, and not
        values, scores = torch.zeros(many, 70, 192 if optional else 64, dtype=dtype), torch.zeros(many, 70)
        valid = torch.ones(many, 70, dtype=torch.bool) if optional else None
        given = (values, values, scores, scores, torch.ones(many), valid, valid)
        choice_operators.choose_soft(*given)
        choice_operators.choose_soft_backward(values, *given)
        features, weight = torch.zeros(1, 512, 256, dtype=dtype), torch.zeros(2, 128, 256, dtype=dtype)
        indices, bias = torch.zeros(1, 2, 64, dtype=torch.int64), torch.zeros(2, 128, dtype=dtype) if optional else None
        epsilon = 1e-6 if optional else None
        out = projection_operators.project_chosen(features, indices, weight, bias, epsilon)
        projection_operators.project_chosen_backward(out, features, indices, weight, epsilon)


if __name__ == "__main__":
    names = compile_only()
    launch_all()
    sys.stdout.write(" ".join(sorted(set(names))))
