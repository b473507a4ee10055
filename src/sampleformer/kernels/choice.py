"""The soft and the hard choice without their (k, k) tensor.

Floor, for a row with k tokens of width c on either side, in numbers of s bytes: the soft choice reads both sides and
writes one, ``3 k c s`` bytes, with ``2 k² c`` operations and k² sigmoids; its backward pass reads the gradient and both
sides and writes two gradients, ``5 k c s`` bytes, with ``4 k² c`` operations. The hard choice copies, and multiplies in
its backward pass only, ``2 k² c`` operations. The plain functions also write and read the k² probabilities about six
times, in float32: at k = 512 and c = 64 that is 6 MB a row, where ``3 k c s`` is 0.2 MB in bfloat16. The kernels go
over the other side in blocks, and do a product anew for either side (``6 k² c`` and ``4 k² c`` operations backward), so
that every sum has one program and one order.
"""

import math

from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.functional import pulls as plain_pulls
from sampleformer.functional import sampling as plain
from sampleformer.kernels.availability import unavailable, use_triton


def choose_soft(
    top: Float[Tensor, "*rows k c"],
    rest: Float[Tensor, "*rows r c"],
    top_scores: Float[Tensor, "*rows k"],
    rest_scores: Float[Tensor, "*rows r"],
    temperature: Float[Tensor, "..."],
    top_valid: Bool[Tensor, "*rows k"] | None = None,
    rest_valid: Bool[Tensor, "*rows r"] | None = None,
    *,
    kernel: str = "auto",
) -> Float[Tensor, "*rows k c"]:
    """`functional.sampling.choose_soft` in blocks, with gradients for everything.

    Args:
        top, rest, top_scores, rest_scores, temperature, top_valid, rest_valid: as there.
        kernel: ``"auto"``, ``"plain"`` or ``"triton"``, see `use_triton`.

    Raises:
        ValueError: if the kernel is ``"triton"`` and cannot run.

    Source: SAMSA (arXiv 2408.05391), section 3.

    Example:
        >>> import torch
        >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
        >>> choose_soft(one, zero, torch.tensor([0.0]), torch.tensor([0.0]), torch.tensor(1.0))
        tensor([[0.5000]])
    """
    given = (top, rest, top_scores, rest_scores, temperature, top_valid, rest_valid)
    if not use_triton(kernel, unavailable(top, rest, top_scores, rest_scores, temperature)) or not rest.shape[-2]:
        return plain.choose_soft(*given)
    from sampleformer.kernels import choice_operators as operators

    return operators.choose_soft(*_by_row(*given)).reshape(top.shape)


def choose_hard(
    top: Float[Tensor, "*rows k c"],
    rest: Float[Tensor, "*rows r c"],
    top_scores: Float[Tensor, "*rows k"],
    rest_scores: Float[Tensor, "*rows r"],
    temperature: Float[Tensor, "..."],
    top_valid: Bool[Tensor, "*rows k"] | None = None,
    rest_valid: Bool[Tensor, "*rows r"] | None = None,
    *,
    kernel: str = "auto",
) -> Float[Tensor, "*rows k c"]:
    """`functional.sampling.choose_hard`, whose gradient for the scores goes over the pairs in blocks.

    Args, Raises: as for `choose_soft`.

    Source: SAMSA (arXiv 2408.05391), section 3.

    Example:
        >>> import torch
        >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
        >>> choose_hard(one, zero, torch.tensor([0.0]), torch.tensor([0.0]), torch.tensor(1.0))
        tensor([[1.]])
    """
    given = (top, rest, top_scores, rest_scores, temperature, top_valid, rest_valid)
    if not use_triton(kernel, unavailable(top, rest, top_scores, rest_scores, temperature)) or not rest.shape[-2]:
        return plain.choose_hard(*given)
    from sampleformer.kernels import choice_operators as operators

    return operators.choose_hard(*_by_row(*given)).reshape(top.shape)


def pulls(
    gradient: Float[Tensor, "*rows k c"],
    top: Float[Tensor, "*rows k c"],
    rest: Float[Tensor, "*rows r c"],
    top_scores: Float[Tensor, "*rows k"],
    rest_scores: Float[Tensor, "*rows r"],
    top_valid: Bool[Tensor, "*rows k"] | None = None,
    rest_valid: Bool[Tensor, "*rows r"] | None = None,
    *,
    kernel: str = "auto",
) -> tuple[Float[Tensor, "*rows k"], Float[Tensor, "*rows r"]]:
    """`functional.pulls.pulls` in blocks. It has no gradient itself.

    Args, Raises: as there, and as for `choose_soft`.

    Source: SAMSA (arXiv 2408.05391), section 3.

    Example:
        >>> import torch
        >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
        >>> pulls(one, one, zero, torch.tensor([0.0]), torch.tensor([0.0]))
        (tensor([0.2500]), tensor([0.2500]))
    """
    given = (top, rest, top_scores, rest_scores)
    if not use_triton(kernel, unavailable(gradient, *given)) or not rest.shape[-2]:
        return plain_pulls.pulls(gradient, *given, top_valid, rest_valid)
    from sampleformer.kernels import choice_operators as operators

    by_row = _by_row(*given, top_scores.new_ones(()), top_valid, rest_valid)
    rows = gradient.reshape(math.prod(top.shape[:-2]), *top.shape[-2:])
    of_top, of_rest = operators.pulls(rows, *by_row)[:2]
    return of_top.reshape(top.shape[:-1]), of_rest.reshape(rest.shape[:-1])


def _by_row(
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    temperature: Tensor,
    top_valid: Tensor | None,
    rest_valid: Tensor | None,
) -> tuple[Tensor | None, ...]:
    """The same with one dimension of rows."""
    shape = top.shape[:-2]
    temperature = temperature.expand(shape).reshape(-1)
    rows = temperature.shape[0]

    def rowwise(tensor: Tensor | None, dimensions: int) -> Tensor | None:
        if tensor is None:
            return None
        kept = tensor.shape[-dimensions:]
        return tensor.expand(*shape, *kept).reshape(rows, *kept)

    values = (rowwise(top, 2), rowwise(rest, 2))
    numbers = (rowwise(top_scores, 1), rowwise(rest_scores, 1))
    return *values, *numbers, temperature, rowwise(top_valid, 1), rowwise(rest_valid, 1)
