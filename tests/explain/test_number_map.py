import re

import numpy as np

from sampleformer.explain.choices import Choices
from sampleformer.explain.number_map import ROWS, average_bars, number_map, plain_numbers
from tests.explain.pages import Page, chosen_cells


def example(columns: int, layers: int = 2, heads: int = 3) -> tuple[list[str], np.ndarray, Choices]:
    random = np.random.default_rng(0)
    chosen = random.random((layers, heads, columns)) < 0.4
    pieces = [f"<c{place}> = {place / 2:g}" for place in range(columns)]
    return pieces, random.random((columns, 1)), Choices(chosen, np.zeros((layers, heads), int))


def test_every_column_has_its_value_and_a_sign_for_each_head() -> None:
    pieces, values, choices = example(5)
    html = number_map(pieces, values, choices)
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", html)
    assert [name for name, _ in rows] == [f"&lt;c{place}&gt;" for place in range(5)]
    for place, (_, cells) in enumerate(rows):
        signs = re.findall(r"<span class='dots'>(.*?)</span>", cells)
        assert signs == ["".join("○●"[int(one)] for one in choices.chosen[layer, :, place]) for layer in range(2)]
        assert f"<td>{place / 2:g}</td>" in cells
        assert f"{choices.counts[place]} of 6" in cells
        assert f"width:{100 * choices.share[place]:.1f}%" in cells


def test_many_columns_are_cut_to_the_most_chosen() -> None:
    pieces, values, choices = example(500)
    html = number_map(pieces, values, choices)
    page = Page(html)
    assert f"The {ROWS} most chosen of 500 columns" in page.text
    shown = [int(name) for name in re.findall(r"&lt;c(\d+)&gt;", html)]
    assert shown == sorted(shown)
    assert min(choices.counts[shown]) >= np.sort(choices.counts)[-ROWS]
    (data,) = page.choices
    assert (chosen_cells(data["chosen"][1][2], ROWS) == choices.chosen[1, 2, shown]).all()
    assert len(html) < 60_000


def test_many_heads_are_shown_as_strips() -> None:
    html = number_map(*example(5, layers=24, heads=8))
    assert "class='dots'" not in html
    assert html.count("<img") == 24


def test_columns_without_a_name_are_called_by_their_place() -> None:
    page = Page(plain_numbers(["17", "34"], np.zeros((2, 1)), np.array([0.25, 0.75])))
    assert re.sub(r"\s+", " ", page.text).strip().startswith("columnvaluepooling 11725.0 % 23475.0 %")


def test_average_lists_the_most_chosen_columns() -> None:
    page = Page(average_bars(["a = 1", "b = 2"], [np.array([0.5, 0.25]), np.array([1.0, 0.25])]))
    assert "a75.0\N{NO-BREAK SPACE}%" in page.text
    assert "b25.0\N{NO-BREAK SPACE}%" in page.text
