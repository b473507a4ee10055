"""Bodies of requests and answers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sampleformer.errors import InputError, shown
from sampleformer.serve.settings import ServeSettings

EXPECTED = 'expected {"sample": …} or {"samples": [ … ]}'

REQUEST_SCHEMA: dict[str, Any] = {
    "oneOf": [
        {
            "type": "object",
            "title": "One",
            "required": ["sample"],
            "properties": {"sample": {"description": "One sample."}},
            "additionalProperties": False,
        },
        {
            "type": "object",
            "title": "Many",
            "required": ["samples"],
            "properties": {"samples": {"type": "array", "minItems": 1, "items": {}, "description": "Samples."}},
            "additionalProperties": False,
        },
    ]
}
"""Schema of the body of POST /predict. What a sample is depends on the model: its page and /health say it."""


class Refused(Exception):
    """A request that cannot be answered.

    Args:
        status: Status of HTTP.
        message: One line.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Asked:
    """What a request asks.

    Args:
        samples: Its samples.
        one: Whether the answer is for one sample, and not for a list of them.
    """

    samples: Sequence[Any]
    one: bool


def read_body(body: bytes, settings: ServeSettings) -> Asked:
    """The samples of a request.

    Raises:
        Refused: if it is no JSON, or no object with samples; with the status 400, 413 or 422.

    Example:
        >>> read_body(b'{"samples": ["a", "b"]}', ServeSettings()).samples
        ['a', 'b']
    """
    content = _json(body)
    if not isinstance(content, dict) or len(content) != 1 or not content.keys() <= {"sample", "samples"}:
        raise Refused(422, f"found {shown(content)}, {EXPECTED}")
    if "sample" in content:
        return Asked([content["sample"]], one=True)
    samples = content["samples"]
    if not isinstance(samples, list) or not samples:
        raise Refused(422, f"samples: found {shown(samples)}, expected a list of at least one")
    if len(samples) > settings.max_samples:
        raise Refused(413, f"samples: found {len(samples)}, expected at most {settings.max_samples}")
    return Asked(samples, one=False)


def _json(body: bytes) -> Any:
    try:
        content = json.loads(body.decode("utf-8"))
        if b"\\u" in body:  # half of a pair of surrogates is in no text
            json.dumps(content, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise Refused(400, "the body is not UTF-8, expected JSON in UTF-8") from error
    except RecursionError as error:
        raise Refused(400, "the body is nested too deeply") from error
    except ValueError as error:
        raise Refused(400, f"the body is not JSON ({error})") from error
    return content


def answer_of(asked: Asked, answers: Sequence[dict[str, Any] | InputError]) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer: 422 if no sample of the request could be answered."""
    if asked.one:
        (only,) = answers
        if isinstance(only, InputError):
            return 422, {"error": f"sample: {only}"}
        return 200, {"answer": _finite(only)}
    found = [
        {"error": f"sample {place}: {each}"} if isinstance(each, InputError) else _finite(each)
        for place, each in enumerate(answers)
    ]
    wrong = [each["error"] for each, answer in zip(found, answers, strict=True) if isinstance(answer, InputError)]
    if len(wrong) == len(found):
        return 422, {"error": wrong[0], "answers": found}
    return 200, {"answers": found}


def _finite(value: Any) -> Any:
    """A value with null in the place of numbers that JSON has not."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
