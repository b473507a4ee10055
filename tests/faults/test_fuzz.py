"""Damaged files of every kind, some of each; ``make fuzz`` reads many more of them."""

import sys

import pytest

from sampleformer.errors import InputError
from tests.faults import fuzz as program
from tests.faults.fuzz import fuzz
from tests.faults.mutations import mutated
from tests.faults.reader import Reader
from tests.faults.readers import READERS

MUTATIONS = 30
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of processes are those of Linux")


@linux
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_one_line(name: str) -> None:
    read, findings = fuzz(name, MUTATIONS)
    assert read == MUTATIONS
    assert not findings, "\n".join(map(str, findings))


def _misread(content: str) -> None:
    if "crash" in content:
        import os

        os.abort()
    if "slow" in content:
        while True:
            pass
    if "large" in content:
        try:
            bytearray(2**31)
        except MemoryError as error:
            raise InputError("a: needs more memory than there is") from error
    if "wrong" in content:
        raise KeyError("a")


@linux
def test_the_program_finds_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = ["fine", "crash", "slow", "fine", "large", "wrong", "fine"]
    misreading = Reader(
        "a.txt",
        lambda folder: (folder / "a.txt").write_text("fine"),
        lambda folder, on_error: _misread((folder / "a.txt").read_text()),
    )
    monkeypatch.setitem(READERS, "misreading", misreading)
    monkeypatch.setattr(program, "mutated", lambda content, seed: contents[int(seed.rpartition("/")[2])].encode())
    monkeypatch.setattr(program, "SECONDS", 0.2)
    read, findings = fuzz("misreading", len(contents))
    assert read == len(contents)
    assert [(finding.number, finding.what.split(":")[0].split(" at ")[0]) for finding in findings] == [
        (1, "the process died"),
        (2, "more than 0.2 s"),
        (4, "more than 1,073,741,824 bytes"),
        (5, "KeyError"),
    ]


def test_a_seed_gives_the_same_file_and_most_give_another() -> None:
    content = b"x,y\n1,2\n3,4\n" * 5
    assert [mutated(content, str(seed)) for seed in range(50)] == [mutated(content, str(seed)) for seed in range(50)]
    assert len({mutated(content, str(seed)) for seed in range(50)} - {content}) > 40
