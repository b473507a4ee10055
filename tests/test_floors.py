"""The house stands on its floors: who may import whom, and what the first import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sampleformer
from tests.forked import run_python

PACKAGE = Path(sampleformer.__file__).parent
ROOT = Path(__file__).parent.parent


def test_modules_import_only_from_floors_below() -> None:
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())",
    ]
    finished = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def names_taken_from_the_front_door(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    taken = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "sampleformer"]
    submodules = {entry.stem for entry in PACKAGE.iterdir()}
    return [alias.name for node in taken for alias in node.names if alias.name not in submodules | {"__version__"}]


def test_modules_do_not_reach_over_the_floors_through_the_package_itself() -> None:
    taken = {str(path.relative_to(PACKAGE)): names_taken_from_the_front_door(path) for path in PACKAGE.rglob("*.py")}
    assert len(taken) > 100
    assert {path: names for path, names in taken.items() if names} == {}


@pytest.mark.parametrize(
    "statement",
    ["from sampleformer import Encoder, SamsaAttention, TokenModel, Tokens, swap", "import sampleformer.cli"],
)
def test_first_import_leaves_heavy_packages_alone(statement: str, tmp_path: Path) -> None:
    heavy = ["lightning", "matplotlib", "torchmetrics", "pyarrow", "tensorboard", "onnx", "onnxscript", "onnxruntime"]
    heavy += ["triton", "torch._dynamo", "rich", "pooch", "filelock", "sklearn", "yaml"]
    code = f"{statement}; import sys; print([name for name in {heavy} if name in sys.modules])"
    finished = run_python(["-c", code], tmp_path, imported="torch")
    assert finished.stdout.strip() == "[]", finished.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["trian"]])
def test_help_and_slips_need_no_torch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom sampleformer.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, *arguments]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)  # not forked: that has torch
    assert finished.stdout.splitlines()[-1] == "[]", finished.stderr


def test_public_names_are_found_when_they_are_used() -> None:
    assert all(getattr(sampleformer, name) is not None for name in sampleformer.__all__)
    assert set(sampleformer.__all__) <= set(dir(sampleformer))
    assert not hasattr(sampleformer, "Tokenz")


def test_package_ships_its_types() -> None:
    assert (PACKAGE / "py.typed").exists()
