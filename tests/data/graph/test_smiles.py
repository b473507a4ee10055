"""Tables of molecules: how they are split."""

from pathlib import Path

import pytest

from sampleformer.data import SmilesTable
from sampleformer.errors import InputError

RINGS = [
    "c1ccccc1",
    "C1CCCCC1",
    "c1ccncc1",
    "C1CCCC1",
    "c1ccoc1",
    "C1CCNCC1",
    "c1ccsc1",
    "C1CCOC1",
    "c1cc[nH]c1",
    "C1CC1",
]


def table(path: Path, smiles: list[str]) -> Path:
    rows = [f"{text},{row % 2}" for row, text in enumerate(smiles)]
    path.write_text("\n".join(["smiles,active", *rows]) + "\n")
    return path


def test_no_scaffold_is_in_two_parts(tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", [f"{'C' * size}{ring}" for ring in RINGS for size in (1, 2)])
    splits = SmilesTable(path, "smiles", "active", split="scaffold").load()
    parts = [{sample.source.lstrip("C") for sample in part} for part in (splits.train, splits.valid, splits.test)]
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [16, 2, 2]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]


@pytest.mark.parametrize("cell", ["CC ethane", "CC\tethane", '"CC\n(ethane)"', "CCü", "CC |$a;b$|"])
def test_text_behind_a_smiles_is_an_error_of_its_row(tmp_path: Path, cell: str) -> None:
    path = table(tmp_path / "m.csv", ["C" * size + "O" for size in range(1, 20)] + [cell])
    with pytest.raises(InputError, match=r"m.csv: row 20 \(line 21\): column 'smiles': 'CC.* at character 3"):
        SmilesTable(path, "smiles", "active").load()
    assert SmilesTable(path, "smiles", "active", on_error="skip").load().skipped == 1


def test_too_few_scaffolds_to_split_are_said(tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", ["C" * size + "O" for size in range(1, 21)])
    with pytest.raises(InputError, match=r"m.csv: split: found 1 different scaffolds among 20 molecules, which leave"):
        SmilesTable(path, "smiles", "active", split="scaffold").load()
