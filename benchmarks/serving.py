"""Throughput, times and memory of a service under many clients, and what it makes of malformed requests.

python -m benchmarks.serving runs/reviews -o serving.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

_WORDS = ("the", "a", "soup", "view", "room", "was", "very", "cold", "lovely", "and", "but", "not", "came", "after")


@contextmanager
def served(run: str, wait: float) -> Iterator[tuple[str, int]]:
    """Address and process of a service for a run."""
    command = [sys.executable, "-m", "sampleformer", "serve", run, "--port", "0", "--wait", f"{wait:g}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[-3], server.pid
        finally:
            server.terminate()


class Client:
    """One connection that is kept open.

    Args:
        address: Address of the service.
    """

    def __init__(self, address: str) -> None:
        self._at = urlsplit(address)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes, kind: str = "application/json") -> tuple[int, bytes]:
        """Status and body of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._at.hostname, self._at.port)
        reader, writer = self._streams
        head = f"POST /predict HTTP/1.1\r\nHost: {self._at.netloc}\r\nContent-Type: {kind}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        found = await reader.readuntil(b"\r\n\r\n")
        lines = found.decode("latin-1").lower().split("\r\n")
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        answer = await reader.readexactly(length)
        if "connection: close" in lines:
            self.close()
        return int(lines[0].split()[1]), answer

    def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def load(address: str, bodies: Sequence[bytes], clients: int, seconds: float) -> dict[str, Any]:
    """What clients that ask one after the other, all at the same time, get in some seconds.

    Args:
        address: Address of the service.
        bodies: Bodies of requests, from which each client starts elsewhere.
        clients: Number of clients.
        seconds: Time after which none asks again.
    """
    times: list[float] = []
    statuses: Counter[int] = Counter()
    end = time.perf_counter() + seconds

    async def ask(first: int) -> None:
        client = Client(address)
        for body in cycle([*bodies[first:], *bodies[:first]]):
            start = time.perf_counter()
            if start >= end:
                break
            status, _ = await client.post(body)
            times.append(time.perf_counter() - start)
            statuses[status] += 1
        client.close()

    await asyncio.gather(*(ask(number * len(bodies) // clients) for number in range(clients)))
    p50, p99 = np.quantile(times, [0.5, 0.99]) * 1000
    return {
        "requests": len(times),
        "failed": len(times) - statuses[200],
        "requests_per_second": round(len(times) / seconds, 1),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
    }


def memory(process: int) -> float:
    """Resident memory of a process in MB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024 / 1e6


async def memory_over(
    address: str, process: int, bodies: Sequence[bytes], clients: int, requests: int
) -> dict[str, Any]:
    """Memory of a service before, during and after so many requests."""
    waiting = iter(cycle(bodies))
    found = [round(memory(process), 1)]
    left = requests

    async def ask(share: int) -> None:
        client = Client(address)
        for _ in range(share):
            await client.post(next(waiting))
        client.close()

    while left:
        part = min(left, max(requests // 10, clients))
        shares = [part // clients + (number < part % clients) for number in range(clients)]
        await asyncio.gather(*map(ask, shares))
        left -= part
        found.append(round(memory(process), 1))
    return {"requests": requests, "megabytes": found}


async def malformed(address: str, whole: bytes, count: int, seed: int = 0) -> dict[str, Any]:
    """Statuses of the answers to damaged bodies: bytes changed, cut off, doubled, nested, or forms that are none."""
    draw = random.Random(seed)
    statuses: Counter[int] = Counter()
    client = Client(address)
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na,b\r\n1,2\r\n--x--\r\n'
    slowest = 0.0
    for number in range(count):
        kind = "multipart/form-data; boundary=x" if number % 4 == 3 else "application/json"
        body = bytearray(form if number % 4 == 3 else whole)
        for _ in range(draw.randint(1, 5)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        damaged = bytes(body[: draw.randrange(len(body))]) if number % 4 in (1, 3) else bytes(body)
        if number % 4 == 2:
            damaged = draw.choice([b"[" * 100_000, b'{"a":' * 50_000, b"", b"\xff\xfe", b"null", b'{"sample": {}}'])
        elif number % 4 == 0:
            damaged = b"{" + damaged  # whatever was changed, this is no JSON
        start = time.perf_counter()
        status, _ = await asyncio.wait_for(client.post(damaged, kind), 60)
        slowest = max(slowest, time.perf_counter() - start)
        statuses[status] += 1
    client.close()
    return {
        "requests": count,
        "statuses": {str(status): statuses[status] for status in sorted(statuses)},
        "slowest_ms": round(1000 * slowest, 1),
    }


def texts(count: int, words: tuple[int, int], seed: int = 0) -> list[bytes]:
    """Bodies of requests with one text each."""
    draw = random.Random(seed)
    return [
        json.dumps({"sample": " ".join(draw.choices(_WORDS, k=draw.randint(*words)))}).encode() for _ in range(count)
    ]


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    bodies = texts(512, tuple(options.words))
    found: dict[str, Any] = {
        "cores": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
        "clients": options.clients,
        "seconds": options.seconds,
        "words": options.words,
        "runs": [],
    }
    for wait in options.wait:
        with served(options.run, wait) as (address, _):
            asyncio.run(load(address, bodies, options.clients, min(2.0, options.seconds)))  # warms up
            found["runs"].append(
                {"wait_ms": wait, **asyncio.run(load(address, bodies, options.clients, options.seconds))}
            )
            print(json.dumps(found["runs"][-1]), flush=True)
    with served(options.run, options.wait[0]) as (address, process):
        if options.requests:
            found["memory"] = asyncio.run(memory_over(address, process, bodies, options.clients, options.requests))
        if options.malformed:
            found["malformed"] = asyncio.run(malformed(address, bodies[0], options.malformed))
    return found


def main() -> None:
    """Reads the command line, measures, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="run folder of a model for texts")
    parser.add_argument("--clients", type=int, default=32, help="clients at the same time (32)")
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds of each measurement (30)")
    parser.add_argument("--wait", type=float, nargs="+", default=[2.0, 0.0], help="waits of the service in ms (2 0)")
    parser.add_argument("--words", type=int, nargs=2, default=[20, 200], help="fewest and most words of a text")
    parser.add_argument("--requests", type=int, default=10_000, help="requests over which memory is watched (10000)")
    parser.add_argument("--malformed", type=int, default=1000, help="malformed requests (1000)")
    parser.add_argument("-o", "--output", type=Path, help="file for the figures")
    options = parser.parse_args()
    text = json.dumps(measured(options), indent=1) + "\n"
    print(text, end="")
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
