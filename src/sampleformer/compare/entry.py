"""What a comparison found about one model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sampleformer.compare.simple_model import SimpleModel, Trial
from sampleformer.compare.uncertainty import error_of_mean, resampled_scores, spread
from sampleformer.tasks import Task


@dataclass
class Entry:
    """A model with its trials, one for each seed.

    Args:
        model: The model.
        role: "ours", "simple" or "floor".
        reason: Why it was not trained, or not with all seeds; empty if it was.
        trials: What came out.
        drawn: The main metric on resampled test rows, the mean over seeds, ``(draws,)``.
    """

    model: SimpleModel
    role: str
    reason: str = ""
    trials: list[Trial] = field(default_factory=list)
    drawn: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def mean(self, part: str, metric: str) -> float:
        """A metric on the test or the validation part, the mean over seeds."""
        return float(np.mean([getattr(trial, part)[metric] for trial in self.trials]))

    def seconds(self, of: str = "seconds") -> float:
        """Wall time of a training, or with "cpu_seconds" processor time, the mean over seeds."""
        return float(np.mean([getattr(trial, of) for trial in self.trials]))

    def of_seeds(self, metric: str) -> list[float]:
        """A metric on the test part, one for each seed."""
        return [float(trial.test[metric]) for trial in self.trials]

    def resample(self, task: Task, metric: str) -> None:
        """Draws the test rows anew."""
        self.drawn = np.mean([resampled_scores(task, trial.predictions, metric) for trial in self.trials], axis=0)

    def error(self, metric: str, seeds: int) -> float:
        """Standard error of the score on the test part: over its rows for one seed, over seeds for several."""
        return error_of_mean(self.of_seeds(metric)) if seeds > 1 else spread(self.drawn)

    def error_beside(self, other: Entry, metric: str) -> float:
        """Standard error of the difference to another model: over the test rows, paired, and over the seeds of both."""
        rows = spread(self.drawn - other.drawn)
        seeds = [error_of_mean(each.of_seeds(metric)) for each in (self, other)]
        return float(np.sqrt(rows**2 + seeds[0] ** 2 + seeds[1] ** 2))

    def record(self, metric: str, seeds: int) -> dict[str, Any]:
        """Plain values for a file."""
        about = {"name": self.model.name, "title": self.model.title, "role": self.role, "sees": self.model.sees}
        if not self.trials:
            return about | {"reason": self.reason}
        first = self.trials[0]
        return about | {
            "test": {name: self.mean("test", name) for name in first.test},
            "test_of_seeds": self.of_seeds(metric),
            "standard_error": self.error(metric, seeds),
            "valid": {name: self.mean("valid", name) for name in first.valid},
            "chosen": [trial.chosen for trial in self.trials],
            "seconds": round(self.seconds(), 3),
            "cpu_seconds": round(self.seconds("cpu_seconds"), 3),
            "size": first.size,
            "size_of": self.model.counts,
            "seeded": self.model.seeded,
            "runs": [str(trial.run) for trial in self.trials if trial.run is not None],
            "reason": self.reason or None,
        }
