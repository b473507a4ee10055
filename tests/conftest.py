"""What every test shares: annotations of shape and type checked while the tests run, and fixed seeds."""

import gc
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch

# Triton reads it when a kernel is defined. The kernels then run without a GPU, in its interpreter.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

from hypothesis import HealthCheck, settings
from jaxtyping import config

from tests.annotations import check_modules

# What only says where the tests were started: a terminal's wishes, a proxy, the repository of a commit hook.
for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES"):
    os.environ.pop(name, None)
for name in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[name]
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"

CHECKED = (
    "ragged",
    "edges",
    "tokens",
    "distributed",
    "norms",
    "dropout",
    "functional",
    "kernels",
    "attention",
    "encoder",
    "embed",
    "heads",
    "models",
    "integrations",
)
check_modules([f"sampleformer.{name}" for name in CHECKED])

# What is tried is the same each time, lest luck decide what lands; `--hypothesis-profile search` tries other things.
tried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("sampleformer", tried, max_examples=30, derandomize=True)
settings.register_profile("search", tried, max_examples=300)
settings.load_profile("sampleformer")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots", metavar="FOLDER", help="keep pictures of pages in this folder, for the documentation"
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[Any]:
    """Thousands of tests, and the libraries that they import, stay to the end: garbage is sought among them once."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Turns the annotation checks off, to see the errors that users see, who do not have them."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Tests that draw from torch's global generator draw the same in any order and number of workers."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def messages_as_they_were() -> Iterator[None]:
    """A test that starts the program in this process leaves its handler and level to no other."""
    log = logging.getLogger("sampleformer")
    before = log.handlers, log.propagate, log.level
    yield
    log.handlers, log.propagate = before[0], before[1]
    log.setLevel(before[2])


@pytest.fixture
def fresh_compiler() -> None:
    """Forgets what earlier tests compiled, which counts against a limit on variants of one function."""
    torch.compiler.reset()
