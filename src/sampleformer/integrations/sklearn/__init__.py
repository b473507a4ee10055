"""Estimators of scikit-learn's kind: `fit`, `predict`, and what is built on them.

Needs the extra ``train``, which installs scikit-learn.
"""

from sampleformer.extras import require

require("sklearn", "train")

from sampleformer.integrations.sklearn.estimators import SampleformerClassifier, SampleformerRegressor  # noqa: E402

__all__ = ["SampleformerClassifier", "SampleformerRegressor"]
