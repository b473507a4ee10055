"""Masked tokens: what is hidden, what is asked, and a training on it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sampleformer.data import CloudFolder, NumberTable, SmilesTable, Splits, TextTable, collate
from sampleformer.data.encoding import Encoding
from sampleformer.errors import InputError
from sampleformer.explain.outcome import outcome_of
from sampleformer.files import write_csv
from sampleformer.sample import Sample
from sampleformer.settings import Component
from sampleformer.tasks import Contents, Masked, MaskedCodes, MaskedNumbers, Predictions
from sampleformer.training import Recipe, evaluate, predict, train
from tests.data.point_cloud.small import write_shapes

WORDS = ["sun", "moon", "star", "sky", "sea", "sand"]


def write_texts(path: Path, rows: int = 40) -> Path:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, size=random.integers(1, 30))) for _ in range(rows)]
    write_csv(path, ["text", "label"], [{"text": text, "label": row % 2} for row, text in enumerate(texts)])
    return path


def codes(n: int, columns: int = 0, unknown: int | None = None) -> tuple[MaskedCodes, Sample]:
    random = np.random.default_rng(1)
    features = random.integers(0, 50, size=(n, columns) if columns else n)
    return MaskedCodes([str(code) for code in range(50)], unknown), Sample(features, None, "a")


@pytest.mark.parametrize("columns", [0, 3])
def test_what_is_asked_is_what_a_token_carried(columns: int) -> None:
    task, sample = codes(1000, columns)
    drawn = task.draw(sample, np.random.default_rng(0), training=True)
    assert drawn.asked is not None
    assert drawn.hidden is not None
    first = sample.features if not columns else sample.features[:, 0]
    assert drawn.target is not None
    np.testing.assert_array_equal(drawn.target, first[drawn.asked])
    assert len(set(drawn.asked.tolist())) == 150
    assert (drawn.level, drawn.rows) == ("token", 150)
    # Of those asked about 80 % are hidden, 10 % carry another token's codes, 10 % their own; the others are untouched.
    changed = (drawn.features != sample.features).reshape(1000, -1).any(1)
    assert set(np.flatnonzero(changed | drawn.hidden)) <= set(drawn.asked.tolist())
    assert (drawn.features[drawn.hidden] == 0).all()
    assert drawn.hidden.sum() == pytest.approx(120, abs=4 * np.sqrt(150 * 0.8 * 0.2))
    swapped = changed & ~drawn.hidden
    assert 0 < swapped.sum() <= 40
    assert sample.target is None
    assert sample.hidden is None


def test_nobody_is_asked_about_the_unknown() -> None:
    task, sample = codes(400, unknown=7)
    drawn = task.draw(sample, np.random.default_rng(0), training=True)
    assert 7 in sample.features
    assert drawn.target is not None
    assert 7 not in drawn.target


@pytest.mark.parametrize("n", [0, 1, 2])
def test_samples_of_few_tokens(n: int) -> None:
    task, sample = codes(n)
    drawn = task.draw(sample, np.random.default_rng(0), training=False)
    assert drawn.rows == min(n, 1)
    assert drawn.target is not None
    assert len(drawn.target) == drawn.rows
    assert collate([drawn, task.draw(codes(5)[1], np.random.default_rng(0), training=False)]).targets is not None


def test_hidden_points_are_asked_for_their_place_in_a_cell() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(200, 3)).astype(np.float32)
    sample = Sample(np.ones((200, 2), np.float32), None, "a", coordinates=points, normals=points.copy())
    task = MaskedNumbers(list("xyz"), places=True)
    drawn = task.draw(sample, np.random.default_rng(0), training=True)
    assert drawn.coordinates is not None
    assert drawn.normals is not None
    assert drawn.hidden is not None
    assert drawn.asked is not None
    assert drawn.target is not None
    hidden = drawn.hidden[drawn.asked]
    cell = 0.5 * float(np.sqrt(np.square(points.astype(np.float64)).mean()))
    found = drawn.coordinates[drawn.asked][hidden] + cell * drawn.target[hidden]
    np.testing.assert_allclose(found, points[drawn.asked][hidden], atol=1e-5)
    assert np.abs(drawn.target).max() <= 0.5 + 1e-5
    assert not drawn.normals[drawn.hidden].any()
    assert not drawn.features[drawn.hidden].any()


def test_numbers_are_asked_for_themselves() -> None:
    sample = Sample(np.arange(40, dtype=np.float32)[:, None], None, "a")
    drawn = MaskedNumbers(["value"]).draw(sample, np.random.default_rng(0), training=True)
    assert drawn.target is not None
    assert drawn.asked is not None
    np.testing.assert_array_equal(drawn.target, sample.features[drawn.asked])


def test_gaps_are_not_asked_for() -> None:
    half = np.where(np.arange(40) % 2, np.nan, np.arange(40)).astype(np.float32)[:, None]
    for features in (half, np.full_like(half, np.nan)):
        sample = Sample(features, None, "a")
        drawn = MaskedNumbers(["value"]).draw(sample, np.random.default_rng(0), training=True)
        assert drawn.asked is not None
        np.testing.assert_array_equal(features[drawn.asked], drawn.target)
        assert not np.isnan(features[drawn.asked]).any()


def test_kept_outputs_are_the_five_best() -> None:
    task = MaskedCodes([str(code) for code in range(9)])
    outputs = torch.randn(7, 9, generator=torch.Generator().manual_seed(0))
    kept = task.condense(outputs).numpy()
    probabilities = torch.softmax(outputs.double(), -1).numpy()
    order = np.argsort(-probabilities, axis=1)
    decoded = task.decode(kept)
    assert decoded["prediction"] == [str(row[0]) for row in order]
    np.testing.assert_allclose(decoded["probability"], probabilities.max(1), rtol=1e-5)
    targets = np.array([row[place] for row, place in zip(order, (0, 0, 1, 4, 5, 8, 0), strict=True)])
    targets[6] = -1
    found = task.score(Predictions(kept, targets, ["a"], np.zeros(7, int), np.arange(7)))
    assert found == pytest.approx({"accuracy": 2 / 6, "top5_accuracy": 4 / 6})


def test_an_explanation_shows_the_best_and_the_true_code() -> None:
    task = MaskedCodes([str(code) for code in range(9)])
    found = outcome_of(task, np.arange(9, dtype=np.float32)[None], np.array(0))
    assert [answer.name for answer in found.answers] == ["8", "7", "6", "5", "4", "0"]
    assert (found.truth, found.right) == ("0", False)


def test_inputs_that_carry_nothing() -> None:
    with pytest.raises(InputError, match="task: 'masked' cannot hide the tokens of graph data"):
        Masked.of_inputs(None, "graph")
    assert isinstance(Masked.of_inputs(Contents(columns=["a"]), "graph"), MaskedNumbers)


def text_splits(tmp_path: Path) -> Splits:
    return TextTable(str(write_texts(tmp_path / "texts.csv")), "text", min_count=1, task="masked").load()


def test_targets_of_evaluation_are_always_the_same_and_of_training_drawn_anew(tmp_path: Path) -> None:
    splits = text_splits(tmp_path)
    again = text_splits(tmp_path)
    for part, same in ((splits.valid, again.valid), (splits.test, again.test)):
        assert part.targets is not None
        assert same.targets is not None
        np.testing.assert_array_equal(part.targets, same.targets)
    drawn = [splits.train.drawn(0, np.random.default_rng(seed)).asked for seed in range(5)]
    assert len({tuple(each.tolist()) for each in drawn if each is not None}) > 1


def shapes(tmp_path: Path) -> Any:
    return CloudFolder(str(write_shapes(tmp_path / "shapes")), points=16, task="masked")


def molecules(tmp_path: Path) -> Any:
    rows = [{"smiles": "C" * (1 + row % 5) + "O" + "N" * (row % 3)} for row in range(40)]
    write_csv(tmp_path / "molecules.csv", ["smiles"], rows)
    return SmilesTable(str(tmp_path / "molecules.csv"), "smiles", identifiers=4, task="masked")


def numbers(tmp_path: Path) -> Any:
    rows = [{"a": row, "b": 2 * row, "c": row % 3} for row in range(40)]
    write_csv(tmp_path / "numbers.csv", ["a", "b", "c"], rows)
    return NumberTable(str(tmp_path / "numbers.csv"), task="masked")


@pytest.mark.parametrize("source", [shapes, molecules, numbers])
def test_every_modality_has_masked_tokens(source: Any, tmp_path: Path) -> None:
    splits = source(tmp_path).load()
    task = splits.encoding.task
    assert isinstance(task, MaskedNumbers if source is not molecules else MaskedCodes)
    batch = collate([splits.train.drawn(row, np.random.default_rng(row)) for row in range(4)])
    assert batch.asked is not None
    assert batch.tokens.hidden is not None
    assert bool(batch.tokens.hidden.any())
    splits.encoding.save(tmp_path / "encoding.json")
    again = Encoding.load(tmp_path / "encoding.json").task
    assert (type(again), again.labels) == (type(task), task.labels)


def test_a_training_evaluation_and_predictions(tmp_path: Path) -> None:
    path = write_texts(tmp_path / "texts.csv")
    recipe = Recipe(
        name="masked",
        data=Component(name="text", path=str(path), text="text", min_count=1, task="masked"),
        model={"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "attention": {"name": "full"}},  # type: ignore[arg-type]
        training={"steps": 4, "batch_size": 8},  # type: ignore[arg-type]
    )
    run = train(recipe, tmp_path / "run", quiet=True)
    results = run.read_results()
    assert results is not None
    assert results["task"] == "masked_codes"
    assert set(results["best"]["test"]) == {"accuracy", "top5_accuracy"}
    found = evaluate(run.path)
    assert found["scores"] == pytest.approx(results["best"]["test"])
    count = predict(run.path, path, tmp_path / "p.csv")
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "id,token,target,prediction,probability"
    assert len(lines) == count + 1


def test_the_model_must_know_hidden_tokens(tmp_path: Path) -> None:
    from sampleformer.models import ModelSettings, TokenModel

    splits = text_splits(tmp_path)
    settings = ModelSettings(width=16, layers=1, heads=2, feedforward=16)
    batch = collate([splits.train[0], splits.train[1]])
    plain = TokenModel(settings, splits.encoding.model_inputs, splits.encoding.task.outputs, level="token")
    with pytest.raises(InputError, match="made without a vector for them"):
        plain(batch.tokens)


def test_what_hidden_tokens_carried_does_not_reach_the_model(tmp_path: Path) -> None:
    """Two samples that differ in hidden tokens alone are one to the model."""
    task, sample = codes(30)
    drawn = task.draw(sample, np.random.default_rng(3), training=True)
    other = sample.features.copy()
    assert drawn.hidden is not None
    other[drawn.hidden] = (other[drawn.hidden] + 1) % 50
    same = task.draw(Sample(other, None, "a"), np.random.default_rng(3), training=True)
    np.testing.assert_array_equal(same.features[~_swapped(drawn, sample)], drawn.features[~_swapped(drawn, sample)])


def _swapped(drawn: Sample, sample: Sample) -> np.ndarray:
    assert drawn.hidden is not None
    return (drawn.features != sample.features) & ~drawn.hidden
