"""How the scores of a choice get a gradient: `ESTIMATORS`."""

from sampleformer.attention.samplers.estimators.base import Estimator
from sampleformer.attention.samplers.estimators.detached import Detached
from sampleformer.attention.samplers.estimators.gated import Gated
from sampleformer.attention.samplers.estimators.pairing import Pairing
from sampleformer.attention.samplers.estimators.relaxed_subset import RelaxedSubset
from sampleformer.attention.samplers.estimators.score_function import ScoreFunction
from sampleformer.attention.samplers.estimators.simple import Simple
from sampleformer.attention.samplers.estimators.straight_through import StraightThrough
from sampleformer.kernels.choice import choose_hard, choose_soft

ESTIMATORS: dict[str, Estimator] = {
    "hard": Pairing(choose_hard, mixes=False),
    "soft": Pairing(choose_soft, mixes=True),
    "straight_through": StraightThrough(),
    "relaxed_subset": RelaxedSubset(),
    "simple": Simple(),
    "score_function": ScoreFunction(),
    "gated": Gated(),
    "detached": Detached(),
}

__all__ = [
    "ESTIMATORS",
    "Detached",
    "Estimator",
    "Gated",
    "Pairing",
    "RelaxedSubset",
    "ScoreFunction",
    "Simple",
    "StraightThrough",
]
