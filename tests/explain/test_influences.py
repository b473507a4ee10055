"""The influence of descriptors on a page."""

import re

import numpy as np
import pytest
import torch

from sampleformer.data.descriptors import Descriptors, TableColumns
from sampleformer.explain.influences import Influence, influence_table, influences
from sampleformer.explain.outcome import Answer, ClassOutcome
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tokens import Tokens

COLUMNS = {"age": [str(row * 1.5) for row in range(40)], "kind": ["x" if row % 3 else "y" for row in range(40)]}


def described() -> tuple[Descriptors, torch.Tensor]:
    table = Table("rows.csv", COLUMNS, list(range(40)))
    part = TableColumns(["age", "kind"]).learn(table, [])
    measured = part.measure(np.zeros(40), table, RowReport(table.path, str))
    learnt = Descriptors.learn([part], [measured])
    return learnt, torch.from_numpy(learnt.encode([measured]).astype(np.float32))


def test_an_influence_is_what_the_outputs_lose_without_it() -> None:
    torch.manual_seed(0)
    learnt, codes = described()
    assert learnt.widths == [8, 0, 1, 1]
    settings = ModelSettings(width=8, layers=1, heads=2, feedforward=8, attention="full")
    model = TokenModel(settings, {"vocabulary": 3, "descriptors": learnt.widths}, outputs=2).eval()
    sample = codes[-1:]  # the oldest, of kind y (row 39)
    found = {each.name: each.changes for each in influences(model, learnt, sample)}
    tokens = torch.zeros(1, 4, dtype=torch.int64)
    whole = model(Tokens(tokens, descriptors=sample))
    for name, typical in (("age", {0: 4.0, 1: 0.0}), ("kind = y", {3: 0.0})):
        without = sample.clone()
        for place, value in typical.items():
            without[0, place] = value
        expected = (whole - model(Tokens(tokens, descriptors=without)))[0].tolist()
        assert found[name] == pytest.approx(expected, abs=1e-5)
    assert set(found) == {"age", "kind = y"}  # there is nothing to take away of kind x


def test_the_strongest_come_first_and_names_are_escaped() -> None:
    page = influence_table([Influence("<b>", (0.5, -0.25)), Influence("second", (0.0, 0.1))], ["no", "yes"])
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert page.index("&lt;b&gt;") < page.index("second")
    assert "+0.5" in page
    assert "−0.25" in page
    assert influence_table([], ["no"]) == ""


def test_of_many_outputs_the_foremost_are_shown() -> None:
    answers = [Answer(f"class {place}", 0.1 * place, float(place == 0)) for place in range(8)]
    outcome = ClassOutcome(answers)
    assert outcome.foremost == ["class 7", "class 6", "class 5", "class 4", "class 3", "class 0"]
    names = [answer.name for answer in answers]
    page = influence_table([Influence("length", tuple(float(place) for place in range(8)))], names, outcome.foremost)
    head, body = page.split("<tbody>")
    assert [name for name in names if name in head] == ["class 0", *names[3:]]
    assert re.findall(r"<td>\+?(\d)", body) == list("034567")
    assert "Shown are the 6 foremost of 8 outputs." in page
