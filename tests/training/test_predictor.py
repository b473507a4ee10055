"""Predictions for samples in memory: those that `predict` writes for a file of the same rows."""

import csv
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sampleformer import InputError, Predictor
from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.training import Recipe, RunFolder, predict, train
from tests.forked import run_python
from tests.training.small import (
    MODEL,
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


def trained(folder: Path, recipe: Recipe) -> RunFolder:
    return train(recipe, folder / "run", quiet=True)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("texts")
    return trained(folder, text_recipe(write_texts(folder / "texts.csv"), **TRAINING))


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("numbers")
    return trained(folder, number_recipe(write_numbers(folder / "numbers.csv"), **TRAINING))


@pytest.fixture(scope="module")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    pytest.importorskip("rdkit")
    folder = tmp_path_factory.mktemp("molecules")
    rows = [["C" * (1 + row % 6) + ("O" if row % 2 else "N"), 1 + row % 7, row % 2] for row in range(40)]
    path = write_csv(folder / "molecules.csv", ["smiles", "dose", "active"], rows)
    recipe = small_recipe({"name": "smiles", "path": str(path), "smiles": "smiles", "label": "active"}, "graph")
    described = recipe.model_dump() | {"descriptors": [{"name": "columns", "columns": ["dose"]}]}
    return trained(folder, Recipe.model_validate(described))


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("clouds")
    return trained(folder, write_clouds(folder))


def written(run: RunFolder, path: Path, output: Path) -> dict[str, list[str]]:
    """The columns of a file of predictions, without what names the rows."""
    predict(run.path, path, output)
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0] if name != "id"}


