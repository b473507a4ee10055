"""Estimators of scikit-learn's kind: its own checks, texts, molecules and DataFrames."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from sampleformer.errors import InputError
from sampleformer.integrations.sklearn import SampleformerClassifier, SampleformerRegressor
from sampleformer.integrations.sklearn.rows import validation_rows

SMALL = ("model.width=8", "model.layers=1", "model.heads=1", "model.feedforward=8", "model.attention.sampled=2")
SMALL += ("training.batch_size=256", "training.warmup_steps=0", "training.check_every=1000")
# Without the linear model, whose products of float32 round otherwise where rows stand in another order.
NUMBERS = (*SMALL, "model.embed.hidden=8", "blend=[{name: forest, trees: 10}]")
LEARNING = (*NUMBERS, "training.learning_rate=0.05", "model.dropout=0", "training.batch_size=64")
LEARNT = ("check_classifiers_train", "check_regressors_train")
"""Checks that ask for a good fit, which two steps do not give."""


def checks() -> Iterator[Any]:
    """scikit-learn's checks: those of every estimator on one of ours, which share what they check.

    Left out are variants of `LEARNT` with arrays of other memory, for their time.
    """
    done = set()
    for kind in (SampleformerClassifier, SampleformerRegressor):
        quick, longer = kind(steps=2, settings=NUMBERS), kind(steps=30, settings=LEARNING)
        for _, check in estimator_checks_generator(quick, mark=None):
            name = str(getattr(check, "func", check).__name__)
            variant = name if name in LEARNT else f"{name} {getattr(check, 'keywords', '')}"
            if variant not in done:
                yield pytest.param(longer if name in LEARNT else quick, check, id=f"{kind.__name__}-{variant}")
            done.add(variant)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn_pass(estimator: Any, check: Callable[..., None]) -> None:
    check(clone(estimator))


def test_a_gap_is_not_the_mean() -> None:
    drawn = np.random.default_rng(0)
    X = drawn.normal(size=(200, 2))
    missing = drawn.random(200) < 0.5
    X[missing, 0] = np.nan
    settings = (*LEARNING, "blend=[]", "descriptors=[]")  # the transformer alone
    made = SampleformerClassifier(steps=60, settings=settings).fit(X, missing)
    assert made.predict([[np.nan, 0.3], [np.nanmean(X[:, 0]), 0.3]]).tolist() == [True, False]
    with pytest.raises(ValueError, match="infinity"):
        made.predict([[np.inf, 0.3]])


def words(rows: int) -> tuple[list[str], np.ndarray]:
    """Texts of which one word tells the class."""
    drawn = np.random.default_rng(0)
    classes = np.array(["good", "bad"], dtype=object)[drawn.integers(2, size=rows)]
    said = {"good": "lovely", "bad": "dreadful"}
    return [f"the {drawn.choice(['soup', 'view', 'room'])} was {said[each]} today" for each in classes], classes


@pytest.fixture(scope="module")
def reader() -> SampleformerClassifier:
    texts, classes = words(60)
    return SampleformerClassifier(steps=30, settings=(*SMALL, "training.learning_rate=0.05")).fit(texts, classes)


def test_texts_are_learnt_and_the_estimator_is_pickled(reader: SampleformerClassifier) -> None:
    texts, classes = words(60)
    assert reader.score(texts, classes) == 1.0
    assert reader.classes_.tolist() == ["bad", "good"]
    probabilities = reader.predict_proba(np.array(texts))
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (reader.classes_[probabilities.argmax(axis=1)] == classes).all()
    again = pickle.loads(pickle.dumps(reader))
    assert np.array_equal(again.predict_proba(texts), probabilities)
    with pytest.raises(InputError, match="^samples: sample 1: column 'text': found 5, expected a text"):
        reader.predict(["the soup", 5])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_dataframe_has_the_answers_of_its_texts(library: str) -> None:
    frames = pytest.importorskip(library)
    texts, classes = words(40)
    frame = frames.DataFrame({"more": range(40), "review": texts, "price": [0.5 * row for row in range(40)]})
    target = frames.Series(classes.tolist())
    estimator = SampleformerClassifier(text="review", steps=1, settings=SMALL).fit(frame, target)
    found = estimator.predict_proba(frame)
    assert np.array_equal(
        found, SampleformerClassifier(steps=1, settings=SMALL).fit(texts, classes).predict_proba(texts)
    )
    described = clone(estimator).set_params(features=["price"]).fit(frame, target)
    assert described.predictor_.encoding.model_inputs["descriptors"]
    with pytest.raises(InputError, match="^samples: column 'price' is missing"):
        described.predict(frame[["review"]])
    halves = frames.DataFrame({"title": [text[:4] for text in texts], "body": [text[4:] for text in texts]})
    of_two = SampleformerClassifier(text=["title", "body"], steps=1, settings=SMALL).fit(halves, target)
    joined = SampleformerClassifier(steps=1, settings=SMALL).fit([f"{text[:4]}\n{text[4:]}" for text in texts], classes)
    assert np.array_equal(of_two.predict_proba(halves), joined.predict_proba([f"{x[:4]}\n{x[4:]}" for x in texts]))
    with pytest.raises(InputError, match="text: found .*, expected several columns of a DataFrame"):
        clone(of_two).fit(texts, classes)
    numbers = SampleformerRegressor(steps=1, settings=NUMBERS).fit(frame[["more", "price"]], frame["price"])
    assert numbers.feature_names_in_.tolist() == ["more", "price"]
    assert numbers.predict(frame[["more", "price"]]).shape == (40,)


def test_a_dataset_of_hugging_face(reader: SampleformerClassifier) -> None:
    datasets = pytest.importorskip("datasets")
    texts, classes = words(60)
    whole = datasets.Dataset.from_dict({"said": texts, "class": classes.tolist()})
    settings = (*SMALL, "training.learning_rate=0.05")
    made = SampleformerClassifier(text="said", steps=30, settings=settings).fit(whole, whole["class"])
    np.testing.assert_allclose(made.predict_proba(whole), reader.predict_proba(texts))
    with pytest.raises(InputError, match="X: found the splits train, test, expected the samples of one of them"):
        made.fit(whole.train_test_split(0.5), whole["class"])


def test_molecules_and_their_numbers() -> None:
    pytest.importorskip("rdkit")
    molecules = ["C" * (1 + row % 7) + "O" * (row % 2) for row in range(30)]
    settings = (*SMALL, "descriptors=[]")
    estimator = SampleformerRegressor(smiles="smiles", steps=1, settings=settings).fit(molecules, np.arange(30.0))
    assert np.isfinite(estimator.predict(molecules)).all()
    with pytest.raises(InputError, match="^samples: sample 1: column 'smiles': "):
        estimator.predict(["CC", "C("])


def test_pipelines_and_searches_train_it() -> None:
    drawn = np.random.default_rng(0)
    values = drawn.normal(size=(60, 3))
    classes = np.where(values[:, 0] > 0, "up", "down")
    pipeline = make_pipeline(StandardScaler(), SampleformerClassifier(settings=LEARNING))
    search = GridSearchCV(pipeline, {"sampleformerclassifier__steps": [1, 25]}, cv=2).fit(values, classes)
    assert search.best_params_ == {"sampleformerclassifier__steps": 25}
    assert search.best_score_ > 0.8
    columns = ColumnTransformer([("numbers", "passthrough", [0, 2])])
    piped = make_pipeline(columns, SampleformerClassifier(steps=1, settings=NUMBERS)).fit(values, classes)
    alone = SampleformerClassifier(steps=1, settings=NUMBERS).fit(values[:, [0, 2]], classes)
    np.testing.assert_array_equal(piped.predict_proba(values), alone.predict_proba(values[:, [0, 2]]))


def test_a_training_is_repeated_by_its_seed_and_leaves_other_generators_alone() -> None:
    values = np.random.default_rng(0).normal(size=(20, 2))
    states = np.random.get_state()[1].tolist(), torch.get_rng_state()  # Python's is drawn from by the checks of types
    one, other, third = (
        SampleformerRegressor(steps=1, settings=NUMBERS, random_state=seed).fit(values, values[:, 0]).predict(values)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)
    assert np.random.get_state()[1].tolist() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])


def test_rows_that_validate_leave_each_class_rows_to_learn_from() -> None:
    strata = np.array([0] * 40 + [1] * 3 + [2])
    rows = validation_rows(strata, 0.2, np.random.RandomState(0))
    assert np.bincount(strata[rows], minlength=3).tolist() == [8, 1, 0]
    assert validation_rows(np.array([0, 1, 1]), 0.1, np.random.RandomState(0)).tolist() in ([1], [2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "a", "smiles": "b"}, "text and smiles: found 'a' and 'b', expected one of them"),
        ({"features": ["a"]}, r"features: found \['a'\], expected text or smiles beside them"),
        ({"text": "a", "features": ["b"]}, r"features: found \['b'\], expected them beside a DataFrame"),
        ({"validation_fraction": 1.0}, "validation_fraction: found 1.0, expected a number between 0 and 1"),
        ({"steps": 1, "epochs": 1}, "--epochs and --steps: expected one of them, got both"),
        ({"attention": "smasa"}, "did you mean 'samsa'"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SampleformerClassifier(**arguments).fit(np.zeros((20, 2)) + np.arange(20)[:, None], np.arange(20) % 2)


def test_texts_and_classes_must_be_as_many(reader: SampleformerClassifier) -> None:
    with pytest.raises(InputError, match="^y: found 2 targets, expected 1, one a sample"):
        clone(reader).fit(["a"], ["x", "y"])
    with pytest.raises(InputError, match="^y: found only one class, 'x', expected two or more"):
        clone(reader).fit(["a", "b"], ["x", "x"])
    with pytest.raises(NotFittedError):
        clone(reader).predict(["a"])
