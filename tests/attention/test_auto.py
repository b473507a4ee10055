"""The attention that depends on how long the inputs are."""

import json

import pytest

from sampleformer.attention import ATTENTIONS, auto
from sampleformer.attention.auto import choose_attention, read_crossovers
from sampleformer.errors import InputError
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.settings import Component


@pytest.fixture
def table(monkeypatch) -> None:
    records = [
        {"attention": "samsa", "pass": "forward", "length": 10, "device": "cpu"},
        {"attention": "samsa", "pass": "train", "length": 800, "device": "cpu"},
        {"attention": "yoso", "pass": "train", "length": None, "device": "cpu"},
    ]
    monkeypatch.setattr(auto, "read_crossovers", lambda: records)


@pytest.mark.parametrize(("length", "chosen"), [(1, "full"), (799, "full"), (800, "samsa"), (10**6, "samsa")])
def test_full_attention_below_the_crossover_of_training_and_the_other_from_there_on(table, length, chosen):
    found, reason = choose_attention(Component(name="auto"), length)
    assert found.name == chosen
    assert reason.startswith(f"attention: {chosen}, for inputs of {length} tokens")
    assert "800" in reason


def test_arguments_are_those_of_the_attention_beyond(table):
    asked = Component(name="auto", beyond="samsa", sampled=3)
    assert choose_attention(asked, 1000)[0] == Component(name="samsa", sampled=3)
    assert choose_attention(asked, 10)[0] == Component(name="full")


def test_layers_that_attend_stay_whichever_is_chosen(table):
    asked = Component(name="auto", sampled=3, layers=[1, 3])
    assert choose_attention(asked, 1000)[0] == Component(name="samsa", sampled=3, layers=[1, 3])
    assert choose_attention(asked, 10)[0] == Component(name="full", layers=[1, 3])


def test_what_is_never_faster_is_never_taken(table):
    found, reason = choose_attention(Component(name="auto", beyond="yoso"), 10**9)
    assert found == Component(name="full")
    assert "never" in reason


def test_other_attentions_stand_for_themselves():
    asked = Component(name="samsa", sampled=3)
    assert choose_attention(asked, 10**6, device="cuda") == (asked, "")


@pytest.mark.parametrize(
    ("asked", "device", "message"),
    [
        ({"name": "auto", "beyond": "smasa"}, "cpu", "beyond: no crossover is known for 'smasa'; did you mean 'samsa'"),
        ({"name": "auto"}, "cuda", "'auto' knows no crossover on cuda.*sampleformer bench speed --device cuda"),
    ],
    ids=["unknown", "device"],
)
def test_what_has_no_crossover_is_refused(table, asked, device, message):
    with pytest.raises(InputError, match=message):
        choose_attention(Component(**asked), 100, device)


def test_the_packaged_table_knows_registered_attentions_on_cpus():
    records = read_crossovers()
    assert {record["attention"] for record in records} <= ATTENTIONS.keys() - {"full"}
    assert {(record["pass"], record["device"]) for record in records} >= {("forward", "cpu"), ("train", "cpu")}
    assert all(record["length"] is None or record["length"] > 0 for record in records)
    json.dumps(records)


def test_a_model_made_in_python_is_told_where_to_ask():
    with pytest.raises(InputError, match="'auto' depends on how long the inputs are"):
        TokenModel(ModelSettings(attention=Component(name="auto")), {"vocabulary": 5}, outputs=2)
