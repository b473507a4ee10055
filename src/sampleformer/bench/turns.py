"""Times and memory of candidates, measured side by side."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from sampleformer.bench.memory import peak_bytes
from sampleformer.bench.records import Cell
from sampleformer.bench.settings import Measuring
from sampleformer.bench.timing import Pass, predicted_seconds, round_robin

FEW = 2


class _LeftOut(Exception):
    """Why something is not measured, in words."""


@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Lets torch use so many threads (None: as many as before), and gives them back."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Turns:
    """Measures candidates in turns, at one length after the other, and leaves out what would take too long.

    Args:
        settings: how to measure.
        watch: told what is being done; never while the clock runs.
    """

    def __init__(self, settings: Measuring, watch: Callable[[str], None] = lambda doing: None) -> None:
        self.settings = settings
        self.watch = watch
        self.skipped: list[str] = []
        """What was left out and why, in words."""

    def measure(
        self, lengths: Sequence[int], candidates: Mapping[str, Callable[[int, str], Pass]], needed: str | None = None
    ) -> Iterator[dict[str, Cell]]:
        """What each pass and length costs.

        Args:
            lengths: numbers of tokens, rising.
            candidates: each makes its pass for a length and a direction.
            needed: the candidate that comes first and without which nothing is measured.

        Returns:
            For each pass and length, what was measured there, by candidate.
        """
        for direction in self.settings.passes:
            # What torch does only the first time shall not be taken for the work.
            for make in candidates.values():
                make(FEW, direction).seconds()
            known: dict[str, list[tuple[int, float]]] = {name: [] for name in candidates}
            for length in lengths:
                yield self._measure_length(length, direction, candidates, known, needed)

    def _measure_length(
        self,
        length: int,
        direction: str,
        candidates: Mapping[str, Callable[[int, str], Pass]],
        known: dict[str, list[tuple[int, float]]],
        needed: str | None,
    ) -> dict[str, Cell]:
        """Every candidate's cell; its time is added to what is known for the next length."""
        place = f"{direction}, n = {length}"
        passes: dict[str, Pass] = {}
        peaks: dict[str, int | None] = {}
        for name, make in candidates.items():
            self.watch(f"{place}: {name}, warm-up and memory")
            try:
                self._check_time(predicted_seconds(known[name], length))
                passes[name], peaks[name] = self._warm_up(make, length, direction, known[name])
            except _LeftOut as reason:
                self.skipped.append(f"{'Everything' if name == needed else name}, {place}: {reason}")
                if name == needed:
                    return {}
        times = round_robin(passes, self.settings.repeats, lambda doing: self.watch(f"{place}: {doing}"))
        for name, seconds in times.items():
            known[name].append((length, statistics.median(seconds)))
        return {name: self._cell(length, direction, seconds, peaks[name]) for name, seconds in times.items()}

    def _check_time(self, seconds: float | None) -> None:
        runs = self.settings.repeats + 2  # one more to warm up, and one for the memory
        if seconds is not None and seconds * runs > self.settings.limit_seconds:
            raise _LeftOut(
                f"left out, {runs} passes would take about {seconds * runs:.0f} s; "
                f"--limit-seconds is {self.settings.limit_seconds:g}"
            )

    def _warm_up(
        self, make: Callable[[int, str], Pass], length: int, direction: str, known: list[tuple[int, float]]
    ) -> tuple[Pass, int | None]:
        """A pass that ran once to know its time, and its peak of memory, from another run."""
        made = None
        try:
            made = make(length, direction)
            seconds = made.seconds()
            try:
                self._check_time(seconds)
            except _LeftOut:
                known.append((length, seconds))
                raise
            peak = peak_bytes(made, self.settings.device)
            made.clear()
            return made, peak
        except RuntimeError as error:
            if made is not None:
                made.clear()
            raise _no_memory(error) from error

    def _cell(self, length: int, direction: str, seconds: list[float], peak: int | None) -> Cell:
        settings = self.settings
        return {
            "pass": direction,
            "n": length,
            "batch": settings.batch,
            "median_s": statistics.median(seconds),
            "min_s": min(seconds),
            "max_s": max(seconds),
            "peak_bytes": peak,
            "device": settings.device,
            "dtype": settings.dtype,
            "threads": torch.get_num_threads(),
            "torch": str(torch.__version__),
        }


def _no_memory(error: RuntimeError) -> _LeftOut:
    """The reason to go on without a cell that does not fit; any other error is raised again."""
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return _LeftOut("left out, not enough memory")
    raise error
