"""Samples with descriptors, and targets of each form, for models that are fitted."""

import numpy as np
import torch

from sampleformer.models.fitted.columns import Columns
from sampleformer.tokens import Tokens

RANDOM = np.random.default_rng(0)
BINS = [3, 2, 0, 1]
INPUTS = {"descriptors": BINS}
NUMBERS = np.column_stack(
    [RANDOM.random(41) * 3, RANDOM.integers(3, size=41), RANDOM.normal(size=41), RANDOM.integers(2, size=41)]
).astype(np.float16)
SCORES = NUMBERS[:, :1].astype(np.float64) - NUMBERS[:, 1:2]
CLASSES = Columns("classes", (SCORES > 0) * 2.0, 3)  # class 1 never occurs
LABELS = Columns("labels", np.column_stack([SCORES > 0, np.ones(41), NUMBERS[:, 3]]).astype(np.float64), 3)
GAPS = Columns("labels", np.where(RANDOM.random((41, 3)) < 0.2, np.nan, LABELS.targets), 3)
VALUES = Columns("values", np.column_stack([SCORES[:, 0], NUMBERS[:, 2]]).astype(np.float64), 2)


def samples(numbers: np.ndarray = NUMBERS) -> Tokens:
    return Tokens(torch.zeros(len(numbers), 1, 0), descriptors=torch.from_numpy(numbers))
