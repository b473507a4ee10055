"""The linear model over n-grams beside one that counts in dictionaries."""

import math
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from sampleformer.errors import InputError
from sampleformer.models import Model, NGrams
from sampleformer.models.fitted import lines, ngrams
from sampleformer.models.fitted.columns import Columns
from sampleformer.settings import validate
from sampleformer.tokens import Tokens

VOCABULARY = 6
RANDOM = np.random.default_rng(0)
TEXTS = [RANDOM.integers(VOCABULARY, size=length).tolist() for length in (1, 5, 3, 8, 2, 7, 6, 4, 9, 5, 6, 3)]
CLASSES = np.array([[0.0], [1], [2], [1], [0], [2], [1], [0], [2], [1], [np.nan], [0]])
LABELS = np.array(
    [[0.0, 1], [1, 0], [1, np.nan], [0, 1], [0, 0], [1, 1], [1, 0], [0, 1], [1, 0], [1, 1], [0, 0], [0, 1]]
)
TARGETS = {
    "two classes": Columns("classes", np.where(CLASSES == 2, 1, CLASSES), 2),
    "three classes": Columns("classes", CLASSES, 3),
    "labels with a gap": Columns("labels", LABELS, 2),
    "values": Columns("values", RANDOM.normal(size=(12, 2)), 2),
}


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "TOLERANCE", 1e-10)


def tokens(texts: list[list[int]]) -> Tokens:
    """Texts, padded with the code 3, which is also a word."""
    longest = max(map(len, texts))
    padded = torch.tensor([[*text, *[3] * (longest - len(text))] for text in texts])
    return Tokens(padded, torch.tensor([[place < len(text) for place in range(longest)] for text in texts]))


def fitted(columns: Columns, longest: int = 2, strength: float = 5.0, min_samples: int = 2) -> NGrams:
    settings = NGrams.Settings(longest=longest, strengths=(strength,), min_samples=min_samples)
    chunks = [tokens(TEXTS[:5]), tokens(TEXTS[5:])]
    return next(NGrams.candidates(settings, {"vocabulary": VOCABULARY}, chunks, columns, seed=0))


def grams(text: list[int], longest: int) -> set[tuple[int, ...]]:
    """All different runs of a text."""
    return {tuple(text[at : at + n]) for n in range(1, longest + 1) for at in range(len(text) - n + 1)}


def expected(columns: Columns, longest: int, asked: list[list[int]], strength: float = 5.0) -> np.ndarray:
    """Outputs for texts, from the formulas."""
    every = [grams(text, longest) for text in TEXTS]
    found = sorted(set(chain.from_iterable(every)))
    known = [gram for gram in found if sum(gram in text for text in every) >= 2]

    def features(text: set[tuple[int, ...]], scale: dict[tuple[int, ...], float]) -> list[float]:
        size = sum(gram in text for gram in known)
        return [scale[gram] / math.sqrt(size) if gram in text else 0.0 for gram in known]

    outputs = []
    for output in [1] if columns.form == "classes" and columns.outputs == 2 else range(columns.outputs):
        target = columns.targets[:, min(output, columns.targets.shape[1] - 1)]
        rows = [row for row in range(len(TEXTS)) if not np.isnan(target[row])]
        wanted = target == output if columns.form == "classes" else target
        scale = {gram: math.log((1 + len(TEXTS)) / (1 + sum(gram in text for text in every))) + 1 for gram in known}
        made = Ridge(alpha=1 / strength, tol=1e-10)
        if columns.form != "values":
            sides = [
                {g: 1 + sum(g in every[row] for row in rows if wanted[row] == side) for g in known} for side in (1, 0)
            ]
            totals = [sum(side.values()) for side in sides]
            scale = {g: math.log(sides[0][g] / totals[0]) - math.log(sides[1][g] / totals[1]) for g in known}
            made = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
        made.fit([features(every[row], scale) for row in rows], wanted[rows])
        outputs.append([made.coef_.ravel() @ features(grams(text, longest), scale) + made.intercept_ for text in asked])
    values = np.array(outputs, dtype=np.float64).reshape(len(outputs), len(asked)).T
    return np.hstack([-values, values]) / 2 if len(outputs) < columns.outputs else values


@pytest.mark.parametrize("longest", [1, 2, 3])
@pytest.mark.parametrize("name", TARGETS)
def test_outputs_are_those_of_the_formulas(name: str, longest: int) -> None:
    asked = [[0], [1, 1, 1, 2], [5, 4, 3, 2, 1, 0, 5], TEXTS[3]]
    found = fitted(TARGETS[name], longest)(tokens(asked)).double().numpy()
    np.testing.assert_allclose(found, expected(TARGETS[name], longest, asked), atol=2e-5)


