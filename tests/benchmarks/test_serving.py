"""The benchmark of a service, on a small one."""

import asyncio
import os
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from benchmarks.serving import load, malformed, memory_over, texts
from sampleformer.training import Predictor
from tests.serve.services import served
from tests.serve.untrained import text_run


def test_requests_are_counted_and_none_fails(tmp_path: Path) -> None:
    bodies = texts(8, (1, 5))
    with served(Predictor.load(text_run(tmp_path).path)) as address:
        found = asyncio.run(load(address, bodies, clients=3, seconds=0.3))
        assert found["requests"] >= 3
        assert found["failed"] == 0
        assert 0 < found["p50_ms"] <= found["p99_ms"]
        if Path("/proc/self/status").exists():
            watched = asyncio.run(memory_over(address, os.getpid(), bodies, clients=3, requests=20))
            assert len(watched["megabytes"]) > 2
        damaged = asyncio.run(malformed(address, bodies[0], 40))
    assert sum(damaged["statuses"].values()) == 40
    assert all(status.startswith("4") for status in damaged["statuses"])
