"""Optional packages."""

import sys
from pathlib import Path

import pytest

from sampleformer.errors import InputError
from sampleformer.extras import require


def test_a_package_that_is_there_is_imported() -> None:
    assert require("json.decoder", "graph").JSONDecoder is sys.modules["json.decoder"].JSONDecoder


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_a_missing_package_names_the_line_that_installs_it(module: str) -> None:
    with pytest.raises(InputError) as raised:
        require(module, "points")
    assert str(raised.value) == 'this needs the package no_such_package: pip install "sampleformer[points]"'


def test_a_package_that_was_hidden_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(InputError, match=r'the package rdkit: pip install "sampleformer\[graph\]"'):
        require("rdkit", "graph")


def test_a_fault_inside_a_package_is_not_taken_for_its_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faulty_package.py").write_text("import something_else_that_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="something_else_that_is_missing"):
        require("faulty_package", "graph")
