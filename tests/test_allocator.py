"""Tests of what happens to freed memory."""

import pytest

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
