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
from tests.serve.untrained import cloud_predictor, number_predictor, text_run

INSTALLED = importlib.util.find_spec("schemathesis") is not None
PROGRAM = Path(sys.executable).with_name("schemathesis")
# A body of too many samples violates the specification and is answered with 413.
CHECKS = '[checks.negative_data_rejection]\nexpected-statuses = ["400", "405", "406", "413", "415", "422"]\n'
MAKE: dict[str, Callable[[Path], Predictor]] = {
    "text": lambda folder: Predictor.load(text_run(folder).path),
    "numbers": number_predictor,
    "cloud": cloud_predictor,
}


@pytest.mark.skipif(not INSTALLED, reason="schemathesis is not installed: pip install schemathesis")
@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
@pytest.mark.parametrize("kind", MAKE)
def test_a_service_keeps_to_its_specification(kind: str, form: bool, tmp_path: Path) -> None:
    with served(MAKE[kind](tmp_path), ServeSettings(max_seconds=60)) as address:
        with urllib.request.urlopen(f"{address}/openapi.json") as response:
            described: dict[str, Any] = json.load(response)
        bodies = described["paths"]["/predict"]["post"]["requestBody"]["content"]
        bodies.pop("application/json" if form else "multipart/form-data")
        (tmp_path / "specification.json").write_text(json.dumps(described))
        (tmp_path / "checks.toml").write_text(CHECKS)
        command = [str(PROGRAM), "--config-file", "checks.toml", "run", "specification.json"]
        options = ["--url", address, "--max-examples", "40", "--seed", "0", "--request-timeout", "60"]
        if form:  # what a file's name ends in, and what it holds, no specification can say
            options += ["--exclude-checks", "positive_data_acceptance"]
        done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stdout
