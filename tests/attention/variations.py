"""How the contract suite builds each attention: with each set of arguments worth a run, see `tests.naive.twins`."""

import torch

from sampleformer.attention import Attention
from sampleformer.norms import RMSNorm
from sampleformer.tokens import Tokens
from tests.naive.twins import TESTED, VARIATIONS

WIDTH, HEADS = 10, 2

CASES = {
    f"{name}-{variation}": (name, arguments)
    for name, variations in VARIATIONS.items()
    for variation, arguments in variations.items()
}


def build(case: str, dtype: torch.dtype = torch.float64, **changes: object) -> Attention:
    """The attention of one case with a norm and with no parameter at a special value such as zero."""
    name, arguments = CASES[case]
    attention = TESTED[name](WIDTH, HEADS, **{"norm": RMSNorm(WIDTH), **arguments, **changes}).to(dtype)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return attention


CROSS = [case for case in CASES if not build(case).self_only]
"""Those that take another context."""


def batch(lengths: list[int], padding: int = 0, dtype: torch.dtype = torch.float64, width: int = WIDTH) -> Tokens:
    """Random token sets of these lengths, with so many more padded slots than the longest needs."""
    longest = max(lengths) + padding
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    return Tokens(torch.randn(len(lengths), longest, width, dtype=dtype), mask)


def with_padding(tokens: Tokens, content: float) -> Tokens:
    """The same tokens with something else in their padded slots."""
    return tokens.with_features(tokens.features.masked_fill(~tokens.mask[:, :, None], content))
