"""Tests of whole trainings, in this process."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from sampleformer.data.batching import cut_by_length
from sampleformer.errors import InputError
from sampleformer.models import TokenModel
from sampleformer.recipes import request
from sampleformer.training import Recipe, RunFolder, evaluate, predict, train
from sampleformer.training.run_folder import read_checkpoint
from tests.data.graph.small import MODEL as GRAPH_MODEL
from tests.data.graph.small import write_many
from tests.training.small import number_recipe, text_recipe, write_csv, write_numbers, write_texts


class StopAt(Callback):
    """Stops a training as Ctrl-C does, after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise KeyboardInterrupt


class Faulty(Callback):
    """A callback of the user's with a fault, which shows in the hook of this name."""

    def __init__(self, hook: str) -> None:
        setattr(self, hook, self.fail)

    def fail(self, *_: Any) -> None:
        raise KeyError("the user's own key")


class DrawAtChecks(Callback):
    """Draws random numbers where training must not notice."""

    def on_validation_start(self, *_: Any) -> None:
        torch.rand(7)


class Spoil(Callback):
    """Makes weights of the last layer's scores no numbers after a step, as a training does that diverges."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        if trainer.global_step == self.step:
            with torch.no_grad():
                module.model.encoder.layers[-1].attention.sampler.scorer.score.weight[1] = torch.nan


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.csv")


@pytest.fixture(scope="module")
def finished(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    recipe = text_recipe(texts, steps=11, warmup_steps=2)
    return train(recipe, tmp_path_factory.mktemp("runs") / "run", quiet=True, command=["test"])


def _weights(folder: RunFolder, name: str = "last") -> dict[str, torch.Tensor]:
    return read_checkpoint(folder.checkpoints / f"{name}.ckpt")["state_dict"]


def _assert_same_weights(first: RunFolder, second: RunFolder) -> None:
    for name in ("last", "best"):
        weights, others = _weights(first, name), _weights(second, name)
        assert weights.keys() == others.keys()
        assert all(torch.equal(weights[key], others[key]) for key in weights)


def test_what_a_run_folder_holds(finished: RunFolder) -> None:
    results, run = finished.read_results(), finished.read_run()
    assert results is not None
    assert results["task"] == "classification"
    assert results["selected_by"] == "accuracy"
    assert results["samples"] == {"train": 48, "valid": 6, "test": 6}
    assert results["last"]["step"] == 11
    assert results["best"]["step"] in (4, 8, 11)
    assert results["best"]["valid"]["accuracy"] >= results["last"]["valid"]["accuracy"]
    assert results["best"]["test"].keys() == {"accuracy", "balanced_accuracy", "f1", "auroc"}
    assert run["finished"] is not None
    assert run["train_seconds"] > 0
    assert run["command"] == ["test"]
    assert not list(finished.path.rglob("*.part"))


def test_metrics_file(finished: RunFolder) -> None:
    with finished.metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["4", "8", "11"]
    assert list(rows[0]) == [
        "step",
        "epoch",
        "train_loss",
        "valid_loss",
        "valid_accuracy",
        "valid_balanced_accuracy",
        "valid_f1",
        "valid_auroc",
        "learning_rate",
        "seconds",
    ]
    assert float(rows[-1]["learning_rate"]) == pytest.approx(0, abs=1e-12)
    assert [float(row["epoch"]) for row in rows] == pytest.approx([4 / 6, 8 / 6, 11 / 6], abs=1e-3)


def test_saved_model_is_the_best_one(finished: RunFolder) -> None:
    model = finished.read_model()
    best = _weights(finished, "best")
    assert all(torch.equal(value, best[f"model.{name}"]) for name, value in model.state_dict().items())


def test_test_predictions_agree_with_the_scores(finished: RunFolder) -> None:
    with finished.test_predictions.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "target", "prediction", "probability_ab", "probability_cd"]
    right = sum(row["target"] == row["prediction"] for row in rows)
    results = finished.read_results()
    assert results is not None
    assert right / len(rows) == pytest.approx(results["best"]["test"]["accuracy"])
    assert all(row["id"].startswith("r") for row in rows)


def test_one_seed_gives_the_same_weights(finished: RunFolder, tmp_path: Path) -> None:
    torch.manual_seed(99)  # what was drawn before must not matter
    _assert_same_weights(finished, train(finished.read_recipe(), tmp_path / "again", quiet=True))


def test_another_seed_gives_other_weights_of_the_same_split(finished: RunFolder, tmp_path: Path) -> None:
    recipe = finished.read_recipe().model_copy(update={"seed": 1})
    other = train(recipe, tmp_path / "other", quiet=True)
    assert any(not torch.equal(value, _weights(other)[key]) for key, value in _weights(finished).items())
    ids = [[line.split(",")[0] for line in run.test_predictions.read_text().splitlines()] for run in (finished, other)]
    assert ids[0] == ids[1]


def test_a_stopped_training_goes_on_bit_for_bit(finished: RunFolder, tmp_path: Path) -> None:
    recipe, output = finished.read_recipe(), tmp_path / "stopped"
    for step in (2, 7, 8, 10):  # before the first check; between checks; at a check before it is written; in the last
        with pytest.raises(KeyboardInterrupt):
            train(recipe, output, resume=output.exists(), quiet=True, callbacks=[StopAt(step)])
        assert not RunFolder(output).results.exists()
    resumed = train(recipe, output, resume=True, quiet=True, command=["last"])
    _assert_same_weights(finished, resumed)
    assert resumed.test_predictions.read_bytes() == finished.test_predictions.read_bytes()
    timeless = [
        [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file.open())]
        for file in (finished.metrics, resumed.metrics)
    ]
    assert timeless[0] == timeless[1]
    assert [session["command"][-1] for session in resumed.read_run()["resumed"]][-1] == "last"
    assert len(resumed.read_run()["resumed"]) == 4


@pytest.mark.parametrize("label", ["upper", "link"])
def test_a_stopped_training_on_graphs_draws_what_it_would_have_drawn(label: str, tmp_path: Path) -> None:
    data = {"path": str(write_many(tmp_path / "many")), "label": label, "laplacian": 2}
    recipe = request(None, data=data, steps=7, changes=[change for change in GRAPH_MODEL if change != "--set"])
    whole, output = train(recipe, tmp_path / "whole", quiet=True), tmp_path / "stopped"
    for step in (3, 5):
        with pytest.raises(KeyboardInterrupt):
            train(recipe, output, resume=output.exists(), quiet=True, callbacks=[StopAt(step)])
    resumed = train(recipe, output, resume=True, quiet=True)
    _assert_same_weights(whole, resumed)
    assert resumed.test_predictions.read_bytes() == whole.test_predictions.read_bytes()
    assert evaluate(resumed.path)["scores"] == resumed.read_results()["best"]["test"]


def test_what_checks_draw_does_not_change_the_training(finished: RunFolder, tmp_path: Path) -> None:
    drawn = train(finished.read_recipe(), tmp_path / "drawn", quiet=True, callbacks=[DrawAtChecks()])
    _assert_same_weights(finished, drawn)


def test_killed_between_training_and_test(finished: RunFolder, tmp_path: Path) -> None:
    recipe, output = finished.read_recipe(), tmp_path / "killed"
    folder = train(recipe, output, quiet=True)
    expected = json.loads(folder.results.read_text())
    spent = read_checkpoint(folder.last_checkpoint)["callbacks"]["MetricsFile"]["seconds"]
    folder.results.unlink()
    folder.test_predictions.unlink()
    resumed = train(recipe, output, resume=True, quiet=True)
    results = resumed.read_results()
    assert results is not None
    assert {name: results[name] for name in ("best", "last")} == {name: expected[name] for name in ("best", "last")}
    assert results["train_seconds"] == resumed.read_run()["train_seconds"] == round(spent, 3)
    assert folder.test_predictions.exists()


def test_resume_refuses_other_settings(finished: RunFolder) -> None:
    recipe = finished.read_recipe()
    other = recipe.model_copy(update={"training": recipe.training.model_copy(update={"batch_size": 16})})
    with pytest.raises(InputError, match="training.batch_size: 16 was asked for, but the run was started with 8"):
        train(other, finished.path, resume=True)


@pytest.mark.parametrize("name", ["last", "best"])
def test_resume_from_a_checkpoint_cut_short(finished: RunFolder, tmp_path: Path, name: str) -> None:
    recipe, output = finished.read_recipe(), tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        train(recipe, output, quiet=True, callbacks=[StopAt(5)])
    checkpoint = RunFolder(output).checkpoints / f"{name}.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    _assert_same_weights(finished, train(recipe, output, resume=True, quiet=True))  # of step 4 there are two


def test_a_fault_of_the_users_is_not_the_checkpoints(finished: RunFolder, tmp_path: Path) -> None:
    recipe, output = finished.read_recipe(), tmp_path / "faulty"
    with pytest.raises(KeyboardInterrupt):
        train(recipe, output, quiet=True, callbacks=[StopAt(6)])
    for hook in ("on_train_batch_start", "on_train_batch_end"):
        with pytest.raises(KeyError, match="the user's own key"):
            train(recipe, output, resume=True, quiet=True, callbacks=[Faulty(hook)])


def test_batches_of_checks_are_made_once(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    after: list[int] = []

    class AtTheEnd(Callback):
        def on_train_end(self, *_: Any) -> None:
            after.append(len(made))

    def cut(*arguments: Any) -> Any:
        made.append(arguments)
        return cut_by_length(*arguments)

    monkeypatch.setattr("sampleformer.training.outputs.cut_by_length", cut)
    train(text_recipe(texts, steps=4, check_every=1), tmp_path / "run", quiet=True, callbacks=[AtTheEnd()])
    assert after == [1]


def test_evaluation_repeats_the_scores_of_the_run(finished: RunFolder) -> None:
    results, evaluation = finished.read_results(), evaluate(finished.path)
    assert results is not None
    assert evaluation["scores"] == results["best"]["test"]
    assert evaluation["samples"] == 6
    assert evaluation["majority_share"] == results["majority_share"]


def test_evaluation_of_the_file_of_the_training_says_so(
    finished: RunFolder, texts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(texts, tmp_path / "other.csv")
    evaluate(finished.path, tmp_path / "other.csv")
    assert "the file of the training" not in caplog.text
    evaluate(finished.path, texts)
    assert "texts.csv: the file of the training, most of whose rows were learnt from" in caplog.text


def test_evaluation_of_a_file(finished: RunFolder, texts: Path) -> None:
    evaluation = evaluate(finished.path, texts)
    assert evaluation["samples"] == 60
    assert evaluation == evaluate(finished.path, texts)


def test_evaluation_of_other_settings_of_the_data(finished: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    assert evaluate(finished.path, changes=["data.max_length=100"]) == evaluate(finished.path)
    assert "cut at the maximum length" not in caplog.text
    assert evaluate(finished.path, changes=["data.max_length=1"])["samples"] == 6
    assert "6 texts were cut at the maximum length" in caplog.text


@pytest.mark.parametrize("change", ["model.width=8", "data.tokens=words", "data.seed=1", "data.colour=red", "data"])
def test_evaluation_refuses_to_change_what_was_trained_or_tested(finished: RunFolder, change: str) -> None:
    expected = f"--set {change}: the model is trained and its test part chosen; expected one of data.max_length"
    with pytest.raises(InputError, match=re.escape(expected)):
        evaluate(finished.path, changes=[change])


def test_evaluation_of_a_file_takes_no_changes(finished: RunFolder, texts: Path) -> None:
    with pytest.raises(InputError, match="expected no file beside it, got"):
        evaluate(finished.path, texts, changes=["data.max_length=3"])


def test_two_predictions_are_the_same_bytes(finished: RunFolder, texts: Path, tmp_path: Path) -> None:
    assert predict(finished.path, texts, tmp_path / "one.csv") == 60
    torch.rand(3)
    predict(finished.path, texts, tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_predictions_need_no_labels_and_keep_their_ids(finished: RunFolder, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", ["id", "review"], [["first", "abab"], ["empty", ""], ["third", "cdcd"]])
    predict(finished.path, path, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "id,prediction,probability_ab,probability_cd"
    assert [line.split(",")[0] for line in lines[1:]] == ["first", "empty", "third"]
    for line in lines[1:]:
        assert sum(float(value) for value in line.split(",")[2:]) == pytest.approx(1, abs=1e-5)


def test_regression_in_the_unit_of_the_target(tmp_path: Path) -> None:
    folder = train(number_recipe(write_numbers(tmp_path / "n.csv"), steps=4), tmp_path / "run", quiet=True)
    results = folder.read_results()
    assert results is not None
    assert results["task"] == "regression"
    assert results["majority_share"] is None
    with folder.test_predictions.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "target_price", "price"]
    errors = [abs(float(row["target_price"]) - float(row["price"])) for row in rows]
    assert results["best"]["test"]["mae"] == pytest.approx(sum(errors) / len(errors), rel=1e-4)
    assert all(10_000 < float(row["target_price"]) < 90_000 for row in rows)


def test_several_labels(tmp_path: Path) -> None:
    rows = [["ab" if i % 2 else "cd", i % 2, (i // 2) % 2] for i in range(40)]
    path = write_csv(tmp_path / "labels.csv", ["review", "one", "two"], rows)
    recipe = text_recipe(path, steps=4, loss={"name": "binary_cross_entropy", "class_weights": "balanced"})
    data = recipe.data.model_copy(update={"label": ["one", "two"]})
    results = train(recipe.model_copy(update={"data": data}), tmp_path / "run", quiet=True).read_results()
    assert results is not None
    assert results["task"] == "multilabel"
    assert results["selected_by"] == "average_precision"


def test_it_learns(texts: Path, tmp_path: Path) -> None:
    recipe = text_recipe(texts, steps=60, check_every=20, model={"dropout": 0.0})
    results = train(recipe, tmp_path / "run", quiet=True).read_results()
    assert results is not None
    assert results["best"]["test"]["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        ("full", r"training.learning_rate: the training loss became (nan|inf) before step \d+; use a lower"),
        ("samsa", r"layer 1, head 1: \d+ of \d+ scores are NaN or infinite: the training has diverged; try a lower"),
        ("sft", r"layer 1, heads 1 to 2: \d+ of \d+ scores are NaN or infinite: the training has diverged; try a"),
    ],
)
def test_diverging_is_said_in_one_line(texts: Path, tmp_path: Path, attention: str, message: str) -> None:
    model = {"attention": {"name": attention}}
    recipe = text_recipe(texts, model=model, learning_rate=1e30, gradient_clip=None, weight_decay=0.0)
    with pytest.raises(InputError, match=message):
        train(recipe, tmp_path / "run", quiet=True)


def test_diverging_keeps_the_checkpoints(texts: Path, tmp_path: Path) -> None:
    output = RunFolder(tmp_path / "run")
    with pytest.raises(InputError, match=r"^layer 2, head 2: (\d+) of \1 scores are NaN or infinite: the training has"):
        train(text_recipe(texts), output.path, quiet=True, callbacks=[Spoil(5)])
    for name in ("best", "last"):
        assert all(bool(value.isfinite().all()) for value in _weights(output, name).values())
    assert train(text_recipe(texts), output.path, resume=True, quiet=True).read_results() is not None


def _changed(recipe: Recipe, **changes: Any) -> Recipe:
    return Recipe.model_validate({**recipe.model_dump(), **changes})


def test_nothing_is_made_when_something_is_wrong(texts: Path, tmp_path: Path) -> None:
    recipe = text_recipe(texts)
    model = recipe.model.model_dump()
    wrong: list[tuple[Recipe, str]] = [
        (_changed(recipe, model=model | {"heads": 3}), "heads is 3, expected a divisor of width = 8"),
        (_changed(recipe, model=model | {"attention": {"name": "sasma"}}), "did you mean 'samsa'"),
        (_changed(recipe, data=recipe.data.model_dump() | {"path": str(tmp_path / "no.csv")}), "no.csv"),
        (_changed(recipe, data=recipe.data.model_dump() | {"label": "sentimen"}), "did you mean 'sentiment'"),
    ]
    for bad, message in wrong:
        with pytest.raises(InputError, match=message):
            train(bad, tmp_path / "run")
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        train(recipe, tmp_path / "run", device="gpu")
    balanced = number_recipe(
        write_numbers(tmp_path / "n.csv"), loss={"name": "cross_entropy", "class_weights": "balanced"}
    )
    with pytest.raises(InputError, match="training.loss: found 'cross_entropy' for the task 'regression'"):
        train(balanced, tmp_path / "run")
    with pytest.raises(InputError, match=r"training.schedule.name: unknown name 'cosin'"):
        train(text_recipe(texts, schedule="cosin"), tmp_path / "run")
    rows = [["abc" * (row % 5 + 1), "xyz"[row % 3]] for row in range(60)]
    three = text_recipe(write_csv(tmp_path / "three.csv", ["review", "sentiment"], rows), selected_by="auroc")
    with pytest.raises(InputError, match=r"training.selected_by: found 'auroc' .* of 3 classes"):
        train(three, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_mixed_precision(texts: Path, tmp_path: Path) -> None:
    folder = train(text_recipe(texts, steps=2, precision="bf16-mixed"), tmp_path / "run", quiet=True)
    assert next(folder.read_model().parameters()).dtype == torch.float32
    assert folder.read_results() is not None


def test_auto_takes_what_is_faster_for_the_lengths_of_the_data(
    texts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for crossover, chosen in ((1000, "full"), (2, "samsa")):
        record = {"attention": "samsa", "pass": "train", "length": crossover, "device": "cpu"}
        monkeypatch.setattr("sampleformer.attention.auto.read_crossovers", lambda record=record: [record])
        recipe = text_recipe(texts, model={"attention": {"name": "auto", "sampled": 3}}, steps=2, check_every=2)
        with caplog.at_level("INFO", logger="sampleformer"):
            folder = train(recipe, tmp_path / chosen, quiet=True)
        assert f"attention: {chosen}, for inputs of" in caplog.text
        model = TokenModel.from_pretrained(folder.path)
        assert model.settings.attention.name == chosen
        assert folder.read_recipe().model.attention.name == "auto"
