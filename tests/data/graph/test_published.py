"""Published sets of graphs, from small files in their layout."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from sampleformer.data import CocoSp, MoleculeNet, PascalVocSp, PeptidesFunc, PeptidesStruct, TuDataset
from sampleformer.data.graph.folds import FOLDS, split_of_fold, stratified_folds
from sampleformer.errors import InputError
from tests.training.small import write_csv

SMILES = ["CCO", "c1ccccc1C", "CC(=O)O", "CCN", "CC#N", "C1CCCCC1", "CCCl", "C=O", "CO", "CCC", "CCCC", "C1CC1"]
SPLIT = {"train": np.arange(8), "val": [8, 9], "test": np.array([11, 10])}


def _peptides(folder: Path, name: str, header: list[str], rows: list[list[object]], pickle_name: str) -> Path:
    import gzip

    write_csv(folder / "plain.csv", header, rows)
    (folder / name).write_bytes(gzip.compress((folder / "plain.csv").read_bytes()))
    (folder / "plain.csv").unlink()
    (folder / pickle_name).write_bytes(pickle.dumps(SPLIT))
    return folder


def test_peptides_func(tmp_path: Path) -> None:
    rows = [[each, "SEQ", str([row % 2, *[0] * 8, 1])] for row, each in enumerate(SMILES)]
    names = ("peptide_multi_class_dataset.csv.gz", ["smiles", "peptide_seq", "labels"])
    _peptides(tmp_path, *names, rows, "splits_random_stratified_peptide.pickle")
    splits = PeptidesFunc(str(tmp_path)).load()
    assert splits.encoding.task.name == "multilabel"
    assert splits.encoding.task.labels[0] == "antifungal"
    assert splits.encoding.task.labels[-1] == "toxic"
    assert splits.test.ids == ["11", "12"]
    assert splits.test.targets is not None
    np.testing.assert_array_equal(splits.test.targets[:, [0, 1, 9]], [[0, 0, 1], [1, 0, 1]])
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [8, 2, 2]


def test_peptides_func_as_one_table(tmp_path: Path) -> None:
    parts = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    rows = [[each, *[row % 2] * 10, part] for row, (each, part) in enumerate(zip(SMILES, parts, strict=True))]
    path = write_csv(tmp_path / "mine.csv", ["smiles", *(f"y{place}" for place in range(10)), "split"], rows)
    splits = PeptidesFunc(str(path)).load()
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [8, 2, 2]


def test_targets_of_peptides_struct_are_normalised_over_all_molecules(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(5, 3, size=(12, 11))
    rows = [[each, *row] for each, row in zip(SMILES, values.tolist(), strict=True)]
    names = ("peptide_structure_normalized_dataset.csv.gz", ["smiles", *PeptidesStruct.names])
    _peptides(tmp_path, *names, rows, "splits_random_stratified_peptide_structure.pickle")
    splits = PeptidesStruct(str(tmp_path)).load()
    assert splits.test.targets is not None
    found = splits.encoding.task.decode(splits.test.targets)["length_b"]
    expected = (values[:, 7] - values[:, 7].mean()) / values[:, 7].std(ddof=1)
    np.testing.assert_allclose(found, expected[[10, 11]], rtol=1e-5)


def test_peptides_that_lack_something(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found no peptide_multi_class_dataset.csv.gz, expected it and splits_random"):
        PeptidesFunc(str(tmp_path)).load()
    rows = [[each, str([0] * 10)] for each in SMILES]
    path = write_csv(tmp_path / "mine.csv", ["smiles", "labels"], rows)
    with pytest.raises(
        InputError, match=r"peptide.pickle: no such file, expected the published split beside the table"
    ):
        PeptidesFunc(str(path)).load()
    pickled = tmp_path / "splits_random_stratified_peptide.pickle"
    for content, message in (
        (SPLIT | {"test": [11]}, "1 of 12 rows of the table are in no part"),
        (SPLIT | {"test": [12]}, "test has row 12, expected 0 to 11"),
        (SPLIT | {"test": [-1]}, "test has row -1, expected 0 to 11"),
        (SPLIT | {"test": [10.5, 11.0]}, "test holds float64, expected row numbers"),
        (SPLIT | {"test": [[1, 2], [3]]}, "test holds no row numbers"),
        (SPLIT | {"test": [0, 10, 11]}, "row 0 is listed 2 times, expected each row in one part"),
        ([1], "found a list, expected row numbers of train, val, test"),
    ):
        pickled.write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match=message):
            PeptidesFunc(str(path)).load()
    write_csv(tmp_path / "mine.csv", ["smiles", "labels"], [[SMILES[0], "[0, 2]"]])
    with pytest.raises(InputError, match=r"row 1 \(line 2\): column 'labels': found '\[0, 2\]', expected a list of 10"):
        PeptidesFunc(str(path)).load()


def _superpixels(path: Path, folder: str, classes: list[int], parts: tuple[int, ...] = (4, 2, 2)) -> Path:
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for name, number in zip(("train", "val", "test"), parts, strict=True):
            graphs = []
            for _ in range(number):
                ends = torch.tensor([[0, 1, 2], [1, 2, 3]])
                carried = torch.rand(3, 2)
                both = torch.stack([ends, ends.flip(0)], dim=2).reshape(2, 6)
                y = random.choice(classes, size=4).tolist()
                graphs.append((torch.rand(4, 14), carried.repeat_interleave(2, dim=0), both, y))
            archive.writestr(f"{folder}/{name}.pickle", pickle.dumps(graphs))
    return path


def test_pascalvoc_sp(tmp_path: Path) -> None:
    path = _superpixels(tmp_path / "voc.zip", "voc_superpixels_edge_wt_region_boundary", [0, 7, 20])
    splits = PascalVocSp(str(path), random_walk=2).load()
    encoding = splits.encoding
    assert (encoding.task.level, encoding.task.name, encoding.task.outputs, encoding.unit) == (
        "token",
        "classification",
        21,
        "node",
    )
    assert encoding.model_inputs["features"] == 14
    assert not encoding.model_inputs["directed"]
    sample = splits.test[0]
    assert sample.ends is not None
    assert sample.ends.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert set(np.concatenate([splits.train[row].target for row in range(4)]).tolist()) <= {0, 7, 20}
    together = np.concatenate([splits.train[row].features for row in range(4)])
    np.testing.assert_allclose(together.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(together.std(axis=0), 1, atol=1e-5)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    assert len(PascalVocSp(str(tmp_path / "folder"), limit=2).load().train) == 2


def test_classes_of_coco_sp_are_numbered_without_gaps(tmp_path: Path) -> None:
    folder = "coco_superpixels_edge_wt_region_boundary"
    splits = CocoSp(str(_superpixels(tmp_path / "coco.zip", folder, [13, 90]))).load()
    assert splits.encoding.task.outputs == 81
    assert splits.train.targets is not None
    assert set(splits.train.targets.tolist()) == {12, 80}
    with pytest.raises(InputError, match=r"train.pickle: graph 0: found 4 classes for 4 nodes, expected known ones"):
        CocoSp(str(_superpixels(tmp_path / "wrong.zip", folder, [12]))).load()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, torch.full((4, 14), 1e39, dtype=torch.float64), "feature 0 of node 0 is 1e\\+39, expected a number up to"),
        (1, torch.rand(5, 2), "edge features have shape"),
        (2, torch.zeros(2, 6), "the edge index holds float32, expected integers"),
        (2, torch.full((2, 6), 9), "edge 0 joins 9 and 9, expected nodes from 0 to 3"),
        (3, [0.0, 7.5, 20.0, 7.0], "the classes holds float64, expected integers"),
        (3, [0, 7, 20], "found 3 classes for 4 nodes"),
    ],
)
def test_wrong_superpixels(tmp_path: Path, place: int, value: object, message: str) -> None:
    folder = "voc_superpixels_edge_wt_region_boundary"
    with zipfile.ZipFile(_superpixels(tmp_path / "voc.zip", folder, [0, 7, 20])) as archive:
        archive.extractall(tmp_path)
    graphs = pickle.loads((tmp_path / folder / "train.pickle").read_bytes())
    graphs[1] = tuple(value if number == place else part for number, part in enumerate(graphs[1]))
    (tmp_path / folder / "train.pickle").write_bytes(pickle.dumps(graphs))
    with pytest.raises(InputError, match=f"train.pickle: graph 1: {message}"):
        PascalVocSp(str(tmp_path / folder)).load()


def test_superpixels_that_lack_something(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(InputError, match=r"found no voc_superpixels_edge_wt_region_boundary/train.pickle, expected it"):
        PascalVocSp(str(tmp_path / "empty.zip")).load()


def _tu(folder: Path, graphs: int = 40, *, labels: bool = True) -> Path:
    indicator, ends, kinds, first = [], [], [], 1
    for graph in range(1, graphs + 1):
        order = 2 + graph % 3
        indicator += [graph] * order
        kinds += [(graph + node) % 3 for node in range(order)]
        ends += [pair for node in range(first, first + order - 1) for pair in ((node, node + 1), (node + 1, node))]
        first += order
    files = {
        "A": [f"{a}, {b}" for a, b in ends],
        "graph_indicator": indicator,
        "graph_labels": [1 if graph % 2 else -1 for graph in range(graphs)],
    }
    if labels:
        files |= {"node_labels": kinds, "edge_attributes": [f"{a + b:.1f}" for a, b in ends]}
    with zipfile.ZipFile(folder / "SMALL.zip", "w") as archive:
        archive.writestr("SMALL/README.txt", "a small set")
        archive.writestr("SMALL/SMALL_label_readme.txt", "0 is carbon")
        for name, lines in files.items():
            archive.writestr(f"SMALL/SMALL_{name}.txt", "\n".join(map(str, lines)) + "\n")
    return folder / "SMALL.zip"


def test_tu_dataset(tmp_path: Path) -> None:
    path = _tu(tmp_path)
    splits = [TuDataset("SMALL", str(path), fold=fold).load() for fold in range(FOLDS)]
    assert splits[0].encoding.task.labels == ["-1", "1"]
    assert splits[0].encoding.model_inputs["vocabularies"] == [4]
    assert splits[0].encoding.model_inputs["edge_features"] == 1
    tested = [set(each.test.ids) for each in splits]
    assert sum(map(len, tested)) == len(set().union(*tested)) == 40
    for fold, each in enumerate(splits):
        assert set(each.valid.ids) == tested[(fold + 1) % FOLDS]
        assert each.test.targets is not None
        assert each.test.targets.sum() == 2  # of 4: each class in proportion
    sample = splits[0].train[0]
    assert sample.ends is not None
    assert sample.ends.tolist() == [[node, node + 1] for node in range(len(sample) - 1)]


def test_nodes_of_tu_datasets_that_carry_nothing_carry_their_degree(tmp_path: Path) -> None:
    splits = TuDataset("SMALL", str(_tu(tmp_path, labels=False))).load()
    assert splits.encoding.model_inputs["features"] == 1
    largest = max((splits.train[row] for row in range(len(splits.train))), key=len)
    assert largest.features[0] == largest.features[-1] < largest.features[1]


def test_folds_of_an_archive(tmp_path: Path) -> None:
    arrays = {name: np.array(values) for name, values in (("num_nodes", [2] * 30), ("num_edges", [1] * 30))}
    arrays |= {"src": np.zeros(30, int), "dst": np.ones(30, int), "y": np.arange(30) % 2}
    folds = np.where(np.arange(30) < 20, np.arange(30) % 10, 255)
    np.savez(tmp_path / "set.npz", fold=folds, **arrays)
    splits = TuDataset("SET", str(tmp_path / "set.npz"), fold=3).load()
    assert (splits.test.ids, splits.valid.ids) == (["3", "13"], ["4", "14"])
    assert set(map(str, range(20, 30))) < set(splits.train.ids)


def test_folds() -> None:
    strata = np.repeat([0, 1, 2], [50, 31, 4])
    folds = stratified_folds(strata, seed=1)
    for stratum in range(3):
        counts = np.bincount(folds[strata == stratum], minlength=FOLDS)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(folds, stratified_folds(strata, seed=1))
    assert not np.array_equal(folds, stratified_folds(strata, seed=2))
    with pytest.raises(InputError, match="fold: found 10, expected 0 to 9"):
        split_of_fold(folds, 10)


@pytest.mark.parametrize(
    ("file", "lines", "message"),
    [
        ("A", "1, 9999\n", r"SMALL_A.txt: expected two nodes from 1 to \d+ in each line"),
        ("A", "1, 4\n", "SMALL_A.txt: line 1 joins nodes of two graphs, expected one"),
        ("node_labels", "1\n", r"SMALL_node_labels.txt has 1 line, expected \d+"),
        ("graph_labels", "one\n", "SMALL_graph_labels.txt: line 1: found 'one', expected numbers"),
        ("graph_labels", "1\n1, 0\n", "SMALL_graph_labels.txt: line 2: found '1, 0', expected 1 numbers, as in the"),
        ("graph_labels", "0.5\n" * 40, "SMALL_graph_labels.txt: line 1: found '0.5', expected integers"),
        ("graph_labels", "1, 0\n" * 40, "SMALL_graph_labels.txt has 2 numbers in each line, expected one"),
        ("graph_indicator", "1.5\n", "SMALL_graph_indicator.txt: line 1: found '1.5', expected integers"),
        ("node_labels", "1\n2.5\n", "SMALL_node_labels.txt: line 2: found '2.5', expected integers"),
        ("node_labels", "1\n1e300\n", "SMALL_node_labels.txt: line 2: found '1e300', expected 1 numbers"),
        ("edge_attributes", "0.5\nnan\n", "SMALL_edge_attributes.txt: line 2: found 'nan', expected 1 numbers"),
        ("edge_attributes", "0.5\n", r"SMALL_edge_attributes.txt has 1 line, expected \d+"),
        ("A", "1, 1.5\n", "SMALL_A.txt: line 1: found '1, 1.5', expected integers"),
        ("A", "1, 2, 1\n", r"SMALL_A.txt: expected two nodes from 1 to \d+ in each line"),
        ("graph_indicator", None, "found no SMALL_graph_indicator.txt, expected it in SMALL.zip or its folder"),
    ],
)
def test_wrong_tu_files(tmp_path: Path, file: str, lines: str | None, message: str) -> None:
    with zipfile.ZipFile(_tu(tmp_path)) as archive:
        archive.extractall(tmp_path)
    path = tmp_path / "SMALL" / f"SMALL_{file}.txt"
    if lines is None:
        path.unlink()
    else:
        path.write_text(lines)
    for name in ("SMALL_edge_attributes.txt", "SMALL_node_labels.txt"):
        if file == "A":
            (tmp_path / "SMALL" / name).unlink()
    with pytest.raises(InputError, match=message):
        TuDataset("SMALL", str(tmp_path / "SMALL")).load()


def test_edges_of_tu_datasets_that_lack_their_other_direction_are_said(tmp_path: Path) -> None:
    with zipfile.ZipFile(_tu(tmp_path)) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "SMALL"
    assert TuDataset("SMALL", str(folder)).read().used == [
        f"{folder}: nodes: node_labels; edges: edge_attributes; target: graph_labels"
    ]
    attributes = (folder / "SMALL_edge_attributes.txt").read_text().splitlines()
    (folder / "SMALL_edge_attributes.txt").write_text("\n".join(["99", *attributes[1:-1]]) + "\n")
    edges = (folder / "SMALL_A.txt").read_text().splitlines()
    (folder / "SMALL_A.txt").write_text("\n".join(edges[:-1]) + "\n")
    (folder / "SMALL_graph_attributes.txt").write_text("1\n" * 40)
    (words,) = TuDataset("SMALL", str(folder)).read().used
    assert "; not used: graph_attributes; 2 edges are listed in one direction alone, or with other features" in words


def test_moleculenet(tmp_path: Path) -> None:
    rows = [[row, "name", row % 2, each] for row, each in enumerate([*SMILES, "C1CC"])]
    path = write_csv(tmp_path / "BBBP.csv", ["num", "name", "p_np", "smiles"], rows)
    splits = MoleculeNet("bbbp", str(path)).load()
    assert (splits.encoding.task.name, splits.encoding.task.labels, splits.skipped) == ("multilabel", ["p_np"], 1)
    assert sum(len(part) for part in (splits.train, splits.valid, splits.test)) == len(SMILES)
    with pytest.raises(InputError, match=r"row 13 \(line 14\): column 'smiles': 'C1CC' is not a valid SMILES"):
        MoleculeNet("bbbp", str(path), on_error="stop").load()
    with pytest.raises(InputError, match="property: found 'bbp'; did you mean 'bbbp'"):
        MoleculeNet("bbp")


def test_several_properties_are_all_columns_but_those_of_the_molecule(tmp_path: Path) -> None:
    rows = [[row % 2, "" if row == 3 else row % 3 % 2, f"TOX{row}", each] for row, each in enumerate(SMILES)]
    path = write_csv(tmp_path / "tox21.csv", ["NR-AR", "SR-p53", "mol_id", "smiles"], rows)
    splits = MoleculeNet("tox21", str(path), split="random").load()
    assert splits.encoding.task.labels == ["NR-AR", "SR-p53"]


def test_what_cannot_be_downloaded_names_what_to_fetch_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr("pooch.retrieve", refuse)
    for source, words in (
        (PeptidesFunc(), "fetch it by hand from https://www.dropbox.com/s/j4zc.* \\(MD5 5a0114bd.*give it as 'path'"),
        (MoleculeNet("esol"), "delaney-processed.csv: cannot download it; .* \\(SHA-256 8c06a76f.*'path'"),
        (
            TuDataset("MUTAG"),
            "MUTAG.zip: cannot download it; fetch it by hand from https://www.chrsmrrs.com/.* and give",
        ),
    ):
        with pytest.raises(InputError, match=words):
            source.load()
