"""The memory that a training will need at its peak, known before its first step."""

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from sampleformer.training.random_state import get_random_state, set_random_state

HELD = 2
"""Memory that a chunk takes for each byte that its graph keeps: beside these there are the gradients on their way back,
and holes between pieces of unequal sizes, which the C library keeps. Measured on CPUs: 1.6 times (digits, molecules) to
3 (texts)."""


@dataclass(frozen=True)
class ExpectedMemory:
    """Bytes of memory at the peak of a training.

    Args:
        present: bytes that the process has before the first step: program, data and model. 0: not known.
        learning: bytes of gradients and the optimiser's state.
        activations: bytes of what one chunk keeps for its gradient, and of what comes and goes beside it.
        tokens: padded tokens of that chunk.
    """

    present: int
    learning: int
    activations: int
    tokens: int

    @property
    def total(self) -> int:
        """Bytes at the peak."""
        return self.present + self.learning + self.activations

    def __str__(self) -> str:
        now = "the program, the data and the model have now"
        whole, rest = f"memory {_in_words(self.total)}", f", {_in_words(self.present)} that {now}"
        if not self.present:
            whole, rest = f"memory {_in_words(self.total)} beside what {now}", ""
        return (
            f"expected peak {whole}: {_in_words(self.activations)} for activations of at most {self.tokens:,} tokens "
            f"at once (training.max_tokens), {_in_words(self.learning)} for gradients and optimizer{rest}"
        )


def learning_bytes(model: nn.Module) -> int:
    """Bytes of the gradients of a model and of Adam's two means of them."""
    return 3 * sum(each.numel() * each.element_size() for each in model.parameters() if each.requires_grad)


def saved_bytes(model: nn.Module, loss: Callable[[], Tensor]) -> int:
    """Bytes that the graph of a loss keeps for its gradient, the model's own tensors left out.

    Random numbers and buffers of the model are afterwards as they were.

    Args:
        model: the model that the loss is computed with.
        loss: computes the loss.
    """
    own = {_storage(each) for each in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.layout is torch.strided and (place := _storage(tensor)) not in own:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor.detach()  # without its graph, which would keep itself alive

    random, buffers = get_random_state(), [each.clone() for each in model.buffers()]
    try:
        with saved_tensors_hooks(pack, lambda tensor: tensor):
            graph = loss()
        del graph
    finally:
        set_random_state(random)
        with torch.no_grad():
            for buffer, before in zip(model.buffers(), buffers, strict=True):
                buffer.copy_(before)
    return sum(kept.values())


def extrapolated(samples: int, measure: Callable[[int], int]) -> int:
    """A number that grows along a line with the number of samples, from what it is for few of them.

    Args:
        samples: number of samples. At least 1.
        measure: the number for fewer samples.
    """
    few, more = min(samples, 2), min(samples, 4)
    first, second = measure(few), measure(more) if more > few else 0
    return first + (samples - few) * (second - first) // (more - few) if more > few else first


def present_bytes(device: torch.device) -> int:
    """Bytes that this process has in memory, or on a GPU; 0 where the system does not say."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else resident_bytes()


def resident_bytes() -> int:
    """Bytes that this process has in the memory of the machine; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * mmap.PAGESIZE


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _in_words(size: int) -> str:
    if size < 1e6:
        return "less than 1 MB"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
