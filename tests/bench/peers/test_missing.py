"""Baselines without their libraries."""

import sys
from collections.abc import Callable

import numpy as np
import pytest

from sampleformer.bench.peers.boosting import NumbersPart, train_boosting
from sampleformer.bench.peers.fingerprints import fingerprint_counts
from sampleformer.errors import InputError
from sampleformer.tasks import Regression

PART = NumbersPart(np.zeros((2, 1)), np.zeros((2, 1)))
USES: dict[str, Callable[[], object]] = {
    "rdkit": lambda: fingerprint_counts(["C"]),
    "sklearn": lambda: train_boosting((PART, PART, PART), Regression(["y"], [0.0], [1.0]), lambda outputs, targets: {}),
}


@pytest.mark.parametrize("package", USES)
def test_the_line_that_installs_it_is_given(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"^this needs the package {package}: .*\[peers\]"):
        USES[package]()
