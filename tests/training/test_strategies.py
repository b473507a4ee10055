"""Processes that share the weights, or the tokens of each sample, train as one process does."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sampleformer.models import Blend, Model
from sampleformer.training import RunFolder
from sampleformer.training.batches import BY_LENGTH, IN_ORDER
from sampleformer.training.run_folder import read_checkpoint
from tests.training.ranks import Ranks
from tests.training.shares import FickleModel, step, steps
from tests.training.small import text_recipe, write_clouds, write_graphs, write_texts
from tests.training.test_processes import STEPS, _assert_alike, _assert_close, _last, _train, _with
from tests.training.test_run import StopAt


@pytest.fixture(scope="module")
def ranks() -> Iterator[dict[int, Ranks]]:
    """Processes by their number."""
    several = {size: Ranks(size) for size in (2, 4)}
    yield several
    for each in several.values():
        each.close()


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Recipes by the kind of their data."""
    folder = tmp_path_factory.mktemp("data")
    text = text_recipe(write_texts(folder / "texts.csv"))
    return {
        name: recipe.model_dump()
        for name, recipe in {"text": text, "graph": write_graphs(folder), "cloud": write_clouds(folder)}.items()
    }


CASES = [
    (2, "samsa"),
    (2, "score function"),
    (2, "batch norm, groups of one sample"),
    (2, "graph"),
    (4, "sft, with terms"),
    (4, "full, in many chunks"),
]
"""Numbers of processes, and steps of `test_processes`."""


@pytest.mark.parametrize(("size", "case"), CASES)
def test_a_step_is_that_of_one_process(
    ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], size: int, case: str
) -> None:
    kind, model, training = STEPS[case]
    values = recipes[kind] | {"model": recipes[kind]["model"] | model}
    values = _with(values, parts=4, **training)
    expected = step(values)
    whole = int(expected.pop("samples"))
    found = ranks[size].run(step, _with(values, strategy="fsdp"))
    assert sum(int(each.pop("samples")) for each in found) == whole
    for each in found:
        _assert_close(each, expected)


def test_parameters_that_some_samples_use(ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]]) -> None:
    values = _with(recipes["text"] | {"model": {"name": FickleModel.name}}, parts=4, batch_size=4)
    used = set()
    for number in range(3):
        expected = step(values, number)
        del expected["samples"]
        used.add("of_long.weight" in expected)
        for each in ranks[4].run(step, _with(values, strategy="fsdp"), number):
            del each["samples"]
            _assert_close(each, expected)
        assert "of_none.weight" not in expected
    assert True in used


def test_steps_are_those_of_one_process(ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]]) -> None:
    values = _with(recipes["text"], parts=4, steps=12, batch_size=4, optimizer={"name": "muon"})
    expected = steps(values, 12)
    held = int(expected.pop("held"))
    for each in ranks[2].run(steps, _with(values, strategy="fsdp"), 12):
        assert int(each.pop("held")) < 0.55 * held
        torch.testing.assert_close(each["norms"], expected["norms"], rtol=1e-9, atol=0)
        torch.testing.assert_close(each["losses"], expected["losses"], rtol=1e-9, atol=0)
        _assert_alike(each, expected)


