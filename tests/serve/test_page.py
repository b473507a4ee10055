"""The page on which a model is tried, in a real browser, on machines that have one."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

from sampleformer.explain.png import png_address
from sampleformer.training import Predictor
from tests.serve.browser import CHROMIUM, Browser
from tests.serve.services import served
from tests.serve.untrained import (
    cloud_predictor,
    image_predictor,
    model_without_choice,
    molecule_predictor,
    text_run,
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
DONE = "document.querySelector('.answer > details') !== null"
PREDICT = "document.getElementById('predict').click()"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("browser"))
    try:
        yield opened
    finally:
        opened.close()


def check(browser: Browser, address: str) -> None:
    """Nothing went wrong, nothing came from elsewhere, and nothing is wider than the window."""
    assert browser.wrong == []
    assert all(each.startswith((address, "data:")) for each in browser.requests)
    assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [1100, 360])
def test_a_text_is_answered_with_what_was_chosen(browser: Browser, tmp_path: Path, width: int) -> None:
    with served(Predictor.load(text_run(tmp_path).path)) as address:
        browser.open(address, width)
        browser.write("sample", "<b>abba</b> xx")
        browser.value(PREDICT)
        browser.until(DONE)
        check(browser, address)
        assert browser.value("document.querySelector('.outcome').textContent").startswith("Predicted: ")
        assert browser.value("document.querySelector('.map.text').textContent") == "<b>abba</b> xx"
        marks = "document.querySelectorAll('.map.text mark').length"
        everything = browser.value(marks)
        pick = "(box => { box.value = '0'; box.dispatchEvent(new Event('change', {bubbles: true})); })"
        browser.value(f"{pick}(document.querySelector('.choose select'))")
        assert browser.value("document.querySelector('.choose output').textContent") == "All heads of layer 1."
        assert 0 < browser.value(marks) <= everything
        assert '"chosen"' in browser.value("document.querySelector('.answer > details pre').textContent")


def test_what_cannot_be_answered_is_said(browser: Browser, tmp_path: Path) -> None:
    with served(molecule_predictor(tmp_path)) as address:
        browser.open(address)
        browser.write("sample", "no molecule")
        browser.value(PREDICT)
        message = browser.until("document.getElementById('error').textContent")
        assert "column 'smiles'" in message
        # The browser itself says that a request was refused, and nothing else is wrong.
        assert [each for each in browser.wrong if "422" not in each] == []


def test_a_molecule_and_what_describes_it_are_answered(browser: Browser, tmp_path: Path) -> None:
    with served(molecule_predictor(tmp_path)) as address:
        browser.open(address, 360)
        browser.write("sample", " CCO ")
        browser.value("document.querySelector('input[name=dose]').value = '3'")
        browser.value(PREDICT)
        browser.until(DONE)
        check(browser, address)
        assert browser.value("document.querySelectorAll('.map.drawing .nodes > *').length") == 3


def test_a_mesh_is_dropped_and_its_points_can_be_turned(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "pyramid.off"
    path.write_text("OFF\n4 4 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 1 3\n3 0 2 3\n3 1 2 3\n")
    with served(cloud_predictor(tmp_path)) as address:
        browser.open(address, 360)
        browser.choose(path)
        browser.until(DONE)
        check(browser, address)
        assert browser.value("document.querySelector('.answer h2').textContent") == "pyramid.off"
        image = "document.querySelector('.cloud canvas').toDataURL()"
        before = browser.value(image)
        turn = "new KeyboardEvent('keydown', {key: 'ArrowLeft'})"
        browser.value(f"document.querySelector('.cloud canvas').dispatchEvent({turn})")
        browser.until(f"{image} !== {before!r}")


def test_a_picture_is_scaled_to_the_pixels_of_the_model(browser: Browser, tmp_path: Path) -> None:
    bright = np.zeros((40, 40, 3), np.uint8)
    bright[:20, 20:] = 255
    (tmp_path / "corner.png").write_bytes(base64.b64decode(png_address(bright).partition(",")[2]))
    with served(image_predictor(tmp_path)) as address:
        browser.open(address)
        browser.choose(tmp_path / "corner.png")
        browser.until(DONE)
        check(browser, address)
        levels = np.array(browser.value("document.getElementById('sample').value").split(", "), int).reshape(4, 4)
        assert levels[0, 3] == 16
        assert levels[3].max() == 0
        browser.value("document.getElementById('inverted').click()")
        browser.until("document.getElementById('sample').value.endsWith('16')")


def test_a_model_that_chooses_nothing_is_answered_in_a_table(browser: Browser, tmp_path: Path) -> None:
    with served(model_without_choice(tmp_path)) as address:
        browser.open(address)
        browser.write("sample", "abba")
        browser.value(PREDICT)
        browser.until(DONE)
        check(browser, address)
        names = browser.value("[...document.querySelectorAll('.answer th')].map(each => each.textContent)")
        assert names == ["prediction", "probability_ab", "probability_cd"]
