"""How the contract suite builds each registered attention: one entry for each set of arguments worth a run.

An attention without an entry is tested with its defaults alone.
"""

import torch

from sampleformer.attention import ATTENTIONS, Attention
from sampleformer.norms import RMSNorm
from sampleformer.tokens import Tokens

WIDTH, HEADS = 10, 2

VARIATIONS: dict[str, dict[str, dict[str, object]]] = {
    "full": {"defaults": {}, "no-bias": {"bias": False}},
    "samsa": {
        "defaults": {},
        "hard": {"sampled": 3},
        "hard-cold": {"sampled": 5, "temperature": 0.1, "bias": False},
        "soft": {"sampled": 3, "choice": "soft", "temperature": 0.5},
        "soft-learned-temperature": {"sampled": 5, "choice": "soft", "learned_temperature": True},
        "hard-learned-temperature": {"sampled": 3, "temperature": 2.5, "learned_temperature": True},
        "hard-extra-tokens": {"sampled": 3, "extra": 2, "learned_temperature": True},
        "soft-more-extra-than-sampled": {"sampled": 2, "choice": "soft", "extra": 5},
        "hard-one-choice-for-all": {"sampled": 3, "groups": 1, "extra": 2},
        "straight-through-no-noise": {"sampled": 3, "choice": "straight_through", "noise": 0.0},
        "straight-through": {"sampled": 3, "choice": "straight_through", "learned_temperature": True},
        "relaxed-subset": {"sampled": 2, "choice": "relaxed_subset", "extra": 1},
        "simple": {"sampled": 3, "choice": "simple", "groups": 1},
        "score-function": {"sampled": 3, "choice": "score_function"},
        "gated": {"sampled": 3, "choice": "gated", "temperature": 0.5},
    },
    "sft": {
        "defaults": {},
        "leaky-relu": {"sampled": 3},
        "token-dropout": {"sampled": 5, "token_dropout": 0.4, "bias": False},
        "leaky-softmax": {"sampled": 3, "probability": "leaky_softmax"},
        "scaled-dot": {"sampled": 3, "score": "scaled_dot", "probability": "softmax"},
    },
    "yoso": {
        "short-codes": {"hashes": 5, "code_length": 2},
        "hadamard": {"hashes": 3, "code_length": 3, "hashing": "hadamard", "bias": False},
        "exact-gradient": {"hashes": 7, "code_length": 2, "gradient": "exact"},
        "expectation": {"hashes": None, "code_length": 9},
        "convolution": {"hashes": 5, "code_length": 2, "convolution": 3},
    },
}

CASES = {
    f"{name}-{variation}": (name, arguments)
    for name in ATTENTIONS
    for variation, arguments in VARIATIONS.get(name, {"defaults": {}}).items()
}


def build(case: str, dtype: torch.dtype = torch.float64, **changes: object) -> Attention:
    """The attention of one case with a norm and with no parameter at a special value such as zero."""
    name, arguments = CASES[case]
    attention = ATTENTIONS[name](WIDTH, HEADS, **{"norm": RMSNorm(WIDTH), **arguments, **changes}).to(dtype)
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
