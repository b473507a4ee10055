"""Preparing: the samples of every kind of source, whatever happens meanwhile."""

import json
import multiprocessing
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data import (
    CloudFolder,
    Digits,
    GraphFiles,
    NumberTable,
    PreparedFolder,
    SmilesTable,
    Source,
    TextTable,
)
from sampleformer.data.descriptors import MorganCounts, TableColumns
from sampleformer.data.prepared import prepare
from sampleformer.data.prepared.manifest import MANIFEST, SHARDS
from sampleformer.errors import InputError
from tests.data.graph.small import write_many, write_one
from tests.data.graph.test_smiles import RINGS, table
from tests.data.point_cloud.small import write_parts
from tests.data.prepared.small import assert_same, in_pieces, shards_of, text_source
from tests.training.small import write_clouds, write_csv, write_described, write_numbers, write_texts


def _json_lines(folder: Path) -> Source:
    rows = [{"review": f"{'good' if row % 2 else 'bad'} {row}", "score": row / 7} for row in range(40)]
    rows[3] |= {"id": "three"}
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return in_pieces(TextTable(folder / "t.jsonl", "review", "score", limit=20))


def _in_files(folder: Path) -> Source:
    parts = {name: str(write_texts(folder / f"{name}.csv", 12, seed)) for seed, name in enumerate(["valid", "test"])}
    return in_pieces(TextTable(write_texts(folder / "t.csv", 30, 3), "review", "sentiment", **parts))


