"""A trained model behind HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.requests import ClientDisconnect

from sampleformer import __version__
from sampleformer.errors import InputError
from sampleformer.serve.batching import Collector, TooBusy
from sampleformer.serve.bodies import REQUEST_SCHEMA, Refused, answer_of, read_body
from sampleformer.serve.metrics import Metrics
from sampleformer.serve.page import page
from sampleformer.serve.settings import ServeSettings
from sampleformer.training.predictor import Predictor

log = logging.getLogger("sampleformer")

CLOSED = 499
"""Status by which requests are counted whose client has gone, as proxies write it."""
_REFUSALS = {
    400: "The body is no JSON.",
    408: "The body did not come in time.",
    413: "The body is too large, or holds too many samples.",
    422: "No sample could be answered; the line says which and why.",
    503: "Too many requests wait, or the answer took too long.",
}
_ERROR_SCHEMA = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_ANSWER_SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "object", "description": "Answer for one sample."},
        "answers": {"type": "array", "items": {"type": "object"}, "description": "An answer or an error a sample."},
    },
}
_DOCUMENTED: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": REQUEST_SCHEMA}}},
    "responses": {
        "200": {"description": "Answers.", "content": {"application/json": {"schema": _ANSWER_SCHEMA}}},
        **{
            str(status): {"description": words, "content": {"application/json": {"schema": _ERROR_SCHEMA}}}
            for status, words in _REFUSALS.items()
        },
    },
}
_NOTHING_FROM_ELSEWHERE = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)


class Service:
    """A model, its limits and its numbers.

    Args:
        predictor: Trained model.
        settings: Limits.
    """

    def __init__(self, predictor: Predictor, settings: ServeSettings) -> None:
        self.predictor = predictor
        self.settings = settings
        self.metrics = Metrics()
        self.collector: Collector | None = None

    @asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        """Context in which requests are answered."""
        self.collector = Collector(self.predictor, self.settings, self.metrics.passes.add)
        task = asyncio.create_task(self.collector.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def predict(self, request: Request) -> Response:
        """Predictions for the samples of a request."""
        start = time.monotonic()
        self.metrics.in_progress += 1
        status, content = 500, {"error": "the model failed; the log of the service says how"}
        try:
            status, content = await self._answer(request, start)
        except Refused as refused:
            status, content = refused.status, {"error": refused.message}
        except TooBusy:
            status, content = 503, {"error": f"{self.settings.max_waiting} requests wait already; try again later"}
        except ClientDisconnect:  # there is nobody to read an answer
            status, content = CLOSED, {"error": "the client closed the connection"}
        except Exception:  # of the model: a request that is refused has been told so above
            log.exception("a request failed")
        finally:
            self.metrics.in_progress -= 1
            self.metrics.requests[status] += 1
            self.metrics.seconds.add(time.monotonic() - start)
        return JSONResponse(content, status, headers={"Retry-After": "1"} if status == 503 else None)

    async def _answer(self, request: Request, start: float) -> tuple[int, dict[str, Any]]:
        body = await self._body(request)
        asked = read_body(body, self.settings)
        assert self.collector is not None
        left = self.settings.max_seconds - (time.monotonic() - start)
        try:
            answers = await asyncio.wait_for(self.collector.answer(asked.samples), max(left, 0.0))
        except asyncio.TimeoutError as error:
            raise Refused(503, f"no answer within {self.settings.max_seconds:g} seconds; try again later") from error
        wrong = sum(isinstance(each, InputError) for each in answers)
        self.metrics.samples["refused"] += wrong
        self.metrics.samples["answered"] += len(answers) - wrong
        return answer_of(asked, answers)

    async def _body(self, request: Request) -> bytes:
        """The body, of at most so many bytes and within so many seconds."""
        most = self.settings.max_bytes
        too_large = Refused(413, f"the body is larger than {most} bytes, expected fewer samples at once")
        said = request.headers.get("content-length", "")
        if said.isdigit() and (len(said) > 18 or int(said) > most):  # none of it is read
            raise too_large

        async def read() -> bytes:
            parts = bytearray()
            async for part in request.stream():
                parts += part
                if len(parts) > most:
                    raise too_large
            return bytes(parts)

        try:
            return await asyncio.wait_for(read(), self.settings.max_seconds)
        except asyncio.TimeoutError as error:
            raise Refused(408, f"the body did not come within {self.settings.max_seconds:g} seconds") from error

    @property
    def about(self) -> dict[str, Any]:
        """What the model reads and answers."""
        encoding = self.predictor.encoding
        return {
            "status": "ok",
            "version": __version__,
            "samples": encoding.learnt_inputs.kind,
            "task": encoding.task.name,
            "level": encoding.task.level,
            "labels": encoding.task.labels[:1000],
        }


def make_app(predictor: Predictor, settings: ServeSettings | None = None) -> FastAPI:
    """An application of FastAPI that answers with a trained model.

    Args:
        predictor: Trained model.
        settings: Limits. None: those that `ServeSettings` begins with.
    """
    service = Service(predictor, settings or ServeSettings())
    app = FastAPI(
        title="sampleformer",
        version=__version__,
        lifespan=service.running,
        docs_url=None,  # both pages load their scripts from elsewhere
        redoc_url=None,
    )

    @app.post("/predict", summary="Predictions for one sample or many", openapi_extra=_DOCUMENTED)
    async def predict(request: Request) -> Response:
        return await service.predict(request)

    @app.get("/health", summary="What the model reads and answers")
    async def health() -> dict[str, Any]:
        return service.about

    @app.get("/metrics", summary="Numbers for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/", summary="A page to try the model", response_class=HTMLResponse)
    async def home() -> Response:
        return HTMLResponse(page(service.about), headers={"Content-Security-Policy": _NOTHING_FROM_ELSEWHERE})

    return app
