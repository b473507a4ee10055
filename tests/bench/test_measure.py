"""Records: whole, of the right types, and honest about what was left out."""

import pytest
import torch

from sampleformer.attention import FullAttention
from sampleformer.bench import turns
from sampleformer.bench.layer import MeasuredLayer, TokenwiseFloor
from sampleformer.bench.measure import measure
from sampleformer.bench.records import Record
from sampleformer.bench.settings import SpeedSettings
from sampleformer.bench.timing import Pass

FIELDS: dict[str, type | tuple[type, ...]] = {
    "attention": str,
    "width": int,
    "heads": int,
    "sampled": (int, type(None)),
    "own": dict,
    "pass": str,
    "n": int,
    "batch": int,
    "median_s": float,
    "min_s": float,
    "max_s": float,
    "peak_bytes": int,
    "device": str,
    "dtype": str,
    "threads": int,
    "torch": str,
    "floor_s": float,
}


def tiny(**changes: object) -> SpeedSettings:
    values = {"attentions": ("samsa", "full"), "lengths": (8, 24), "width": 16, "heads": 2, "sampled": 4, "repeats": 2}
    return SpeedSettings(**{**values, **changes})  # type: ignore[arg-type]


def is_full(work: Pass) -> bool:
    assert isinstance(work.function, MeasuredLayer)
    return isinstance(work.function.layer.attention, FullAttention)


def made_up_seconds(self: Pass) -> float:
    """Full attention takes n² µs, all else n µs."""
    return 1e-6 * self.inputs[0].shape[1] ** (2 if is_full(self) else 1)


def test_records_have_exactly_the_fields_and_types() -> None:
    told: list[str] = []
    results = measure(tiny(batch=3, seed=5), told.append)
    assert [(r["attention"], r["pass"], r["n"]) for r in results.records] == [
        (attention, direction, n)
        for direction in ("forward", "train")
        for n in (8, 24)
        for attention in ("samsa", "full")
    ]
    for record in [*results.records, *results.floors]:
        check_record(record)
    assert [(r["pass"], r["n"]) for r in results.floors] == [
        ("forward", 8),
        ("forward", 24),
        ("train", 8),
        ("train", 24),
    ]
    floors = {(r["pass"], r["n"]): r["median_s"] for r in results.floors}
    assert all(r["floor_s"] == floors[r["pass"], r["n"]] for r in results.records)
    assert not results.skipped
    assert "train, n = 24: pass 2 of 2" in told


def check_record(record: Record) -> None:
    assert list(record) == list(FIELDS)
    for name, kind in FIELDS.items():
        assert isinstance(record[name], kind), name  # type: ignore[literal-required]
    assert 0 < record["min_s"] <= record["median_s"] <= record["max_s"]
    assert record["sampled"] == (4 if record["attention"] == "samsa" else None)
    assert (record["batch"], record["width"], record["heads"]) == (3, 16, 2)
    assert (record["device"], record["dtype"], record["torch"]) == ("cpu", "float32", torch.__version__)
    # At least the result, (3, n, 16) float32.
    assert record["peak_bytes"] is not None
    assert record["peak_bytes"] >= 3 * record["n"] * 16 * 4


def test_threads_are_set_and_given_back() -> None:
    before = torch.get_num_threads()
    results = measure(tiny(threads=before + 1, lengths=(8,), passes=("forward",)))
    assert {record["threads"] for record in results.records} == {before + 1}
    assert torch.get_num_threads() == before


def test_a_cell_predicted_to_take_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pass, "seconds", made_up_seconds)
    # Four passes: full attention takes 4 × 1600² µs = 10.2 s at 1600, as the time at 400 foretells.
    results = measure(tiny(lengths=(400, 1600), passes=("forward",), limit_seconds=10))
    assert [(r["attention"], r["n"]) for r in results.records] == [("samsa", 400), ("full", 400), ("samsa", 1600)]
    assert results.skipped == [
        "full, forward, n = 1600: left out, 4 passes would take about 10 s; --limit-seconds is 10"
    ]


def test_the_first_pass_already_tells_that_it_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pass, "seconds", made_up_seconds)
    results = measure(tiny(lengths=(400,), passes=("forward",), limit_seconds=0.5))
    assert [record["attention"] for record in results.records] == ["samsa"]
    assert len(results.skipped) == 1
    assert results.skipped[0].startswith("full, forward, n = 400: left out")


def test_without_the_floor_there_is_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pass, "seconds", made_up_seconds)
    results = measure(tiny(lengths=(100,), passes=("forward",), limit_seconds=1e-6))
    assert results.records == results.floors == []
    assert len(results.skipped) == 1
    assert results.skipped[0].startswith("Everything, forward, n = 100")


def test_a_cell_that_does_not_fit_into_memory_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def peak_bytes(work: Pass, device: str) -> int:
        if is_full(work):
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory")
        return 1

    monkeypatch.setattr(turns, "peak_bytes", peak_bytes)
    results = measure(tiny(lengths=(8,), passes=("train",)))
    assert [record["attention"] for record in results.records] == ["samsa"]
    assert results.skipped == ["full, train, n = 8: left out, not enough memory"]


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: TokenwiseFloor, *arguments: object, **names: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(TokenwiseFloor, "forward", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        measure(tiny(lengths=(8,), passes=("forward",)))
