"""How an attention combines what it looks at."""

from sampleformer.attention.mixings.base import Mixing
from sampleformer.attention.mixings.bernoulli import BernoulliMixing
from sampleformer.attention.mixings.edges import EdgeMixing
from sampleformer.attention.mixings.records import Keys, Queries
from sampleformer.attention.mixings.scored import ScoredMixing
from sampleformer.attention.mixings.window import WindowMixing

__all__ = ["BernoulliMixing", "EdgeMixing", "Keys", "Mixing", "Queries", "ScoredMixing", "WindowMixing"]
