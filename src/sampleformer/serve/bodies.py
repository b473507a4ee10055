"""Bodies of requests and answers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sampleformer.errors import InputError, shown
from sampleformer.serve.settings import ServeSettings

EXPECTED = 'expected {"sample": …} or {"samples": [ … ]}, and "explain" beside it or not'
EXPLAIN = (False, True, "html")
"""What a request may ask of explanations: none, numbers, or numbers and a page."""


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
        samples: Its samples; an `InputError` stands for one that could not even be read.
        one: Whether the answer is for one sample, and not for a list of them.
        explain: One of `EXPLAIN`.
        names: Name of each sample that came in a file. Empty: they came as JSON.
    """

    samples: Sequence[Any]
    one: bool = False
    explain: bool | str = False
    names: Sequence[str] = ()

    def name(self, place: int) -> str:
        """Words for one sample."""
        return self.names[place] if self.names else "sample" if self.one else f"sample {place}"


def read_body(body: bytes, settings: ServeSettings) -> Asked:
    """The samples of a request.

    Raises:
        Refused: if it is no JSON, or no object with samples; with the status 400, 413 or 422.

    Example:
        >>> read_body(b'{"samples": ["a", "b"]}', ServeSettings()).samples
        ['a', 'b']
    """
    content = _json(body)
    names = content.keys() - {"explain"} if isinstance(content, dict) else set()
    if names not in ({"sample"}, {"samples"}):
        raise Refused(422, f"found {shown(content)}, {EXPECTED}")
    explain = content.get("explain", False)
    if not isinstance(explain, bool | str) or explain not in EXPLAIN:
        raise Refused(422, f'explain: found {shown(explain)}, expected false, true or "html"')
    one = "sample" in content
    samples = [content["sample"]] if one else content["samples"]
    if not isinstance(samples, list) or not samples:
        raise Refused(422, f"samples: found {shown(samples)}, expected a list of at least one")
    return within_limits(Asked(samples, one, explain), settings)


def within_limits(asked: Asked, settings: ServeSettings) -> Asked:
    """A request that asks for no more samples than it may.

    Raises:
        Refused: if it asks for more, with the status 413.
    """
    count = len(asked.samples)
    if count > settings.max_samples:
        raise Refused(413, f"samples: found {count}, expected at most {settings.max_samples}")
    if asked.explain and count > settings.max_explained:
        raise Refused(413, f"samples: found {count}, expected at most {settings.max_explained} to explain at once")
    return asked


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
    found = [_answer(asked, place, each) for place, each in enumerate(answers)]
    wrong = [each["error"] for each, answer in zip(found, answers, strict=True) if isinstance(answer, InputError)]
    if asked.one:
        return (422, {"error": wrong[0]}) if wrong else (200, {"answer": found[0]})
    if len(wrong) == len(found):
        return 422, {"error": wrong[0], "answers": found}
    return 200, {"answers": found}


def _answer(asked: Asked, place: int, answer: dict[str, Any] | InputError) -> dict[str, Any]:
    name = {"sample": asked.names[place]} if asked.names else {}
    if isinstance(answer, InputError):
        return name | {"error": f"{asked.name(place)}: {answer}"}
    return name | _finite(answer)


def _finite(value: Any) -> Any:
    """A value with null in the place of numbers that JSON has not."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
