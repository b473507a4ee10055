"""Tests of what happens to freed memory and to compiled primitives."""

import os
import subprocess
import sys

import pytest
import torch

from sampleformer import allocator
from sampleformer.cli import main


class Library:
    """A C library that writes down what it is asked for."""

    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.asked: list[tuple[str, int, int] | tuple[str, int]] = []

    def mallopt(self, option: int, value: int) -> int:
        self.asked.append(("mallopt", option, value))
        return self.answer

    def malloc_trim(self, pad: int) -> int:
        self.asked.append(("malloc_trim", pad))
        return self.answer


@pytest.mark.parametrize("answer", [0, 1])
def test_the_library_is_asked_to_keep_and_to_return(monkeypatch: pytest.MonkeyPatch, answer: int) -> None:
    library = Library(answer)
    monkeypatch.setattr(allocator, "_glibc", lambda: library)
    assert allocator.keep_freed_memory() == bool(answer)
    trim_threshold, mmap_max = -1, -4  # of malloc.h
    wanted = [("mallopt", trim_threshold, -1), ("mallopt", mmap_max, 0)]
    assert library.asked == wanted[: len(library.asked)]
    assert not answer or library.asked == wanted
    library.asked.clear()
    assert allocator.return_freed_memory() == bool(answer)
    assert library.asked == [("malloc_trim", 0)]


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


@pytest.mark.parametrize("name", ["ONEDNN_PRIMITIVE_CACHE_CAPACITY", "DNNL_PRIMITIVE_CACHE_CAPACITY"])
def test_a_capacity_that_the_user_chose_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for each in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "DNNL_PRIMITIVE_CACHE_CAPACITY"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "7")
    before = dict(os.environ)
    allocator.keep_few_primitives()
    assert dict(os.environ) == before


GELU_OF_MANY_SHAPES = """
import torch
from sampleformer.allocator import PRIMITIVES, keep_few_primitives

keep_few_primitives()
lengths = range(1, 2 * PRIMITIVES + 1)
for length in [*lengths, *lengths]:
    torch.nn.functional.gelu(torch.ones(2, length, 16))
"""


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
def test_onednn_keeps_few_primitives_though_torch_is_imported_before() -> None:
    kept = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY", "DNNL_PRIMITIVE_CACHE_CAPACITY"}
    environment = {name: value for name, value in os.environ.items() if name not in kept}
    command = [sys.executable, "-c", GELU_OF_MANY_SHAPES]
    environment |= {"ONEDNN_VERBOSE": "profile_create"}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    if "create:cache_miss" not in output:
        pytest.skip("this torch computes GELU without oneDNN")
    # Of 128 shapes in turn a cache of 64 has forgotten each when it comes again; one of 1 024 has none forgotten.
    assert "create:cache_hit" not in output
