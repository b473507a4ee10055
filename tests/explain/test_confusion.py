import re

import numpy as np
import pytest

from sampleformer.explain.confusion import LARGEST, confusion, count_pairs
from tests.explain.pages import Page


def test_pairs_are_counted_by_true_and_predicted_class() -> None:
    matrix = count_pairs(["a", "b"], ["a", "a", "b", "b", "b"], ["a", "b", "b", "b", "a"])
    assert matrix.tolist() == [[1, 1], [1, 2]]


def test_cells_and_scores_of_each_class() -> None:
    html = confusion(["<a>", "b"], np.array([[1, 1], [0, 2]]))
    text = Page(html).text.replace("\N{NO-BREAK SPACE}", " ")
    assert 'title="true &lt;a&gt;, predicted b: 1 (50.0\N{NO-BREAK SPACE}% of the row)"' in html
    assert "<a>250.0 %100.0 %66.7 %" in text
    assert "b2100.0 %66.7 %80.0 %" in text


def test_numbers_can_be_read_on_their_ground() -> None:
    random = np.random.default_rng(0)
    for colours in re.findall(
        r"background:#(\w+);color:#(\w+)", confusion(list("abcdef"), random.integers(0, 99, (6, 6)))
    ):
        ground, ink = (_luminance(colour) for colour in colours)
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    colour = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("classes", [2, 10, LARGEST])
def test_matrix_of_few_and_many_classes(classes: int) -> None:
    html = confusion([f"class {place}" for place in range(classes)], np.full((classes, classes), 3))
    Page(html)
    assert len(re.findall(r"<td title=", html)) == classes**2
    assert len(html) < 500_000


def test_too_many_classes_leave_the_matrix_out() -> None:
    matrix = np.eye(LARGEST + 1, dtype=np.int64)
    matrix[3, 4] = 7
    text = Page(confusion([f"class {place}" for place in range(LARGEST + 1)], matrix)).text
    assert f"The matrix of {LARGEST + 1} classes is left out" in text
    assert "class 3class 47" in text


def test_no_confusion_at_all() -> None:
    assert "None: every prediction is right." in Page(confusion(list("abc"), np.eye(3, dtype=np.int64))).text
