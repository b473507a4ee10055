"""Tests of what happens to freed memory."""

import platform
import subprocess
import sys

import pytest

from sampleformer import allocator
from sampleformer.cli import main

# 64 MiB a turn: 16 384 pages, which the system has to clear whenever they are new.
FAULTS_PER_TURN = """
import resource
import statistics
import torch
from sampleformer.allocator import keep_freed_memory, return_freed_memory

{before}

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def turn():
    torch.ones(16, 2**20)

turn(), turn()  # the first leaves small things behind it
turns = []
for _ in range(7):
    {between}
    start = faults()
    turn()
    turns.append(faults() - start)
print(statistics.median(turns))  # a small thing that settles in the freed piece makes the next turn take a new one
"""


def faults_per_turn(before: str, between: str = "pass") -> float:
    code = FAULTS_PER_TURN.format(before=before, between=between)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_kept_memory_is_used_again_until_it_is_returned() -> None:
    # Fewer than one for each 4 KiB, in case the system hands out huge pages.
    assert faults_per_turn("") > 16
    assert faults_per_turn("assert keep_freed_memory()") <= 1
    assert faults_per_turn("assert keep_freed_memory()", "assert return_freed_memory()") > 16


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    assert not allocator.keep_freed_memory()
    assert not allocator.return_freed_memory()


def test_the_program_keeps_freed_memory_unless_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr("sampleformer.cli.keep_freed_memory", lambda: calls.append("kept"))
    assert main(["bench", "parts", "--return-memory", "--repeats", "0"]) == 2  # stops before it measures
    assert calls == []
    assert main(["bench", "parts", "--repeats", "0"]) == 2
    assert calls == ["kept"]
