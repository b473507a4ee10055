"""Several processes train as one does."""

import atexit
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from lightning.pytorch import Callback
from torch import Tensor

from sampleformer.data.prepared import prepare
from sampleformer.errors import InputError
from sampleformer.training import Recipe, RunFolder, train
from sampleformer.training.lost import begun_output
from sampleformer.training.outputs import model_outputs
from sampleformer.training.processes import join
from sampleformer.training.recipe import make_source
from sampleformer.training.run_folder import read_checkpoint
from tests.forked import run_python
from tests.training.ranks import Ranks
from tests.training.shares import parts_of, step
from tests.training.small import text_recipe, write_clouds, write_graphs, write_texts
from tests.training.test_run import StopAt

SIZES = (2, 4)


@pytest.fixture(scope="module")
def ranks() -> Iterator[dict[int, Ranks]]:
    """Processes by their number."""
    several = {size: Ranks(size) for size in SIZES}
    yield several
    for each in several.values():
        each.close()


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of texts."""
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.csv")


@pytest.fixture(scope="module")
def recipes(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Recipes by the kind of their data."""
    folder = tmp_path_factory.mktemp("others")
    several = {"text": text_recipe(texts), "graph": write_graphs(folder), "cloud": write_clouds(folder)}
    return {name: recipe.model_dump() for name, recipe in several.items()}


STEPS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "samsa": ("text", {}, {}),
    "samsa, hard": ("text", {"attention": {"name": "samsa", "sampled": 2, "choice": "hard"}}, {}),
    "score function": ("text", {"attention": {"name": "samsa", "sampled": 2, "choice": "score_function"}}, {}),
    "sft, with terms": (
        "text",
        {"attention": {"name": "sft", "sampled": 3}},
        {"score_entropy": 0.5, "score_load": 0.2},
    ),
    "yoso": ("text", {"attention": {"name": "yoso"}}, {}),
    "full, in many chunks": ("text", {"attention": {"name": "full"}}, {"max_tokens": 16}),
    "batch norm": ("text", {"norm": "batch"}, {}),
    "batch norm, groups of one sample": ("text", {"norm": "batch"}, {"max_tokens": 14}),
    "statistics of chunks": (
        "text",
        {"norm": "batch", "attention": {"name": "sft", "sampled": 3}},
        {"score_load": 0.2},
    ),
    "graph": ("graph", {"norm": "batch", "local": {"name": "edges"}}, {}),
    "gin": ("graph", {"name": "gin"}, {}),
    "cloud": ("cloud", {"norm": "batch", "stochastic_depth": 0.3}, {}),
}


@pytest.mark.parametrize("case", STEPS)
def test_a_step_is_that_of_one_process(ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], case: str) -> None:
    kind, model, training = STEPS[case]
    values = recipes[kind]
    values = values | {"model": model if "name" in model else values["model"] | model}
    values |= {"training": values["training"] | {"parts": 4} | training}
    expected = step(values)
    whole = int(expected.pop("samples"))
    for size in SIZES:
        found = ranks[size].run(step, values)
        shares = [int(each.pop("samples")) for each in found]
        assert sum(shares) == whole
        assert max(shares) < whole
        for each in found:
            _assert_close(each, expected)


def _assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    scale = max(float(value.abs().max()) for value in expected.values())
    for name, value in expected.items():
        exact = 1e-6 if value.dtype == torch.float64 else 1e-5
        torch.testing.assert_close(
            found[name], value, rtol=exact, atol=exact * 1e-3 * scale, msg=lambda m, n=name: f"{n}: {m}"
        )


def _train(values: dict[str, Any], folder: Path, resume: bool = False, stop: Callback | None = None) -> str:
    """Trains in this process, which may be one of several; what it was told in the end."""
    stops = [] if stop is None else [stop]
    try:
        train(Recipe.model_validate(values), folder, resume=resume, quiet=True, callbacks=stops)
    except InputError as error:
        return str(error)
    except KeyboardInterrupt:
        return "interrupted"
    return ""


def _with(values: dict[str, Any], **training: Any) -> dict[str, Any]:
    return values | {"training": values["training"] | training}


