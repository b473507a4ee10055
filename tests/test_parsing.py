"""JSON and YAML that no one should have written."""

import datetime

import pytest

from sampleformer.errors import InputError, shown
from sampleformer.parsing import parse_json, parse_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * 300 + "]" * 300, "inside each other more than 100 times"),
        ("1" * 5000, "not valid JSON"),
        ('{"a": ', "not valid JSON"),
        (b"\xff\xfe\xfd", "not valid JSON"),
    ],
)
def test_json_that_cannot_be_read(text: str | bytes, words: str) -> None:
    with pytest.raises(InputError, match=rf"^a.json: .*{words}") as caught:
        parse_json(text, "a.json")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * 150 + "]" * 150, "inside each other more than 100 times"),
        ("day: 2020-99-99", "not valid YAML"),
        ("1" * 5000, "not valid YAML"),
        ("a: &a [*a]", "aliases"),
        (LAUGHS, "aliases"),
        (MERGES, "aliases"),
        ("a: b: c", "not valid YAML at line 1, column 5"),
        ("!!python/object/apply:os.system [ls]", "not valid YAML at line 1"),
        ("{[1]: 2}", "not valid YAML"),
        (b"a: \xff", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
    ],
)
def test_yaml_that_cannot_be_read(text: str | bytes, words: str) -> None:
    with pytest.raises(InputError, match=rf"^a.yaml: .*{words}") as caught:
        parse_yaml(text, "a.yaml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_aliases_of_a_reasonable_number_are_read() -> None:
    text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2020-01-02}"
    expected = {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": datetime.date(2020, 1, 2)}}
    assert parse_yaml(text, "a.yaml") == expected


def test_a_value_of_any_size_is_shown_in_a_few_words() -> None:
    repeated: list[object] = ["x"] * 10
    for _ in range(30):
        repeated = [repeated] * 10
    for value in (repeated, "x" * 10**6, 10**5000, {str(key): "y" * 1000 for key in range(1000)}, "a\nb\x1b"):
        assert len(shown(value)) < 400
        assert shown(value).isprintable()
