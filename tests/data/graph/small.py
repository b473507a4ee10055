"""Small graphs in files, which train in a second."""

from pathlib import Path

import numpy as np

from tests.training.small import write_csv

MODEL = [
    *("--set", "model.width=8"),
    *("--set", "model.layers=1"),
    *("--set", "model.heads=2"),
    *("--set", "model.feedforward=16"),
    *("--set", "model.attention.sampled=4"),
    *("--set", "training.batch_size=8"),
    *("--set", "training.check_every=4"),
]


def write_many(folder: Path, graphs: int = 30, seed: int = 0) -> Path:
    """A folder of small graphs; active are those that have a ring."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    nodes, edges, table = [], [], []
    for number in range(graphs):
        order, ring = int(random.integers(3, 7)), number % 2
        name = f"g{number}"
        for node in range(order):
            kind = "abc"[int(random.integers(3))]
            nodes.append([name, node, kind, round(float(random.normal(5, 2)), 3), kind.upper()])
        ends = [(node, node + 1) for node in range(order - 1)] + [(order - 1, 0)] * ring
        edges += [[name, first, second, "single" if first else "double"] for first, second in ends]
        table.append([name, "yes" if ring else "no", round(0.5 * order, 2)])
    write_csv(folder / "nodes.csv", ["graph", "node", "kind", "mass", "upper"], nodes)
    write_csv(folder / "edges.csv", ["graph", "source", "target", "bond"], edges)
    write_csv(folder / "graphs.csv", ["graph", "active", "size"], table)
    return folder


def write_one(folder: Path, nodes: int = 60, seed: int = 0, unknown: int = 5) -> Path:
    """A folder with one graph of two groups of nodes; the group of some nodes is not known."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    group = np.arange(nodes) % 2
    rows = [
        [f"n{node}", round(float(random.normal(group[node])), 3), "" if node < unknown else "ab"[group[node]]]
        for node in range(nodes)
    ]
    edges = []
    for node in range(1, nodes):
        same = np.flatnonzero(group[:node] == group[node])
        edges += [[f"n{node}", f"n{int(random.choice(same))}"]] if len(same) else []
        edges += [[f"n{node}", f"n{int(random.integers(node))}"]]
    write_csv(folder / "nodes.csv", ["node", "weight", "group"], rows)
    write_csv(folder / "edges.csv", ["source", "target"], edges)
    return folder
