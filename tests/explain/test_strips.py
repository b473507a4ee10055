import numpy as np

from sampleformer.explain.choices import Choices
from sampleformer.explain.strips import layer_table, pooling_strip, strips
from tests.explain.pages import Page, png_pixels


def test_short_samples_have_one_stroke_a_token() -> None:
    chosen = np.random.default_rng(0).random((2, 3, 17)) < 0.5
    images = Page(strips(Choices(chosen, np.zeros((2, 3), int)), None)).images
    assert len(images) == 2
    for layer, image in enumerate(images):
        dark = png_pixels(image["src"])[::5, :, 0] < 100
        assert (dark == chosen[layer]).all()


def test_long_samples_keep_the_share_of_each_stroke() -> None:
    chosen = np.zeros((1, 1, 6400), bool)
    chosen[0, 0, :3200] = True
    page = Page(strips(Choices(chosen, np.zeros((1, 1), int)), np.full(6400, 1 / 6400)))
    row = png_pixels(page.images[0]["src"])[0, :, 0]
    assert len(row) == 640
    assert (row[:320] < 20).all()
    assert (row[320:] > 240).all()
    assert "One stroke stands for 10 or 11 tokens." in page.text


def test_pooling_is_dark_where_the_weight_is_large() -> None:
    assert pooling_strip(None) == ""
    row = png_pixels(Page(pooling_strip(np.array([0.1, 0.7, 0.2]))).images[0]["src"])[0, :, 0]
    assert np.argsort(row).tolist() == [1, 2, 0]


def test_layer_table() -> None:
    chosen = np.array([[[1, 1, 0, 0], [1, 0, 0, 0]]], bool)
    row = layer_table(Choices(chosen, np.array([[0, 3]])))[0]
    assert row == ["1", "1–2", "2 (50.0\N{NO-BREAK SPACE}%)", "1", "50.0\N{NO-BREAK SPACE}%", "3"]
