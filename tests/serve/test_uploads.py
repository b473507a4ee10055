"""Files that are sent to a service."""

import json
import re
import tempfile
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
from tests.serve.untrained import cloud_predictor, graph_predictor, text_run

PYRAMID = "OFF\n4 4 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 1 3\n3 0 2 3\n3 1 2 3\n"
FORM = "multipart/form-data; boundary=x"
WHOLE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabba\r\n--x--\r\n'


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(text_run(tmp_path_factory.mktemp("texts")).path)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return cloud_predictor(tmp_path_factory.mktemp("clouds"))


@pytest.fixture(scope="module")
def client(texts: Predictor) -> Iterator[TestClient]:
    with TestClient(make_app(texts, ServeSettings(max_bytes=5000, max_samples=5))) as made:
        yield made


def sent(client: TestClient, *files: tuple[str, bytes], status: int = 200, **fields: str) -> Any:
    """What a service answers to files."""
    found = client.post("/predict", files=[("file", file) for file in files], data=fields)
    assert found.status_code == status, found.text
    return found.json()


def test_a_text_file_is_one_sample(client: TestClient, texts: Predictor) -> None:
    assert sent(client, ("a.txt", b"abba\r\ndcd\n")) == {"answers": [{"sample": "a.txt", **texts("abba\r\ndcd\n")}]}
    assert sent(client, ("A.TXT", b"\xef\xbb\xbfab"))["answers"][0] == {"sample": "A.TXT", **texts("ab")}


def test_each_row_of_a_table_is_a_sample_and_a_bad_one_costs_no_other_its_answer(
    client: TestClient, texts: Predictor
) -> None:
    first, second, wrong = sent(client, ("new.csv", b"id,review\n1,abba\n2,cd,cd,cd\n3,dcd\n"))["answers"]
    answers = texts.each(["abba", "dcd"])
    assert first == {"sample": "new.csv: row 1 (line 2)", **answers[0]}  # type: ignore[dict-item]
    assert second == {"sample": "new.csv: row 3 (line 4)", **answers[1]}  # type: ignore[dict-item]
    assert wrong["error"] == "new.csv: row 2 (line 3): found 4 fields, expected 2 as in the header"


def test_one_bad_file_costs_no_other_its_answer(client: TestClient, texts: Predictor) -> None:
    answers = sent(client, ("a.txt", b"\xff"), ("b.txt", b"abba"), ("c.pdf", b"%PDF"), ("d.csv", b"text\nab\n"))[
        "answers"
    ]
    assert answers[1] == {"sample": "b.txt", **texts("abba")}
    assert answers[0]["error"].startswith("a.txt: byte 0xff is not UTF-8")
    assert "c.pdf: found a name that ends in '.pdf', expected one of .txt, .csv" in answers[2]["error"]
    assert "column 'review' is missing" in answers[3]["error"]


