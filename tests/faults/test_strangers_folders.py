"""Models and run folders of strangers: nothing of theirs runs, and no size that they claim takes memory or time."""

import contextlib
import copy
import json
import os
import pickle
import resource
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Callback

from sampleformer.cli import main
from sampleformer.data.encoding import Encoding
from sampleformer.errors import InputError
from sampleformer.explain import write_page, write_report
from sampleformer.integrations.huggingface import YosoBert, YosoBertConfig
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.training import RunFolder, evaluate, predict, train
from tests.training.small import text_recipe, write_texts
from tests.training.test_run import StopAt

CODE = ["subprocess.Popen", "os.system", "torch.hub.load", "this.s", "pickle.loads", "torch.nn.Linear"]
"""What a stranger's file may name; the module ``this`` prints a poem as soon as it is imported."""

SIZES = [10**9, 10**12, 2**62]
WRONG = [-1, 0, True, None, "x", "", 1.5, 1e308, float("nan"), [], [[[]]], {}, {"name": "x"}, {"name": CODE[0]}]

MODELS: dict[str, tuple[dict[str, Any], dict[str, Any], int, str]] = {
    "sequence": (
        {"attention": {"name": "samsa", "sampled": 3, "extra": 2}, "embed": {"name": "sequence", "hidden": 8}},
        {"vocabulary": 256},
        2,
        "sample",
    ),
    "graph": (
        {"attention": {"name": "sft", "sampled": 3, "relative": {"name": "edges"}}, "embed": {"name": "graph"}},
        {"features": 3, "edge_features": 2, "encodings": 4, "identifiers": 8, "directed": False},
        2,
        "token",
    ),
    "cloud": (
        {
            "attention": {"name": "yoso", "hashes": 4, "code_length": 4},
            "embed": {"name": "point_cloud"},
            "local": {"name": "window", "window": 2},
        },
        {"features": 0, "normals": True, "identifiers": 2},
        3,
        "sample",
    ),
    "pairs": (
        {"attention": {"name": "full"}, "embed": {"name": "graph"}, "norm_position": "post", "norm": "batch"},
        {"vocabularies": [3, 4], "edge_features": 2, "encodings": 0, "identifiers": 0, "directed": True},
        1,
        "pair",
    ),
}


def refused(call: Any) -> str:
    with pytest.raises(InputError) as raised:
        call()
    text = str(raised.value)
    assert "\n" not in text
    assert len(text) < 2000
    return text


