"""Kinds of data, as simple models know them."""

from __future__ import annotations

import numpy as np

from sampleformer.data.source import Splits

KINDS = ("texts", "codes", "numbers", "molecules", "graphs", "clouds")
"""Texts; sequences of codes without one; of numbers; molecules with their SMILES; other graphs; point clouds."""


def kind_of(splits: Splits) -> str:
    """One of `KINDS`, by what the first sample of the training part holds."""
    sample = splits.train[0]
    if sample.ends is not None:
        return "molecules" if splits.encoding.unit == "atom" and sample.source is not None else "graphs"
    if sample.coordinates is not None:
        return "clouds"
    if np.issubdtype(sample.features.dtype, np.floating):
        return "numbers"
    return "codes" if sample.source is None else "texts"
