"""Checkpoints that are damaged or gone when a training goes on."""

import logging
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sampleformer.errors import InputError
from sampleformer.models import TokenModel
from sampleformer.training import RunFolder, train
from sampleformer.training.checkpoint_files import restore_checkpoints
from sampleformer.training.run_folder import read_checkpoint
from tests.forked import run_python
from tests.training.small import text_recipe, write_texts


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of three checks, beside its data."""
    folder = tmp_path_factory.mktemp("whole")
    return train(text_recipe(write_texts(folder / "a.csv"), steps=3, check_every=1), folder / "run", quiet=True)


@pytest.fixture
def run(whole: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy that lacks its results, as if the training had been stopped just before them."""
    copy = RunFolder(shutil.copytree(whole.path, tmp_path / "run"))
    copy.results.unlink()
    return copy


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def flip(path: Path) -> None:
    """Turns one bit of the largest tensor over."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        part = max(archive.infolist(), key=lambda each: each.file_size)
    lengths = int.from_bytes(content[part.header_offset + 26 :][:2], "little"), content[part.header_offset + 28 :][:2]
    start = part.header_offset + 30 + lengths[0] + int.from_bytes(lengths[1], "little")  # behind name and padding
    content[start + part.file_size // 2] ^= 1
    path.write_bytes(content)


def resumed(run: RunFolder) -> RunFolder:
    return train(run.read_recipe(), run.path, resume=True, quiet=True)


def same(left: RunFolder, right: RunFolder) -> None:
    """Two runs have the same bits."""
    for name in ("last", "best"):
        a, b = (read_checkpoint(folder.checkpoints / f"{name}.ckpt")["state_dict"] for folder in (left, right))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert left.test_predictions.read_bytes() == right.test_predictions.read_bytes()
    assert left.read_results()["best"] == right.read_results()["best"]


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize("names", ["last", "previous", "last previous", "best", "best previous"])
def test_what_is_whole_is_used_and_said(
    names: str, damage: Callable[[Path], None], run: RunFolder, whole: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    best = read_checkpoint(whole.best_checkpoint)["global_step"]
    for name in names.split():
        damage(run.checkpoints / f"{name}.ckpt")
    lost = "best" in names.split() and best < 3 and not (best == 2 and "previous" not in names.split())
    with caplog.at_level(logging.WARNING, "sampleformer"):
        if lost:
            with pytest.raises(InputError, match=r"best.ckpt: missing or damaged.*weights of step \d, which were best"):
                resumed(run)
            return
        same(resumed(run), whole)
    if "last" in names.split():
        assert "last.ckpt: " in caplog.text
        assert "going on from step" in caplog.text


@pytest.mark.parametrize("damage", [cut, flip])
def test_nothing_whole_is_an_error(damage: Callable[[Path], None], run: RunFolder) -> None:
    for path in run.checkpoints.iterdir():
        damage(path)
    with pytest.raises(InputError, match=r"last.ckpt: .*; no other checkpoint is whole, so train anew"):
        resumed(run)


def test_checkpoints_that_are_gone_are_not_step_zero(run: RunFolder) -> None:
    for path in run.checkpoints.iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"last.ckpt: no such file, but .*metrics.csv knows of step 3; put"):
        resumed(run)


def test_a_training_killed_before_its_first_check_starts_anew_and_says_so(
    run: RunFolder, whole: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    for path in run.checkpoints.iterdir():
        path.unlink()
    run.metrics.unlink()
    with caplog.at_level(logging.WARNING, "sampleformer"):
        same(resumed(run), whole)
    assert "no checkpoint was written yet, the training starts from step 0" in caplog.text


def test_a_kill_between_the_last_checkpoint_and_the_best(run: RunFolder, whole: RunFolder) -> None:
    """The last checkpoint knows that it is the best, but the best one is older."""
    if read_checkpoint(run.best_checkpoint)["global_step"] < 3:
        shutil.copy(run.best_checkpoint, run.last_checkpoint)  # as it was when the best one was written
    shutil.copy(run.previous_checkpoint, run.best_checkpoint)
    restore_checkpoints(run)
    last, best = read_checkpoint(run.last_checkpoint), read_checkpoint(run.best_checkpoint)
    assert last["callbacks"]["Checkpoints"]["best_step"] == best["global_step"]
    same(resumed(run), whole)


def test_every_flipped_bit_of_a_checkpoint_is_noticed_or_changes_nothing(run: RunFolder) -> None:
    content, whole = run.last_checkpoint.read_bytes(), read_checkpoint(run.last_checkpoint)
    random, noticed = np.random.default_rng(0), 0
    for place in random.integers(0, len(content), 150).tolist():
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        run.last_checkpoint.write_bytes(flipped)
        try:
            read = read_checkpoint(run.last_checkpoint)
        except InputError:
            noticed += 1
            continue
        assert str(read) == str(whole)  # it was in a gap between two parts, or in a date
        assert all(torch.equal(read["state_dict"][name], value) for name, value in whole["state_dict"].items())
    assert noticed > 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_flipped_bit_of_a_models_weights_is_noticed(share: float, run: RunFolder) -> None:
    weights = run.model / "model.safetensors"
    content = bytearray(weights.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    content[start + int(share * (len(content) - start))] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"model.safetensors: damaged or changed since it was written: SHA-256"):
        TokenModel.from_pretrained(run.path)


def test_parts_of_killed_processes_are_swept(run: RunFolder) -> None:
    # A process that writes and is killed while it does.
    script = (
        "import os, pathlib, sys\n"
        "from sampleformer.files import written_whole\n"
        "with written_whole(pathlib.Path(sys.argv[1])) as part:\n"
        "    part.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert run_python(["-c", script, run.last_checkpoint], run.path).returncode == -9
    assert [path.name for path in run.checkpoints.iterdir() if path.suffix == ".part"]
    run.last_checkpoint.unlink()
    resumed(run)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.ckpt", "last.ckpt", "previous.ckpt"]


def test_a_second_training_in_a_folder_is_refused(run: RunFolder, whole: RunFolder) -> None:
    with run.locked(), pytest.raises(InputError, match="another process is training in it"):
        resumed(run)
    same(resumed(run), whole)  # a lock ends with its holder


def test_a_lock_ends_with_a_killed_process(run: RunFolder) -> None:
    script = (
        "import os, sys\n"
        "from sampleformer.training import RunFolder\n"
        "with RunFolder(sys.argv[1]).locked():\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = run_python(["-c", script, run.path], run.path)
    assert killed.returncode == -9
    with run.locked():
        pass
