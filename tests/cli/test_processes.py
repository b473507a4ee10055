"""The program in several processes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.cli.program import refused, run_program
from tests.training.ranks import free_port

ROOT = Path(__file__).parents[2]

SMALL = ["--set", "model.width=8", "--set", "model.heads=2", "--set", "model.layers=1", "--set", "model.feedforward=8"]


def test_two_processes_train_the_digits_into_one_folder(tmp_path: Path) -> None:
    done = run_program(tmp_path, ["train", "digits", "--devices", "2", "--steps", "4", *SMALL])
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("step 4/4, train loss") == 1
    assert done.stdout.count("report:") == 1
    (run,) = (tmp_path / "runs").iterdir()
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["parts"] == 2
    assert (run / "report.html").exists()


SRUN = """#!/bin/bash
export SLURM_JOB_ID=4711 SLURM_NTASKS=2 SLURM_NNODES=2 SLURM_NTASKS_PER_NODE=1 SLURM_NODELIST=localhost,localhost
for task in 0 1; do
    SLURM_PROCID=$task SLURM_NODEID=$task SLURM_LOCALID=0 "$@" &
    tasks+=($!)
done
for task in "${tasks[@]}"; do wait "$task" || exit; done
"""
"""Stands in for SLURM's: a task on each of two hosts, both of which are this one."""


def test_the_slurm_script_of_the_documentation_trains(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```bash\n(#!/bin/bash\n#SBATCH.*?)```", page, re.DOTALL)
    assert "--device cuda --output runs/digits-7" in script
    small = " ".join(["--device cpu --steps 4", *SMALL])
    (tmp_path / "job.sh").write_text(script.replace("--device cuda", small), encoding="utf-8")
    (tmp_path / "bin").mkdir()
    for name, content in {"srun": SRUN, "python": f'#!/bin/bash\nexec "{sys.executable}" "$@"\n'}.items():
        (tmp_path / "bin" / name).write_text(content, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    places = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "MASTER_PORT": str(free_port())}
    environment = os.environ | places | {"OMP_NUM_THREADS": "1", "SAMPLEFORMER_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        ["bash", "job.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "digits-7"
    assert done.stdout.count("report:") == 1
    about = json.loads((run / "run.json").read_text())
    assert (about["processes"], about["hosts"]) == (2, 2)
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
