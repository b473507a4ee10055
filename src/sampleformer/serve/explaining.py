"""Explanations of single answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampleformer.explain.explanation import Explanation, explain
from sampleformer.explain.gallery import gallery
from sampleformer.explain.html import page
from sampleformer.explain.influences import Influence
from sampleformer.training.predictor import Predictor

TITLE = "What the model chose"


def no_explanation(predictor: Predictor) -> str | None:
    """Words for why a model's answers have no explanation; None: they have one."""
    if predictor.model.main.attends:
        return None
    return f"the model {predictor.model.name!r} attends to no tokens, so there is no choice to show"


def explained(predictor: Predictor, sample: Any, *, html: bool) -> dict[str, Any]:
    """What the model chose of one sample, and what its other parts say, as JSON.

    Args:
        predictor: Trained model that has an explanation, see `no_explanation`.
        sample: Sample that it has answered. Of a scene that is cut into blocks, the first block is explained.
        html: Whether the page that `sampleformer explain` would write is wanted too.
    """
    ((usable, _),) = predictor.encoding.given([sample])
    found = explain(predictor.model, predictor.encoding, usable[0])
    numbers = numbers_of(found) | {"unit": predictor.encoding.unit}
    if not html:
        return numbers
    settings = predictor.model.main.settings
    return numbers | {"html": page(TITLE, gallery([found], settings, [TITLE]))}


def numbers_of(found: Explanation) -> dict[str, Any]:
    """An explanation in numbers and names."""
    choices = found.choices
    return {
        "tokens": list(found.pieces),
        "edges": None if found.ends is None else found.ends.tolist(),
        "layers": choices.layers,
        "heads": choices.heads,
        "chosen": choices.counts.tolist(),
        "nothing": int(choices.extra.sum()),
        "pooling": None if found.pooling is None else found.pooling.tolist(),
        "outputs": list(found.outputs),
        "descriptors": _influences(found.influences),
        "words": _influences(found.runs),
    }


def _influences(found: Sequence[Influence]) -> list[dict[str, Any]]:
    return [{"name": each.name, "changes": list(each.changes)} for each in found]
