"""Pages of two models and of two samples beside each other, and what deletions cost on them."""

import html
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampleformer.errors import InputError
from sampleformer.explain import Deletions, write_page
from sampleformer.explain.html import page
from sampleformer.explain.side_by_side import Overlap, Pair, side_by_side
from sampleformer.training.run_folder import RunFolder
from tests.explain.pages import Page, chosen_cells
from tests.explain.runs import numbers_run, texts_run, write_table
from tests.explain.test_script import BROWSER
from tests.explain.test_views import explanation, settings

ROWS = [["1", "a good text, or a bad one"], ["2", "good"], ["3", "another <b>text</b>"], ["3", "twice the same id"]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunFolder]:
    """Runs on bytes, on bytes with more layers, and on words."""
    folder = tmp_path_factory.mktemp("runs")
    one = texts_run(folder / "one")[0]
    deeper = texts_run(folder / "deeper", layers=3, heads=2, attention={"name": "samsa", "sampled": 3})[0]
    return [one, deeper, texts_run(folder / "words", "words")[0]]


def page_of(tmp_path: Path, run: RunFolder, **arguments: Any) -> Page:
    file = write_table(tmp_path / "new <1>.csv", ["id", "review"], ROWS)
    found = Page(write_page(run, file, tmp_path / "page.html", force=True, **arguments).read_text(encoding="utf-8"))
    found.check_self_contained()
    return found


def test_two_models_beside_each_other(tmp_path: Path, runs: list[RunFolder]) -> None:
    found = page_of(tmp_path, runs[0], beside=runs[1])
    assert "What two models chose in new <1>.csv" in found.text
    assert "Shown: all 4 of the file's samples." in found.text
    assert len(found.choices) == 7  # of the four bytes of "good" the first model chose all
    chosen = [
        np.array([[chosen_cells(head, len(data["cells"])) for head in layer] for layer in data["chosen"]]).any((0, 1))
        for data in found.choices[:2]
    ]
    both, first = int((chosen[0] & chosen[1]).sum()), int(chosen[0].sum())
    words = f"Of the {first} tokens that a head of one chose, {both} ({100 * both / first:.1f}\N{NO-BREAK SPACE}%)"
    assert words in found.text
    assert f"which chose {chosen[1].sum()} of 25: at random it would be {100 * chosen[1].mean():.1f}" in found.text
    assert found.texts[-1] == "twice the same id"


def test_tokens_cut_otherwise_have_no_overlap(tmp_path: Path, runs: list[RunFolder]) -> None:
    found = page_of(tmp_path, runs[0], beside=runs[2], samples=1)
    assert "The two models cut the sample into other tokens, so no overlap is counted." in found.text
    assert "Shown: the first 1 of 4 of the file's samples." in found.text


def test_two_samples_beside_each_other_and_what_deletions_cost(tmp_path: Path, runs: list[RunFolder]) -> None:
    found = page_of(tmp_path, runs[0], ids=("3", "1"), deletions=Deletions(draws=2))
    assert "Two samples of new <1>.csv" in found.text
    assert found.texts == ["another <b>text</b>", "a good text, or a bad one"]
    assert found.text.count("Drop in the probability of the predicted class: ") == 2
    assert re.search(r"mean over 10 deletions of 1 to \d+ tokens and 2 draws", found.text)


def test_columns_of_two_samples_stand_for_the_same_things(tmp_path: Path) -> None:
    run, _ = numbers_run(tmp_path / "run", "price")
    file, target = tmp_path / "numbers.csv", tmp_path / "page.html"
    found = Page(write_page(run, file, target, ids=("2", "7"), deletions=Deletions(1)).read_text(encoding="utf-8"))
    assert re.search(r"Of the \d+ columns that a head of Sample 2 chose", found.text)
    assert "Change of the prediction (standard deviations of the training targets): " in found.text


def test_the_samples_of_a_page_are_put_together(tmp_path: Path, runs: list[RunFolder]) -> None:
    found = page_of(tmp_path, runs[0], deletions=Deletions(draws=1))
    assert re.search(r"mean over 3 samples. Chosen tokens cost more than random ones in \d of 3\.", found.text)
    full = page_of(tmp_path, runs[0], samples=1, ids=("2", "1"), deletions=Deletions(draws=1))
    assert full.text.count("Does the answer hang on the chosen ones?") == 1
    beside = page_of(tmp_path, runs[0], beside=runs[1], deletions=Deletions(draws=1))
    assert beside.text.count("Chosen tokens cost more than random ones in") == 2


