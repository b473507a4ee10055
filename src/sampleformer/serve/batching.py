"""Requests at the same time as one pass through the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sampleformer.errors import InputError
from sampleformer.serve.settings import ServeSettings
from sampleformer.training.predictor import Predictor

Answers = list[dict[str, Any] | InputError]


class TooBusy(Exception):
    """More requests wait than may."""


class Collector:
    """Collects requests for some milliseconds, or while the model is busy, and puts them through it together.

    Args:
        predictor: Trained model.
        settings: Time and sizes.
        done: Function that is told the number of samples of each pass.
    """

    def __init__(self, predictor: Predictor, settings: ServeSettings, done: Callable[[int], None]) -> None:
        self._predictor = predictor
        self._settings = settings
        self._done = done
        self._waiting: asyncio.Queue[tuple[Sequence[Any], asyncio.Future[Answers]]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "sampleformer-model")  # more would share the same cores

    async def answer(self, samples: Sequence[Any]) -> Answers:
        """Answers for the samples of one request, see `Predictor.each`.

        Raises:
            TooBusy: if too many requests wait.
        """
        if self._waiting.qsize() >= self._settings.max_waiting:
            raise TooBusy
        future: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((samples, future))
        return await future

    async def run(self) -> None:
        """Answers requests until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                taken = [await self._waiting.get()]
                if self._settings.wait:
                    await asyncio.sleep(self._settings.wait / 1000)
                    self._take_further(taken)
                taken = [each for each in taken if not each[1].cancelled()]  # whoever asked has gone
                if taken:
                    requests = [samples for samples, _ in taken]
                    answers = await loop.run_in_executor(self._thread, self._answers, requests)
                    self._give(taken, answers)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _take_further(self, taken: list[tuple[Sequence[Any], asyncio.Future[Answers]]]) -> None:
        """Takes what waits, up to the size of a pass."""
        count = len(taken[0][0])
        while not self._waiting.empty() and count < self._settings.batch:
            taken.append(self._waiting.get_nowait())
            count += len(taken[-1][0])

    def _answers(self, requests: list[Sequence[Any]]) -> list[Answers | Exception]:
        """Answers for requests, in a thread beside that of the service; an error is of one request alone."""
        try:
            together = iter(self._predictor.each([sample for samples in requests for sample in samples]))
            return [[next(together) for _ in samples] for samples in requests]
        except Exception as error:  # handed to whoever asked
            if len(requests) == 1:
                return [error]
            return [answer for each in requests for answer in self._answers([each])]

    def _give(
        self,
        taken: list[tuple[Sequence[Any], asyncio.Future[Answers]]],
        answers: list[Answers | Exception],
    ) -> None:
        self._done(sum(len(samples) for samples, _ in taken))
        for (_, future), answer in zip(taken, answers, strict=True):
            if future.cancelled():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
