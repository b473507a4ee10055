"""A kernel beside its plain twin, as `bench kernels` wants it described."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class KernelSizes:
    """What a case is made of.

    Args:
        length: n.
        batch: b.
        heads: h.
        head_width: e.
        sampled: k; cases of samples take ``min(k, n)``.
        dtype: of the inputs.
        device: that they are on.
        seed: that they are drawn from.
    """

    length: int
    batch: int
    heads: int
    head_width: int
    sampled: int
    dtype: torch.dtype
    device: str
    seed: int = 0

    @property
    def keys(self) -> int:
        """How many tokens are attended to."""
        return min(self.sampled, self.length)

    @property
    def bytes_per_number(self) -> int:
        """Of the inputs."""
        return self.dtype.itemsize

    def draw(self, *shapes: tuple[int, ...]) -> list[Tensor]:
        """Standard normal tensors."""
        generator = torch.Generator(self.device).manual_seed(self.seed)
        return [torch.randn(shape, generator=generator, device=self.device, dtype=self.dtype) for shape in shapes]


@dataclass(frozen=True)
class Operations:
    """What a kernel cannot do without, by what limits it.

    Args:
        vector: instructions of vector units, one number each; a multiplication with an addition is one.
        matrix: operations of tensor cores; a multiplication with an addition is two.
        bytes: read or written once.
    """

    vector: float = 0.0
    matrix: float = 0.0
    bytes: float = 0.0


@dataclass(frozen=True)
class KernelWork:
    """One case at one size.

    Args:
        inputs: tensors of floating-point numbers that both forms take, all with gradients in training. What else they
            take, such as masks and indices, is in the forms.
        forms: ``"kernel"`` and ``"plain"``: each maps the inputs to one tensor.
        result: shape of that tensor.
    """

    inputs: tuple[Tensor, ...]
    forms: Mapping[str, Callable[..., Tensor]]
    result: tuple[int, ...]


@dataclass(frozen=True)
class KernelCase:
    """A kernel that can be measured.

    Args:
        title: what it computes, in a line.
        work: makes its inputs and forms for a size.
        operations: what the kernel does in a forward pass, and forward and backward.
        trains: whether it has gradients.
        exact: whether both forms give the same numbers but for rounding, so that they are compared.
        narrowest: the smallest head width that it takes.
    """

    title: str
    work: Callable[[KernelSizes], KernelWork]
    operations: Callable[[KernelSizes], tuple[Operations, Operations]]
    trains: bool = True
    exact: bool = True
    narrowest: int = 8