def test_where_nothing_can_be_deleted_the_page_says_so(tmp_path: Path) -> None:
    run, _ = texts_run(tmp_path / "run", attention={"name": "full"})
    assert "Nothing was deleted: " in page_of(tmp_path, run, deletions=Deletions()).text


def test_the_overlap_is_counted_and_compared_with_chance() -> None:
    left = np.array([[[True, True, False, False, True], [True, False, False, False, False]]])
    right = np.array([[[True, False, False, True, False]]])
    one, other = explanation("text", left), explanation("text", right)
    overlap = Overlap.of(one, other)
    assert overlap is not None
    assert (overlap.left, overlap.right, overlap.both, overlap.length) == (3, 2, 1, 5)
    assert (overlap.share, overlap.by_chance) == (1 / 3, 2 / 5)
    assert overlap.correlation == pytest.approx(np.corrcoef([2, 1, 0, 0, 1], [1, 0, 0, 1, 0])[0, 1])
    assert Overlap.of(one, replace(other, id="another")) is None  # the words of two texts are not the same
    image = explanation("image", left)
    assert Overlap.of(image, replace(image, id="another")) is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"ids": ("1", "x")}, "ids: the file has no sample 'x'; .*allowed: 1, 2, 3"),
        ({"ids": ("1", "1")}, "ids: found '1' twice, expected two samples"),
        ({"ids": ("1", "2"), "beside": True}, "beside, ids: found both, expected one"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, runs: list[RunFolder], arguments: dict[str, Any], words: str
) -> None:
    given = arguments | ({"beside": runs[1]} if "beside" in arguments else {})
    with pytest.raises(InputError, match=words):
        page_of(tmp_path, runs[0], **given)
    assert not (tmp_path / "page.html").exists()


PICKS = """<script>(() => {
  const [layer, head] = document.querySelectorAll(".choose select");
  const set = (box, value) => { box.value = value; box.dispatchEvent(new Event("change", { bubbles: true })); };
  const found = {};
  const state = () => [...document.querySelectorAll(".sample")].map((section) => ({
    absent: section.classList.contains("absent"),
    levels: [...section.querySelectorAll(".nodes > *, .edges > *")].map((m) => +m.style.getPropertyValue("--level")),
    bars: [...section.querySelectorAll(".bar i")].map((bar) => bar.style.width),
    focus: (section.querySelector("img.focus") || {}).src,
  }));
  for (const l of [...layer.options].map((option) => option.value)) {
    set(layer, l);
    if (!head.disabled) set(head, "");  // it stays as it was
    found[l] = state();
    if (head.disabled) continue;
    for (const h of [...head.options].map((option) => option.value)) { set(head, h); found[`${l}-${h}`] = state(); }
  }
  const output = document.createElement("pre");
  output.id = "found";
  output.textContent = JSON.stringify(found);
  document.body.append(output);
})();</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("kind", ["molecule", "graph", "cloud", "text", "image", "numbers"])
def test_layers_and_heads_that_one_model_lacks_are_shown_pale(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(0)
    left, right = explanation(kind, random.random((3, 2, 5)) < 0.5), explanation(kind, random.random((2, 4, 5)) < 0.5)
    pairs = [Pair("both", left, right, ("one", "two")), Pair("again", right, left, ("two", "one"))]
    path = tmp_path / "page.html"
    made = page("page", side_by_side(pairs, [settings(), settings()]))
    Page(made).check_self_contained()
    path.write_text(made.replace("</body>", PICKS), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run([str(BROWSER), *flags, profile, path.as_uri()], capture_output=True, text=True, check=False)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr
    assert "CONSOLE" not in done.stderr
    found = json.loads(html.unescape(match[1]))
    pooled = kind in ("molecule", "graph", "cloud")
    of_heads = [f"{layer}-{head}" for layer in "012" for head in ["", *"0123"]]
    assert set(found) == {"", *(["pooling"] if pooled else []), *"012", *of_heads}
    for view, states in found.items():
        layer, _, head = view.partition("-")
        expected = [
            layer in ("0", "1", "2") and (int(layer) >= layers or (head != "" and int(head) >= heads))
            for layers, heads in ((3, 2), (2, 4), (2, 4), (3, 2))
        ]
        assert [state["absent"] for state in states] == expected, view
        if kind == "numbers":
            assert all("NaN" not in width for state in states for width in state["bars"])
