"""The figures of each label where a sample may have several."""

import numpy as np
import torch
from jaxtyping import Float

from sampleformer.explain.html import escape, table
from sampleformer.extras import require
from sampleformer.wording import number, percent


def label_scores(
    columns: dict[str, tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]], units: str = "samples"
) -> str:
    """A table of the scores of each label as HTML.

    Args:
        columns: truth (1, 0, or NaN where not known) and predicted probability by label.
        units: What the rows are for.
    """
    head = ["label", units, "true", "average precision", "AUROC", "precision", "recall"]
    note = "<p class='note'>Precision and recall where the probability is at least 50 %.</p>\n"
    return table(head, [_row(name, *pair) for name, pair in columns.items()]) + note


def _row(name: str, truth: np.ndarray, probability: np.ndarray) -> list[str]:
    known = ~np.isnan(truth)
    true, said = truth[known] > 0.5, probability[known] >= 0.5
    right = int((true & said).sum())
    precision = percent(right / said.sum()) if said.any() else "–"
    recall = percent(right / true.sum()) if true.any() else "–"
    share = f"{int(true.sum()):,} ({percent(float(true.mean()))})" if len(true) else "–"
    return [escape(name), f"{len(true):,}", share, *_ranking(true, probability[known]), precision, recall]


def _ranking(true: np.ndarray, probability: np.ndarray) -> list[str]:
    """Average precision and AUROC, which need both true and untrue samples."""
    scoring = require("torchmetrics.functional.classification", "train")

    if true.all() or not true.any():
        return ["–", "–"]
    scores, truth = torch.from_numpy(probability), torch.from_numpy(true).long()
    return [number(float(score(scores, truth))) for score in (scoring.binary_average_precision, scoring.binary_auroc)]