@pytest.fixture(scope="module")
def runs(
    ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The same training by one process, by four, and by four that are stopped, gone on with by two and by one."""
    folder = tmp_path_factory.mktemp("runs")
    values = _with(
        recipes["text"], parts=4, ema=0.9, optimizer={"name": "muon"}, max_tokens=60, accumulate=2, strategy="fsdp"
    )
    alone = _with(values, strategy="ddp")
    places = {name: folder / name for name in ("one", "four", "four then two", "four then one")}
    assert _train(alone, places["one"]) == ""
    assert ranks[4].run(_train, values, places["four"]) == [""] * 4
    assert ranks[4].run(_train, values, places["four then two"], False, StopAt(6)) == ["interrupted"] * 4
    shutil.copytree(places["four then two"], places["four then one"])
    assert ranks[2].run(_train, values, places["four then two"], True) == [""] * 2
    assert _train(alone, places["four then one"], True) == ""
    return places


@pytest.mark.parametrize("name", ["four", "four then two", "four then one"])
def test_a_run_is_that_of_one_process(runs: dict[str, Path], name: str) -> None:
    _assert_alike(_last(runs[name]), _last(runs["one"]))
    found, expected = (read_checkpoint(RunFolder(runs[each]).last_checkpoint) for each in (name, "one"))
    (one,), (other,) = expected["optimizer_states"], found["optimizer_states"]
    assert one["state"].keys() == other["state"].keys()
    for number, state in one["state"].items():
        for key, value in state.items():
            torch.testing.assert_close(other["state"][number][key], value, rtol=1e-3, atol=1e-5)


def test_the_weights_are_one_file(runs: dict[str, Path]) -> None:
    kept, expected = (load_file(RunFolder(runs[name]).model / "model.safetensors") for name in ("four", "one"))
    _assert_alike(kept, expected)
    assert isinstance(RunFolder(runs["four"]).read_model(), Model)


@pytest.mark.parametrize("strategy", ["fsdp", "tokens", "ddp"])
@pytest.mark.parametrize(("precision", "bits"), [("bf16-mixed", 8), ("16-mixed", 11)])
def test_half_precision(
    ranks: dict[int, Ranks],
    recipes: dict[str, dict[str, Any]],
    tmp_path: Path,
    precision: str,
    bits: int,
    strategy: str,
) -> None:
    # Nothing random in the model: processes that share tokens draw for other chunks than one process.
    still = {"dropout": 0.0, "attention": {"name": "samsa", "sampled": 3, "choice": "straight_through", "noise": 0.0}}
    values = recipes["text"] | {"model": recipes["text"]["model"] | still}
    values = _with(values, parts=2, optimizer={"name": "sgd"}, learning_rate=0.1, precision=precision)
    several = {"before": _with(values, learning_rate=1e-9), "one": values}
    for name, each in several.items():
        assert _train(_with(each, steps=1), tmp_path / name) == ""
    assert ranks[2].run(_train, _with(values, steps=1, strategy=strategy), tmp_path / "two") == ["", ""]
    before, one, two = (_last(tmp_path / name) for name in (*several, "two"))
    longest = 0.1 * values["training"]["gradient_clip"]
    for name, value in one.items():  # a number has so many bits
        torch.testing.assert_close(two[name], value, rtol=0, atol=longest * 2 ** (1 - bits))
    assert max(float((value - before[name]).abs().max()) for name, value in one.items()) > longest * 2**-3


@pytest.mark.parametrize("strategy", ["fsdp", "tokens"])
def test_a_blend_has_the_models_that_one_process_fits(
    ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], tmp_path: Path, strategy: str
) -> None:
    values = _with(recipes["text"] | {"blend": [{"name": "ngrams"}]}, parts=2, steps=1, check_every=1)
    assert _train(values, tmp_path / "one") == ""
    assert ranks[2].run(_train, _with(values, strategy=strategy), tmp_path / "two") == ["", ""]
    one, two = (RunFolder(tmp_path / name) for name in ("one", "two"))
    fitted, expected = (folder.read_results()["parts"][1] for folder in (two, one))  # type: ignore[index]
    assert fitted["name"] == "ngrams"
    assert (fitted["valid"], fitted["test"]) == (expected["valid"], expected["test"])
    model, other = two.read_model(), one.read_model()
    assert isinstance(model, Blend)
    assert model.state_dict().keys() == other.state_dict().keys()


GRAPHS = {
    "embed": {"name": "graph", "edge_tokens": "none"},
    "local": {"name": "edges"},
    "attention": {"name": "samsa", "sampled": 3, "layers": "every second"},
    "norm": "batch",
}
SHARED_TOKENS: list[tuple[int, int | None, str, dict[str, Any]]] = [
    (2, None, "text", {}),
    (2, None, "text", {"attention": {"name": "yoso"}, "local": {"name": "window", "window": 2}, "pooling": "max"}),
    (4, 2, "text", {"attention": {"name": "sft", "sampled": 3}, "stochastic_depth": 0.3}),
    (4, None, "text", {"attention": {"name": "full"}, "pooling": "mean"}),
    (2, None, "graph", GRAPHS),
    (4, 2, "graph", GRAPHS),
    (4, 2, "cloud", {"local": {"name": "edges"}}),
]
"""Numbers of processes, and of those that share the tokens of a sample, the kind of data, and what the model has."""


@pytest.mark.parametrize(("size", "shards", "kind", "model"), SHARED_TOKENS)
def test_a_step_on_shared_tokens_is_that_of_one_process(
    ranks: dict[int, Ranks],
    recipes: dict[str, dict[str, Any]],
    size: int,
    shards: int | None,
    kind: str,
    model: dict[str, Any],
) -> None:
    values = recipes[kind] | {"model": recipes[kind]["model"] | model}
    values = _with(values, parts=2)
    # Cuts whose chunks draw noise and dropout one after the other.
    expected = step(values, cut=IN_ORDER if "norm" in model else BY_LENGTH)
    whole = int(expected.pop("samples"))
    found = ranks[size].run(step, _with(values, strategy="tokens", token_shards=shards))
    assert sum(int(each.pop("samples")) for each in found) == whole * (shards or size)
    for each in found:
        _assert_close(each, expected)


def test_steps_on_shared_tokens_are_those_of_one_process(
    ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]]
) -> None:
    values = _with(recipes["text"], parts=2, steps=12, batch_size=4)
    expected = steps(values, 12, BY_LENGTH)
    for each in ranks[2].run(steps, _with(values, strategy="tokens"), 12):
        torch.testing.assert_close(each["norms"], expected["norms"], rtol=1e-9, atol=0)
        torch.testing.assert_close(each["losses"], expected["losses"], rtol=1e-9, atol=0)
        _assert_alike(each, expected)


def test_a_run_on_shared_tokens_goes_on_with_fewer_processes(
    ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    values = recipes["graph"] | {"model": recipes["graph"]["model"] | GRAPHS}
    values = _with(values, parts=2, steps=8, check_every=4, ema=0.9, accumulate=2, strategy="tokens")
    assert ranks[2].run(_train, values, tmp_path / "two") == [""] * 2
    pairs = _with(values, token_shards=2)
    assert ranks[4].run(_train, pairs, tmp_path / "four then two", False, StopAt(6)) == ["interrupted"] * 4
    assert ranks[2].run(_train, values, tmp_path / "four then two", True) == [""] * 2
    _assert_alike(_last(tmp_path / "four then two"), _last(tmp_path / "two"))


def _refusals(several: list[dict[str, Any]], folder: Path) -> list[str]:
    return [_train(each, folder) for each in several]


def test_what_cannot_be_is_refused(ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    text, torchs = recipes["text"], {"local": {"name": "tests.training.shares.NormedWindow"}}
    bag = {"beside": [{"name": "bag"}]}
    cases = {
        "graphs with edge_tokens = 'pair', expected 'none'": recipes["graph"]
        | {"model": recipes["graph"]["model"] | {"local": {"name": "edges"}}},
        "the model 'transformer' looks at all tokens of a sample, or one beside it does": text
        | {"model": text["model"] | bag},
        "the model 'gin' looks at all tokens": recipes["graph"] | {"model": {"name": "gin"}},
        "batch norms of others look at the tokens at hand alone": text | {"model": text["model"] | torchs},
        "terms of the loss": _with(text, score_load=0.1),
    }
    several = [_with(each, strategy="tokens") for each in cases.values()]
    several += [_with(text, strategy=name, compile=True) for name in ("fsdp", "tokens")]
    several.append(_with(text, strategy="tokens", token_shards=3))
    several.append(_with(text, strategy="fsdp", token_shards=2))
    for said in ranks[2].run(_refusals, several, tmp_path / "run"):
        for words, message in zip(cases, said, strict=False):
            assert message.startswith("training.strategy: 'tokens' is not for this training: ")
            assert words in message
        for name, message in zip(("fsdp", "tokens"), said[-4:], strict=False):
            assert message.startswith(f"training.compile: True is for training.strategy 'ddp', found '{name}'")
        assert said[-2:] == [
            "training.token_shards: 3, expected a number that divides 2, that of the processes",
            "training.token_shards: 2 needs the strategy 'tokens', but training.strategy is 'fsdp'",
        ]
    assert not (tmp_path / "run").exists()
