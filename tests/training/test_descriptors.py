"""Columns of the table, fragments and statistics from recipe to predictions."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sampleformer.errors import InputError
from sampleformer.explain import write_page
from sampleformer.export import export_onnx
from sampleformer.recipes import request
from sampleformer.training import Recipe, RunFolder, evaluate, predict, train
from tests.training.small import write_csv, write_described

SMALL = ["model.width=8", "model.layers=1", "model.heads=2", "model.feedforward=8", "training.check_every=10"]


def asked(path: Path, features: list[str] | None = None, steps: int = 60, **data: Any) -> Recipe:
    source = {"text": "review", "tokens": "characters"} | data
    return request(
        None, data={"path": str(path), "label": "kind", "features": features, **source}, steps=steps, changes=SMALL
    )


def test_columns_decide_what_the_text_does_not_say(tmp_path: Path) -> None:
    path = write_described(tmp_path / "rows.csv")
    run = train(asked(path, ["age", "place"]), tmp_path / "run", quiet=True)
    results = run.read_results()
    assert results is not None
    assert results["best"]["test"]["accuracy"] == 1.0
    assert evaluate(run.path)["scores"] == pytest.approx(results["best"]["test"])
    assert predict(run.path, path, tmp_path / "p.csv") == 80
    with (tmp_path / "p.csv").open() as file:
        found = [row["prediction"] for row in csv.DictReader(file)]
    with path.open() as file:
        known = [row["kind"] for row in csv.DictReader(file)]
    assert np.mean([one == other for one, other in zip(found, known, strict=True)]) > 0.95
    write_page(run.path, path, tmp_path / "page.html")
    assert (tmp_path / "page.html").exists()


def test_new_rows_must_have_the_columns(tmp_path: Path) -> None:
    run = train(asked(write_described(tmp_path / "rows.csv"), ["age"], 1), tmp_path / "run", quiet=True)
    new = write_csv(tmp_path / "new.csv", ["review", "agee"], [["xyz", 3]])
    with pytest.raises(InputError, match=r"new\.csv: column 'age' is missing; did you mean 'agee'"):
        predict(run.path, new, tmp_path / "p.csv")
    new = write_csv(tmp_path / "new.csv", ["review", "age"], [["xyz", ""], ["xyz", "old"]])
    with pytest.raises(InputError, match=r"new\.csv: row 2 .*column 'age': found 'old', expected"):
        predict(run.path, new, tmp_path / "p.csv")


def test_an_onnx_file_takes_the_descriptors(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    run = train(asked(write_described(tmp_path / "rows.csv"), ["age", "place"], 1), tmp_path / "run", quiet=True)
    written = export_onnx(run.read_model(), tmp_path / "model.onnx")
    assert [each.split(":")[0] for each in written.inputs] == ["tokens", "mask", "descriptors"]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (["agee"], "column 'agee' is missing; did you mean 'age'"),
        (["kind"], "column 'kind' is both a feature and the label, expected different columns"),
        (["review"], "column 'review' is both a feature and an input, expected different columns"),
        (["age", "age"], "columns is \\['age', 'age'\\], expected names of different columns"),
    ],
)
def test_wrong_features_are_refused_before_the_folder_is_made(features: list[str], words: str, tmp_path: Path) -> None:
    path = write_described(tmp_path / "rows.csv")
    with pytest.raises(InputError, match=words):
        train(asked(path, features, 1), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_descriptors_for_other_data_and_for_models_that_take_none_are_refused(tmp_path: Path) -> None:
    path = write_described(tmp_path / "rows.csv")
    values = asked(path).model_dump()
    with pytest.raises(InputError, match="'morgan' is for molecules, which these samples are not; expected 'columns'"):
        train(Recipe.model_validate(values | {"descriptors": ["morgan"]}), tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match="model.name: 'bag' sees tokens alone"):
        train(Recipe.model_validate(values | {"descriptors": ["shape"], "model": "bag"}), tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match="descriptors: found columns, expected none for data that is no table"):
        train(
            Recipe.model_validate(
                values | {"data": {"name": "listops"}, "descriptors": [{"name": "columns", "columns": ["age"]}]}
            ),
            tmp_path / "run",
            quiet=True,
        )


def test_another_model_leaves_the_recipes_descriptors_out_and_keeps_the_users(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "molecules.csv", ["smiles", "dose", "active"], [["CCO", 1, "no"]])
    data = {"path": str(path), "smiles": "smiles", "label": "active"}
    assert request(None, data=data, model="gin").descriptors == ()
    assert [each.name for each in request(None, data=data | {"features": ["dose"]}, model="gin").descriptors] == [
        "columns"
    ]


def test_molecules_with_fragments_and_properties(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    rows = [["C" * (3 + row % 5) + ("O" if row % 2 else "N"), "yes" if row % 2 else "no"] for row in range(60)]
    path = write_csv(tmp_path / "molecules.csv", ["smiles", "kind"], rows)
    changes = [*SMALL, "descriptors=[morgan, torsions, properties]"]
    recipe = request(None, data={"path": str(path), "smiles": "smiles", "label": "kind"}, steps=30, changes=changes)
    run = train(recipe, tmp_path / "run", quiet=True)
    results = run.read_results()
    assert results is not None
    assert results["best"]["test"]["accuracy"] == 1.0
    saved = json.loads(run.encoding.read_text())["descriptors"]
    assert [each["name"] for each in saved] == ["morgan", "torsions", "properties"]
    assert torch.isfinite(torch.tensor(evaluate(run.path)["scores"]["accuracy"]))


def test_a_strangers_descriptor_is_not_imported(tmp_path: Path) -> None:
    run = train(asked(write_described(tmp_path / "rows.csv"), ["age"], 1), tmp_path / "run", quiet=True)
    content = json.loads(run.encoding.read_text())
    content["descriptors"][0]["name"] = "subprocess.Popen"
    run.encoding.write_text(json.dumps(content))
    with pytest.raises(InputError, match="'subprocess.Popen' is code from outside this package"):
        RunFolder(run.path).read_trained()


def test_columns_that_describe_samples_are_refused_where_labels_are_for_nodes(tmp_path: Path) -> None:
    write_csv(tmp_path / "nodes.csv", ["node", "kind"], [[f"n{row}", "ab"[row % 2]] for row in range(30)])
    write_csv(tmp_path / "edges.csv", ["source", "target"], [[f"n{row}", f"n{row + 1}"] for row in range(29)])
    data = {"path": str(tmp_path), "label": "kind", "features": ["size"]}
    with pytest.raises(InputError, match="found the columns size, which describe whole samples; expected none"):
        train(request("graphs", data=data, steps=1, changes=SMALL), tmp_path / "run", quiet=True)
    recipe = request("graphs", data={"path": str(tmp_path), "label": "kind"}, steps=1, changes=SMALL)
    assert recipe.descriptors  # which are left out
    assert train(recipe, tmp_path / "run", quiet=True).read_results() is not None