def leaves(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values inside of one, groups before what is in them."""
    for key in values if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ():
        yield (*path, key)
        yield from leaves(values[key], (*path, key))


def some_values(turn: int) -> list[Any]:
    """A size and three wrong values, others at each turn."""
    return [SIZES[turn % len(SIZES)], *(WRONG[(3 * turn + step) % len(WRONG)] for step in range(3))]


def with_value(values: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = list(values) if isinstance(values, tuple) else copy.copy(values)
    changed[path[0]] = with_value(values[path[0]], path[1:], value)
    return tuple(changed) if isinstance(values, tuple) else changed


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run whose data lies beside it."""
    folder = tmp_path_factory.mktemp("run")
    recipe = text_recipe(write_texts(folder / "a.csv"), steps=2, check_every=1)
    return train(recipe, folder / "run", quiet=True)


@pytest.fixture
def run(finished: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy that a test may change."""
    return RunFolder(shutil.copytree(finished.path, tmp_path / "run"))


def rewrite(path: Path, *changes: tuple[tuple[Any, ...], Any]) -> None:
    reader, writer = (yaml.safe_load, yaml.safe_dump) if path.suffix == ".yaml" else (json.loads, json.dumps)
    values = reader(path.read_text())
    for place, value in changes:
        values = with_value(values, place, value)
    path.write_text(writer(values))


@pytest.mark.parametrize("name", MODELS)
def test_no_value_of_a_models_configuration_does_harm(name: str, tmp_path: Path) -> None:
    settings, inputs, outputs, level = MODELS[name]
    shape = {"width": 16, "layers": 1, "heads": 2, "feedforward": 32}
    model = TokenModel(ModelSettings.model_validate(shape | settings), inputs, outputs, level=level)
    model.save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    whole = json.loads(config.read_text())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for turn, place in enumerate(leaves(whole)):
        for value in some_values(turn):
            config.write_text(json.dumps(with_value(whole, place, value)))
            with contextlib.suppress(InputError):  # some values change nothing
                TokenModel.from_pretrained(tmp_path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000, f"memory grew by {grown} kB"  # one weight of a width of 10⁹ alone has 64 GB


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "place", [("settings", "width"), ("settings", "layers"), ("settings", "feedforward"), ("inputs", "vocabulary")]
)
def test_sizes_that_the_weights_do_not_have(place: tuple[str, ...], size: int, tmp_path: Path) -> None:
    TokenModel(ModelSettings(width=16, layers=2, heads=2, feedforward=32), {"vocabulary": 256}, 2).save_pretrained(
        tmp_path
    )
    rewrite(tmp_path / "config.json", (place, size))
    message = refused(lambda: TokenModel.from_pretrained(tmp_path))
    assert "config.json" in message


@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize(
    "place",
    [
        ("settings", "attention", "name"),
        ("settings", "attention", "relative"),
        ("settings", "attention", "relative", "name"),
        ("settings", "embed", "name"),
    ],
    ids=".".join,
)
def test_code_in_a_models_configuration(
    place: tuple[str, ...], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, inputs, outputs, level = MODELS["graph"]
    shape = {"width": 16, "layers": 1, "heads": 2, "feedforward": 32}
    TokenModel(ModelSettings.model_validate(shape | settings), inputs, outputs, level=level).save_pretrained(tmp_path)
    rewrite(tmp_path / "config.json", (place, code))
    message = refused(lambda: TokenModel.from_pretrained(tmp_path))
    assert f"{code!r} is code from outside this package" in message
    assert "--trust-code" in message
    if code != "torch.nn.Linear" or "embed" not in place:  # a module, as an embedding is
        assert "expected a class derived from" in refused(lambda: TokenModel.from_pretrained(tmp_path, trust_code=True))
    assert "Zen" not in capsys.readouterr().out or code == "this.s"


def test_a_number_beyond_single_precision_in_a_models_configuration(tmp_path: Path) -> None:
    settings = ModelSettings(width=16, layers=1, heads=2, feedforward=32, residual_scale=0.5)
    TokenModel(settings, {"vocabulary": 256}, 2).save_pretrained(tmp_path)
    rewrite(tmp_path / "config.json", (("settings", "residual_scale"), 1e308))
    assert "config.json" in refused(lambda: TokenModel.from_pretrained(tmp_path))


def test_code_that_is_trusted_is_built(tmp_path: Path) -> None:
    settings = ModelSettings.model_validate(
        {"width": 8, "layers": 1, "heads": 2, "attention": {"name": "sampleformer.attention.samsa.SamsaAttention"}}
    )
    TokenModel(settings, {"vocabulary": 5}, 2).save_pretrained(tmp_path)
    assert "is code from outside" in refused(lambda: TokenModel.from_pretrained(tmp_path))
    assert isinstance(TokenModel.from_pretrained(tmp_path, trust_code=True), TokenModel)


def _run_code(run: RunFolder, marker: Path) -> None:
    """Makes a run folder name a program that would leave a file behind."""
    popen = {"name": "subprocess.Popen", "args": ["touch", str(marker)]}
    rewrite(run.config, (("data",), popen), (("model", "attention"), popen), (("model", "embed"), popen))
    rewrite(
        run.model / "config.json",
        (("settings", "attention"), popen),
        (("settings", "embed"), popen),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "RUN"],
        ["evaluate", "RUN", "TABLE"],
        ["predict", "RUN", "TABLE", "-o", "OUT"],
        ["explain", "RUN", "TABLE", "-o", "OUT"],
        ["export", "RUN", "OUT"],
        ["train", "--resume", "--output", "RUN"],
        ["train", "RUN/config.yaml", "--output", "OUT"],
        ["train", "RUN/config.yaml", "--resume", "--output", "RUN"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("trusted", [False, True])
def test_no_verb_runs_the_code_of_a_run_folder(
    arguments: list[str], trusted: bool, finished: RunFolder, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    marker, output = run.path.parent / "marker", run.path.parent / "out"
    _run_code(run, marker)
    run.results.unlink()
    words = {"RUN": str(run.path), "TABLE": str(finished.path.parent / "a.csv"), "OUT": str(output)}
    given = [words.get(word, word.replace("RUN", words["RUN"])) for word in arguments]
    assert main([*given, *(["--trust-code"] if trusted else [])]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert ("expected a class derived from" if trusted else "is code from outside this package") in message
    assert not marker.exists()
    assert not output.exists()


def test_no_function_runs_the_code_of_a_run_folder(finished: RunFolder, run: RunFolder) -> None:
    marker, table, output = run.path.parent / "marker", finished.path.parent / "a.csv", run.path.parent / "out"
    _run_code(run, marker)
    for call in (
        lambda: evaluate(run.path),
        lambda: predict(run.path, table, output),
        lambda: write_page(run.path, table, output),
        lambda: run.read_model(),
        lambda: (run.results.unlink(), train(run.read_recipe(), run.path, resume=True)),
    ):
        assert "is code from outside this package" in refused(call)
    assert not marker.exists()


@pytest.mark.parametrize("place", [("model", "name"), ("training", "optimizer", "name"), ("training", "loss")])
def test_no_part_of_a_recipe_in_a_run_folder_is_imported(
    place: tuple[str, ...], finished: RunFolder, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import runs a module, whatever is done with it afterwards."""
    table, output = finished.path.parent / "a.csv", run.path.parent / "out"
    (run.path.parent / "stranger.py").write_text(f"open({str(run.path.parent / 'marker')!r}, 'w')\n")
    monkeypatch.syspath_prepend(run.path.parent)
    rewrite(run.config, (place, "stranger.Part" if place[-1] == "name" else {"name": "stranger.Part"}))
    for call in (
        lambda: evaluate(run.path),
        lambda: predict(run.path, table, output),
        lambda: write_report(run.path),
        lambda: (run.results.unlink(), train(run.read_recipe(), run.path, resume=True)),
    ):
        try:
            call()
        except InputError as error:
            assert "is code from outside this package" in str(error)  # noqa: PT017 - some calls do not need the part
    assert not (run.path.parent / "marker").exists()


@pytest.mark.parametrize("file", ["encoding", "model"])
def test_no_task_or_model_of_a_run_folder_is_imported(
    file: str, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.path.parent / "stranger.py").write_text(f"open({str(run.path.parent / 'marker')!r}, 'w')\n")
    monkeypatch.syspath_prepend(run.path.parent)
    if file == "encoding":
        rewrite(run.encoding, (("task", "task"), "stranger.Part"))
    else:
        rewrite(run.model / "config.json", (("settings", "name"), "stranger.Part"))
    assert "is code from outside this package" in refused(lambda: evaluate(run.path))
    assert not (run.path.parent / "marker").exists()


def test_a_report_of_data_that_is_code_shows_no_samples(run: RunFolder) -> None:
    marker = run.path.parent / "marker"
    rewrite(run.config, (("data",), {"name": "subprocess.Popen", "args": ["touch", str(marker)]}))
    assert "is code from outside this package" in write_report(run.path).read_text()
    assert not marker.exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("model", "width"), 10**9),
        (("model", "layers"), 10**9),
        (("model", "feedforward"), 10**12),
        (("model", "embed", "hidden"), 10**12),
    ],
    ids=str,
)
def test_a_resumed_run_takes_no_memory_for_sizes_that_its_checkpoint_does_not_have(
    place: tuple[str, ...], value: int, run: RunFolder
) -> None:
    rewrite(run.config, (place, value))
    run.results.unlink()
    message = refused(lambda: train(run.read_recipe(), run.path, resume=True))
    assert "has shape" in message or "of which a model can be built" in message or "a model of more than" in message, (
        message
    )


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that was stopped between two checks."""
    folder = tmp_path_factory.mktemp("stopped")
    recipe = text_recipe(write_texts(folder / "a.csv"), steps=4, check_every=2)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, folder / "run", quiet=True, callbacks=[StopAt(3)])
    return RunFolder(folder / "run")


def _resume_with(stopped: RunFolder, folder: Path, *changes: tuple[tuple[Any, ...], Any]) -> RunFolder:
    """Goes on with a copy of a run in whose last checkpoint some values are others."""
    run = RunFolder(shutil.copytree(stopped.path, folder))
    checkpoint = torch.load(run.last_checkpoint, weights_only=True)
    for place, value in changes:
        checkpoint = with_value(checkpoint, place, value)
    torch.save(checkpoint, run.last_checkpoint)
    return train(run.read_recipe(), run.path, resume=True, quiet=True)


STATE = ("optimizer_states", 0, "state", 3)
FORGED: list[tuple[tuple[Any, ...], Any]] = [
    ((*STATE, "exp_avg"), torch.zeros(2)),  # torch's fused step would write beyond it
    ((*STATE, "exp_avg_sq"), torch.zeros(1).expand(64).reshape(8, 8).as_strided((8, 8), (0, 0))),
    ((*STATE, "exp_avg"), "x"),
    ((*STATE, "step"), torch.zeros(3)),
    ((*STATE, "step"), None),
    (STATE, []),
    (("optimizer_states", 0, "param_groups", 0), 1),
    (("optimizer_states", 0, "param_groups", 0, "betas"), None),
    (("lr_schedulers", 0, "base_lrs"), []),
    (("loops", "fit_loop", "epoch_progress"), None),
    (("loops", "fit_loop", "epoch_progress", "current", "completed"), {}),
    (("pytorch-lightning_version",), "x"),
    (("lr_schedulers", 0, "last_epoch"), "x"),
    (("optimizer_states", 0, "param_groups", 0, "lr"), None),
    (("callbacks", "MetricsFile", "rows"), [1]),
    (("callbacks", "MetricsFile", "seconds"), "x"),
    (("callbacks", "Checkpoints", "best_scores"), 7),
]


@pytest.mark.parametrize(("place", "value"), FORGED)
def test_a_forged_checkpoint_is_refused_in_one_line(
    place: tuple[Any, ...], value: Any, stopped: RunFolder, tmp_path: Path
) -> None:
    message = refused(lambda: _resume_with(stopped, tmp_path / "run", (place, value)))
    assert "last.ckpt" in message


def test_what_was_not_forged_goes_on(stopped: RunFolder, tmp_path: Path) -> None:
    assert _resume_with(stopped, tmp_path / "run").results.exists()


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), MemoryError(), ZeroDivisionError()], ids=repr)
def test_a_checkpoint_is_not_blamed_for_what_is_no_fault_of_it(
    error: Exception, stopped: RunFolder, tmp_path: Path
) -> None:
    """Neither where memory does not suffice, nor for what is raised when it has been read and steps are done."""

    class Fails(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step >= 3:
                raise error

    run = RunFolder(shutil.copytree(stopped.path, tmp_path / "run"))
    recipe = run.read_recipe()
    longer = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": 8})})
    run.config.write_text(yaml.safe_dump(longer.model_dump()))
    with pytest.raises(type(error)) as raised:
        train(longer, run.path, resume=True, quiet=True, callbacks=[Fails()])
    assert raised.value is error


class _Runs:
    """A pickle that runs a program."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def _pickled(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps(_Runs(marker)))


