"""Explanations beside answers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from sampleformer.explain.explanation import explain
from sampleformer.explain.influences import Influence
from sampleformer.serve.app import make_app
from sampleformer.serve.explaining import numbers_of
from sampleformer.serve.settings import ServeSettings
from sampleformer.training import Predictor
from tests.explain.pages import Page
from tests.explain.test_views import explanation
from tests.serve.untrained import cloud_predictor, model_without_choice, text_run


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(text_run(tmp_path_factory.mktemp("texts")).path)


@pytest.fixture(scope="module")
def client(predictor: Predictor) -> Iterator[TestClient]:
    with TestClient(make_app(predictor, ServeSettings(max_samples=5, max_explained=3))) as made:
        yield made


def test_an_explanation_says_what_the_heads_chose(client: TestClient, predictor: Predictor) -> None:
    answer = client.post("/predict", json={"sample": "abbaxx", "explain": True}).json()["answer"]
    found = answer.pop("explanation")
    assert answer == predictor("abbaxx")
    ((usable, _),) = predictor.encoding.given(["abbaxx"])
    expected = explain(predictor.model, predictor.encoding, usable[0])
    assert found["tokens"] == list("abbaxx")
    assert found["chosen"] == expected.choices.counts.tolist()
    assert sum(found["chosen"]) + found["nothing"] == found["layers"] * found["heads"] * 3
    assert found["unit"] == "token"
    assert "html" not in found


def test_the_page_of_an_explanation_needs_nothing_beside_it(client: TestClient) -> None:
    answer = client.post("/predict", json={"samples": ["<b>ab</b>"], "explain": "html"}).json()["answers"][0]
    page = Page(answer["explanation"]["html"])
    page.check_self_contained()
    assert page.texts == ["<b>ab</b>"]
    assert page.marks


def test_a_bad_sample_costs_no_other_its_explanation(client: TestClient) -> None:
    found = client.post("/predict", json={"samples": ["ab", 5, "cd"], "explain": True})
    assert found.status_code == 200
    first, wrong, last = found.json()["answers"]
    assert wrong == {"error": "sample 1: column 'review': found 5, expected a text"}
    assert [first["explanation"]["tokens"], last["explanation"]["tokens"]] == [["a", "b"], ["c", "d"]]


def test_an_empty_text_has_an_explanation_of_no_tokens(client: TestClient) -> None:
    found = client.post("/predict", json={"sample": "", "explain": "html"}).json()["answer"]["explanation"]
    assert (found["tokens"], found["chosen"]) == ([], [])
    assert "the model answers from its bias alone" in found["html"]


@pytest.mark.parametrize("asked", [1, "yes", None, [], {"a": 1}])
def test_other_wishes_are_refused(client: TestClient, asked: object) -> None:
    found = client.post("/predict", json={"sample": "ab", "explain": asked})
    assert found.status_code == 422
    assert 'expected false, true or "html"' in found.json()["error"]


def test_more_than_may_be_explained_at_once_are_refused(client: TestClient) -> None:
    assert client.post("/predict", json={"samples": ["ab"] * 4}).status_code == 200
    found = client.post("/predict", json={"samples": ["ab"] * 4, "explain": True})
    assert found.status_code == 413
    assert found.json()["error"] == "samples: found 4, expected at most 3 to explain at once"


def test_files_are_explained_too(tmp_path: Path) -> None:
    with TestClient(make_app(cloud_predictor(tmp_path))) as client:
        points = "\n".join("{} {} {}".format(*row) for row in np.random.default_rng(0).normal(size=(12, 3)))
        found = client.post("/predict", files={"file": ("a.xyz", points.encode())}, data={"explain": "html"}).json()
    given = found["answers"][0]["explanation"]
    assert given["unit"] == "point"
    assert len(given["chosen"]) == len(given["tokens"]) == 8
    assert len(Page(given["html"]).clouds) == 1


def test_a_model_that_chooses_nothing_says_so(tmp_path: Path) -> None:
    with TestClient(make_app(model_without_choice(tmp_path))) as client:
        assert client.get("/health").json()["explains"] is False
        assert 'id="explain"' not in client.get("/").text
        assert "answer" in client.post("/predict", json={"sample": "ab"}).json()
        refused = client.post("/predict", json={"sample": "ab", "explain": True})
        assert refused.status_code == 422
        assert "explain: the model 'bag' attends to no tokens" in refused.json()["error"]


@pytest.mark.parametrize("kind", ["molecule", "graph", "cloud", "image", "numbers", "text"])
def test_every_kind_has_its_numbers(kind: str) -> None:
    shown = explanation(kind)
    found = numbers_of(shown)
    assert found["chosen"] == [4, 1, 0, 0, 0]
    assert found["pooling"] == [0.5, 0.2, 0.1, 0.1, 0.1]
    assert found["edges"] == (None if shown.ends is None else [[0, 1], [1, 2]])


def test_what_else_moved_the_outputs_is_named() -> None:
    shown = explanation("text")
    object.__setattr__(shown, "runs", [Influence("so good", (0.5, -0.5))])
    assert numbers_of(shown)["words"] == [{"name": "so good", "changes": [0.5, -0.5]}]