def test_padding_and_unknown_runs_count_for_nothing() -> None:
    model = fitted(TARGETS["three classes"])
    alone, beside = model(tokens([[1, 2]])), model(tokens([[1, 2], [3] * 9]))
    torch.testing.assert_close(alone[0], beside[0])
    nothing = NGrams(NGrams.Settings(size=1), {"vocabulary": VOCABULARY}, 2)
    nothing.bias.copy_(torch.tensor([1.0, 2]))
    assert nothing(tokens([[4]])).tolist() == [[1.0, 2]]  # its only key, 0, is that of no n-gram
    assert model(Tokens(torch.zeros(2, 0, dtype=torch.int64))).shape == (2, 3)


def test_no_run_goes_over_a_masked_word() -> None:
    def keys(text: list[int], *masked: int) -> set[int]:
        mask = torch.tensor([[place not in masked for place in range(len(text))]])
        (found,) = ngrams._different(Tokens(torch.tensor([text]), mask), VOCABULARY, 3)
        return set(found.tolist())

    assert keys([1, 2, 0, 4, 5], 2) == keys([1, 2]) | keys([4, 5])
    assert keys([0, 2, 3, 1], 0, 3) == keys([2, 3])


def test_what_each_run_adds_makes_the_output() -> None:
    model = fitted(TARGETS["three classes"])
    text = [5, 4, 3, 2, 1, 4, 3, 0]
    runs = model.runs(tokens([text]))
    torch.testing.assert_close(sum(added for *_, added in runs) + model.bias, model(tokens([text]))[0])
    known = {tuple(text[at : at + length]): at for at, length, _ in runs}
    assert known[(4, 3)] == 1  # where it first begins
    assert set(known) <= grams(text, 2)
    assert model.runs(Tokens(torch.zeros(1, 0, dtype=torch.int64))) == []


def test_of_too_many_the_most_frequent_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "MOST_WEIGHTS", 9)
    model = fitted(TARGETS["three classes"])
    counts = {gram: sum(gram in grams(text, 2) for text in TEXTS) for text in TEXTS for gram in grams(text, 2)}
    assert model.settings.size == 3
    kept = [counts[(key - 1,)] for key in model.keys.tolist()]  # the most frequent are single words
    assert sorted(kept) == sorted(counts.values())[-3:]


def test_a_saved_one_answers_the_same(tmp_path: Path) -> None:
    model = fitted(TARGETS["labels with a gap"])
    model.save_pretrained(tmp_path)
    again = Model.from_pretrained(tmp_path)
    assert isinstance(again, NGrams)
    torch.testing.assert_close(again(tokens(TEXTS)), model(tokens(TEXTS)), rtol=0, atol=0)


def test_where_no_word_is_in_two_samples_there_is_no_candidate() -> None:
    for texts in ([[0, 1], [2, 3]], [[], []]):
        samples = Tokens(torch.tensor(texts, dtype=torch.int64).reshape(2, -1))
        columns = Columns("classes", np.array([[0.0], [1]]), 2)
        assert list(NGrams.candidates(NGrams.Settings(), {"vocabulary": VOCABULARY}, [samples], columns, 0)) == []


@pytest.mark.parametrize("wrong", [{"strengths": ()}, {"strengths": (0.0,)}, {"strengths": (float("nan"),)}])
def test_strengths_are_above_zero(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="strengths"):
        validate(NGrams.Settings, {"name": "ngrams"} | wrong)


def test_candidates_differ_by_their_strength() -> None:
    settings = NGrams.Settings(strengths=(0.01, 100.0))
    weak, strong = NGrams.candidates(settings, {"vocabulary": VOCABULARY}, [tokens(TEXTS)], TARGETS["two classes"], 0)
    assert weak(tokens(TEXTS)).abs().max() < strong(tokens(TEXTS)).abs().max()


def test_what_cannot_be() -> None:
    with pytest.raises(InputError, match="ngrams: has not been fitted"):
        NGrams(NGrams.Settings(), {"vocabulary": 5}, 2)
    with pytest.raises(InputError, match=r"ngrams\.longest: 5 tokens of a vocabulary of 50,000"):
        NGrams(NGrams.Settings(longest=5, size=1), {"vocabulary": 50_000}, 2)
    with pytest.raises(InputError, match=r"ngrams\.longest: 5 tokens of a vocabulary of 50,000 have more than 2⁶³"):
        next(NGrams.candidates(NGrams.Settings(longest=5), {"vocabulary": 50_000}, [], TARGETS["values"], 0))
    with pytest.raises(InputError, match="expected one code for each token"):
        fitted(TARGETS["values"])(Tokens(torch.zeros(1, 2, 3)))
