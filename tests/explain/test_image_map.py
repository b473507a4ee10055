import numpy as np

from sampleformer.explain.choices import Choices
from sampleformer.explain.image_map import average_map, image_map, plain_image
from tests.explain.pages import Page, png_pixels


def lightness(pixels: np.ndarray) -> np.ndarray:
    return pixels @ np.array([0.299, 0.587, 0.114])


def example() -> tuple[np.ndarray, Choices]:
    random = np.random.default_rng(0)
    return random.random((12, 1)), Choices(
        random.permuted(np.arange(12) < np.full((2, 3, 1), 4), axis=-1), np.zeros((2, 3), int)
    )


def test_each_head_has_a_picture_of_what_it_chose() -> None:
    values, choices = example()
    images = Page(image_map(values, (3, 4), choices)).images
    by_view = {image["data-view"]: image for image in images if "data-view" in image}
    for layer in range(2):
        for head in range(3):
            image = by_view[f"{layer}-{head}"]
            chosen = choices.chosen[layer, head]
            assert image["alt"] == f"Layer {layer + 1}, head {head + 1}: chose {chosen.sum()} of 12 pixels"
            light = lightness(png_pixels(image["src"])).reshape(-1)
            # Also without colour: whatever the image, what was chosen is darker than what was not.
            assert light[chosen].max() < light[~chosen].min()


def test_pictures_keep_the_layout() -> None:
    values, choices = example()
    assert {png_pixels(image["src"]).shape for image in Page(image_map(values, (3, 4), choices)).images} == {(3, 4, 3)}


def test_map_of_all_heads_is_darkest_where_most_heads_chose() -> None:
    values, choices = example()
    (focus,) = [image for image in Page(image_map(values, (3, 4), choices)).images if image.get("class") == "focus"]
    light = lightness(png_pixels(focus["src"])).reshape(-1)
    order = np.argsort(choices.counts, kind="stable")
    assert (np.diff(light[order]) <= 1e-9).all()


def test_image_is_shown_grey_or_in_colour() -> None:
    grey = np.array([[0.0], [0.5], [1.0], [0.25]])
    (picture,) = Page(plain_image(grey, (2, 2))).images
    assert png_pixels(picture["src"])[:, :, 0].tolist() == [[0, 128], [255, 64]]
    (picture,) = Page(plain_image(np.array([[1.0, 0, 0], [0, 0, 1]]), (1, 2))).images
    assert png_pixels(picture["src"]).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    (picture,) = Page(plain_image(np.ones((4, 1)), (2, 2))).images
    assert png_pixels(picture["src"]).max() == 0


def test_pooling_weights_are_a_picture() -> None:
    page = Page(plain_image(np.ones((2, 1)), (1, 2), np.array([0.25, 0.75])))
    assert "pooling weights: none (white) to 75.0\N{NO-BREAK SPACE}% (dark blue)" in page.text
    light = lightness(png_pixels(page.images[1]["src"]))
    assert light[0, 0] > light[0, 1]


def test_average_over_samples() -> None:
    page = Page(average_map((1, 2), [np.array([0.0, 0.5]), np.array([0.0, 1.0])]))
    assert "75.0\N{NO-BREAK SPACE}% (dark blue) of the heads, mean over 2 samples" in page.text