def _last(folder: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = read_checkpoint(RunFolder(folder).last_checkpoint)["state_dict"]
    return weights


def _assert_alike(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Asserts that weights differ by rounding.

    A softmax does not depend on what is added to all scores: the gradient of such a bias is rounding and nothing else,
    of which Adam makes steps of full length.
    """
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        other = found[name]
        if name.endswith("pooling.score.bias"):
            continue
        if name.endswith("attention.key_value.bias"):
            value, other = value.chunk(2)[1], other.chunk(2)[1]
        torch.testing.assert_close(other, value, rtol=1e-4, atol=1e-5)


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "tensorboard" not in path.parts}


@pytest.fixture(scope="module")
def runs(
    ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The same training by two processes, by one, and by two that are stopped and gone on with by two or by one."""
    folder = tmp_path_factory.mktemp("runs")
    values = _with(recipes["text"], parts=2, ema=0.9, optimizer={"name": "muon"}, max_tokens=60)
    names = ("two", "one", "two then two", "two then one")
    places = {name: folder / name for name in names}
    assert ranks[2].run(_train, values, places["two"]) == ["", ""]
    assert _train(values, places["one"]) == ""
    for name in names[2:]:
        assert ranks[2].run(_train, values, places[name], False, StopAt(6)) == ["interrupted"] * 2
    assert ranks[2].run(_train, values, places["two then two"], True) == ["", ""]
    assert _train(values, places["two then one"], True) == ""
    return places


def test_two_processes_train_from_prepared_data_as_from_the_table(
    ranks: dict[int, Ranks], runs: dict[str, Path], tmp_path: Path
) -> None:
    table = RunFolder(runs["two"]).read_recipe()
    prepare(make_source(table), tmp_path / "prepared", data=table.data)
    values = table.model_dump() | {"data": {"name": "prepared", "path": str(tmp_path / "prepared")}}
    assert ranks[2].run(_train, values, tmp_path / "run") == ["", ""]
    found, expected = _last(tmp_path / "run"), _last(runs["two"])
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_two_processes_give_the_weights_of_one(runs: dict[str, Path]) -> None:
    _assert_alike(_last(runs["two"]), _last(runs["one"]))
    scores = [RunFolder(runs[name]).read_results()["best"]["valid"]["loss"] for name in ("one", "two")]  # type: ignore[index]
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


def test_one_process_writes_one_folder(runs: dict[str, Path]) -> None:
    assert _files(runs["two"]) == _files(runs["one"])
    kept = RunFolder(runs["two"])
    assert kept.read_run()["processes"] == 2
    assert kept.read_recipe().training.devices is None
    rows = [kept.test_predictions.read_text().splitlines() for kept in map(RunFolder, (runs["two"], runs["one"]))]
    assert [line.split(",")[0] for line in rows[0]] == [line.split(",")[0] for line in rows[1]]


def test_a_stopped_run_goes_on_in_two_processes_bit_for_bit(runs: dict[str, Path]) -> None:
    whole, resumed = _last(runs["two"]), _last(runs["two then two"])
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    columns = [RunFolder(runs[name]).metrics.read_text().splitlines() for name in ("two", "two then two")]
    assert [line.rsplit(",", 1)[0] for line in columns[0]] == [line.rsplit(",", 1)[0] for line in columns[1]]


def test_a_stopped_run_goes_on_in_one_process(runs: dict[str, Path]) -> None:
    _assert_alike(_last(runs["two then one"]), _last(runs["two"]))
    assert RunFolder(runs["two then one"]).read_run()["resumed"][0]["processes"] == 1


def _outputs(values: dict[str, Any]) -> np.ndarray:
    recipe = Recipe.model_validate(values)
    processes = join(recipe.training, "cpu")
    module, _ = parts_of(recipe, processes)
    splits = make_source(recipe).load()
    return model_outputs(module.model.float(), splits.train, splits.encoding.task, 30, None, processes)


def test_outputs_come_in_the_order_of_the_rows(ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]]) -> None:
    expected = _outputs(recipes["text"])
    for each in ranks[4].run(_outputs, recipes["text"]):
        np.testing.assert_array_equal(each, expected)


