"""Compiles Triton kernels for an H100, which needs no GPU; in a process of its own, since here they are interpreted.

The job of a kernel is a dictionary: ``module``, ``kernel``, ``types`` (of its arguments by name, as Triton writes them:
``"*bf16"``, ``"i32"``; numbers that end in ``!`` are multiples of 16), ``constants``, perhaps ``warps`` and ``stages``.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.forked import run_python


def compiled(*jobs: dict[str, Any]) -> list[dict[str, int]]:
    """What the machine code of each kernel has: ``shared`` bytes, and how often some instructions occur."""
    environment = os.environ | {"TRITON_INTERPRET": "0"}
    finished = run_python(["-m", "tests.kernels.compiling"], Path.cwd(), environment, given=json.dumps(jobs))
    assert finished.returncode == 0, finished.stderr[-4000:]
    return json.loads(finished.stdout)


def _compile(job: dict[str, Any]) -> dict[str, int]:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel = getattr(importlib.import_module(job["module"]), job["kernel"])
    constants = {name: value for name, value in job["constants"].items() if name in kernel.arg_names}
    types = {name: "constexpr" if name in constants else job["types"][name] for name in kernel.arg_names}
    multiples = {
        (parameter.num,): [["tt.divisibility", 16]]
        for parameter in kernel.params
        if types[parameter.name].startswith("*") or types[parameter.name].endswith("!")
        if not parameter.do_not_specialize
    }
    signature = {name: type_.removesuffix("!") for name, type_ in types.items()}
    source = ASTSource(kernel, signature, constexprs=constants, attrs=multiples)
    options = {"num_warps": job.get("warps", 4), "num_stages": job.get("stages", 3)}
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    code = made.asm["ptx"]
    counted = {"shuffles": "shfl.", "barriers": "bar.sync", "matrix": "mma", "maxima": "max."}
    return {"shared": made.metadata.shared} | {name: code.count(text) for name, text in counted.items()}


if __name__ == "__main__":
    print(json.dumps([_compile(job) for job in json.load(sys.stdin)]))
