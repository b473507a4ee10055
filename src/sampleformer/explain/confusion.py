"""What was taken for what: the confusion matrix and the figures of each class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from sampleformer.explain.html import details, escape, table
from sampleformer.explain.png import blend
from sampleformer.wording import percent

LARGEST = 50
"""Classes of a matrix; with more of them only the most frequent confusions are listed."""

_NOTE = (
    "<p class='note'>{}; rows: true class, columns: predicted class. Blue: right, orange: wrong; the darker, the "
    "larger the share of the row.</p>\n"
)
_SMALL = 15
_CONFUSIONS = 20
_RIGHT = ((32, 96, 170), (255, 255, 255))
_WRONG = ((180, 83, 9), (255, 255, 255))


def count_pairs(
    labels: Sequence[str], true: Sequence[str], predicted: Sequence[str]
) -> Int[np.ndarray, "true predicted"]:
    """How many samples of each class were taken for each class."""
    place = {label: number for number, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(matrix, ([place[label] for label in true], [place[label] for label in predicted]), 1)
    return matrix


def confusion(labels: Sequence[str], matrix: Int[np.ndarray, "true predicted"], units: str = "samples") -> str:
    """Confusion matrix, most frequent confusions and the figures of each class as HTML.

    Args:
        labels: class names.
        matrix: number of rows by true and by predicted class.
        units: What the rows are for.
    """
    body = _matrix(labels, matrix) if len(labels) <= LARGEST else ""
    confusions = _confusions(labels, matrix, units) if len(labels) > 2 else ""
    if not body:
        body = f"<p>The matrix of {len(labels):,} classes is left out; these are the most frequent confusions.</p>\n"
        return body + confusions + details("Each class", _classes(labels, matrix, units))
    classes, note = _classes(labels, matrix, units), _NOTE.format(escape(units.capitalize()))
    if len(labels) <= _SMALL:
        body = f"{note}<div class='facts'>\n{body}{classes}</div>\n"
    else:
        body = note + body + details("Each class", classes)
    return body + (details("Most frequent confusions", confusions) if confusions else "")


def _matrix(labels: Sequence[str], matrix: np.ndarray) -> str:
    turned = len(labels) > 6 and any(len(label) > 2 for label in labels)
    kind = "confusion small" if len(labels) > _SMALL else "confusion"
    names = [escape(label) for label in labels]
    frame = '<span class="turned">{}</span>' if turned else "{}"
    top = "".join(f'<th scope="col" title="{name}">{frame.format(name)}</th>' for name in names)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    rows = "".join(
        f'<tr><th scope="row" title="{names[row]}">{names[row]}</th>'
        + "".join(_cell(matrix, shares, names, row, column) for column in range(len(labels)))
        + "</tr>\n"
        for row in range(len(labels))
    )
    return (
        f"<div class='wide'><table class='{kind}'>"
        f"<thead><tr><td></td>{top}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n"
    )


def _cell(matrix: np.ndarray, shares: np.ndarray, names: list[str], row: int, column: int) -> str:
    number, share = int(matrix[row, column]), float(shares[row, column])
    if number == 0:
        return "<td class='zero'>0</td>"
    dark, light = _RIGHT if row == column else _WRONG
    # The square root lets few confusions among many right answers be seen.
    colour = blend(np.array(1 - 0.85 * share**0.5 - 0.1), dark, light)
    ink = "#fff" if colour @ (0.299, 0.587, 0.114) < 140 else "#000"
    words = f"true {names[row]}, predicted {names[column]}: {number} ({percent(share)} of the row)"
    return f'<td title="{words}" style="background:#{bytes(colour).hex()};color:{ink}">{number}</td>'


def _confusions(labels: Sequence[str], matrix: np.ndarray, units: str) -> str:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(place), len(labels)) for place in order if wrong.flat[place] > 0]
    if not pairs:
        return "<p>None: every prediction is right.</p>\n"
    rows = [
        [
            escape(labels[row]),
            escape(labels[column]),
            str(wrong[row, column]),
            percent(wrong[row, column] / matrix[row].sum()),
        ]
        for row, column in pairs
    ]
    return table(["true", "predicted", units, "of the true class"], rows)


def _classes(labels: Sequence[str], matrix: np.ndarray, units: str) -> str:
    rows = []
    for place, label in enumerate(labels):
        right, true, predicted = int(matrix[place, place]), int(matrix[place].sum()), int(matrix[:, place].sum())
        recall = percent(right / true) if true else "–"
        precision = percent(right / predicted) if predicted else "–"
        f1 = percent(2 * right / (true + predicted)) if true + predicted else "–"
        rows.append([escape(label), f"{true:,}", recall, precision, f1])
    return table(["class", units, "recall", "precision", "F1"], rows)
