"""Connections whose requests must begin in time."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def hurried(seconds: float) -> type[H11Protocol]:
    """A protocol for uvicorn that closes a connection on which the head of a request does not come in time.

    The service itself sees a request when its head is there, and only then can it count the time of the body.

    Args:
        seconds: Longest time from the opening of a connection, or from the first byte of a further request, to the end
            of the head.
    """

    class Hurried(H11Protocol):
        _closing: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._rest()

        def _watch(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._rest()
            elif self._closing is None:
                self._closing = self.loop.call_later(seconds, self.transport.close)

        def _rest(self) -> None:
            if self._closing is not None:
                self._closing.cancel()
                self._closing = None

    return Hurried