def test_more_processes_than_samples_or_parts(
    ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    refused = {
        "batch_size": (3, "4 processes, but a step has 3 samples (training.batch_size); expected at most 3 processes"),
        "parts": (2, "4 processes, but the batch of a step has 2 parts (training.parts); expected at most 2 processes"),
        "devices": (3, "3 was asked for, but the launcher started 4; leave it out"),
    }
    for name, (value, message) in refused.items():
        said = ranks[4].run(_train, _with(recipes["text"], **{name: value}), tmp_path / "run")
        assert said == [f"training.devices: {message}"] * 4
    assert not (tmp_path / "run").exists()


def _train_each(several: list[dict[str, Any]], folder: Path) -> str:
    return _train(several[int(os.environ["RANK"])], folder)


def test_other_recipes_and_data_are_refused(
    ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    first = recipes["text"]
    other = _with(first, learning_rate=0.5)
    words = "rank 1 of 2 has another {} than rank 0, expected the same in every process"
    assert ranks[2].run(_train_each, [first, other], tmp_path / "run") == [words.format("recipe")] * 2
    for folder, seed in (("a", 0), ("b", 1)):
        (tmp_path / folder).mkdir()
        write_texts(tmp_path / folder / "texts.csv", seed=seed)
    said = ranks[2].run(_train_in_own_folder, text_recipe(Path("texts.csv")).model_dump(), tmp_path)
    assert said == [words.format("training data")] * 2
    assert not (tmp_path / "run").exists()


def _train_in_own_folder(values: dict[str, Any], folder: Path) -> str:
    os.chdir(folder / "ab"[int(os.environ["RANK"])])
    return _train(values, folder / "run")


def test_several_processes_need_a_launcher(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^training.devices: 2 processes were asked for, but this is the only one"):
        train(text_recipe(texts, devices=2), tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match=r"^training.strategy: 'fsdp' is for several processes, but there is one"):
        train(text_recipe(texts, strategy="fsdp"), tmp_path / "run", quiet=True)


class _Signal(Callback):
    """Sends a signal to its own process after a step, if this is the second of several."""

    def __init__(self, number: int, step: int) -> None:
        self.number, self.step = number, step

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if os.environ.get("RANK", "1") == "1" and trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_a_lost_process_is_named(recipes: dict[str, dict[str, Any]], tmp_path: Path, name: str) -> None:
    two = Ranks(2)
    values = _with(recipes["text"], timeout_minutes=0.04)
    try:
        (said,) = two.run(_train, values, tmp_path / "run", False, _Signal(getattr(signal, name), 5), answers=1)
    finally:
        two.close()
    words = "was lost (killed, or silent for longer than training.timeout_minutes); --resume goes on"
    assert said == f"rank 1 of 2 {words}"
    assert _train(values, tmp_path / "run", True) == ""


def test_all_end_with_a_checkpoint_after_the_step_in_which_one_is_asked_to(
    ranks: dict[int, Ranks], recipes: dict[str, dict[str, Any]], runs: dict[str, Path], tmp_path: Path
) -> None:
    values, folder = RunFolder(runs["two"]).read_recipe().model_dump(), tmp_path / "run"
    assert ranks[2].run(_train, values, folder, False, _Signal(signal.SIGTERM, 5)) == ["interrupted"] * 2
    assert read_checkpoint(RunFolder(folder).last_checkpoint)["global_step"] == 5
    assert _train(values, folder, True, _Signal(signal.SIGTERM, 6)) == "interrupted"
    assert read_checkpoint(RunFolder(folder).last_checkpoint)["global_step"] == 6
    assert ranks[2].run(_train, values, folder, True) == [""] * 2
    _assert_alike(_last(folder), _last(runs["two"]))


def test_a_training_that_ended_between_checks_goes_on_bit_for_bit(texts: Path, tmp_path: Path) -> None:
    values = text_recipe(texts, schedules={"noise": {"from": 1, "to": 0, "until": 0.75, "shape": "linear"}}, ema=0.9)
    assert _train(values.model_dump(), tmp_path / "whole") == ""
    for last in (3, 4, 5, 8):
        folder, end = tmp_path / f"ended {last}", _Signal(signal.SIGTERM, last)
        assert _train(values.model_dump(), folder, False, end) == "interrupted"
        assert RunFolder(folder).last_checkpoint.exists() == (last > 3)
        assert last == 3 or read_checkpoint(RunFolder(folder).last_checkpoint)["global_step"] == last
        assert _train(values.model_dump(), folder, True) == ""
        whole, resumed = _last(tmp_path / "whole"), _last(folder)
        assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
        rows = [RunFolder(path).metrics.read_text().splitlines() for path in (tmp_path / "whole", folder)]
        assert [line.rsplit(",", 1)[0] for line in rows[0]] == [line.rsplit(",", 1)[0] for line in rows[1]]


def test_torchrun_starts_a_run_again(
    recipes: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("RANK", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT")
    alone = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"} | dict.fromkeys(names, "0")
    for name, value in alone.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert _train(recipes["text"], Path("runs/small-1"), False, StopAt(6)) == "interrupted"
    assert "exists already" in _train(recipes["text"], Path("runs/small-1"))
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert begun_output([Path("runs/small-0"), Path("runs/small-1")]) == Path("runs/small-1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "another")
    assert "exists already" in _train(recipes["text"], Path("runs/small-1"))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert _train(recipes["text"], Path("runs/small-1")) == ""
    assert len(RunFolder("runs/small-1").read_run()["resumed"]) == 1


def _left_at_exit(recipe: Recipe) -> tuple[bool, bool]:
    """Whether there is a group after joining, and after what runs when Python ends."""
    join(recipe.training, "cpu")
    joined = dist.is_initialized()
    atexit._run_exitfuncs()
    return joined, dist.is_initialized()


def test_processes_leave_their_group_when_python_ends(texts: Path) -> None:
    """The group is left by itself, without a word of torch that nobody did it."""
    two = Ranks(2)
    try:
        assert two.run(_left_at_exit, text_recipe(texts)) == [(True, False), (True, False)]
    finally:
        two.close()


END = """
import atexit, sys, tempfile
import torch.distributed as dist
from sampleformer.distributed.ending import end_process

class Teller:
    def __del__(self):
        print("taken apart")

end_process(5)
print("alone: goes on")
dist.init_process_group("gloo", store=dist.FileStore(tempfile.mktemp(), 1), rank=0, world_size=1)
teller = Teller()
atexit.register(print, "what ends a program has run")
sys.stdout.write("what was written is there\\n")
end_process(3)
"""


def test_one_of_several_ends_before_python_takes_itself_apart(tmp_path: Path) -> None:
    done = run_python(["-c", END], tmp_path, imported="torch")
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines() == [
        "alone: goes on",
        "what was written is there",
        "what ends a program has run",
    ]
