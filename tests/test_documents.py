"""JSON and YAML: whatever is wrong is one line, and nothing takes more than the file is worth."""

import os
from pathlib import Path

import pytest

from sampleformer import documents
from sampleformer.documents import read_json, read_yaml
from sampleformer.errors import InputError


def refused(call) -> str:
    with pytest.raises(InputError) as raised:
        call()
    text = str(raised.value)
    assert "\n" not in text
    assert len(text) < 1000
    return text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just words", "found 'just words', expected the settings of a run"),
        ("a: [1", "not valid YAML"),
        ("a: 0x" + "f" * 10_000, "found the integer a very long int, expected at most 64 bits"),
        ("a: [{b: 99999999999999999999999}]", "found the integer 99999999999999999999999, expected at most 64 bits"),
    ],
)
def test_yaml_that_is_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    found = refused(lambda: read_yaml(path, "the settings of a run"))
    assert found.startswith(f"{path}: ")
    assert message in found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "not valid JSON", id="empty"),
        pytest.param(b'{"a": 1', "not valid JSON", id="cut"),
        pytest.param(b"[1]", "found [1], expected a JSON object: a saved model", id="list"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="deep"),
        pytest.param(b'{"a":' * 100_000, "nested too deeply", id="deep objects"),
        pytest.param(b'{"a": ' + b"9" * 10_000 + b"}", "not valid JSON", id="digits"),
        pytest.param(b'{"a": -' + b"9" * 30 + b"}", "expected at most 64 bits", id="large"),
        pytest.param(b"\xff\xfe", "not UTF-8 text (byte 0)", id="bytes"),
    ],
)
def test_json_that_is_refused(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    found = refused(lambda: read_json(path, "a saved model"))
    assert found.startswith(f"{path}: ")
    assert message in found


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("reader", [read_json, read_yaml])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: None, "no such file, expected a saved model", id="missing"),
        pytest.param(Path.mkdir, "not a regular file", id="folder"),
        pytest.param(_pipe, "not a regular file", id="pipe"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "not a regular file", id="device"),
        pytest.param(lambda path: path.symlink_to(path), "cannot be read", id="link to itself"),
    ],
)
def test_what_is_no_file(tmp_path: Path, reader, make, message: str):
    path = tmp_path / "config"
    make(path)
    assert message in refused(lambda: reader(path, "a saved model"))


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "config.yaml"
    with path.open("wb") as file:
        file.truncate(documents.MOST_YAML_BYTES + 1)  # takes no room on the disk
    assert "found 1,048,577 bytes, expected a run of at most 1,048,576" in refused(lambda: read_yaml(path, "a run"))
