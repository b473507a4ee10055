"""Damages files at random and reads them: ``python -m tests.faults.fuzz [READER ...]``.

A reader may give a value or raise `InputError`, in one line, within seconds and within a gigabyte. Each reader runs in
a process of its own, which the system stops at its limits; what it died of is then the finding. A finding names the
reader and a number: ``READER --only NUMBER --keep FOLDER`` writes the file again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sampleformer.errors import InputError
from tests.faults.mutations import mutated
from tests.faults.reader import Reader
from tests.faults.readers import READERS

SECONDS = 5
"""Processor time that reading one small file may take."""
BYTES = 2**30
"""Memory that it may take."""
MOST_FINDINGS = 20
_WAITED = 120  # seconds without a sign of life: a reader that waits takes no processor time


@dataclass(frozen=True)
class Finding:
    """A file that a reader did not take as it should."""

    reader: str
    number: int
    what: str

    def __str__(self) -> str:
        return f"{self.reader} --only {self.number}: {self.what}"


def fuzz(
    name: str, mutations: int, seed: int = 0, *, first: int = 0, deadline: float | None = None
) -> tuple[int, list[Finding]]:
    """Reads damaged files.

    Args:
        name: Name of the reader, from `READERS`.
        mutations: Number of files.
        seed: Seed of all of them.
        first: Number of the first.
        deadline: Time of ``time.monotonic`` at which no more are begun. None: all are read.

    Returns:
        The number of files that were read, and what was found.
    """
    reader, findings = READERS[name], []
    processes = multiprocessing.get_context("fork")  # what is imported here need not be imported again
    with tempfile.TemporaryDirectory() as folder:
        content = reader.prepare(Path(folder))
        number, end = first, first + mutations
        while number < end and len(findings) < MOST_FINDINGS and (deadline is None or time.monotonic() < deadline):
            here, there = processes.Pipe(duplex=False)
            arguments = (reader, Path(folder), content, seed, number, end, deadline, there)
            child = processes.Process(target=_work, args=arguments)
            child.start()
            there.close()
            number, found = _listen(here, child, name, number)
            findings += found
    return number - first, findings


def _listen(here: Connection, child: Any, name: str, number: int) -> tuple[int, list[Finding]]:
    """Follows one process to its end; the number of the file to go on with."""
    findings, begun = [], number
    try:
        while here.poll(_WAITED):
            kind, number, *what = here.recv()
            if kind == "done":
                child.join()
                return number, findings
            if kind == "found":
                findings.append(Finding(name, number, what[0]))
            begun = number
    except EOFError:
        child.join()
        died = signal.Signals(-child.exitcode).name if child.exitcode < 0 else f"exit code {child.exitcode}"
        took = {"SIGPROF": f"more than {SECONDS} s"}.get(died, f"the process died: {died}")
        return begun + 1, [*findings, Finding(name, begun, took)]
    child.kill()
    child.join()
    return begun + 1, [*findings, Finding(name, begun, f"no sign of life for {_WAITED} s")]


def _work(
    reader: Reader,
    folder: Path,
    content: bytes,
    seed: int,
    first: int,
    end: int,
    deadline: float | None,
    there: Connection,
) -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):  # packages print what they think of a file
        os.dup2(silent, number)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    _read_in_one_thread()
    (folder / reader.target).write_bytes(content)
    reader.read(folder, "stop")  # whatever is imported or kept for good is not the files'
    _limit_memory()
    number = first
    while number < end and (deadline is None or time.monotonic() < deadline):
        there.send(("begun", number))
        (folder / reader.target).write_bytes(mutated(content, f"{seed}/{reader.target}/{number}"))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        what = _read(reader, folder, ("stop", "skip")[number % 2])
        signal.setitimer(signal.ITIMER_PROF, 0)
        if what:
            there.send(("found", number, what))
        number += 1
    there.send(("done", number))
    os._exit(0)


def _read_in_one_thread() -> None:
    """Keeps scans to one thread: the pool that this process may have had before it was forked would be waited for."""
    if (laspy := sys.modules.get("laspy")) is not None:
        laspy.LazBackend.detect_available = lambda: (laspy.LazBackend.Lazrs,)


def _limit_memory() -> None:
    lines = Path("/proc/self/status").read_text().splitlines()
    held = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (held + BYTES, held + BYTES))


def _read(reader: Reader, folder: Path, on_error: str) -> str | None:
    """What is wrong with how a file was taken; None: nothing."""
    try:
        reader.read(folder, on_error)
    except InputError as error:
        if "\n" in str(error) or len(str(error)) > 3000:
            return f"a message of several lines, or a very long one: {str(error)[:300]!r}"
        return f"more than {BYTES:,} bytes" if _is_of_memory(error) else None
    except BaseException as error:
        if _is_of_memory(error):
            return f"more than {BYTES:,} bytes"
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "sampleformer" in frame.filename] or frames
        place = f"{ours[-1].filename.rpartition('sampleformer/')[2]}:{ours[-1].lineno}"
        return f"{type(error).__name__} at {place}: {' '.join(str(error).split())[:200]}"
    return None


def _is_of_memory(error: BaseException | None) -> bool:
    words = "DefaultCPUAllocator"  # torch has no error of its own for it
    return error is not None and (
        isinstance(error, MemoryError) or words in str(error) or _is_of_memory(error.__cause__)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it from the command line; the exit code is 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(READERS)}; all if not given")
    parser.add_argument("--mutations", type=int, default=5000, help="files for each reader (default 5000)")
    parser.add_argument("--seconds", type=float, default=3600, help="for everything (default an hour)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="readers at once")
    parser.add_argument("--only", type=int, help="a single file of one reader")
    parser.add_argument("--keep", type=Path, help="with --only: writes the file into this folder and does not read it")
    options = parser.parse_args(arguments)
    names = options.readers or list(READERS)
    if options.keep:
        (name,) = names
        content = READERS[name].prepare(options.keep)
        damaged = mutated(content, f"{options.seed}/{READERS[name].target}/{options.only}")
        (options.keep / READERS[name].target).write_bytes(damaged)
        return 0
    first, mutations = (0, options.mutations) if options.only is None else (options.only, 1)
    end, found = time.monotonic() + options.seconds, []
    with ThreadPoolExecutor(options.jobs) as pool:
        # Each has its share of the time, so that the last readers have some too.
        shares = {name: options.seconds * options.jobs / len(names) for name in names}

        def run(name: str) -> tuple[str, int, list[Finding]]:
            deadline = min(end, time.monotonic() + shares[name])
            return (name, *fuzz(name, mutations, options.seed, first=first, deadline=deadline))

        for name, read, findings in pool.map(run, names):
            found += findings
            print(f"{name:32} {read:7,} files, {len(findings)} findings", flush=True)
            for finding in findings:
                print(f"    {finding}", flush=True)
    print(f"{len(found)} findings" if found else "nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