def _torch_saved(path: Path, marker: Path) -> None:
    torch.save({"state_dict": {}, "callbacks": _Runs(marker)}, path)


def _torch_saved_long_ago(path: Path, marker: Path) -> None:
    torch.save({"state_dict": _Runs(marker)}, path, _use_new_zipfile_serialization=False)


def without_checkpoints(run: RunFolder) -> None:
    """Removes those that a training would go on from in the place of a damaged one."""
    for path in run.checkpoints.iterdir():
        path.unlink()


@pytest.mark.parametrize("write", [_pickled, _torch_saved, _torch_saved_long_ago])
def test_pickles_in_the_place_of_checkpoints(write: Any, run: RunFolder) -> None:
    marker = run.path.parent / "marker"
    for path in run.checkpoints.glob("*.ckpt"):
        write(path, marker)
    run.results.unlink()
    message = refused(lambda: train(run.read_recipe(), run.path, resume=True))
    assert "last.ckpt: not a checkpoint" in message
    assert "weights_only" not in message  # how to let the file run its code is no help
    assert not marker.exists()


@pytest.mark.parametrize("write", [_pickled, _torch_saved, _torch_saved_long_ago])
def test_a_pickle_beside_checkpoints_that_are_whole(write: Any, run: RunFolder) -> None:
    marker = run.path.parent / "marker"
    write(run.last_checkpoint, marker)
    run.results.unlink()
    train(run.read_recipe(), run.path, resume=True)
    assert run.results.exists()
    assert not marker.exists()


