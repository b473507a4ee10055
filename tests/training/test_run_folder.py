"""Tests of the run folder."""

from pathlib import Path

import pytest
import torch

from sampleformer.errors import InputError
from sampleformer.training import RunFolder
from sampleformer.training.run_folder import read_checkpoint
from tests.training.small import text_recipe


def test_recipe_comes_back_as_it_was(tmp_path: Path) -> None:
    recipe = text_recipe(tmp_path / "a.csv")
    folder = RunFolder(tmp_path / "deep" / "run")
    folder.create(recipe, {"command": ["x"]})
    assert folder.read_recipe() == recipe
    assert folder.read_run() == {"command": ["x"]}
    assert folder.read_results() is None
    with pytest.raises(InputError, match="exists already and is never overwritten"):
        folder.create(recipe, {})


def test_what_is_no_run_folder(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "not a run folder"), (tmp_path / "nowhere", "no such folder")):
        with pytest.raises(InputError, match=message):
            RunFolder(path).read_recipe()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "not valid YAML"),
        (b"\xff\xfe\xff", "not UTF-8 text"),
        (b"just words", "found 'just words', expected the settings of a run"),
        (
            b"name: a\ndata: {name: text}\ntraining: {steps: 1}\nmodle: {}\n",
            "modle: unknown setting; did you mean 'model'",
        ),
    ],
)
def test_damaged_configuration(tmp_path: Path, content: bytes, message: str) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(text_recipe(tmp_path / "a.csv"), {})
    folder.config.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        folder.read_recipe()
    assert str(folder.config) in str(raised.value)


def test_model_of_a_training_that_is_not_finished(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(text_recipe(tmp_path / "a.csv"), {})
    with pytest.raises(InputError, match="the training is not finished, go on with --resume"):
        folder.read_model()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_checkpoint_cut_short(tmp_path: Path, share: float) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"a": torch.zeros(1000)}, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=rf"last.ckpt: not a checkpoint \({path.stat().st_size} bytes, cut short"):
        read_checkpoint(path)


def test_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(tmp_path / "last.ckpt")
