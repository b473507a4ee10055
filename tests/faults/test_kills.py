"""Trainings that are killed a few times and go on; `tests.faults.kills` is the long form."""

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_trainings_that_are_killed_end_with_the_same_bits() -> None:
    # A process of its own, whose forks have no threads of other tests.
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.kills", "--cycles", "9"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("every bit the same") == 3
