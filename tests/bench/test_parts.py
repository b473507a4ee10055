"""Parts of attentions: what is compared is the same, and what the verb prints, writes and refuses."""

import argparse
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rich.table import Table

from sampleformer.bench import part_measure
from sampleformer.bench.part import PARTS
from sampleformer.bench.part_measure import PartResults, measure_parts
from sampleformer.bench.part_table import part_notes, part_tables
from sampleformer.bench.parts import add_arguments, run
from sampleformer.bench.published import expanded_maxout, frugal_expanded_maxout
from sampleformer.bench.settings import PartsSettings
from sampleformer.bench.timing import Pass
from sampleformer.errors import InputError
from sampleformer.functional.bernoulli import expected_attention, unit_length
from tests.naive.scores import maxout as naive_maxout

SIZES = ["--lengths", "16,8", "--head-width", "4", "--sampled", "5", "--hashes", "3", "--code-length", "2"]
TINY = [*SIZES, "--repeats", "2", "--threads", "1"]
FIELDS = (
    "part form heads head_width sampled hashes code_length pass n batch median_s min_s max_s peak_bytes device dtype "
    "threads torch"
)


def parts(*options: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args(list(options)))


def test_the_published_score_is_the_formula() -> None:
    query, key = torch.randn(2, 3, 5, 7, dtype=torch.float64), torch.randn(2, 3, 4, 7, dtype=torch.float64)
    expected = naive_maxout(query, key)
    for published in (expanded_maxout, frugal_expanded_maxout):
        torch.testing.assert_close(published(query, key), expected, rtol=1e-12, atol=1e-12)


def test_forms_of_the_score_agree_at_the_sizes_that_were_asked_for() -> None:
    settings = PartsSettings(("score",), head_width=6, sampled=5, batch=2)
    forms = PARTS["score"].forms(settings, 3)
    query, key, gradient = PARTS["score"].tensors(settings, 3, 9)
    assert (query.shape, key.shape, gradient.shape) == ((2, 3, 9, 6), (2, 3, 5, 6), (2, 3, 9, 5))
    for form in forms.values():
        torch.testing.assert_close(form(query, key), forms["expanded"](query, key), rtol=1e-5, atol=1e-5)


def test_forms_of_the_mixing_are_whole_attentions() -> None:
    settings = PartsSettings(("mixing",), head_width=6, hashes=4000, code_length=2)
    forms = PARTS["mixing"].forms(settings, 2)
    *inputs, gradient = PARTS["mixing"].tensors(settings, 2, 9)
    assert {tensor.shape for tensor in (*inputs, gradient)} == {(1, 2, 9, 6)}
    query, key, value = inputs
    expected = unit_length(expected_attention(unit_length(query), unit_length(key), value, 2))
    assert F.cosine_similarity(forms["yoso"](*inputs), expected, dim=-1).min() > 0.98
    torch.testing.assert_close(forms["flash"](*inputs), F.scaled_dot_product_attention(query, key, value))


def test_a_training_step_reaches_every_input() -> None:
    for name, part in PARTS.items():
        settings = PartsSettings((name,), head_width=4, sampled=5, hashes=3, code_length=2)
        *inputs, gradient = part.tensors(settings, 2, 16)
        for form, function in part.forms(settings, 2).items():
            step = Pass(function, inputs, gradient)
            step()
            assert all(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in step.inputs), form


def test_json_and_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts(*TINY, "--json", str(tmp_path / "parts.json"))
    records = json.loads((tmp_path / "parts.json").read_text())
    assert [(r["part"], r["pass"], r["n"], r["form"]) for r in records] == [
        (part, direction, n, form)
        for part, forms in (("score", ("maxout", "frugal", "expanded")), ("mixing", ("yoso", "flash")))
        for direction in ("forward", "train")
        for n in (8, 16)
        for form in forms
    ]
    for record in records:
        assert list(record) == FIELDS.split()
        sizes = (record["heads"], record["sampled"], record["hashes"], record["code_length"])
        assert sizes == ((4, 5, None, None) if record["part"] == "score" else (8, None, 3, 2))
        assert 0 < record["min_s"] <= record["median_s"] <= record["max_s"]
    expanded = next(r for r in records if r["form"] == "expanded" and r["pass"] == "forward")
    assert expanded["peak_bytes"] >= 4 * 4 * 8 * 5 * 4 * 2  # float32, h, n, k, e and both numbers of a pair
    printed = capsys.readouterr().out
    for text in ("batch 1, float32, cpu, 1 thread", "4 heads of 4, k = 5", "8 heads of 4, m = 3, τ = 2", "as flash"):
        assert text in printed


def test_what_takes_too_long_is_left_out_and_has_no_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pass, "seconds", lambda self: 1.0 if self.function is F.scaled_dot_product_attention else 0.1)
    results = measure_parts(
        PartsSettings(("mixing",), (8,), head_width=4, repeats=2, passes=("forward",), limit_seconds=2)
    )
    assert [record["form"] for record in results.records] == ["yoso"]
    assert part_notes(results) == [
        "flash, forward, n = 8: left out, 4 passes would take about 4 s; --limit-seconds is 2."
    ]
    _, table = part_tables(results)
    assert isinstance(table, Table)
    assert [list(column.cells) for column in table.columns][4] == [""]


def test_nothing_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_measure, "measure_parts", lambda *arguments: PartResults(skipped=["all: left out"]))
    parts(*TINY)
    assert capsys.readouterr().out == "all: left out.\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--parts", "scores"], r"--parts: 'scores' is unknown; did you mean 'score'\?"),
        (["--lengths", "8,x"], "--lengths: 'x', expected whole numbers of tokens"),
        (["--heads", "0"], "--heads: 0, expected at least 1"),
        (["--head-width", "-1"], "--head-width: -1, expected at least 1"),
        (["--code-length", "17"], "--code-length: 17, expected at most 16"),
        (["--limit-seconds", "0"], "--limit-seconds: 0.0, expected more than 0"),
        (["--json", "no/such/folder/parts.json"], "--json: .* there is no folder .*no/such/folder"),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_measure, "measure_parts", lambda *arguments: pytest.fail("measured"))
    with pytest.raises(InputError, match=message):
        parts(*TINY, *options)