def test_a_checkpoint_that_would_be_unpacked(run: RunFolder) -> None:
    bomb = run.path / "bomb"
    with zipfile.ZipFile(run.last_checkpoint) as whole, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in whole.infolist():
            packed.writestr(part.filename, whole.read(part))
    without_checkpoints(run)
    bomb.replace(run.last_checkpoint)
    run.results.unlink()
    assert "compressed or overlapping parts" in refused(lambda: train(run.read_recipe(), run.path, resume=True))


@pytest.mark.parametrize("inner", ["checkpoints", "model", "tensorboard"])
def test_a_folder_in_a_run_that_is_a_link_to_elsewhere(inner: str, run: RunFolder, finished: RunFolder) -> None:
    shutil.rmtree(run.path / inner, ignore_errors=True)
    (run.path / inner).symlink_to(finished.path)
    assert "a link that leads out of the run folder" in refused(lambda: evaluate(run.path))


@pytest.mark.parametrize("name", ["../other", "/tmp/other", "a/b", "a\\b", "a\nb", "", "x" * 201])
def test_a_recipe_whose_name_is_no_name_of_a_folder(name: str, run: RunFolder) -> None:
    rewrite(run.config, (("name",), name))
    assert "name: " in refused(run.read_recipe)


@pytest.mark.parametrize("turn", range(3))
def test_no_value_of_an_encoding_does_harm(turn: int, run: RunFolder, finished: RunFolder) -> None:
    whole, table = json.loads(run.encoding.read_text()), finished.path.parent / "a.csv"
    for more, place in enumerate(leaves(whole)):
        for value in some_values(turn + more)[:2]:
            run.encoding.write_text(json.dumps(with_value(whole, place, value)))
            with contextlib.suppress(InputError):  # some values change nothing
                predict(run.path, table, run.path.parent / "out.csv", force=True)


def test_an_encoding_for_another_model(run: RunFolder, finished: RunFolder) -> None:
    rewrite(run.encoding, (("task", "labels"), ["ab", "cd", "ef"]))
    message = refused(lambda: predict(run.path, finished.path.parent / "a.csv", run.path.parent / "out.csv"))
    assert "does not fit" in message
    assert "outputs are 3, expected 2" in message


def test_the_sizes_of_a_model_of_hugging_face(tmp_path: Path) -> None:
    config = YosoBertConfig(
        vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    YosoBert(config).save_huggingface(tmp_path)
    whole = json.loads((tmp_path / "config.json").read_text())
    for name in ("vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "max_position_embeddings"):
        for size in SIZES:
            (tmp_path / "config.json").write_text(json.dumps(whole | {name: size}))
            assert "config.json" in refused(lambda: YosoBert.from_huggingface(tmp_path))


def test_encodings_of_every_kind_come_back(finished: RunFolder) -> None:
    saved = json.loads(finished.encoding.read_text())
    again = finished.path.parent / "again.json"
    Encoding.load(finished.encoding).save(again)
    assert json.loads(again.read_text()) == saved