def _by_a_column(folder: Path) -> Source:
    rows = [[f"text {row}", row // 3 % 2, ["train", "test", "valid"][row % 3]] for row in range(30)]
    path = write_csv(folder / "t.csv", ["review", "label", "part"], rows)
    return in_pieces(TextTable(path, "review", "label", valid="part", test="part", task="classification"))


def _with_wrong_rows(folder: Path) -> Source:
    rows = [[f"r{row}", "word " * row, ["a", "b", "c"][row == 5 or row % 2]] for row in range(40)]
    rows[5][2], rows[9] = "alone", ["r9", "x", "b", "one too many"]
    path = write_csv(folder / "t.csv", ["id", "review", "label"], rows)
    return in_pieces(TextTable(path, "review", "label", max_length=20, on_error="skip"))


def _described(folder: Path) -> Source:
    source = in_pieces(TextTable(write_described(folder / "t.csv"), "review", "kind"))
    source.descriptors = [TableColumns(["age", "place"])]
    return source


def _molecules(folder: Path) -> Source:
    path = table(folder / "m.csv", [f"{'C' * size}{ring}" for ring in RINGS for size in (1, 2)])
    source = SmilesTable(path, "smiles", "active", split="scaffold", laplacian=2)
    source.rows_at_once = 6  # type: ignore[misc]
    source.descriptors = [MorganCounts()]
    return source


def _clouds(folder: Path) -> Source:
    path = write_clouds(folder).data.arguments["path"]
    source = CloudFolder(path, points=8, train_rotation="z")
    source.rows_at_once = 5  # type: ignore[misc]
    return source


def _clouds_with_colours(folder: Path) -> Source:
    random = np.random.default_rng(0)
    for number in range(24):
        place = folder / "shapes" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        points = random.normal(size=(12, 6))
        np.savetxt(place / f"{number:02}.txt", points, fmt="%.4f", header="x y z red green blue", comments="")
    source = CloudFolder(str(folder / "shapes"), points=8)
    source.rows_at_once = 5  # type: ignore[misc]
    return source


SOURCES: dict[str, Callable[[Path], Source]] = {
    "a table": text_source,
    "json lines": _json_lines,
    "files of parts": _in_files,
    "a column of parts": _by_a_column,
    "wrong rows": _with_wrong_rows,
    "columns beside": _described,
    "masked": lambda folder: in_pieces(TextTable(write_texts(folder / "t.csv"), "review", task="masked")),
    "molecules": _molecules,
    "clouds": _clouds,
    "clouds with colours": _clouds_with_colours,
    "labels of points": lambda folder: CloudFolder(str(write_parts(folder)), "labels", points=16),
    "numbers": lambda folder: NumberTable(write_numbers(folder / "n.csv"), "price"),
    "graphs": lambda folder: GraphFiles(str(write_many(folder)), "active"),
    "nodes": lambda folder: GraphFiles(str(write_one(folder)), "group"),
    "links": lambda folder: GraphFiles(str(write_one(folder)), "link"),
    "digits": lambda folder: Digits(),
}


@pytest.mark.parametrize("name", SOURCES)
def test_prepared_samples_are_those_of_the_source(name: str, tmp_path: Path) -> None:
    source = SOURCES[name](tmp_path)
    manifest = prepare(source, tmp_path / "prepared")
    found, expected = PreparedFolder(tmp_path / "prepared").load(), SOURCES[name](tmp_path).load()
    assert_same(found, expected)
    assert (found.skipped, found.truncated) == (expected.skipped, expected.truncated)
    assert manifest.samples == {part: len(getattr(expected, part)) for part in ("train", "valid", "test")}
    PreparedFolder(tmp_path / "prepared").verify()


def test_worker_processes_write_the_same(tmp_path: Path) -> None:
    for workers in (0, 2):
        prepare(text_source(tmp_path), tmp_path / str(workers), workers=workers)
    assert shards_of(tmp_path / "0") == shards_of(tmp_path / "2")
    assert len(list((tmp_path / "0" / SHARDS).iterdir())) == 9


def test_a_wrong_row_is_one_line_from_a_worker(tmp_path: Path) -> None:
    rows = [[f"text {row}", "ab"[row % 2]] for row in range(30)]
    path = write_csv(tmp_path / "t.csv", ["review", "label"], [*rows, ["text", ""]])
    with pytest.raises(InputError, match=r"t.csv: row 31 \(line 32\): column 'label': the label is missing"):
        prepare(in_pieces(TextTable(path, "review", "label")), tmp_path / "prepared", workers=1)


def _killed_at(step: int, folder: Path) -> None:
    """Prepares, and kills this process before or after a file takes its name."""
    replace, steps = os.replace, [step]

    def counted(*arguments: str) -> None:
        for kill_now in (True, False):
            if steps[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            steps[0] -= 1
            if kill_now:
                replace(*arguments)

    os.replace = counted  # type: ignore[assignment]
    prepare(text_source(folder), folder / "killed")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_killed_at_any_moment_it_goes_on_to_the_same_shards(tmp_path: Path) -> None:
    prepare(text_source(tmp_path), tmp_path / "whole")
    context = multiprocessing.get_context("fork")
    codes = []
    for step in range(40):
        shutil.rmtree(tmp_path / "killed", ignore_errors=True)
        process = context.Process(target=_killed_at, args=(step, tmp_path))
        process.start()
        process.join()
        codes.append(process.exitcode)
        if not (tmp_path / "killed" / MANIFEST).exists():
            prepare(text_source(tmp_path), tmp_path / "killed")
        found = shards_of(tmp_path / "killed")
        found.pop("preparing.json", None)  # of one that was killed when all was there
        assert found == shards_of(tmp_path / "whole")
        if process.exitcode == 0:
            break
    assert codes == [-signal.SIGKILL] * 24 + [0]  # twelve files, each before and after it has its name


def test_shards_that_are_there_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "prepared"
    with monkeypatch.context() as patch:
        patch.setattr("sampleformer.data.prepared.preparing.write_json", _only_the_plan)
        with pytest.raises(KeyboardInterrupt):
            prepare(text_source(tmp_path), folder)
    times = {path: path.stat().st_mtime_ns for path in (folder / SHARDS).iterdir()}
    assert len(times) == 9
    (folder / SHARDS / "000003.safetensors").unlink()
    monkeypatch.setattr("sampleformer.data.sequence.tokenizers.CharacterTokenizer.learn", None)  # it is known
    prepare(text_source(tmp_path), folder)
    again = {path: path.stat().st_mtime_ns for path in (folder / SHARDS).iterdir()}
    assert [path.name for path in times if again[path] != times[path]] == ["000003.safetensors"]


def _only_the_plan(path: Path, values: dict[str, object]) -> None:
    if path.name == MANIFEST:
        raise KeyboardInterrupt
    path.write_text(json.dumps(values))


def test_mapped_samples_travel_to_other_processes(tmp_path: Path) -> None:
    prepare(text_source(tmp_path), tmp_path / "prepared")
    splits = PreparedFolder(tmp_path / "prepared").load()
    assert splits.train[0].id == splits.train.ids[0]
    again = pickle.loads(pickle.dumps(splits.train))
    assert [sample.id for sample in again] == splits.train.ids


def test_few_shards_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampleformer.data.prepared.mapped._MOST_OPEN", 2)
    monkeypatch.setattr("sampleformer.data.prepared.mapped._AT_ONCE", 3)
    prepare(text_source(tmp_path), tmp_path / "prepared")
    found = PreparedFolder(tmp_path / "prepared").load()
    assert_same(found, text_source(tmp_path).load())
