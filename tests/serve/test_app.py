"""The service: answers, refusals, limits, numbers and its page."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from sampleformer.errors import InputError
from sampleformer.serve.app import make_app
from sampleformer.serve.settings import ServeSettings
from sampleformer.training import Predictor
from tests.serve.untrained import cloud_predictor, number_predictor, text_run

LIMITS = ServeSettings(max_bytes=2000, max_samples=5)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(text_run(tmp_path_factory.mktemp("texts")).path)


@pytest.fixture(scope="module")
def client(predictor: Predictor) -> Iterator[TestClient]:
    with TestClient(make_app(predictor, LIMITS)) as made:
        yield made


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with TestClient(make_app(number_predictor(tmp_path_factory.mktemp("numbers")))) as made:
        yield made


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with TestClient(make_app(cloud_predictor(tmp_path_factory.mktemp("clouds")))) as made:
        yield made


def test_answers_are_those_of_the_predictor(client: TestClient, predictor: Predictor) -> None:
    one = client.post("/predict", json={"sample": "abba"})
    assert one.status_code == 200
    assert one.json() == {"answer": predictor("abba")}
    many = client.post("/predict", json={"samples": ["abba", {"review": "dcd"}, ""]}).json()["answers"]
    assert many == predictor.each(["abba", "dcd", ""])


def test_a_bad_sample_costs_no_other_its_answer(client: TestClient, predictor: Predictor) -> None:
    found = client.post("/predict", json={"samples": ["abba", 5, "dcd"]})
    assert found.status_code == 200
    answers = found.json()["answers"]
    assert answers[1] == {"error": "sample 1: column 'review': found 5, expected a text"}
    assert [answers[0], answers[2]] == predictor.each(["abba", "dcd"])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "the body is not JSON"),
        (b"{", 400, "the body is not JSON"),
        (b'{"sample": "\xff"}', 400, "not UTF-8"),
        (rb'{"sample": "\ud800"}', 400, "not UTF-8"),
        (b'{"sample": ' + b"[" * 900 + b"]" * 900 + b"}", 422, "sample: "),
        (b"[" * 1900, 400, "nested too deeply|not JSON"),
        (b"[]", 422, 'expected {"sample"'),
        (b"null", 422, "found None"),
        (b'{"sample": "a", "samples": []}', 422, 'expected {"sample"'),
        (b'{"simple": "a"}', 422, "found {'simple': 'a'}"),
        (b'{"samples": []}', 422, "expected a list of at least one"),
        (b'{"samples": "abba"}', 422, "expected a list of at least one"),
        (b'{"samples": ["a", "a", "a", "a", "a", "a"]}', 413, "found 6, expected at most 5"),
        (b'{"sample": "' + b"a" * 2000 + b'"}', 413, "larger than 2000 bytes"),
        (b'{"sample": 5}', 422, "sample: column 'review': found 5"),
        (b'{"sample": null, "sample": {}}', 422, "sample: "),
        (b'{"samples": [1, [2]]}', 422, "sample 0: column 'review': found 1"),
        (b'{"sample": {"text": "a"}}', 422, "column 'review' is missing"),
        (b'{"sample": 1' + b"0" * 1900 + b"}", 422, "sample: "),
    ],
    ids=lambda value: str(value[:40]) if isinstance(value, bytes) else None,
)
def test_what_cannot_be_answered_is_refused_in_one_line(
    client: TestClient, body: bytes, status: int, words: str
) -> None:
    found = client.post("/predict", content=body)
    assert found.status_code == status
    message = found.json()["error"]
    assert re.search(words, message)
    assert "\n" not in message


def test_damaged_bodies_never_break_the_service(client: TestClient) -> None:
    whole = json.dumps({"samples": ["abba", {"review": "dcd"}, 5, [None, True], 1e400]}).encode()
    random = np.random.default_rng(0)
    found = set()
    for _ in range(150):
        damaged = bytearray(whole)
        for place in random.integers(len(whole), size=random.integers(1, 6)):
            damaged[place] = random.integers(256)
        response = client.post("/predict", content=bytes(damaged))
        found.add(response.status_code)
        assert {"answers", "error", "answer"} & response.json().keys()
    assert found <= {200, 400, 413, 422}
    assert {200, 400} <= found


def test_a_body_without_a_length_is_limited(client: TestClient) -> None:
    found = client.post("/predict", content=(b"a" * 500 for _ in range(100)))
    assert found.status_code == 413


def test_what_a_mapping_lacks_is_missing_whatever_is_beside_it(client: TestClient, predictor: Predictor) -> None:
    found = client.post("/predict", json={"samples": [{"review": "ab"}, {"text": "ab"}, "ab"]}).json()["answers"]
    assert "column 'review' is missing; did you mean" in found[1]["error"] or "allowed: text" in found[1]["error"]
    assert [found[0], found[2]] == [predictor("ab"), predictor("ab")]


def test_a_sample_that_overflows_in_the_model_costs_no_other_its_answer(tmp_path: Path) -> None:
    made = number_predictor(tmp_path)

    def overflow(module: Any, arguments: Any) -> None:
        if arguments[0].features.abs().max() > 1e10:
            raise InputError("layer 1, head 1: scores are NaN")

    made.model.register_forward_pre_hook(overflow)
    with TestClient(make_app(made)) as client:
        found = client.post("/predict", json={"samples": [[1, 2, 3, 4], [1e14, 2, 3, 4]]}).json()["answers"]
    assert found[0] == made([1, 2, 3, 4])
    assert found[1] == {"error": "sample 1: the model cannot answer: layer 1, head 1: scores are NaN"}


def test_gaps_are_null_and_numbers_that_json_has_not_are_refused(tmp_path: Path) -> None:
    with TestClient(make_app(number_predictor(tmp_path))) as client:
        found = client.post("/predict", json={"samples": [[1, 2, 3, 4], [1, 2, 3], {"a": 1, "b": 2, "c": 3, "d": 4}]})
        answers = found.json()["answers"]
        assert answers[0]["price"] == pytest.approx(answers[2]["price"])
        assert "found 3 values, expected 4" in answers[1]["error"]
        gaps = client.post(
            "/predict", content=b'{"samples": [[1, 2, 3, null], [1, 2, 3, NaN], {"a": 1, "b": 2, "c": 3, "d": null}]}'
        )
        first, second, third = gaps.json()["answers"]
        assert first == second == third
        for number in ("Infinity", "1e308", "-1e999"):
            refused = client.post("/predict", content=b'{"sample": [1, 2, 3, %s]}' % number.encode())
            assert refused.status_code == 422
            assert "column 'd': found " in refused.json()["error"]


@pytest.mark.parametrize("sample", [[1, 2, 3, [None, None]], [1, 2, 3, {}], [None] * 3, [[1], 2, 3, 4], [1, 2, 3, "x"]])
def test_rows_of_something_else_are_refused(numbers: TestClient, sample: object) -> None:
    found = numbers.post("/predict", json={"samples": [[1, 2, 3, 4], sample]})
    assert found.status_code == 200
    assert "error" in found.json()["answers"][1]


@pytest.mark.parametrize(
    "sample", [[None], [[None] * 3], [[True, 0, 0]], [[0, 0, 0], [1, 1]], [], [[[0, 0, 0]]], {}, 5]
)
def test_points_of_something_else_are_refused(clouds: TestClient, sample: object) -> None:
    found = clouds.post("/predict", json={"samples": [[[0, 0, 0], [1, 1, 1]], sample]})
    assert found.status_code == 200
    assert "error" in found.json()["answers"][1]


def test_health_says_what_the_model_reads_and_answers(client: TestClient) -> None:
    found = client.get("/health").json()
    assert found["status"] == "ok"
    assert (found["samples"], found["task"], found["labels"]) == ("text", "classification", ["ab", "cd"])


def test_numbers_are_counted_in_the_format_of_prometheus(predictor: Predictor) -> None:
    with TestClient(make_app(predictor)) as client:
        client.post("/predict", json={"samples": ["abba", 5]})
        client.post("/predict", content=b"{")
        found = client.get("/metrics")
    assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = found.text.splitlines()
    line = re.compile(r'sampleformer_[a-z_]+(\{[a-z]+="[^"]*"\})? -?[\d.]+|# (HELP|TYPE) sampleformer_[a-z_]+ .+')
    assert [each for each in lines if not line.fullmatch(each)] == []
    for expected in (
        'sampleformer_requests_total{status="200"} 1',
        'sampleformer_requests_total{status="400"} 1',
        'sampleformer_samples_total{outcome="answered"} 1',
        'sampleformer_samples_total{outcome="refused"} 1',
        'sampleformer_pass_samples_bucket{le="2"} 1',
        "sampleformer_request_seconds_count 2",
        "sampleformer_requests_in_progress 0",
    ):
        assert expected in lines


def test_the_page_needs_nothing_beside_it(client: TestClient) -> None:
    found = client.get("/")
    assert found.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert re.findall(r"https?://|@import|url\(", found.text) == []
    assert re.findall(r'(?:src|href)="(?!data:)', found.text) == []
    (script,) = re.findall(r"<script>(.*?)</script>", found.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in found.headers["content-security-policy"]


def test_the_specification_says_what_is_taken_and_given(client: TestClient) -> None:
    described: dict[str, Any] = client.get("/openapi.json").json()
    assert set(described["paths"]) == {"/predict", "/health", "/metrics", "/"}
    post = described["paths"]["/predict"]["post"]
    bodies = post["requestBody"]["content"]
    schemas = bodies["application/json"]["schema"]["oneOf"]
    assert [each["required"] for each in schemas] == [["sample"], ["samples"], ["samples", "explain"]]
    assert bodies["multipart/form-data"]["schema"]["required"] == ["file"]
    assert set(post["responses"]) == {"200", "400", "408", "413", "422", "500", "503"}
    alone, row = described["components"]["schemas"]["Sample"]["anyOf"]
    assert alone == {"type": ["string", "null"]}
    assert row["required"] == ["review"]
    assert client.get("/docs").status_code == 404  # it would load scripts from elsewhere
