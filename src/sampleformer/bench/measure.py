"""Times and memory of layers, all candidates side by side."""

import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from sampleformer.bench.layer import make_layer, sampled_tokens
from sampleformer.bench.memory import peak_bytes
from sampleformer.bench.records import Record, Results
from sampleformer.bench.settings import SpeedSettings
from sampleformer.bench.timing import LayerPass, predicted_seconds, round_robin

FLOOR = "floor"


def measure(settings: SpeedSettings, watch: Callable[[str], None] = lambda doing: None) -> Results:
    """Measures every attention and the token-wise floor in every pass and at every length.

    Args:
        settings: what to measure.
        watch: told what is being done; never while the clock runs.
    """
    threads_before = torch.get_num_threads()
    torch.set_num_threads(settings.threads or threads_before)
    try:
        return _Measurement(settings, watch).run()
    finally:
        torch.set_num_threads(threads_before)


class _LeftOut(Exception):
    """Why something is not measured, in words."""


class _Measurement:
    def __init__(self, settings: SpeedSettings, watch: Callable[[str], None]) -> None:
        self.settings = settings
        self.dtype = getattr(torch, settings.dtype)
        self.watch = watch
        self.results = Results()
        torch.manual_seed(settings.seed)
        self.layers = {name: make_layer(name, settings) for name in (FLOOR, *settings.attentions)}

    def run(self) -> Results:
        for direction in self.settings.passes:
            # What torch does only the first time shall not be taken for the layer's work.
            few = torch.zeros(1, 2, self.settings.width, device=self.settings.device, dtype=self.dtype)
            for layer in self.layers.values():
                LayerPass(layer, few, direction).seconds()
            known: dict[str, list[tuple[int, float]]] = {name: [] for name in self.layers}
            for length in self.settings.lengths:
                self._measure_length(direction, length, known)
        return self.results

    def _measure_length(self, direction: str, length: int, known: dict[str, list[tuple[int, float]]]) -> None:
        """Adds every candidate's record, and its time to what is known for the next length."""
        place = f"{direction}, n = {length}"
        features: Tensor | None = None
        passes: dict[str, LayerPass] = {}
        peaks: dict[str, int | None] = {}
        for name, layer in self.layers.items():
            self.watch(f"{place}: {name}, warm-up and memory")
            try:
                self._check_time(predicted_seconds(known[name], length))
                features = self._features(length) if features is None else features
                layer_pass = LayerPass(layer, features, direction)
                peaks[name] = self._warm_up(layer_pass, known[name])
                passes[name] = layer_pass
            except _LeftOut as reason:
                self.results.skipped.append(f"{'Everything' if name == FLOOR else name}, {place}: {reason}")
                if name == FLOOR:  # it comes first, and without it no record is whole
                    return
        times = round_robin(passes, self.settings.repeats, lambda doing: self.watch(f"{place}: {doing}"))
        for name, seconds in times.items():
            known[name].append((length, statistics.median(seconds)))
            record = self._record(name, direction, length, seconds, peaks[name], statistics.median(times[FLOOR]))
            (self.results.floors if name == FLOOR else self.results.records).append(record)

    def _check_time(self, seconds: float | None) -> None:
        runs = self.settings.repeats + 2  # one more to warm up, and one for the memory
        if seconds is not None and seconds * runs > self.settings.limit_seconds:
            raise _LeftOut(
                f"left out, {runs} passes would take about {seconds * runs:.0f} s; "
                f"--limit-seconds is {self.settings.limit_seconds:g}"
            )

    def _features(self, length: int) -> Tensor:
        settings = self.settings
        generator = torch.Generator().manual_seed(settings.seed)
        try:
            features = torch.randn(settings.batch, length, settings.width, generator=generator)
            return features.to(settings.device, self.dtype)
        except RuntimeError as error:
            raise _no_memory(error) from error

    def _warm_up(self, layer_pass: LayerPass, known: list[tuple[int, float]]) -> int | None:
        """Runs a pass once to know its time, and once for its memory."""
        try:
            seconds = layer_pass.seconds()
            try:
                self._check_time(seconds)
            except _LeftOut:
                known.append((layer_pass.features.shape[1], seconds))
                raise
            peak = peak_bytes(layer_pass, self.settings.device)
            layer_pass.clear()
            return peak
        except RuntimeError as error:
            layer_pass.clear()
            raise _no_memory(error) from error

    def _record(
        self, name: str, direction: str, length: int, seconds: list[float], peak: int | None, floor_seconds: float
    ) -> Record:
        settings = self.settings
        return {
            "attention": name,
            "pass": direction,
            "n": length,
            "batch": settings.batch,
            "width": settings.width,
            "heads": settings.heads,
            "sampled": sampled_tokens(name, settings),
            "median_s": statistics.median(seconds),
            "min_s": min(seconds),
            "max_s": max(seconds),
            "peak_bytes": peak,
            "floor_s": floor_seconds,
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
