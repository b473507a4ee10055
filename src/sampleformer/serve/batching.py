"""Requests at the same time as one pass through the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sampleformer.errors import InputError
from sampleformer.serve.bodies import Asked
from sampleformer.serve.explaining import explained
from sampleformer.serve.settings import ServeSettings
from sampleformer.training.predictor import Predictor

Answers = list[dict[str, Any] | InputError]
Waiting = tuple[Asked, "asyncio.Future[Answers]"]


class Collector:
    """Collects requests for some milliseconds, or while the model is busy, and puts them through it together.

    Explanations are made after the answers of a pass have been given, one request after the other.

    Args:
        predictor: Trained model.
        settings: Time and sizes.
        done: Function that is told the number of samples of each pass.
    """

    def __init__(self, predictor: Predictor, settings: ServeSettings, done: Callable[[int], None]) -> None:
        self._predictor = predictor
        self._settings = settings
        self._done = done
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "sampleformer-model")  # more would share the same cores

    async def answer(self, asked: Asked) -> Answers:
        """Answers for the samples of one request, see `Predictor.each`."""
        future: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((asked, future))
        return await future

    async def run(self) -> None:
        """Answers requests until it is cancelled."""
        try:
            while True:
                taken = [await self._waiting.get()]
                if self._settings.wait:
                    await asyncio.sleep(self._settings.wait / 1000)
                    self._take_further(taken)
                taken = [each for each in taken if not each[1].cancelled()]  # whoever asked has gone
                if taken:
                    await self._answer(taken)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _take_further(self, taken: list[Waiting]) -> None:
        """Takes what waits, up to the size of a pass."""
        count = len(taken[0][0].samples)
        while not self._waiting.empty() and count < self._settings.batch:
            taken.append(self._waiting.get_nowait())
            count += len(taken[-1][0].samples)

    async def _answer(self, taken: list[Waiting]) -> None:
        """Answers requests together, and those that ask for explanations after all others."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, self._answers, [asked for asked, _ in taken])
        self._done(sum(len(asked.samples) for asked, _ in taken))
        later = []
        for (asked, future), answers in zip(taken, found, strict=True):
            if asked.explain and not isinstance(answers, Exception):
                later.append((asked, future, answers))
            else:
                _give(future, answers)
        for asked, future, answers in later:
            if not future.cancelled():
                _give(future, await loop.run_in_executor(self._thread, self._explained, asked, answers))

    def _answers(self, requests: list[Asked]) -> list[Answers | Exception]:
        """Answers for requests, in a thread beside that of the service; an error is of one request alone."""
        try:
            together = iter(self._each([sample for asked in requests for sample in asked.samples]))
            return [[next(together) for _ in asked.samples] for asked in requests]
        except Exception as error:  # handed to whoever asked
            if len(requests) == 1:
                return [error]
            return [answer for each in requests for answer in self._answers([each])]

    def _each(self, samples: Sequence[Any]) -> Answers:
        """Answers for samples, of which some could not be read."""
        usable = [sample for sample in samples if not isinstance(sample, InputError)]
        answers = iter(self._predictor.each(usable) if usable else [])
        return [sample if isinstance(sample, InputError) else next(answers) for sample in samples]

    def _explained(self, asked: Asked, answers: Answers) -> Answers | Exception:
        """The answers of one request with their explanations, in the thread of the model."""
        try:
            return [self._with_explanation(*pair, asked) for pair in zip(asked.samples, answers, strict=True)]
        except Exception as error:  # handed to whoever asked
            return error

    def _with_explanation(self, sample: Any, answer: dict[str, Any] | InputError, asked: Asked) -> Any:
        if isinstance(answer, InputError):
            return answer
        try:
            return answer | {"explanation": explained(self._predictor, sample, html=asked.explain == "html")}
        except InputError as error:
            return error


def _give(future: asyncio.Future[Answers], answers: Answers | Exception) -> None:
    if future.cancelled():
        return
    if isinstance(answers, Exception):
        future.set_exception(answers)
    else:
        future.set_result(answers)
