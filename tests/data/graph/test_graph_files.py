"""Graphs of the user's own files: what is learnt about them, and how they are split."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sampleformer.data import Encoding, GraphFiles, Samples, collate
from sampleformer.errors import InputError
from tests.data.graph.small import write_many, write_one
from tests.training.small import write_csv

PLAIN = {"identifiers": 0}


def _known(samples: Samples) -> list[str]:
    """Names of the nodes whose target is known."""
    names = []
    for row in range(len(samples)):
        sample = samples[row]
        assert sample.target is not None
        assert sample.names is not None
        known = sample.target >= 0 if sample.target.ndim == 1 else ~np.isnan(sample.target[:, 0])
        names += [f"{sample.id}/{name}" for name in sample.names[known]]
    return names


def test_each_graph(tmp_path: Path) -> None:
    splits = GraphFiles(str(write_many(tmp_path / "many")), "active", random_walk=3).load()
    encoding = splits.encoding
    assert (encoding.task.level, encoding.task.name, encoding.task.labels) == (
        "sample",
        "classification",
        ["no", "yes"],
    )
    # mass; kind and upper one-hot
    assert encoding.model_inputs == {
        "features": 7,
        "edge_features": 2,
        "directed": False,
        "encodings": 3,
        "identifiers": 32,
    }
    sample = splits.train[0]
    assert sample.features.shape == (len(sample), 7)
    assert sample.encodings is not None
    assert sample.encodings.shape == (len(sample), 3)
    assert set(sample.features[:, 1:].sum(axis=1)) == {2.0}
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [24, 3, 3]


def test_codes_where_nodes_carry_no_numbers(tmp_path: Path) -> None:
    splits = GraphFiles(str(write_many(tmp_path / "many")), "active", columns=["kind"], edge_columns=[], **PLAIN).load()
    assert splits.encoding.model_inputs["vocabularies"] == [4]
    assert splits.encoding.model_inputs["edge_features"] == 0
    assert splits.train[0].features.dtype == np.uint8
    assert splits.encoding.pieces(splits.train[0])[0].startswith("0: ")


def test_nodes_that_carry_nothing(tmp_path: Path) -> None:
    write_csv(tmp_path / "edges.csv", ["source", "target"], [[f"n{k}", f"n{k + 1}"] for k in range(30)])
    splits = GraphFiles(str(tmp_path / "edges.csv"), "link", **PLAIN).load()
    assert splits.encoding.model_inputs["features"] == 0
    assert splits.train[0].features.shape == (31, 0)


def test_a_new_file_is_read_as_the_training_was(tmp_path: Path) -> None:
    splits = GraphFiles(str(write_many(tmp_path / "many")), "active").load()
    splits.encoding.save(tmp_path / "encoding.json")
    encoding = Encoding.load(tmp_path / "encoding.json")
    assert encoding.model_inputs == splits.encoding.model_inputs
    again = encoding.read(tmp_path / "many", targets=True)
    assert again.ids == [f"g{number}" for number in range(30)]
    for row in range(3):
        old = splits.train[row]
        new = again[again.ids.index(old.id)]
        for name in ("features", "ends", "edge_features", "identifiers", "target"):
            np.testing.assert_array_equal(getattr(old, name), getattr(new, name))
    (tmp_path / "many" / "graphs.csv").unlink()
    assert len(encoding.read(tmp_path / "many", targets=False)) == 30


def test_an_unknown_category_of_a_new_file(tmp_path: Path) -> None:
    encoding = GraphFiles(str(write_many(tmp_path / "many")), "active").load().encoding
    nodes = tmp_path / "many" / "nodes.csv"
    nodes.write_text(nodes.read_text().replace("g0,0,", "g0,0,neu", 1))
    changed = encoding.read(tmp_path / "many", targets=False)[0]
    assert changed.features[0, 1:4].sum() == 0


def test_predictions_depend_on_the_graph_alone(tmp_path: Path) -> None:
    encoding = GraphFiles(str(write_many(tmp_path / "many")), "active").load().encoding
    samples = encoding.read(tmp_path / "many", targets=False)
    np.testing.assert_array_equal(samples[4].identifiers, samples.subset([4])[0].identifiers)
    batch = collate([samples[0], samples[1]])
    assert batch.tokens.edges is not None
    assert batch.tokens.identifiers is not None
    assert batch.tokens.identifiers.dtype == torch.float32


def test_nodes_of_one_graph(tmp_path: Path) -> None:
    splits = GraphFiles(str(write_one(tmp_path / "one")), "group", **PLAIN).load()
    assert splits.encoding.task.level == "token"
    parts = [_known(part) for part in (splits.train, splits.valid, splits.test)]
    assert [len(part) for part in parts] == [44, 6, 5]
    assert len(set().union(*parts)) == 55
    assert not {f"nodes.csv/n{node}" for node in range(5)} & set().union(*parts)  # whose group is not known
    assert all(len(part) == 1 for part in (splits.train, splits.valid, splits.test))
    np.testing.assert_array_equal(splits.train[0].features, splits.test[0].features)


def test_nodes_of_many_graphs(tmp_path: Path) -> None:
    splits = GraphFiles(str(write_many(tmp_path / "many")), "upper").load()
    parts = [set(part.ids) for part in (splits.train, splits.valid, splits.test)]
    assert [len(part) for part in parts] == [24, 3, 3]
    assert len(set().union(*parts)) == 30


def test_a_column_of_the_nodes_splits_them(tmp_path: Path) -> None:
    nodes = [[f"n{k}", k % 3, "" if k == 7 else "ab"[k % 2], ("train", "valid", "test")[k % 5 % 3]] for k in range(30)]
    write_csv(tmp_path / "nodes.csv", ["node", "size", "kind", "split"], nodes)
    write_csv(tmp_path / "edges.csv", ["source", "target"], [[f"n{k}", f"n{k + 1}"] for k in range(29)])
    splits = GraphFiles(str(tmp_path), "kind", **PLAIN).load()
    expected = {
        part: {f"nodes.csv/{row[0]}" for row in nodes if row[3] == part and row[2]} for part in ("train", "test")
    }
    assert set(_known(splits.train)) == expected["train"]
    assert set(_known(splits.test)) == expected["test"]
    assert splits.encoding.model_inputs["features"] == 1  # neither the label nor the split is a feature


def test_numbers_of_nodes_are_standardised_on_the_training_nodes(tmp_path: Path) -> None:
    splits = GraphFiles(str(write_one(tmp_path / "one")), "weight", **PLAIN).load()
    assert splits.encoding.task.name == "regression"
    assert splits.train.targets is not None
    known = splits.train.targets[~np.isnan(splits.train.targets)]
    np.testing.assert_allclose((known.mean(), known.std()), (0, 1), atol=1e-6)


def test_parts_in_other_folders(tmp_path: Path) -> None:
    others = [str(write_many(tmp_path / name, graphs=12, seed=seed)) for seed, name in enumerate(("valid", "test"), 1)]
    for label in ("active", "upper"):
        splits = GraphFiles(str(write_many(tmp_path / "many")), label, valid=others[0], test=others[1]).load()
        assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [30, 12, 12]


def test_archive(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    counts = random.integers(2, 6, size=40)
    np.savez(
        tmp_path / "graphs.npz",
        num_nodes=counts,
        num_edges=counts - 1,
        src=np.concatenate([np.arange(count - 1) for count in counts]),
        dst=np.concatenate([np.arange(1, count) for count in counts]),
        node_label=random.integers(7, 10, size=counts.sum()),
        y=np.arange(40) % 2,
        split=np.arange(40) % 3,
    )
    splits = GraphFiles(str(tmp_path / "graphs.npz")).load()
    assert splits.encoding.model_inputs["vocabularies"] == [4]
    assert splits.test.ids == [str(number) for number in range(2, 40, 3)]
    assert [part.ids == [] for part in (splits.train, splits.valid)] == [False, False]


def test_graphs_that_do_not_fit_the_model(tmp_path: Path) -> None:
    encoding = GraphFiles(str(write_many(tmp_path / "many")), "active").load().encoding
    arrays = {"num_nodes": np.array([2]), "num_edges": np.array([1]), "src": np.array([0]), "dst": np.array([1])}
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(InputError, match="each node carries 0 numbers and 1 categories, expected 1 numbers and 2"):
        encoding.read(tmp_path / "other.npz", targets=False)
    directed = GraphFiles(str(tmp_path / "many"), "active", directed=True).load().encoding
    with pytest.raises(InputError, match="found undirected graphs, expected directed ones"):
        directed.read(tmp_path / "other.npz", targets=False)


def test_pairs_that_are_asked_about(tmp_path: Path) -> None:
    encoding = GraphFiles(str(write_many(tmp_path / "many")), "link").load().encoding
    with pytest.raises(InputError, match="found no table of pairs to ask about, expected pairs.csv"):
        encoding.read(tmp_path / "many", targets=False)
    pairs = tmp_path / "many" / "pairs.csv"
    write_csv(pairs, ["graph", "source", "target", "link"], [["g2", 0, 1, 1], ["g0", 1, 2, 0], ["g2", 2, 0, 0]])
    samples = encoding.read(tmp_path / "many", targets=True)
    assert samples[2].pairs is not None
    assert samples[2].pairs.tolist() == [[0, 1], [2, 0]]
    assert samples.targets is not None
    assert samples.targets.tolist() == [[0], [1], [0]]
    write_csv(pairs, ["graph", "source", "target"], [["g2", 0, 77]])
    with pytest.raises(InputError, match=r"row 1 \(line 2\): column 'target': found '77', expected the id of a node"):
        encoding.read(tmp_path / "many", targets=False)


def test_pairs_that_an_edge_joins_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    edges = [[f"n{k}", f"n{k + 1}"] for k in range(30)]
    write_csv(tmp_path / "edges.csv", ["source", "target"], edges)
    encoding = GraphFiles(str(tmp_path / "edges.csv"), "link").load().encoding
    write_csv(tmp_path / "pairs.csv", ["source", "target"], [["n0", "n2"], ["n1", "n0"], ["n5", "n9"]])
    encoding.read(tmp_path, targets=False)
    assert "1 of 3 pairs are joined by an edge of the graph" in caplog.text
    caplog.clear()
    write_csv(tmp_path / "pairs.csv", ["source", "target"], [["n0", "n2"]])
    encoding.read(tmp_path, targets=False)
    assert "joined" not in caplog.text


def test_a_mistake_among_numbers_is_found(tmp_path: Path) -> None:
    folder = write_one(tmp_path / "one")
    nodes = (folder / "nodes.csv").read_text().splitlines()
    nodes[8] = "n7,1.2x,b"
    (folder / "nodes.csv").write_text("\n".join(nodes))
    with pytest.raises(InputError, match=r"row 8 \(line 9\): column 'weight': found '1.2x', expected a finite number"):
        GraphFiles(str(folder), "group").load()
    nodes[1:] = [line.replace(",", ",x", 1) if number % 8 == 0 else line for number, line in enumerate(nodes[1:])]
    (folder / "nodes.csv").write_text("\n".join(nodes))  # one in eight is no number: names that begin with digits
    assert GraphFiles(str(folder), "group").load().encoding.model_inputs["vocabularies"][0] > 30


@pytest.mark.parametrize("label", ["active", "upper"])
def test_a_split_that_names_no_validation(tmp_path: Path, label: str) -> None:
    folder = write_many(tmp_path / "many")
    rows = [[f"g{number}", "ab"[number // 2 % 2], "test" if number % 3 == 0 else "train"] for number in range(30)]
    write_csv(folder / "graphs.csv", ["graph", "active", "split"], rows)
    splits = GraphFiles(str(folder), label).load()
    assert splits.test.ids == [row[0] for row in rows if row[2] == "test"]
    assert len(splits.valid) == 2
    assert len(set(splits.train.ids) & set(splits.valid.ids)) == 0


def test_a_column_of_edges_is_no_label(tmp_path: Path) -> None:
    edges = write_csv(tmp_path / "edges.csv", ["source", "target", "kind"], [["a", "b", "x"], ["b", "c", "y"]])
    with pytest.raises(InputError, match="'kind' is a column of neither graphs nor nodes; .*allowed: link; 'link' pre"):
        GraphFiles(None, "kind", edges=str(edges)).load()


def _codes(path: Path, graphs: int, highest: int) -> Path:
    """An archive of paths of four nodes, each with two codes from 0 to the highest."""
    random = np.random.default_rng(highest)
    np.savez(
        path,
        num_nodes=np.full(graphs, 4),
        num_edges=np.full(graphs, 3),
        node_feat=random.integers(highest + 1, size=(4 * graphs, 2)),
        edge_index=np.tile([[0, 1], [1, 2], [2, 3]], (graphs, 1)),
        y=np.arange(graphs) % 2,
    )
    return path


def test_codes_are_those_of_the_training_whatever_a_new_file_holds(tmp_path: Path) -> None:
    few = _codes(tmp_path / "few.npz", 12, highest=1)  # alone they would be flags, and so numbers
    splits = GraphFiles(str(_codes(tmp_path / "many.npz", 40, highest=6)), valid=str(few)).load()
    splits.encoding.save(tmp_path / "encoding.json")
    samples = Encoding.load(tmp_path / "encoding.json").read(few, targets=False)
    with np.load(few) as archive:
        expected = archive["node_feat"][:4] + 1  # the code 0 is for the unknown
    np.testing.assert_array_equal(samples[0].features, expected)
    np.testing.assert_array_equal(splits.valid[0].features, expected)


def test_an_encoding_that_does_not_say_which_features_are_codes(tmp_path: Path) -> None:
    path = _codes(tmp_path / "graphs.npz", 40, highest=6)
    GraphFiles(str(path)).load().encoding.save(tmp_path / "encoding.json")
    saved = json.loads((tmp_path / "encoding.json").read_text())
    del saved["inputs"]["format"]["codes"]
    (tmp_path / "encoding.json").write_text(json.dumps(saved))
    assert Encoding.load(tmp_path / "encoding.json").read(path, targets=False)[0].features.dtype == np.uint8


def test_an_archive_without_graphs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.npz: found no graphs, expected at least one"):
        GraphFiles(str(_codes(tmp_path / "none.npz", 0, highest=3))).load()


def test_pairs_name_their_graph_as_the_other_tables_do(tmp_path: Path) -> None:
    folder = write_many(tmp_path / "many")
    write_csv(folder / "graphs.csv", ["graph", "id"], [[f"g{number}", f"name {number}"] for number in range(30)])
    encoding = GraphFiles(str(folder), "link").load().encoding
    write_csv(folder / "pairs.csv", ["graph", "source", "target"], [["g2", 0, 2]])
    samples = encoding.read(folder, targets=False)
    assert samples.ids[2] == "name 2"
    assert samples[2].pairs.tolist() == [[0, 2]]  # type: ignore[union-attr]
