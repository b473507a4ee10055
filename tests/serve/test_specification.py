"""Services against their own specification, by schemathesis, on machines that have it."""

import importlib.util
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from sampleformer.serve.settings import ServeSettings
from sampleformer.training import Predictor
from tests.serve.services import served
from tests.serve.untrained import (
    cloud_predictor,
    graph_predictor,
    image_predictor,
    molecule_predictor,
    number_predictor,
    text_run,
)

INSTALLED = importlib.util.find_spec("schemathesis") is not None
PROGRAM = Path(sys.executable).with_name("schemathesis")
# A body of too many samples violates the specification and is answered with 413.
CHECKS = '[checks.negative_data_rejection]\nexpected-statuses = ["400", "405", "406", "413", "415", "422"]\n'
MAKE: dict[str, Callable[[Path], Predictor]] = {
    "text": lambda folder: Predictor.load(text_run(folder).path),
    "numbers": number_predictor,
    "images": image_predictor,
    "cloud": cloud_predictor,
    "molecules": molecule_predictor,
    "graph": graph_predictor,
}
CASES = [(kind, form) for kind in MAKE for form in ("json", "form") if (kind, form) != ("graph", "form")]


@pytest.mark.skipif(not INSTALLED, reason="schemathesis is not installed: pip install schemathesis")
@pytest.mark.parametrize(("kind", "form"), CASES)
def test_a_service_keeps_to_its_specification(kind: str, form: str, tmp_path: Path) -> None:
    done = checked(kind, form, tmp_path)
    assert done.returncode == 0, done.stdout


def checked(kind: str, form: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What schemathesis says of a service that takes bodies of one form."""
    with served(MAKE[kind](folder), ServeSettings(max_seconds=60)) as address:
        with urllib.request.urlopen(f"{address}/openapi.json") as response:
            described: dict[str, Any] = json.load(response)
        bodies = described["paths"]["/predict"]["post"]["requestBody"]["content"]
        bodies.pop("application/json" if form == "form" else "multipart/form-data", None)
        (folder / "specification.json").write_text(json.dumps(described))
        (folder / "checks.toml").write_text(CHECKS)
        command = [str(PROGRAM), "--config-file", "checks.toml", "run", "specification.json"]
        options = ["--url", address, "--max-examples", "40", "--seed", "0", "--request-timeout", "60"]
        if form == "form" or kind in ("molecules", "graph"):
            # No specification can say what a file's name ends in and what it holds, which texts are SMILES, nor that
            # edges join nodes that are there.
            options += ["--exclude-checks", "positive_data_acceptance"]
        return subprocess.run([*command, *options], cwd=folder, capture_output=True, encoding="utf-8", check=False)
