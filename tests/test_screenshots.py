"""Pictures of pages for the documentation: ``pytest tests/test_screenshots.py --screenshots docs/images``.

Each is of a small model that was trained for it, and is kept where nothing went wrong in the page.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("fastapi")

from sampleformer.explain import write_page
from sampleformer.recipes import request
from sampleformer.training import Predictor, RunFolder, train
from tests.serve.browser import CHROMIUM, Browser
from tests.serve.services import served

Keep = Callable[[str, str], None]
SMALL = ["model.width=32", "model.feedforward=64"]
FILLING = (
    "we came on a rainy day",
    "my sister had booked the table",
    "there were many people",
    "we stayed for a night",
)
SAID = {"good": ("lovely", "warm", "kind"), "bad": ("cold", "rude", "expensive")}
GROUPS = ("C", "CC", "O", "OC", "F", "N", "Cl", "C(F)(F)F")
Box = tuple[Sequence[float], Sequence[float]]


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if request.config.getoption("--screenshots") is None:
        pytest.skip("without --screenshots FOLDER")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    opened = Browser(tmp_path_factory.mktemp("browser"))
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def keep(browser: Browser, request: pytest.FixtureRequest) -> Keep:
    """Checks the open page, which has come from an address, and keeps its picture under a name."""

    def kept(name: str, address: str) -> None:
        assert browser.wrong == []
        assert all(each.startswith((address, "data:")) for each in browser.requests)
        path = Path(request.config.getoption("--screenshots")) / name
        browser.picture(path)
        with Image.open(path) as picture:  # 256 colours look the same and take a third of the bytes
            picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)

    return kept


def trained(run: Path, data: dict[str, Any], steps: int, changes: Sequence[str]) -> RunFolder:
    return train(request(None, data=data, steps=steps, changes=[*SMALL, *changes]), run, quiet=True)


def test_a_text_on_the_page_of_a_service(browser: Browser, keep: Keep, tmp_path: Path) -> None:
    draw = random.Random(0)
    rows = []
    for number in range(240):
        label = ("good", "bad")[number % 2]
        about = draw.sample(("soup", "waiter", "bed", "bill", "view"), 3)
        clauses = [f"the {what} was {draw.choice(SAID[label])}" for what in about] + draw.sample(FILLING, 3)
        draw.shuffle(clauses)
        rows.append(f'"{", ".join(clauses)}.",{label}')
    (tmp_path / "reviews.csv").write_text("\n".join(["review,opinion", *rows]) + "\n")
    data = {"path": str(tmp_path / "reviews.csv"), "text": "review", "label": "opinion"}
    with served(Predictor.load(trained(tmp_path / "reviews", data, 80, ["model.attention.sampled=8"]).path)) as address:
        browser.open(address, 900)
        text = (
            "we came on a rainy day, the soup was cold, the waiter was rude, my sister had booked the table, the bed "
            "was lovely, there were many people, the bill was expensive."
        )
        browser.write("sample", text)
        browser.value("document.getElementById('predict').click()")
        browser.until("document.querySelector('.answer > details') !== null")
        assert browser.value("document.querySelector('.outcome').textContent").startswith("Predicted: bad")
        keep("serve-text.png", address)


def test_a_mesh_on_the_page_of_a_service(browser: Browser, keep: Keep, tmp_path: Path) -> None:
    draw = random.Random(0)
    for number, kind in itertools.product(range(30), ("chair", "table")):
        path = tmp_path / "shapes" / kind / f"{number:02}.off"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(mesh(furniture(kind, draw)))
    attention = "model.attention={name: samsa, sampled: 24, choice: straight_through, noise: 0.0}"
    data = {"path": str(tmp_path / "shapes"), "label": "folder"}
    run = trained(tmp_path / "furniture", data, 60, [attention, "model.layers=2", "data.points=256"])
    with served(Predictor.load(run.path)) as address:
        browser.open(address, 900)
        browser.choose(tmp_path / "shapes" / "chair" / "03.off")
        browser.until("document.querySelector('.answer > details') !== null")
        assert browser.value("document.querySelector('.outcome').textContent").startswith("Predicted: chair")
        keep("serve-cloud.png", address)


def test_molecules_on_a_page_of_explanations(browser: Browser, keep: Keep, tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    pairs = itertools.product(GROUPS, GROUPS)
    rows = [f"CC(=O)Nc1ccc({one})c(CCOc2ccc({other})cc2)c1,{'Cl' in (one, other)}" for one, other in pairs]
    (tmp_path / "molecules.csv").write_text("\n".join(["smiles,chlorine", *rows]) + "\n")
    data = {"path": str(tmp_path / "molecules.csv"), "smiles": "smiles", "label": "chlorine"}
    run = trained(tmp_path / "chlorine", data, 60, ["descriptors=[]", "blend=[]", "model.attention.sampled=4"])
    shown = tmp_path / "new.csv"
    shown.write_text("smiles,chlorine\nCC(=O)Nc1ccc(Cl)c(CCOc2ccc(OC)cc2)c1,True\n")
    page = write_page(run, shown, tmp_path / "page.html")
    browser.open(page.as_uri(), 900)
    browser.until("document.querySelectorAll('.map.drawing .nodes > *').length > 0")
    keep("explain-molecule.png", page.as_uri())


def furniture(kind: str, draw: random.Random) -> list[Box]:
    """Boxes that a chair or a table is made of, by their lowest and highest corners."""
    wide, deep, high = draw.uniform(0.8, 1.2), draw.uniform(0.8, 1.2), draw.uniform(0.8, 1.2)
    legs: list[Box] = [
        ((x, y, 0), (x + 0.1, y + 0.1, high)) for x, y in itertools.product((0, wide - 0.1), (0, deep - 0.1))
    ]
    top: Box = ((0, 0, high), (wide, deep, high + 0.1))
    back: Box = ((0, 0, high), (0.1, deep, high + draw.uniform(0.9, 1.3)))
    return [*legs, top, *([back] if kind == "chair" else [])]


def mesh(boxes: Sequence[Box]) -> str:
    """Boxes as an OFF file."""
    corners = [corner for box in boxes for corner in itertools.product(*zip(*box, strict=True))]
    sides = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
    faces = [[8 * box + corner for corner in side] for box in range(len(boxes)) for side in sides]
    lines = [f"OFF\n{len(corners)} {len(faces)} 0", *(" ".join(map(str, corner)) for corner in corners)]
    return "\n".join([*lines, *(" ".join(map(str, [4, *face])) for face in faces)]) + "\n"
