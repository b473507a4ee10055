"""Sections and pages of every kind of sample, from explanations made by hand."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sampleformer.explain.choices import Choices
from sampleformer.explain.explanation import Explanation
from sampleformer.explain.gallery import gallery
from sampleformer.explain.html import page
from sampleformer.explain.outcome import Answer, ClassOutcome
from sampleformer.explain.views import view_of
from sampleformer.models import ModelSettings
from tests.explain.pages import Page

KINDS: dict[str, dict[str, Any]] = {
    "molecule": {"molecule": "CCO", "ends": np.array([[0, 1], [1, 2]])},
    "graph": {"ends": np.array([[0, 1], [1, 2]]), "pieces": ["a", "b", "c"], "names": ["a", "b", "c"]},
    "cloud": {"coordinates": np.arange(15.0).reshape(5, 3) ** 2, "values": np.zeros((5, 3))},
    "image": {"layout": (1, 5), "values": np.arange(5.0)[:, None], "pieces": list("01234")},
    "numbers": {"values": np.arange(5.0)[:, None], "pieces": [f"x = {place}" for place in range(5)]},
    "text": {"source": "abcde", "pieces": list("abcde")},
}


def explanation(kind: str, chosen: np.ndarray | None = None, pooling: bool = True) -> Explanation:
    """A sample of five tokens; the first is chosen by all heads, and the second by one."""
    if chosen is None:
        chosen = np.zeros((2, 2, 5), bool)
        chosen[:, :, 0] = True
        chosen[1, 1, 1] = True
    fields: dict[str, Any] = {"pieces": [], "names": [], "values": None, "source": None, "layout": None} | KINDS[kind]
    return Explanation(
        id=kind,
        choices=Choices(chosen, np.zeros(chosen.shape[:2], int)),
        pooling=np.array([0.5, 0.2, 0.1, 0.1, 0.1]) if pooling else None,
        outcome=ClassOutcome([Answer("no", 0.25, 0.0), Answer("yes", 0.75, 1.0)]),
        **fields,
    )


def settings() -> ModelSettings:
    return ModelSettings.model_validate(
        {"attention": {"name": "samsa", "sampled": 1}, "layers": 2, "heads": 2, "width": 8}
    )


def page_of(*shown: Explanation) -> Page:
    """The page of these samples, taken apart and checked."""
    found = Page(page("samples", gallery(shown, settings())))
    found.check_self_contained()
    return found


@pytest.mark.parametrize(
    ("kind", "one", "many"),
    [
        ("molecule", "atom or bond", "atoms and bonds"),
        ("graph", "node or edge", "nodes and edges"),
        ("cloud", "point", "points"),
        ("image", "pixel", "pixels"),
        ("numbers", "column", "columns"),
        ("text", "token", "tokens"),
    ],
)
def test_every_kind_has_its_words_and_its_map(kind: str, one: str, many: str) -> None:
    shown = explanation(kind)
    view = view_of(shown)
    assert (view.one, view.many) == (one, many)
    text = page_of(shown, shown).text
    article = "an" if one == "atom or bond" else "a"
    assert f"every head chooses {many} of its own, and all {many} attend to those alone: {article} {one} that" in text
    assert f"{many}5" in text  # a row of the table of figures
    assert f"half of the pooling weight lies on1 {one}" in text
    every = page_of(explanation(kind, np.ones((2, 2, 5), bool)))
    assert f"Every head of every layer attends to every {one}: there is no choice to show." in every.text
    assert every.choices == []


@pytest.mark.parametrize("kind", ["molecule", "graph"])
def test_molecules_and_graphs_are_drawings_with_marks(kind: str) -> None:
    shown = page_of(explanation(kind))
    assert [level for _, level in shown.strengths.values()] == [0.0, 0.0, 1.0, 0.25, 0.0]  # edges are drawn first
    assert shown.choices[0]["kind"] == "drawing"


def test_clouds_are_points_to_turn_with_a_picture_for_no_script() -> None:
    shown = page_of(explanation("cloud"))
    assert shown.clouds[0]["levels"] == [1.0, 0.25, 0.0, 0.0, 0.0]
    assert shown.choices[0]["kind"] == "cloud"
    assert "5 points in space" in [image["alt"] for image in shown.images]


@pytest.mark.parametrize(
    ("kind", "pooling", "there"),
    [
        ("molecule", True, True),
        ("graph", True, True),
        ("cloud", True, True),
        ("cloud", False, False),
        ("molecule", False, False),
        ("text", True, False),  # texts and images show the weights beside the choices
        ("image", True, False),
    ],
)
def test_pooling_weights_can_be_picked_where_a_drawing_can_show_them(kind: str, pooling: bool, there: bool) -> None:
    html = gallery([explanation(kind, pooling=pooling)], settings())
    assert ('<option value="pooling">pooling weights</option>' in html) is there


@pytest.mark.parametrize(("kind", "there"), [("molecule", False), ("graph", False), ("cloud", False), ("image", True)])
def test_tokens_of_several_samples_are_averaged_only_where_they_are_the_same_things(kind: str, there: bool) -> None:
    html = gallery([explanation(kind), explanation(kind)], settings())
    assert ("Over these samples" in html) is there


def test_a_sample_without_tokens_is_not_drawn() -> None:
    text = page_of(explanation("graph", np.zeros((2, 2, 0), bool), pooling=False)).text
    assert "No tokens: the model answers from its bias alone." in text


def test_a_model_that_reads_nodes_alone_has_no_edges_to_choose() -> None:
    shown = explanation("graph", pooling=False)
    nodes = replace(shown, choices=Choices(shown.choices.chosen[..., :3], shown.choices.extra))
    assert (view_of(nodes).one, view_of(nodes).many) == ("node", "nodes")
    assert "edge" not in page_of(nodes).text.replace("Graph of", "")
    atoms = replace(nodes, molecule="CCO")
    assert (view_of(atoms).one, view_of(atoms).many) == ("atom", "atoms")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extra", [0, 1])
def test_a_layer_without_a_choice_says_so(kind: str, extra: int) -> None:
    chosen = np.zeros((2, 2, 5), bool)
    chosen[0, :, 0] = True
    shown = replace(explanation(kind), choices=Choices(chosen, np.full((2, 2), extra)))
    text = page_of(shown).text
    one = view_of(shown).one
    article = "an" if one[0] == "a" else "a"
    chose = f"no head of this layer chose {article} {one}: all chose “nothing”, the learned extra tokens"
    assert f"Layer 2: {chose if extra else 'this layer has no attention'}" in text
    assert not re.search("Layer 1: (no head|this layer)", text)
    assert ("chosen by one head0 to 1" in text) == bool(extra)
