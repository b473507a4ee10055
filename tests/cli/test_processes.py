"""The program in several processes."""

from pathlib import Path

import yaml

from tests.cli.program import refused, run_program

SMALL = ["--set", "model.width=8", "--set", "model.heads=2", "--set", "model.layers=1", "--set", "model.feedforward=8"]


def test_two_processes_train_the_digits_into_one_folder(tmp_path: Path) -> None:
    done = run_program(tmp_path, ["train", "digits", "--devices", "2", "--steps", "4", *SMALL])
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("step 4/4, train loss") == 1
    assert done.stdout.count("report:") == 1
    (run,) = (tmp_path / "runs").iterdir()
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["parts"] == 2
    assert (run / "report.html").exists()


def test_numbers_of_processes_are_checked(tmp_path: Path) -> None:
    said = refused(tmp_path, ["train", "digits", "--devices", "0"])
    assert said.startswith("training.devices: ")
    assert said.endswith("greater than or equal to 1, got 0")
    said = refused(tmp_path, ["train", "digits", "--set", "training.strategy=fspd"])
    assert said == "training.strategy: input should be 'ddp', 'fsdp' or 'tokens', got 'fspd'"
    said = refused(tmp_path, ["train", "digits", "--set", "training.strategy=fsdp"])
    assert said == (
        "training.strategy: 'fsdp' is for several processes, but there is one; expected 'ddp', or --devices 2 or more"
    )
    said = refused(tmp_path, ["train", "digits", "--devices", "2", "--hosts", "2"])
    assert said.startswith("training.hosts: 2 hosts need a place to meet; set MASTER_ADDR")
