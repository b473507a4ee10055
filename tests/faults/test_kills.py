"""Trainings that are killed a few times and go on; `tests.faults.kills` is the long form."""

import sys
from pathlib import Path

import pytest

from tests.forked import run_python


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_trainings_that_are_killed_end_with_the_same_bits() -> None:
    # A process of its own, whose forks have no threads of other tests.
    done = run_python(["-m", "tests.faults.kills", "--cycles", "9"], Path.cwd())
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("every bit the same") == 3
