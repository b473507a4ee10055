"""Graphs go the whole way through the real program: of each graph, of each node, of pairs of nodes."""

import csv
from pathlib import Path

from sampleformer.data import Encoding
from sampleformer.explain import write_page
from sampleformer.training import evaluate
from tests.cli.program import run_program
from tests.data.graph.small import MODEL, write_many, write_one
from tests.training.small import write_csv

RUN = ["-o", "run", "--steps", "8", "--set", "training.warmup_steps=0", *MODEL]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _all_verbs(folder: Path, label: str, *options: str, unit: str) -> list[dict[str, str]]:
    """Trains and predicts with the program, evaluates and explains as its verbs do; the predictions.

    Args:
        folder: Folder with the graphs.
        label: What is learnt.
        options: Further options of the training.
        unit: What one target is for.
    """
    for command in (
        ["train", "--data", "mine", "--label", label, *options, *RUN],
        ["predict", "run", "mine", "-o", "predictions.csv"],
    ):
        done = run_program(folder, command)
        assert done.returncode == 0, done.stderr
        if command[0] == "train":
            judged = len(_rows(folder / "run" / "test_predictions.csv"))
            assert f", {judged} test {unit}{'s' if judged > 1 else ''} " in done.stdout
            assert f"Those for the test, {judged}, were" in (folder / "run" / "report.html").read_text("utf-8")
    found = evaluate(folder / "run", folder / "mine")
    assert found["judged"] >= found["samples"] >= 1
    assert found["unit"] == unit
    write_page(folder / "run", folder / "mine", folder / "page.html")
    assert (folder / "run" / "report.html").stat().st_size > 10_000
    assert (folder / "page.html").stat().st_size > 10_000
    return _rows(folder / "predictions.csv")


def test_each_graph(tmp_path: Path) -> None:
    write_many(tmp_path / "mine")
    rows = _all_verbs(tmp_path, "active", unit="sample")
    assert [row["id"] for row in rows] == [f"g{number}" for number in range(30)]
    assert {row["prediction"] for row in rows} <= {"yes", "no"}
    assert list(rows[0]) == ["id", "prediction", "probability_no", "probability_yes"]


def test_each_node(tmp_path: Path) -> None:
    write_one(tmp_path / "mine")
    rows = _all_verbs(tmp_path, "group", unit="node")
    assert [row["node"] for row in rows] == [f"n{number}" for number in range(60)]
    assert list(rows[0]) == ["id", "node", "prediction", "probability_a", "probability_b"]
    tested = _rows(tmp_path / "run" / "test_predictions.csv")
    assert 5 <= len(tested) <= 6  # a tenth of the 55 nodes whose group is known
    assert all(row["target"] in ("a", "b") for row in tested)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Predicted: <b>60 nodes</b>; of 55 whose class is known" in page


def test_numbers_of_nodes_of_many_graphs(tmp_path: Path) -> None:
    write_many(tmp_path / "mine")
    rows = _all_verbs(tmp_path, "mass", unit="node")
    assert list(rows[0]) == ["id", "node", "mass"]
    assert (rows[0]["id"], rows[0]["node"]) == ("g0", "0")


def test_links(tmp_path: Path) -> None:
    write_one(tmp_path / "mine")
    write_csv(tmp_path / "mine" / "pairs.csv", ["source", "target", "link"], [["n1", "n9", 1], ["n4", "n2", 0]])
    rows = _all_verbs(tmp_path, "link", unit="pair")
    assert list(rows[0]) == ["id", "node_1", "node_2", "probability_link"]
    assert [(row["node_1"], row["node_2"]) for row in rows] == [("n1", "n9"), ("n4", "n2")]
    tested = _rows(tmp_path / "run" / "test_predictions.csv")
    assert sum(float(row["target_link"]) for row in tested) == len(tested) / 2


def test_tables_by_name(tmp_path: Path) -> None:
    write_many(tmp_path / "mine")
    tables = [*("--nodes", "mine/nodes.csv"), *("--edges", "mine/edges.csv"), *("--graphs", "mine/graphs.csv")]
    done = run_program(tmp_path, ["train", *tables, "--columns", "kind", "--directed", "--label", "active", *RUN])
    assert done.returncode == 0, done.stderr
    encoding = Encoding.load(tmp_path / "run" / "model" / "encoding.json")
    assert encoding.model_inputs["vocabularies"] == [4]  # a, b, c, and what is unknown
    assert encoding.model_inputs["directed"]


def test_check_says_what_is_in_graphs(tmp_path: Path) -> None:
    write_one(tmp_path / "mine")
    done = run_program(tmp_path, ["data", "check", "--data", "mine", "--label", "group"])
    assert done.returncode == 0, done.stderr
    assert "nodes: 44 train in 1 graph, 6 valid in 1 graph, 5 test in 1 graph" in " ".join(done.stderr.split())
    assert "classification, features 1, edge_features 0" in " ".join(done.stdout.split())
    assert "nodes with a target 44 6 5" in " ".join(done.stdout.replace("│", "").split())
