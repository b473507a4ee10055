"""The verb ``serve``, started for real."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sampleformer.training import Predictor
from tests.cli.program import refused
from tests.serve.untrained import text_run

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


def asked(address: str, content: Any = None) -> Any:
    body = None if content is None else json.dumps(content).encode()
    with urllib.request.urlopen(urllib.request.Request(address, body), timeout=30) as response:
        return json.loads(response.read())


def test_a_run_is_served_until_it_is_interrupted(tmp_path: Path) -> None:
    run = text_run(tmp_path).path
    command = [sys.executable, "-m", "sampleformer", "serve", str(run), "--port", "0"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"TRITON_INTERPRET": "0"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            line = server.stdout.readline()
            assert line.endswith("until Ctrl-C\n"), server.stderr.read()
            address = line.split()[-3]
            assert asked(f"{address}/predict", {"sample": "abba"}) == {"answer": Predictor.load(run)("abba")}
            assert asked(f"{address}/health")["status"] == "ok"
            taken = address.rpartition(":")[2]
            assert f"--port {taken}: cannot be listened on" in refused(tmp_path, ["serve", run, "--port", taken])
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=30) == 130
            assert server.stderr.read() == "interrupted\n"
        finally:
            server.kill()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--wait", "-1"], "serve: wait: "), (["--max-samples", "0"], "serve: max_samples: ")],
    ids=str,
)
def test_impossible_limits_are_refused(tmp_path: Path, arguments: list[str], message: str) -> None:
    assert message in refused(tmp_path, ["serve", "run", *arguments])
