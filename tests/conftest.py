"""What every test shares: annotations of shape and type checked while the tests run, and fixed seeds."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import config, install_import_hook

# Every annotation of shape, dtype and type in these modules is checked on every call that a test makes.
CHECKED = ("tokens", "functional", "attention", "encoder", "embed", "heads", "model")
install_import_hook([f"sampleformer.{name}" for name in CHECKED], "beartype.beartype")

settings.register_profile(
    "sampleformer", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("sampleformer")


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Turns the annotation checks off, for the compiler, which cannot look through them."""
    from sampleformer.attention import Selection
    from sampleformer.tokens import Tokens

    config.update("jaxtyping_disable", True)
    for dataclass in (Tokens, Selection):  # made inside compiled code, where even a check turned off is in the way
        for name, method in list(vars(dataclass).items()):
            if hasattr(method, "__wrapped__"):
                monkeypatch.setattr(dataclass, name, method.__wrapped__)
    torch.compiler.reset()
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Tests that draw from torch's global generator draw the same in any order and number of workers."""
    torch.manual_seed(0)
