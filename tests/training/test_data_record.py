"""Data that changed after a training, or lies somewhere else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sampleformer.errors import InputError
from sampleformer.explain import write_report
from sampleformer.training import Recipe, RunFolder, evaluate, train
from sampleformer.training.data_record import DataRecord
from tests.training.small import (
    TRAINING,
    number_recipe,
    small_recipe,
    text_recipe,
    write_clouds,
    write_csv,
    write_graphs,
    write_numbers,
    write_texts,
)


def _table(folder: Path) -> Recipe:
    return text_recipe(write_texts(folder / "texts.csv"), **TRAINING)


def _numbers_in_parts(folder: Path) -> Recipe:
    recipe = number_recipe(write_numbers(folder / "train.csv"), **TRAINING)
    parts = {
        name: str(write_numbers(folder / f"{name}.csv", rows=10, seed=seed))
        for seed, name in ((1, "valid"), (2, "test"))
    }
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=parts)})


def _cloud_table(folder: Path) -> Recipe:
    write_clouds(folder)
    files = sorted((folder / "shapes").rglob("*.xyz"))
    rows = [[str(path.relative_to(folder)), path.parent.name] for path in files]
    write_csv(folder / "list.csv", ["file", "kind"], rows)
    data = {"name": "cloud_table", "path": str(folder / "list.csv"), "cloud": "file", "label": "kind", "points": 8}
    return small_recipe(data, "point_cloud")


def _append(path: Path) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        lines = (folder / path).read_text().splitlines()
        (folder / path).write_text("\n".join([*lines, lines[-1]]) + "\n")

    return change


def _remove(path: Path) -> Callable[[Path], None]:
    return lambda folder: (folder / path).unlink()


def _add_cloud(folder: Path) -> None:
    shutil.copy(folder / "shapes" / "flat" / "01.xyz", folder / "shapes" / "flat" / "new.xyz")


def _rename_cloud(folder: Path) -> None:
    (folder / "shapes" / "flat" / "01.xyz").rename(folder / "shapes" / "flat" / "new.xyz")


CHANGES = [
    pytest.param(_table, _append(Path("texts.csv")), "texts.csv: changed since the training: found", id="table"),
    pytest.param(_numbers_in_parts, _append(Path("test.csv")), "test.csv: changed since", id="test file"),
    pytest.param(_numbers_in_parts, _append(Path("train.csv")), "train.csv: changed since", id="train file"),
    pytest.param(write_graphs, _append(Path("graphs/edges.csv")), "graphs: changed since the training", id="edges"),
    pytest.param(write_clouds, _append(Path("shapes/flat/01.xyz")), "shapes: changed since the training", id="cloud"),
    pytest.param(write_clouds, _add_cloud, "found 25 files of", id="new cloud"),
    pytest.param(write_clouds, _remove(Path("shapes/flat/01.xyz")), "expected 24 files of", id="lost cloud"),
    pytest.param(write_clouds, _rename_cloud, "shapes: changed since the training", id="renamed cloud"),
    pytest.param(_cloud_table, _append(Path("shapes/flat/01.xyz")), "25 files of", id="cloud of a table"),
    pytest.param(_cloud_table, _append(Path("list.csv")), "changed since the training", id="table of clouds"),
]


@pytest.mark.parametrize(("make", "change", "message"), CHANGES)
def test_changed_data_is_refused(
    make: Callable[[Path], Recipe], change: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    recipe = make(tmp_path)
    run = train(recipe, tmp_path / "run", quiet=True)
    scores = evaluate(run.path)["scores"]
    assert scores == run.read_results()["best"]["test"]
    change(tmp_path)
    with pytest.raises(InputError, match=message):
        evaluate(run.path)
    assert "changed since the training" in write_report(run.path).read_text()
    run.results.unlink()
    with pytest.raises(InputError, match=message):
        train(recipe, run.path, resume=True, quiet=True)


@pytest.mark.parametrize("make", [_table, _numbers_in_parts, write_graphs, write_clouds, _cloud_table])
@pytest.mark.parametrize("moved", [False, True])
def test_a_run_is_evaluated_from_any_folder(
    make: Callable[[Path], Recipe], moved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run = train(make(Path()), "run", quiet=True)
    scores = run.read_results()["best"]["test"]
    assert evaluate("run")["scores"] == scores
    monkeypatch.chdir(tmp_path / "elsewhere")
    if moved:
        (tmp_path / "here").rename(tmp_path / "there")
    here = tmp_path / ("there" if moved else "here")
    assert evaluate(here / "run")["scores"] == scores
    RunFolder(here / "run").results.unlink()
    train(RunFolder(here / "run").read_recipe(), here / "run", resume=True, quiet=True)
    assert RunFolder(here / "run").read_results()["best"]["test"] == scores


def test_data_that_is_nowhere(tmp_path: Path) -> None:
    run = train(_table(tmp_path), tmp_path / "run", quiet=True)
    (tmp_path / "texts.csv").unlink()
    with pytest.raises(InputError, match=r"data.path: .*texts.csv: no such file; looked for "):
        evaluate(run.path)


def test_what_the_run_file_says_of_the_data(tmp_path: Path) -> None:
    run = train(_table(tmp_path), tmp_path / "run", quiet=True)
    data = json.loads(run.run_file.read_text())["data"]
    file = data["files"]["path"]
    assert (file["rows"], file["count"], file["bytes"]) == (60, 1, (tmp_path / "texts.csv").stat().st_size)
    assert file["from_run"] == ["../texts.csv"]
    ids = [data["split"][part]["ids"] for part in ("train", "valid", "test")]
    assert [len(part) for part in ids] == [48, 6, 6]
    assert sorted(name for part in ids for name in part) == sorted(f"r{row}" for row in range(60))


def test_junk_in_a_folder_is_no_data(tmp_path: Path) -> None:
    run = train(write_clouds(tmp_path), tmp_path / "run", quiet=True)
    (tmp_path / "shapes" / ".DS_Store").write_text("x")
    (tmp_path / "shapes" / "flat" / "notes.md").write_text("x")
    (tmp_path / "shapes" / "flat" / "again").symlink_to(tmp_path / "shapes")
    evaluate(run.path)


def test_a_generated_set_that_gives_others(tmp_path: Path) -> None:
    data = {"name": "listops", "train": 20, "valid": 4, "test": 4, "min_length": 5, "max_length": 30, "workers": 1}
    recipe = small_recipe(data | {"cache": str(tmp_path / "cache")}, "sequence")
    run = train(recipe, tmp_path / "run", quiet=True)
    assert evaluate(run.path)["scores"] == run.read_results()["best"]["test"]
    values = json.loads(run.run_file.read_text())
    values["data"]["split"]["test"]["targets"] = "0" * 64  # as if another generator had been there
    run.run_file.write_text(json.dumps(values))
    with pytest.raises(InputError, match="listops: changed since the training: the test part has other labels"):
        evaluate(run.path)
    values["data"]["split"]["test"]["ids"][1] = "other"
    run.run_file.write_text(json.dumps(values))
    with pytest.raises(InputError, match="the test part has '2' as sample 2, expected 'other'"):
        evaluate(run.path)


@pytest.mark.parametrize("value", [None, {}, {"files": 3}, {"files": {}, "split": []}, [], "x"], ids=str)
def test_a_damaged_record(value: Any, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create(_table(tmp_path), {"data": value})
    with pytest.raises(InputError, match=r"run.json: data"):
        DataRecord.read(run)
