"""Numbers of a running service in the text format of Prometheus."""

from __future__ import annotations

from collections import Counter

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Histogram:
    """Counts of values up to bounds.

    Args:
        bounds: Upper bounds, ascending.

    Example:
        >>> histogram = Histogram((1, 2))
        >>> histogram.add(1.5)
        >>> histogram.lines("size")[:2]
        ['size_bucket{le="1"} 0', 'size_bucket{le="2"} 1']
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * len(bounds)
        self._count = 0
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Counts a value."""
        self._count += 1
        self._sum += value
        for place, bound in enumerate(self._bounds):
            self._counts[place] += value <= bound

    def lines(self, name: str) -> list[str]:
        """Lines of the text format, without the header."""
        buckets = [
            f'{name}_bucket{{le="{bound:g}"}} {count}' for bound, count in zip(self._bounds, self._counts, strict=True)
        ]
        return [
            *buckets,
            f'{name}_bucket{{le="+Inf"}} {self._count}',
            f"{name}_sum {self._sum:.6f}",
            f"{name}_count {self._count}",
        ]


class Metrics:
    """Requests by their status, samples, seconds of a request and samples of a pass; written by one thread alone."""

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()
        self.samples: Counter[str] = Counter({"answered": 0, "refused": 0})
        self.in_progress = 0
        self.seconds = Histogram(SECONDS)
        self.passes = Histogram(SAMPLES)

    def text(self) -> str:
        """All numbers, as ``GET /metrics`` gives them."""
        parts = [
            (
                "requests_total",
                "counter",
                "Requests to /predict by the status of the answer.",
                [f'{{status="{status}"}} {count}' for status, count in sorted(self.requests.items())],
            ),
            (
                "samples_total",
                "counter",
                "Samples by whether they could be answered.",
                [f'{{outcome="{outcome}"}} {count}' for outcome, count in sorted(self.samples.items())],
            ),
            (
                "requests_in_progress",
                "gauge",
                "Requests to /predict without an answer yet.",
                [f" {self.in_progress}"],
            ),
        ]
        lines = []
        for name, kind, words, values in parts:
            lines += _header(name, kind, words) + [f"sampleformer_{name}{value}" for value in values]
        lines += _header("request_seconds", "histogram", "Seconds from a request to its answer.")
        lines += self.seconds.lines("sampleformer_request_seconds")
        lines += _header("pass_samples", "histogram", "Samples of one pass through the model.")
        lines += self.passes.lines("sampleformer_pass_samples")
        return "\n".join(lines) + "\n"


def _header(name: str, kind: str, words: str) -> list[str]:
    return [f"# HELP sampleformer_{name} {words}", f"# TYPE sampleformer_{name} {kind}"]
