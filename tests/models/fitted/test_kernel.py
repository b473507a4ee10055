"""Kernel ridge regression against its formula, in float64."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sampleformer.errors import InputError
from sampleformer.models import DescriptorKernel, Model
from sampleformer.models.fitted import kernel
from sampleformer.models.fitted.columns import Columns
from sampleformer.settings import validate
from tests.models.fitted.described import BINS, CLASSES, GAPS, INPUTS, LABELS, NUMBERS, RANDOM, VALUES, samples

ASKED = np.concatenate([NUMBERS, (RANDOM.normal(size=(30, 4)) * 4).astype(np.float16)])  # some outside the bins
PENALTY = 0.5


def fitted(columns: Columns, penalty: float = PENALTY) -> DescriptorKernel:
    settings = DescriptorKernel.Settings(penalties=(penalty,))
    chunks = [samples(NUMBERS[:20]), samples(NUMBERS[20:])]
    return next(DescriptorKernel.candidates(settings, INPUTS, chunks, columns, seed=3))


def bins_of(row: np.ndarray) -> list[float]:
    """Each bin in 255ths, and one that is full."""
    found = [1.0]
    for code, count in zip(row.astype(np.float64), BINS, strict=True):
        found += [round(min(max(code - number, 0.0), 1.0) * 255) / 255 for number in range(count)]
    return found


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    x, z = bins_of(one), bins_of(other)
    common = sum(a * b for a, b in zip(x, z, strict=True))
    return common / (sum(a * a for a in x) + sum(b * b for b in z) - common)


def expected(target: np.ndarray, penalty: float = PENALTY) -> np.ndarray:
    """What kernel ridge regression of one column says of all that is asked."""
    rows = NUMBERS[~np.isnan(target)]
    target = target[~np.isnan(target)]
    gram = np.array([[similarity(one, other) for other in rows] for one in rows])
    weights = np.linalg.solve(gram + penalty * np.eye(len(rows)), target - target.mean())
    asked = np.array([[similarity(one, other) for other in rows] for one in ASKED])
    return asked @ weights + target.mean()


def test_of_values() -> None:
    found = fitted(VALUES)(samples(ASKED)).numpy()
    np.testing.assert_allclose(found, np.column_stack([expected(each) for each in VALUES.targets.T]), atol=1e-4)


@pytest.mark.parametrize("columns", [LABELS, GAPS], ids=["known", "gaps"])
def test_of_labels(columns: Columns) -> None:
    shares = np.column_stack([expected(each) for each in columns.targets.T]).clip(0.02, 0.98)
    found = fitted(columns)(samples(ASKED)).numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), shares, atol=1e-4)


def test_of_classes() -> None:
    columns = [(CLASSES.targets[:, 0] == number).astype(np.float64) for number in range(3)]
    shares = np.column_stack([expected(each) for each in columns]).clip(0.02)
    found = np.exp(fitted(CLASSES)(samples(ASKED)).numpy())
    np.testing.assert_allclose(found, shares / shares.sum(1, keepdims=True), atol=1e-4)


def test_a_column_without_a_known_target_says_nothing() -> None:
    unknown = np.full((41, 1), np.nan)
    assert not fitted(Columns("labels", unknown, 1))(samples(ASKED)).any()
    assert not fitted(Columns("values", unknown, 1))(samples(ASKED)).any()


def test_the_similarity_is_a_kernel() -> None:
    levels = fitted(VALUES).bins(samples().descriptors.float())  # type: ignore[union-attr]
    gram = kernel.similarity(levels, levels.to(torch.uint8)).double()
    torch.testing.assert_close(gram, gram.T)
    torch.testing.assert_close(gram.diagonal(), torch.ones(41, dtype=torch.float64))
    assert float(torch.linalg.eigvalsh(gram).min()) > -1e-5


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted(VALUES)(samples(ASKED))
    monkeypatch.setattr(kernel, "_BLOCK", 7)
    torch.testing.assert_close(fitted(VALUES)(samples(ASKED)), whole)


@pytest.mark.parametrize("columns", [VALUES, GAPS], ids=["known", "gaps"])
def test_a_candidate_does_not_depend_on_those_before_it(columns: Columns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_BLOCK", 9)
    settings = DescriptorKernel.Settings(penalties=(2.0, 0.7, PENALTY))
    *_, last = DescriptorKernel.candidates(settings, INPUTS, [samples()], columns, seed=3)
    assert torch.equal(last(samples(ASKED)), fitted(columns)(samples(ASKED)))


def test_a_penalty_too_small_for_the_rounding_is_named() -> None:
    alike = samples(np.repeat(NUMBERS[:2], 20, axis=0))
    settings = DescriptorKernel.Settings(penalties=(1e-12,))
    targets = Columns("values", np.arange(40.0)[:, None], 1)
    with pytest.raises(InputError, match=r"kernel: penalties has 1e-12, expected more"):
        next(DescriptorKernel.candidates(settings, INPUTS, [alike], targets, seed=0))


def test_each_penalty_is_a_candidate() -> None:
    settings = DescriptorKernel.Settings()
    models = list(DescriptorKernel.candidates(settings, INPUTS, [samples()], VALUES, seed=0))
    assert len(models) == len(settings.penalties) == 5
    errors = [float((model(samples()) - torch.from_numpy(VALUES.targets)).abs().mean()) for model in models]
    assert errors == sorted(errors, reverse=True)  # the smaller the penalty, the nearer to the training part


def test_of_many_samples_some_are_kept(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(kernel, "MOST_BYTES", 6 * 11)  # six bins each
    with caplog.at_level("INFO", logger="sampleformer"):
        model = fitted(VALUES)
    assert caplog.messages == ["kernel is fitted to 11 of 41 samples, drawn at random"]
    assert model.rows.shape == (11, 6)
    known = {tuple(row) for row in model.bins(samples().descriptors.float()).tolist()}  # type: ignore[union-attr]
    assert all(tuple(map(float, row)) in known for row in model.rows.tolist())


def test_of_labels_with_gaps_of_their_own_fewer_samples_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "MOST_WORK", 2 * 30**3 / 3)
    both = np.where(RANDOM.random((41, 1)) < 0.3, np.nan, LABELS.targets[:, :2])
    each = np.where(RANDOM.random((41, 2)) < 0.3, np.nan, LABELS.targets[:, :2])
    assert fitted(Columns("labels", both, 2)).settings.rows == 38  # one system
    assert fitted(Columns("labels", each, 2)).settings.rows == 30


def test_the_rows_kept_are_the_same_however_the_samples_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "MOST_BYTES", 6 * 11)
    cut = [samples(NUMBERS[start : start + 5]) for start in range(0, len(NUMBERS), 5)]
    settings = DescriptorKernel.Settings(penalties=(0.1,))
    whole, parts = (
        next(DescriptorKernel.candidates(settings, INPUTS, chunks, VALUES, seed=3)) for chunks in ([samples()], cut)
    )
    assert torch.equal(whole.rows, parts.rows)
    assert torch.equal(whole.weights, parts.weights)


def test_descriptors_without_bins_are_nothing_to_learn_from() -> None:
    numbers = samples(NUMBERS[:, 2:3])
    assert not list(
        DescriptorKernel.candidates(DescriptorKernel.Settings(), {"descriptors": [0]}, [numbers], VALUES, seed=0)
    )


def test_saved_and_read(tmp_path: Path) -> None:
    model = fitted(GAPS)
    model.save_pretrained(tmp_path)
    read = Model.from_pretrained(tmp_path)
    assert torch.equal(read(samples(ASKED)), model(samples(ASKED)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": 0}, "kernel: has not been fitted"),
        ({"form": ""}, "kernel: has not been fitted"),
        ({"rows": 12_001}, "rows"),
        ({"rows": 7_000, "form": "values"}, r"kernel: rows is 7,000, expected fewer of 20,000 bins each"),
        ({"form": "odds"}, "form"),
        ({"penalties": [0]}, "penalties"),
    ],
)
def test_what_is_wrong_is_said(changed: dict[str, object], message: str) -> None:
    def build() -> None:
        settings = validate(DescriptorKernel.Settings, {"rows": 3, "form": "values"} | changed)
        DescriptorKernel(settings, {"descriptors": [20_000]}, 1)

    with pytest.raises(InputError, match=message):
        build()
