import base64

import numpy as np
import pytest

from sampleformer.explain.choices import Choices
from sampleformer.explain.cloud_map import SHOWN, cloud_map, plain_cloud
from sampleformer.explain.cloud_picture import cloud_picture, project, unit_ball
from tests.explain.pages import Page, chosen_cells, png_pixels


def example(points: int) -> tuple[np.ndarray, Choices]:
    random = np.random.default_rng(0)
    return 7 * random.random((points, 3)) + 3, Choices(random.random((2, 3, points)) < 0.3, np.zeros((2, 3), int))


def sent(page: Page) -> np.ndarray:
    (data,) = page.clouds
    return np.frombuffer(base64.b64decode(data["points"]), "<i2").reshape(-1, 3) / 32767


def test_script_gets_the_points_and_the_choices_of_every_head() -> None:
    coordinates, choices = example(50)
    weights = np.random.default_rng(1).dirichlet(np.ones(50))
    page = Page(cloud_map(coordinates, choices, weights))
    places = sent(page)
    assert np.linalg.norm(places, axis=1).max() == pytest.approx(1, abs=1e-4)
    # Moved and scaled alike in all directions, nothing else.
    moved = places - places[0]
    given = coordinates - coordinates[0]
    scale = np.linalg.norm(moved[1]) / np.linalg.norm(given[1])
    assert moved == pytest.approx(scale * given, abs=1e-3)
    (data,) = page.choices
    assert (data["kind"], data["length"]) == ("cloud", 50)
    assert data["pooling"] == pytest.approx(weights.tolist(), rel=1e-3)
    for layer in range(2):
        for head in range(3):
            assert (chosen_cells(data["chosen"][layer][head], 50) == choices.chosen[layer, head]).all()
    (cloud,) = page.clouds
    assert cloud["levels"] == pytest.approx((choices.counts / choices.counts.max()).tolist(), abs=1e-3)


def test_page_shows_a_picture_without_its_script() -> None:
    page = Page(cloud_map(*example(50)))
    picture = page.images[0]
    assert picture["alt"] == "50 points in space"
    assert png_pixels(picture["src"]).shape == (640, 640, 3)
    most = example(50)[1].counts.max()
    assert f"chosen by none (grey) to {most} (darkest) of 6 heads, all layers together" in page.text


def test_chosen_points_are_darker_whatever_their_depth() -> None:
    places = np.array([[0.0, -0.9, 0.0], [0.8, 0.0, 0.0], [-0.8, 0.0, 0.0], [0.0, 0.9, 0.0]])
    levels = np.array([0.0, 0.05, 1.0, 0.0])
    picture = cloud_picture(places, levels, 200)
    flat = project(places)[0]
    light = picture @ np.array([0.299, 0.587, 0.114])
    at = [light[int(100 - 92 * up), int(100 + 92 * across)] for across, up in flat]
    assert at[2] < at[1] < min(at[0], at[3])
    assert max(at) < 250  # and each can be seen on white
    assert at[0] < at[3]  # of the grey ones the near one is darker


def test_near_points_cover_far_ones() -> None:
    _, near = project(np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]))
    assert np.argsort(-near).tolist() == [1, 0, 3, 2]
    towards = np.array([np.sin(np.radians(35)) * np.cos(np.radians(20)) * -1, 0, 0])
    towards[1], towards[2] = -np.cos(np.radians(35)) * np.cos(np.radians(20)), np.sin(np.radians(20))
    line = np.stack([0.9 * towards, -0.9 * towards])  # one behind the other, seen from the eye
    assert project(line)[0] == pytest.approx(np.zeros((2, 2)), abs=1e-12)
    for front in range(2):
        levels = np.zeros(2)
        levels[front] = 1.0
        blue = (cloud_picture(line, levels, 100)[50, 50] == [8, 42, 96]).all()
        assert blue == (front == 0)


def test_many_points_are_thinned_out_with_a_word() -> None:
    coordinates, choices = example(10_000)
    html = cloud_map(coordinates, choices)
    page = Page(html)
    assert f"{SHOWN:,} of 10,000 points are drawn." in page.text
    assert len(sent(page)) == SHOWN
    shown = np.arange(SHOWN) * 10_000 // SHOWN
    assert (chosen_cells(page.choices[0]["chosen"][1][1], SHOWN) == choices.chosen[1, 1, shown]).all()
    assert "10,000 on the right" in page.text
    assert len(html) < 250_000


def test_a_cloud_without_choices_shows_the_pooling_weights() -> None:
    page = Page(plain_cloud(example(3)[0]))
    assert (page.clouds[0]["levels"], page.choices, len(page.images)) == ([], [], 1)
    page = Page(plain_cloud(example(3)[0], np.array([0.5, 0.25, 0.25])))
    assert page.clouds[0]["levels"] == [1.0, 0.5, 0.5]
    assert "pooling weights: none (grey) to 50.0\N{NO-BREAK SPACE}% (darkest)" in page.text


@pytest.mark.parametrize("coordinates", [np.ones((1, 3)), np.ones((5, 3)), np.eye(3) * 1e-9, np.eye(3) * 1e9])
def test_points_in_one_place_and_of_any_size(coordinates: np.ndarray) -> None:
    places = unit_ball(coordinates)
    assert np.isfinite(places).all()
    assert np.linalg.norm(places, axis=1).max() == pytest.approx(float(np.ptp(coordinates) > 0))
    assert png_pixels(Page(plain_cloud(coordinates)).images[0]["src"]).min() < 250


def test_choices_of_another_cloud_are_refused() -> None:
    with pytest.raises(ValueError, match="4 points, expected the 5 of the choices"):
        cloud_map(np.ones((4, 3)), example(5)[1])