def as_written(columns: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {name: [str(value) for value in values] for name, values in columns.items() if name != "id"}


def records(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_texts_have_the_answers_of_a_file_bit_for_bit(texts: RunFolder, tmp_path: Path) -> None:
    path = write_texts(tmp_path / "new.csv", rows=1100, seed=1)  # more than are read at once
    rows = records(path)
    predictor = Predictor.load(texts.path)
    found = predictor([row["review"] for row in rows])
    assert as_written(found) == written(texts, path, tmp_path / "p.csv")
    assert found["id"][:2] == ["0", "1"]
    assert predictor(rows)["id"] == [row["id"] for row in rows]
    assert predictor(np.array([row["review"] for row in rows])) == found


def test_numbers_come_as_arrays_rows_and_mappings(numbers: RunFolder, tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "new.csv", rows=30, seed=1)
    values = np.array([[float(row[name]) for name in "abcd"] for row in records(path)])
    predictor = Predictor.load(numbers.path)
    found = predictor(values)
    assert as_written(found) == written(numbers, path, tmp_path / "p.csv")
    assert predictor(values.tolist()) == predictor([dict(zip("abcd", row, strict=True)) for row in values]) == found
    one = predictor(values[3])
    assert one == predictor(values[3].tolist())
    assert one["price"] == pytest.approx(found["price"][3], rel=1e-5)


def test_molecules_bring_the_columns_that_describe_them(molecules: RunFolder, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", ["smiles", "dose"], [["CCO", 3], ["c1ccccc1N", 5], ["CC", 1]])
    predictor = Predictor.load(molecules.path)
    assert as_written(predictor(records(path))) == written(molecules, path, tmp_path / "p.csv")
    with pytest.raises(InputError, match="^samples: column 'dose' is missing"):
        predictor("CCO")
    found = predictor.each([{"smiles": "CCO", "dose": 3}, {"smiles": "C(", "dose": 3}])
    assert set(found[0]) == {"prediction", "probability_0", "probability_1"}
    assert "column 'smiles': " in str(found[1])


def test_clouds_come_as_arrays_mappings_and_files(clouds: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    random = np.random.default_rng(1)
    arrays = [random.normal(size=(count, 3)).round(4) for count in (5, 12, 30)]
    paths = [tmp_path / "new" / f"{place}.xyz" for place in range(3)]
    for path, points in zip(paths, arrays, strict=True):
        np.savetxt(path, points, fmt="%.4f")
    predictor = Predictor.load(clouds.path)
    found = predictor(arrays)
    assert as_written(found) == written(clouds, tmp_path / "new", tmp_path / "p.csv")
    assert found == predictor(paths) == predictor([each.tolist() for each in arrays])
    assert found == predictor([{"points": arrays[0]}, Cloud.measured(arrays[1]), arrays[2]])
    assert predictor(arrays[1]) == predictor(arrays[1].tolist()) == predictor(paths[1])
    with pytest.raises(InputError, match=r"^samples: cloud 1: points: row 1 is \(nan, 0, 0\), expected finite"):
        predictor([arrays[0], np.array([[np.nan, 0, 0]])])
    bad = [arrays[0], "x.xyz", [[1, 2]], [[1, 2, 3], [1]], {"pints": []}, np.zeros((4, 5))]
    answers = predictor.each(bad)
    assert answers[0] == predictor(arrays[0])
    for answer, words in zip(
        answers[1:],
        ["found 'x.xyz'", r"shape (1, 2)", "inhomogeneous", "found 'pints', expected points", "found 2 features"],
        strict=True,
    ):
        assert words in str(answer)


def test_graphs_come_as_data_and_as_mappings(tmp_path: Path) -> None:
    geometric = pytest.importorskip("torch_geometric.data")
    recipe = write_graphs(tmp_path).model_dump()
    recipe["data"] |= {"identifiers": 0, "random_walk": 4}  # the same whichever direction of an edge is listed
    run = trained(tmp_path, Recipe.model_validate(recipe))
    predictor = Predictor.load(run.path)
    index = torch.tensor([[0, 0, 1, 0, 2], [0, 1, 0, 2, 0]])  # as in the tables: each node and the first
    data = geometric.Data(x=torch.tensor([[0.0], [0.5], [1.0]]), edge_index=index, y=torch.tensor([1]))
    plain = {"x": [[0], [0.5], [1]], "edge_index": index.tolist()}
    found = predictor([data, plain])
    assert found["prediction"][0] == found["prediction"][1]
    expected = written(run, tmp_path / "graphs", tmp_path / "p.csv")
    assert found["probability_a"][0] == pytest.approx(float(expected["probability_a"][0]), abs=1e-6)
    assert predictor(data) == predictor(plain)
    with pytest.raises(InputError, match="^samples: graph 1 of the dataset: found int, expected torch_geometric"):
        predictor([data, 3])
    answers = predictor.each([plain, {"edge_index": [[0], [7]], "x": [[1.0]]}, {"x": [[1, 2]], "edge_index": []}])
    assert answers[0] == predictor(plain)
    assert "edge 0 joins 0 and 7" in str(answers[1])
    assert "each node carries" in str(answers[2])
    with pytest.raises(InputError, match="^samples: graph 1: found edges that are listed in one direction"):
        predictor([plain, {"x": [[0.0], [1.0]], "edge_index": [[0], [1]]}])


def test_tokens_have_an_answer_each(tmp_path: Path) -> None:
    rows = [["".join(np.random.default_rng(row).choice(list("abc"), size=6))] for row in range(40)]
    path = write_csv(tmp_path / "texts.csv", ["review"], rows)
    data = {"name": "text", "path": str(path), "text": "review", "tokens": "characters", "task": "masked"}
    run = trained(tmp_path, Recipe.model_validate({"name": "m", "data": data, "model": MODEL, "training": TRAINING}))
    predictor = Predictor.load(run.path)
    found = predictor([row[0] for row in rows])
    assert as_written(found) == written(run, path, tmp_path / "p.csv")
    one = predictor.each([rows[3][0], rows[4][0]])[0]
    assert isinstance(one, dict)
    assert [len(values) for values in one.values()] == [found["id"].count("3")] * len(one)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_dataframes_have_the_answers_of_their_rows(texts: RunFolder, library: str) -> None:
    frames = pytest.importorskip(library)
    columns = {"id": ["x", "y", "z"], "review": ["abba", None, "dcd"], "more": [1, 2, 3]}
    predictor = Predictor.load(texts.path)
    found = predictor(frames.DataFrame(columns))
    assert found == predictor([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
    assert found["id"] == ["x", "y", "z"]
    assert len(predictor.each(frames.DataFrame(columns))) == 3
    with pytest.raises(InputError, match="^samples: column 'review' is missing; did you mean 'reviews'"):
        predictor(frames.DataFrame({"reviews": ["abba"]}))


def test_several_threads_have_the_answers_of_one(texts: RunFolder) -> None:
    predictor = Predictor.load(texts.path)
    random = np.random.default_rng(0)
    asked = [["".join(random.choice(list("abcdx"), size=1 + row % 40)) for row in range(size)] for size in range(1, 24)]
    expected = [predictor(each) for each in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(predictor, asked * 2)) == expected * 2


def test_a_bad_sample_is_named_by_its_position_and_costs_no_other(texts: RunFolder, numbers: RunFolder) -> None:
    predictor = Predictor.load(texts.path)
    with pytest.raises(InputError, match="^samples: sample 1: column 'review': found 5, expected a text$"):
        predictor(["abba", 5])
    with pytest.raises(InputError, match="^samples: sample 1025: column 'review': found 5"):
        predictor(["a"] * 1025 + [5])
    answers = predictor.each(["abba", 5, {"review": "dcd"}, ["a"]])
    both = predictor(["abba", "dcd"])
    assert answers[0] == {name: values[0] for name, values in both.items() if name != "id"}
    assert answers[2] == {name: values[1] for name, values in both.items() if name != "id"}
    assert [isinstance(each, InputError) for each in answers] == [False, True, False, True]
    assert str(answers[3]).startswith("column 'review': found ")
    values = Predictor.load(numbers.path)
    with pytest.raises(InputError, match="^samples: sample 1: found 3 values, expected 4: 'a', 'b', 'c', …$"):
        values([[1, 2, 3, 4], [1, 2, 3]])
    with pytest.raises(InputError, match="^samples: found 3 values a sample, expected 4: 'a', 'b', 'c', …$"):
        values(np.zeros((2, 3)))
    answers = values.each([[1, 2, 3, 4], [1, 2, 3], [1, {}, 3, 4], [1, None, 3, 4], "x", 5])
    assert [isinstance(each, InputError) for each in answers] == [False, True, True, False, True, True]
    assert str(answers[1]) == "found 3 values, expected 4: 'a', 'b', 'c', …"
    assert "column 'b': found" in str(answers[2])


def test_rows_and_columns_of_a_frame_are_what_they_look_like(texts: RunFolder, numbers: RunFolder) -> None:
    pandas = pytest.importorskip("pandas")
    predictor, values = Predictor.load(texts.path), Predictor.load(numbers.path)
    frame = pandas.DataFrame({"review": ["abab", "cdcd"], "author": ["x", "y"]})
    assert predictor(frame.iloc[0]) == predictor("abab")
    assert predictor([frame.iloc[0], frame.iloc[1]]) == predictor(frame["review"]) == predictor(["abab", "cdcd"])
    assert predictor(pandas.Series(["abab", None])) == predictor(["abab", None])
    row = [1.0, 2.0, 3.0, 4.0]
    assert values(torch.tensor(row)) == values(pandas.Series(row)) == values(row)


def test_a_column_that_is_missing_is_found_missing_in_any_container(texts: RunFolder) -> None:
    predictor, samples = Predictor.load(texts.path), [{"review": "ab"}, {"reviw": "cd"}]
    for given in (samples, iter(samples), (each for each in samples)):
        with pytest.raises(InputError, match="sample 1: column 'review' is missing; did you mean"):
            predictor(given)


@pytest.mark.parametrize("samples", [[], (), 5, None, np.array([])], ids=str)
def test_nothing_to_answer_for_is_refused(texts: RunFolder, samples: Any) -> None:
    with pytest.raises(InputError, match="^samples: found (none|5|None), expected"):
        Predictor.load(texts.path)(samples)


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        Predictor.load(tmp_path)


def test_a_stranger_s_code_is_not_run(texts: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(texts.path, tmp_path / "run")
    config = tmp_path / "run" / "model" / "config.json"
    name = "examples.own_attention.NystromAttention"
    config.write_text(config.read_text(encoding="utf-8").replace('"samsa"', f'"{name}"'), encoding="utf-8")
    with pytest.raises(InputError, match="code from outside this package"):
        Predictor.load(tmp_path / "run")


def test_it_is_loaded_without_what_trains_and_draws(texts: RunFolder, tmp_path: Path) -> None:
    code = (
        "import sys\nimport sampleformer\nsampleformer.TokenModel\nassert 'sampleformer.data' not in sys.modules\n"
        f"print(sampleformer.Predictor.load({str(texts.path)!r})('abba')['prediction'])\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'lightning', 'matplotlib', 'torchmetrics'}))"
    )
    done = run_python(["-c", code], tmp_path, imported="torch")
    answer, heavy = done.stdout.splitlines()
    assert answer in ("ab", "cd")
    assert heavy == "[]"
