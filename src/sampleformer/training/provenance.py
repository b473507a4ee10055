"""Where a run's numbers come from: command, versions and machine."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("sampleformer", "torch", "lightning", "torchmetrics", "numpy")


def describe_run(command: Sequence[str], seed: int, device: str) -> dict[str, Any]:
    """What ``run.json`` says when a run starts.

    Args:
        command: the program and its arguments.
        seed: of the training.
        device: that it runs on.
    """
    return {
        "command": list(command),
        "folder": os.getcwd(),
        "seed": seed,
        "versions": {"python": platform.python_version()} | versions(),
        "git_revision": git_revision(Path.cwd()),
        "machine": {
            "system": platform.platform(),
            "processor": processor_name(),
            "cores": usable_cores(),
            "device": device,
            "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        },
        "threads": torch.get_num_threads(),
        "started": now(),
        "finished": None,
        "train_seconds": None,
        "resumed": [],
    }


def versions() -> dict[str, str]:
    """Versions of the packages that decide what a training gives."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def git_revision(folder: Path) -> str | None:
    """Revision of the git repository that holds a folder, with a plus if it has changes; None if there is none."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def processor_name() -> str:
    """The processor as its maker calls it, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        brand = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(brand, capture_output=True, text=True).stdout.strip() or platform.processor()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
