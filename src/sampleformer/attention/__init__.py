"""Attentions: a sampler, a mixing and relative terms in each, all keeping one contract.

The methods of the literature are named combinations, one a file. A new one joins by its entry here.
"""

from sampleformer.attention.base import Attention, Noise
from sampleformer.attention.full import FullAttention
from sampleformer.attention.local import LOCALS, EdgeMessages, LocalEdges, WindowAttention
from sampleformer.attention.mixings import (
    BernoulliMixing,
    EdgeMixing,
    Keys,
    Mixing,
    Queries,
    ScoredMixing,
    WindowMixing,
)
from sampleformer.attention.relative import PairTerms, Relative
from sampleformer.attention.samplers import (
    Choice,
    Everything,
    ImportanceSampler,
    NonFiniteScores,
    PairSampler,
    Sampler,
    Scores,
    Selection,
)
from sampleformer.attention.samsa import SamsaAttention
from sampleformer.attention.sft import SftAttention
from sampleformer.attention.yoso import YosoAttention
from sampleformer.registry import Registry

ATTENTIONS = Registry(
    Attention,
    {
        "full": FullAttention,
        "samsa": SamsaAttention,
        "sft": SftAttention,
        "yoso": YosoAttention,
    },
)

__all__ = [
    "ATTENTIONS",
    "LOCALS",
    "Attention",
    "BernoulliMixing",
    "Choice",
    "EdgeMessages",
    "EdgeMixing",
    "Everything",
    "FullAttention",
    "ImportanceSampler",
    "Keys",
    "LocalEdges",
    "Mixing",
    "Noise",
    "NonFiniteScores",
    "PairSampler",
    "PairTerms",
    "Queries",
    "Relative",
    "Sampler",
    "SamsaAttention",
    "ScoredMixing",
    "Scores",
    "Selection",
    "SftAttention",
    "WindowAttention",
    "WindowMixing",
    "YosoAttention",
]
