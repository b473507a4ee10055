"""Requests that are collected for one pass, and what happens when there are too many or the model fails."""

import asyncio
import json
import time
from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

from sampleformer.errors import InputError
from sampleformer.serve.app import make_app
from sampleformer.serve.batching import Collector
from sampleformer.serve.bodies import Asked
from sampleformer.serve.settings import ServeSettings


class Echo:
    """In the place of a predictor: answers a number with itself, and notes what it was asked together."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.passes: list[list[Any]] = []
        self.seconds = seconds

    def each(self, samples: Sequence[Any]) -> list[dict[str, Any] | InputError]:
        self.passes.append(list(samples))
        time.sleep(self.seconds)
        if "fail" in samples:
            raise RuntimeError("the model broke")
        return [InputError("no number") if sample is None else {"value": sample} for sample in samples]


def ask(echo: Echo, requests: list[list[Any]], **settings: Any) -> list[Any]:
    """Answers to requests that come at once."""

    async def run() -> list[Any]:
        collector = Collector(echo, ServeSettings(**settings), lambda samples: None)  # type: ignore[arg-type]
        task = asyncio.create_task(collector.run())
        answers = await asyncio.gather(*map(collector.answer, map(Asked, requests)), return_exceptions=True)
        task.cancel()
        return answers

    return asyncio.run(run())


def test_requests_at_the_same_time_are_one_pass_and_keep_their_answers() -> None:
    echo = Echo()
    answers = ask(echo, [[1], [2, None, 3], [4]], wait=20)
    assert echo.passes == [[1, 2, None, 3, 4]]
    assert answers[0] == [{"value": 1}]
    assert isinstance(answers[1][1], InputError)
    assert [answers[1][0], answers[1][2], answers[2][0]] == [{"value": 2}, {"value": 3}, {"value": 4}]


def test_without_a_wait_each_goes_alone_and_a_full_pass_takes_no_further() -> None:
    alone, full = Echo(), Echo()
    assert ask(alone, [[1], [2]], wait=0) == [[{"value": 1}], [{"value": 2}]]
    assert alone.passes == [[1], [2]]
    ask(full, [[1], [2], [3], [4], [5]], wait=5, batch=2)
    assert full.passes == [[1, 2], [3, 4], [5]]


def test_a_request_that_breaks_the_model_costs_no_other_its_answer() -> None:
    answers = ask(Echo(), [[1], ["fail"], [2]], wait=20)
    assert [answers[0], answers[2]] == [[{"value": 1}], [{"value": 2}]]
    assert isinstance(answers[1], RuntimeError)


def test_more_than_may_wait_are_refused() -> None:
    statuses = asyncio.run(_posted_at_once(Echo(0.2), 4, ServeSettings(max_waiting=2)))
    assert statuses == [200, 200, 503, 503]


async def _posted_at_once(echo: Echo, count: int, settings: ServeSettings) -> list[int]:
    """Statuses of the answers to requests that come at once, in their order."""
    app = make_app(echo, settings)  # type: ignore[arg-type]

    async def post(number: int) -> int:
        statuses: list[Any] = []
        body = json.dumps({"sample": number}).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: MutableMapping[str, Any]) -> None:
            statuses.append(message.get("status"))

        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}
        await app(scope, receive, send)
        return int(statuses[0])

    async with app.router.lifespan_context(app):
        return list(await asyncio.gather(*map(post, range(count))))


@pytest.mark.parametrize(
    ("sample", "seconds", "status", "words"),
    [(1, 0.5, 503, "no answer within 0.1 seconds"), ("fail", 0.0, 500, "the model failed")],
)
def test_slow_and_failing_models_have_a_status(sample: Any, seconds: float, status: int, words: str) -> None:
    with TestClient(make_app(Echo(seconds), ServeSettings(max_seconds=0.1))) as client:  # type: ignore[arg-type]
        found = client.post("/predict", json={"sample": sample})
        assert found.status_code == status
        assert words in found.json()["error"]
        assert f'requests_total{{status="{status}"}} 1' in client.get("/metrics").text
