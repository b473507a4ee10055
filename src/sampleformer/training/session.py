"""One sitting of a training: what stays the same from its start to its end."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from sampleformer.registry import trusted_code
from sampleformer.training.processes import Processes
from sampleformer.training.run_folder import RunFolder
from sampleformer.training.timing import TimeLimit


@dataclass(frozen=True)
class Session:
    """One sitting of a training: a new run, or one that goes on.

    Args:
        folder: Run folder.
        processes: Processes that train together.
        device: ``cpu``, ``cuda`` or ``mps``.
        resumes: Whether a run goes on that was begun before.
        trust_code: Whether folders that are read may name classes outside this package.
        limit: Time that the whole run has. None: any.
    """

    folder: RunFolder
    processes: Processes
    device: str
    resumes: bool
    trust_code: bool
    limit: TimeLimit | None = None

    def trusting(self) -> AbstractContextManager[None]:
        """Context in which the recipe may name classes outside this package: a new run's is code."""
        return trusted_code(self.trust_code or not self.resumes)
