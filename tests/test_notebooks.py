"""The notebooks run from their first cell to the last, and the documentation shows them."""

import ast
import importlib.util
import json
import os
from pathlib import Path

import pytest

from tests.forked import run_python

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
LABELS = {"molecules": {"0", "1"}, "shapes": {"ball", "box"}, "text": {"bad", "good"}}
"""What the predictions of each can be; which they are is a matter of the last digits after so short a training."""


def cells_of(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def code_of(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in cells_of(path) if cell["cell_type"] == "code"]


def test_there_is_one_for_each_kind_of_data() -> None:
    assert [path.stem for path in NOTEBOOKS] == sorted(LABELS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_short_and_holds_no_results(path: Path) -> None:
    cells = cells_of(path)
    assert len(cells) <= 5
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    assert all(ast.parse(code) for code in code_of(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    program = tmp_path / "cells.py"
    program.write_text("\n".join(code_of(path)), encoding="utf-8")
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    settings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    done = run_python([program], tmp_path, settings)
    assert done.returncode == 0, done.stderr
    predictions, shown = done.stdout.splitlines()
    assert set(ast.literal_eval(predictions)) <= LABELS[path.stem]
    assert shown == "page.html"
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "without chosen ones" in page


def test_the_documentation_shows_every_cell() -> None:
    spec = importlib.util.spec_from_file_location("notebook_pages", ROOT / "docs" / "notebook_pages.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    shown = hook.on_page_markdown((ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8"))
    assert "<!--" not in shown
    for path in NOTEBOOKS:
        assert all(f"```python\n{code}\n```" in shown for code in code_of(path))
    assert "docs/notebook_pages.py" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
