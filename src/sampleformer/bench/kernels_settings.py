"""What ``bench kernels`` is asked to do."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

from sampleformer.bench import options
from sampleformer.bench.settings import Measuring
from sampleformer.errors import InputError
from sampleformer.kernels import unavailable
from sampleformer.kernels.availability import WIDEST, interpreting

DTYPES = ("float32", "bfloat16", "float16")
LENGTHS: tuple[int, ...] = (1024, 4096, 16384, 65536, 262144)
# The interpreter takes milliseconds for each instruction of a tile.
FEW: tuple[int, ...] = (40,)
INTERPRETED = {"heads": 2, "head_width": 16, "sampled": 20, "repeats": 1}
MEASURED = {"heads": 8, "head_width": 64, "sampled": 256, "repeats": 7}


@dataclass(frozen=True)
class KernelSettings(Measuring):
    """Settings of the benchmark of kernels, checked; ``dtype`` is the first of the dtypes.

    Args:
        kernels: names of `KERNEL_CASES`.
        lengths: numbers of tokens, rising.
        dtypes: of the inputs, by torch's names.
        heads: h.
        head_width: e.
        sampled: k.
        interpret: whether kernels run in Triton's interpreter, as a check.
        plot: PNG file to draw.
    """

    kernels: tuple[str, ...]
    lengths: tuple[int, ...]
    dtypes: tuple[str, ...]
    heads: int
    head_width: int
    sampled: int
    interpret: bool = False
    plot: Path | None = None

    @classmethod
    def read(cls, given: argparse.Namespace) -> KernelSettings:
        """Settings from the command line.

        Raises:
            InputError: if one cannot be, or there is no GPU or no Triton.
        """
        from sampleformer.bench.kernel_cases import KERNEL_CASES

        names = tuple(KERNEL_CASES)
        kernels = names if given.kernels is None else options.several_names("--kernels", given.kernels, names)
        dtypes = options.several_names("--dtypes", given.dtypes, DTYPES)
        options.one_name("--device", given.device, ("cuda",))
        options.check_positive(given, "heads", "head_width", "sampled", "repeats")
        default = INTERPRETED if given.interpret else MEASURED
        sizes: dict[str, int] = {
            name: value if getattr(given, name) is None else getattr(given, name) for name, value in default.items()
        }
        narrowest = max(KERNEL_CASES[name].narrowest for name in kernels)
        if not narrowest <= sizes["head_width"] <= WIDEST:
            raise InputError(f"--head-width: {sizes['head_width']}, expected {narrowest} to {WIDEST}")
        lengths = FEW if given.interpret else LENGTHS
        if given.lengths is not None:
            lengths = options.several_numbers("--lengths", given.lengths, of="tokens")
        check_machine(interpret=given.interpret)
        filled = vars(given) | {"dtype": dtypes[0], "threads": None, "repeats": sizes["repeats"]}
        filled["device"] = "cpu" if given.interpret else given.device
        return cls(
            kernels=kernels,
            lengths=lengths,
            dtypes=dtypes,
            heads=sizes["heads"],
            head_width=sizes["head_width"],
            sampled=sizes["sampled"],
            interpret=given.interpret,
            plot=options.png_path(given.plot),
            **cls.arguments(argparse.Namespace(**filled)),
        )


def check_machine(*, interpret: bool) -> None:
    """Refuses a machine on which the kernels cannot run.

    Raises:
        InputError: it names what is missing.
    """
    if interpret and not interpreting():
        raise InputError("--interpret: TRITON_INTERPRET is not set, expected it to be 1 in the environment")
    missing = unavailable(torch.device("cpu" if interpret else "cuda"))
    if missing is None and not interpret and interpreting():
        missing = "TRITON_INTERPRET is set, so they would be interpreted"
    if missing is not None:
        hint = "" if interpret else "; --interpret checks the kernels without a GPU"
        raise InputError(f"bench kernels needs a GPU and Triton: {missing}{hint}")
