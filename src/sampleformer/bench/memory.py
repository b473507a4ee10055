"""How much memory a computation needs while it runs."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(work: Callable[[], object], device: str) -> int | None:
    """Most bytes of tensors allocated at one time while the work runs, above those that were there before it.

    On a CPU torch keeps no peak. There its profiler writes down every allocation and release that goes through torch's
    allocator, and their running sum is followed: exact, whatever the machine does besides, and independent of what the
    system's allocator keeps back. What the libraries below torch take for themselves (packed matrices, a few
    megabytes) is not seen, and neither is the release of a tensor that was there before.

    Args:
        work: what to run, once; what it returns is kept until the end.
        device: ``cpu``, ``cuda`` or ``mps``.

    Returns:
        None on devices that do not say (mps).

    Example:
        >>> peak_bytes(lambda: torch.zeros(1024).cos(), "cpu")
        8192
    """
    if device == "cuda":
        return _peak_on_cuda(work)
    if device == "cpu":
        return _peak_on_cpu(work)
    work()
    return None


def _peak_on_cuda(work: Callable[[], object]) -> int:
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    kept = work()
    torch.cuda.synchronize()
    del kept
    return torch.cuda.max_memory_allocated() - before


def _peak_on_cpu(work: Callable[[], object]) -> int:
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler reports its starts and stops on the error stream
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = work()
    del kept
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8", errors="replace"))["traceEvents"]
    changes = sorted(
        (event["ts"], number, event["args"]["Bytes"])
        for number, event in enumerate(events)
        if event.get("name") == "[memory]" and event["args"]["Device Type"] == 0
    )
    allocated = peak = 0
    for _, _, change in changes:
        allocated += change
        peak = max(peak, allocated)
    return peak
