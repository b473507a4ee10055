"""Worker processes that do one task after the other, of which few wait at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from sampleformer.errors import InputError

R = TypeVar("R")
_state: Any = None


def in_order(task: Callable[..., R], state: Any, arguments: Iterable[tuple[Any, ...]], workers: int) -> Iterator[R]:
    """Results of a task in the order of its arguments; memory does not grow with their number.

    Args:
        task: Function of a module: ``task(state, *arguments)``.
        state: What every call needs; it is sent to each process once.
        arguments: Arguments of each call, which are taken as the work goes on.
        workers: Number of processes. 0: this one does the work.

    Raises:
        InputError: if a process dies, as for want of memory; else what the task raises.

    Example:
        >>> list(in_order(pow, 2, [(3,), (4,)], workers=0))
        [8, 16]
    """
    if not workers:
        yield from (task(state, *each) for each in arguments)
        return
    # Forked from a process that has imported the package, they share its memory; this one may have threads.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["sampleformer.data"])
    waiting: deque[Future[R]] = deque()
    pool = ProcessPoolExecutor(workers, context, _begin, (state,))
    try:
        for each in arguments:
            waiting.append(pool.submit(_run, task, each))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise InputError(
            f"workers: one of the {workers} worker processes died, perhaps for want of memory; give fewer of them"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(state: Any) -> None:
    """Keeps the state, and ends the process with the one that started it, however that ends."""
    global _state
    _state = state
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches them all; this one ends when the others do
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _run(task: Callable[..., R], arguments: tuple[Any, ...]) -> R:
    return task(_state, *arguments)