def test_a_mesh_is_the_cloud_that_the_reader_of_files_makes_of_it(clouds: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "p.off"
    path.write_text(PYRAMID)
    np.savez(tmp_path / "two.npz", points=np.random.default_rng(0).normal(size=(2, 20, 3)))
    with TestClient(make_app(clouds)) as client:
        assert sent(client, ("p.off", PYRAMID.encode())) == {"answers": [{"sample": "p.off", **clouds(path)}]}
        several = sent(client, ("two.npz", (tmp_path / "two.npz").read_bytes()))["answers"]
        assert [each["sample"] for each in several] == ["two.npz: cloud 0", "two.npz: cloud 1"]
        refused = sent(client, ("q.off", PYRAMID[:40].encode()), status=422)
        assert refused["answers"][0]["error"].startswith("q.off: ")


def test_a_table_of_paths_opens_no_file_of_the_service(clouds: Predictor, tmp_path: Path) -> None:
    secret = tmp_path / "secret.xyz"
    secret.write_text("0 0 0\n1 1 1\n")
    with TestClient(make_app(clouds)) as client:
        refused = sent(client, ("paths.csv", f"path\n{secret}\n".encode()), status=422)
    assert "answers" in refused


def test_graphs_come_as_json_alone(tmp_path: Path) -> None:
    with TestClient(make_app(graph_predictor(tmp_path))) as client:
        refused = sent(client, ("a.npz", b"PK"), status=422)
        assert refused["error"] == "a.npz: found a file, expected graph data as JSON"
        assert list(client.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"]) == [
            "application/json"
        ]


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (WHOLE, "multipart/form-data", 400, "expected multipart/form-data with a boundary"),
        (WHOLE[:-8], FORM, 400, "cut short"),
        (b"", FORM, 400, "cut short"),
        (b"--x--\r\n", FORM, 422, "found no file"),
        (WHOLE.replace(b"\r\n\r\n", b"\r\n"), FORM, 400, "a field has no header"),
        (WHOLE.replace(b'name="file"; ', b""), FORM, 400, "a field has no name"),
        (WHOLE.replace(b"form-data", b"attachment"), FORM, 400, "a field has no name"),
        (WHOLE.replace(b'file";', b'data";'), FORM, 422, "found a file in the field 'data'"),
        (WHOLE.replace(b'; filename="a.txt"', b""), FORM, 422, "found a field 'file'"),
        (WHOLE.replace(b'file"; filename="a.txt"', b'explain"'), FORM, 422, "explain: found 'abba'"),
        (6 * WHOLE.removesuffix(b"--x--\r\n") + b"--x--\r\n", FORM, 413, "found 6 files, expected at most 5"),
        (
            WHOLE.replace(b"a.txt", b"a.csv").replace(b"abba", b"review\n" + b"a\n" * 9),
            FORM,
            413,
            "more than 5 samples",
        ),
        (WHOLE.replace(b"abba", b"a" * 6000), FORM, 413, "larger than 5000 bytes"),
        (WHOLE.replace(b"abba", b""), FORM, 422, "a.txt: the file is empty"),
        (WHOLE.replace(b"abba", b"\x89PNG\r\n\x1a\n\0\0"), FORM, 422, "a.txt: "),
        (WHOLE.replace(b"a.txt", b"../../x/y.pdf"), FORM, 422, "^y.pdf: found a name"),
        (WHOLE.replace(b"a.txt", b"C:\\\\x\\\\y.pdf"), FORM, 422, "^y.pdf: found a name"),
        (WHOLE.replace(b"a.txt", b"x.\xff/../%00"), FORM, 422, "found a name"),
    ],
    ids=lambda value: str(value[-30:]) if isinstance(value, bytes) else None,
)
def test_what_is_no_form_is_refused_in_one_line(
    client: TestClient, body: bytes, kind: str, status: int, words: str
) -> None:
    found = client.post("/predict", content=body, headers={"Content-Type": kind})
    message = found.json()["error"]
    assert found.status_code == status, message
    assert re.search(words, message), message
    assert "\n" not in message
    assert tempfile.gettempdir() not in message


def test_damaged_forms_never_break_the_service_and_leave_nothing(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    whole = WHOLE.replace(b"a.txt", b"a.csv").replace(b"abba", b"review,b\nabba,c\ndcd,e")
    random, found = np.random.default_rng(0), set()
    for _ in range(100):
        damaged = bytearray(whole)
        for place in random.integers(len(whole), size=random.integers(1, 6)):
            damaged[place] = random.integers(256)
        response = client.post("/predict", content=bytes(damaged), headers={"Content-Type": FORM})
        found.add(response.status_code)
        json.loads(response.content)
    assert {200, 400} <= found <= {200, 400, 413, 422}
    assert list(tmp_path.iterdir()) == []


def test_samples_in_a_file_are_counted_before_they_are_read_whole(texts: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("review\n" + "ab\n" * 1000)
    assert len(texts.encoding.samples_in(path, most=3)) == 4
    path.write_text("review\n" + "ab,cd\n" * 1000)
    found = texts.encoding.samples_in(path, most=3)
    assert [type(sample) for _, sample in found] == [InputError] * 3
