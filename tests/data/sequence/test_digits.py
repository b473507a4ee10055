"""The digits that ship inside the package."""

import numpy as np

import sampleformer.data.sequence.digits as digits
from sampleformer.data import Digits


def test_digits_are_complete() -> None:
    splits = Digits().load()
    parts = [splits.train, splits.valid, splits.test]
    assert sum(map(len, parts)) == 1797
    counts = sum(np.bincount(part.targets) for part in parts if part.targets is not None)
    assert np.array_equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])  # as the repository lists them
    assert splits.encoding.layout == (8, 8)
    assert {len(sample.features) for sample in splits.train} == {64}
    assert splits.encoding.task.labels == [str(digit) for digit in range(10)]


def test_levels_are_scaled_or_codes() -> None:
    scaled, coded = Digits().load(), Digits(values="codes").load()
    assert coded.encoding.model_inputs == {"vocabulary": 17, "length": 64}
    assert np.array_equal(scaled.train[5].features[:, 0] * 16, coded.train[5].features)
    assert scaled.encoding.pieces(scaled.train[5]) == coded.encoding.pieces(coded.train[5])


def test_licence_ships_with_the_data() -> None:
    from importlib.resources import files

    text = files(digits).joinpath("LICENSE.txt").read_text()
    assert "CC BY 4.0" in text
    assert "10.24432/C50P49" in text
