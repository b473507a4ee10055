"""JSON and YAML from anywhere, as plain values of a bounded size."""

from __future__ import annotations

import functools
import json
import os
from typing import TYPE_CHECKING, Any

from sampleformer.errors import InputError
from sampleformer.reading import reading

if TYPE_CHECKING:
    import yaml

DEEPEST = 100
"""Lists and mappings inside each other."""
MOST_NODES = 100_000
"""Values of a YAML text, those that an alias repeats counted each time."""


def parse_json(text: str | bytes, where: str | os.PathLike[str]) -> Any:
    """The values of a JSON text.

    Args:
        text: one JSON value, in UTF-8 if it is given as bytes.
        where: the file, for messages.

    Raises:
        InputError: if it is no JSON, or is nested more than `DEEPEST` times.

    Example:
        >>> parse_json('{"width": 64}', "config.json")
        {'width': 64}
    """
    with reading(where, "valid JSON"):
        values = json.loads(text)
        _check_nesting(values, where)
        return values


def parse_yaml(text: str | bytes, where: str | os.PathLike[str]) -> Any:
    """The plain values of a YAML text.

    Args:
        text: one YAML document.
        where: the file or setting, for messages.

    Raises:
        InputError: if it is no YAML, is nested more than `DEEPEST` times, or its aliases repeat more than `MOST_NODES`
            values.

    Example:
        >>> parse_yaml("width: 64", "recipe.yaml")
        {'width': 64}
    """
    import yaml  # here, so that the first import does not wait for it

    with reading(where, "valid YAML"):
        try:
            values = yaml.load(text, _loader())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise InputError(f"{where}: not valid YAML{place}: {error.problem or error.context}") from error
        _check_nesting(values, where)
        return values


@functools.cache
def _loader() -> type[yaml.SafeLoader]:
    """A loader that counts the values before it makes them: ten aliases of ten aliases are many."""
    import yaml

    class Loader(yaml.SafeLoader):
        def get_single_node(self) -> yaml.Node | None:
            root = super().get_single_node()
            count, waiting = 0, [root] if root is not None else []
            while waiting:
                node = waiting.pop()
                count += 1
                if count > MOST_NODES:
                    raise ValueError(f"found aliases that repeat values, more than {MOST_NODES:,} in all")
                if isinstance(node, yaml.MappingNode):
                    waiting += [each for pair in node.value for each in pair]
                elif isinstance(node, yaml.SequenceNode):
                    waiting += node.value
            return root

    return Loader


def _check_nesting(values: Any, where: str | os.PathLike[str]) -> None:
    level = [values]
    for _ in range(DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [value for group in inner for value in group if isinstance(value, dict | list)]
        if not level:
            return
    raise InputError(f"{where}: found lists or objects inside each other more than {DEEPEST} times")
