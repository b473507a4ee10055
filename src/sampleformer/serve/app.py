"""A trained model behind HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.requests import ClientDisconnect

from sampleformer import __version__
from sampleformer.errors import InputError
from sampleformer.serve.batching import Answers, Collector
from sampleformer.serve.bodies import Asked, Refused, answer_of, read_body
from sampleformer.serve.explaining import no_explanation
from sampleformer.serve.metrics import Metrics
from sampleformer.serve.page import page, policy
from sampleformer.serve.settings import ServeSettings
from sampleformer.serve.specification import specification
from sampleformer.serve.uploads import is_form, read_form
from sampleformer.training.predictor import Predictor

log = logging.getLogger("sampleformer")

CLOSED = 499
"""Status by which requests are counted whose client has gone, as proxies write it."""


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
        self._reader = ThreadPoolExecutor(1, "sampleformer-files")  # a large file keeps no other request waiting

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
            self._reader.shutdown(wait=False, cancel_futures=True)

    async def predict(self, request: Request) -> Response:
        """Predictions for the samples of a request."""
        start = time.monotonic()
        self.metrics.in_progress += 1
        status, content = 500, {"error": "the model failed; the log of the service says how"}
        try:
            status, content = await self._answer(request, start)
        except Refused as refused:
            status, content = refused.status, {"error": refused.message}
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
        if self.metrics.in_progress > self.settings.max_waiting:  # of those, this is one
            raise Refused(503, f"{self.settings.max_waiting} requests wait already; try again later")
        body = await self._body(request)
        left = self.settings.max_seconds - (time.monotonic() - start)
        try:
            asked, answers = await asyncio.wait_for(self._answers(request, body), max(left, 0.0))
        except asyncio.TimeoutError as error:
            raise Refused(503, f"no answer within {self.settings.max_seconds:g} seconds; try again later") from error
        wrong = sum(isinstance(each, InputError) for each in answers)
        self.metrics.samples["refused"] += wrong
        self.metrics.samples["answered"] += len(answers) - wrong
        return answer_of(asked, answers)

    async def _answers(self, request: Request, body: bytes) -> tuple[Asked, Answers]:
        kind = request.headers.get("content-type", "")
        if is_form(kind):
            reading = (body, kind, self.predictor.encoding, self.settings)
            asked = await asyncio.get_running_loop().run_in_executor(self._reader, read_form, *reading)
        else:
            asked = read_body(body, self.settings)
        if asked.explain and (reason := no_explanation(self.predictor)):
            raise Refused(422, f"explain: {reason}")
        assert self.collector is not None
        return asked, await self.collector.answer(asked)

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
    def explains(self) -> bool:
        """Whether answers can have explanations."""
        return no_explanation(self.predictor) is None

    @property
    def about(self) -> dict[str, Any]:
        """What the model reads and answers."""
        encoding = self.predictor.encoding
        columns = encoding.inputs.row_schema
        level: dict[str, Any] = next(iter(columns.values()), {}) if encoding.layout else {}
        return {
            "status": "ok",
            "version": __version__,
            "samples": encoding.inputs.kind,
            "columns": list(columns),
            "described_by": encoding.described_by,
            "layout": encoding.layout,
            "highest": level.get("maximum"),
            "files": list(encoding.file_suffixes),
            "explains": self.explains,
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

    app.openapi = lambda: specification(  # type: ignore[method-assign]
        predictor.encoding, service.settings, explains=service.explains
    )

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        return await service.predict(request)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return service.about

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/")
    async def home() -> Response:
        text = page(service.about)
        return HTMLResponse(text, headers={"Content-Security-Policy": policy(text)})

    return app
