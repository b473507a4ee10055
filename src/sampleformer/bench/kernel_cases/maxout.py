"""SFT's attention of n queries over k keys, without and with relative terms."""

import functools

from torch import Tensor

from sampleformer.bench.kernel_cases.case import KernelCase, KernelSizes, KernelWork, Operations
from sampleformer.kernels import scored_attention

# Of a pair and channel: maximum and addition forward; they again, a product with the gradient, and a subtraction, two
# bounds and a product for the sign, once for each side.
FORWARD, BACKWARD = 2, 2 * (2 + 1 + 4)


def _work(sizes: KernelSizes, *, related: bool) -> KernelWork:
    batch, heads, n, k, e = sizes.batch, sizes.heads, sizes.length, sizes.keys, sizes.head_width
    terms = [(batch, heads, n, k)] * 2 if related else []
    inputs = sizes.draw((batch, heads, n, e), (batch, heads, k, e), (batch, heads, k, e), (batch, heads, k), *terms)

    def attend(query: Tensor, key: Tensor, value: Tensor, leak: Tensor, *terms: Tensor, kernel: str) -> Tensor:
        both = (terms[0], terms[1]) if terms else None
        return scored_attention(query, key, value, leak=leak, terms=both, kernel=kernel)

    forms = {
        "kernel": functools.partial(attend, kernel="triton"),
        "plain": functools.partial(attend, kernel="plain"),
    }
    return KernelWork(tuple(inputs), forms, (batch, heads, n, e))


def _operations(sizes: KernelSizes, *, related: bool) -> tuple[Operations, Operations]:
    rows, e = sizes.batch * sizes.heads, sizes.head_width
    pairs = rows * sizes.length * sizes.keys
    of_tokens = 2 * rows * (sizes.length + sizes.keys) * e  # queries and results, keys and values
    of_terms = 2 * pairs if related else 0
    # Backward it is all read again with the gradient of the result, and gradients as large as the inputs are written.
    moved, moved_backward = of_tokens + of_terms, 2 * of_tokens + 3 * of_terms
    size = sizes.bytes_per_number
    return (
        Operations(FORWARD * pairs * e, 2 * pairs * e, moved * size),
        Operations((FORWARD + BACKWARD) * pairs * e, 4 * pairs * e, (moved + moved_backward) * size),
    )


MAXOUT = KernelCase(
    title="SFT's attention: Maxout scores, leaky ReLU, of n queries over k keys",
    work=functools.partial(_work, related=False),
    operations=functools.partial(_operations, related=False),
)
MAXOUT_RELATED = KernelCase(
    title="SFT's attention with relative terms, which are tensors of n·k numbers a head",
    work=functools.partial(_work, related=True),
    operations=functools.partial(_operations, related=True),
)
