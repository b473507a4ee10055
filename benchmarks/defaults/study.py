"""Compares the default recipes with simple models on development sets, one process a set, and makes one table.

    python -m benchmarks.defaults.study --data FOLDER --output FOLDER --sets mutag,bbbp --seeds 3

A set that has been compared is not compared again: a study that was stopped goes on. `table.md` and `table.json` are
made of whatever is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from sampleformer.tasks.metrics import LOWER_IS_BETTER

SETS: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("sets.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Row:
    """What one comparison found.

    Args:
        name: Name of the set.
        metric: Metric of the test part.
        ours, error: Score of ours and its standard error.
        simple: Name of the simple model that is best on the test part.
        simple_score: Its score.
        difference_error: Standard error of the difference from the simple model that the validation part chooses: over
            the test rows, paired, and over the seeds. It stands for that from the best one.
        cpu_seconds, simple_cpu_seconds: Processor time of both, without reading the data.
        memory_mib: Largest memory of the comparison's process.
        seeds: Number of seeds.
    """

    name: str
    metric: str
    ours: float
    error: float
    simple: str
    simple_score: float
    difference_error: float
    cpu_seconds: float
    simple_cpu_seconds: float
    memory_mib: float
    seeds: int

    @property
    def difference(self) -> float:
        """By how much ours is better."""
        return (self.ours - self.simple_score) * (-1 if self.metric in LOWER_IS_BETTER else 1)

    @property
    def verdict(self) -> str:
        """Ours beside the best simple model, in units of the standard error of the difference."""
        if self.difference > self.difference_error:
            return "better"
        return "as good" if self.difference >= -self.difference_error else "worse"


def compare_set(name: str, data: Path, output: Path, options: Sequence[str]) -> None:
    """Compares one set in a process of its own, unless that has been done.

    Args:
        name: Name in `SETS`.
        data: Folder with the files.
        output: Folder of the study.
        options: Further options of ``sampleformer compare``.
    """
    folder, memory = output / name, output / f"{name}.memory.json"
    if memory.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)  # of a comparison that was stopped
    asked = [each.format(data=data) for each in SETS[name]]
    command = [sys.executable, "-m", "sampleformer", "compare", *asked, *options, "--output", str(folder)]
    with (output / f"{name}.log").open("w", encoding="utf-8") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
    if status:
        print(f"{name}: failed, see {output / f'{name}.log'}", file=sys.stderr)
        return
    memory.write_text(json.dumps({"mib": used.ru_maxrss / 1024}), encoding="utf-8")


def row_of(name: str, output: Path) -> Row | None:
    """What the comparison of a set found; None: no simple model could be trained."""
    found = json.loads((output / name / "compare.json").read_text(encoding="utf-8"))
    metric = found["metric"]
    trained = [each for each in found["models"] if each["reason"] is None]
    ours = next(each for each in trained if each["role"] == "ours")
    sign = -1 if metric in LOWER_IS_BETTER else 1
    others = [each for each in trained if each["role"] == "simple"]
    if not others:
        return None
    simple = max(others, key=lambda each: sign * each["test"][metric])
    return Row(
        name,
        metric,
        ours["test"][metric],
        ours["standard_error"],
        simple["name"],
        simple["test"][metric],
        found["verdict"]["standard_error_of_difference"],
        ours["cpu_seconds"],
        simple["cpu_seconds"],
        json.loads((output / f"{name}.memory.json").read_text(encoding="utf-8"))["mib"],
        len(found["seeds"]),
    )


def table(rows: Sequence[Row]) -> str:
    """The table of a study in Markdown."""
    head = "| set | metric | ours | best simple model | | ours is | CPU time, ours | simple | memory, MiB | seeds |"
    lines = [head, "| --- | --- | ---: | --- | ---: | --- | ---: | ---: | ---: | ---: |"]
    for row in rows:
        lines.append(
            f"| {row.name} | {row.metric} | {row.ours:.3f} ± {row.error:.3f} | {row.simple} | {row.simple_score:.3f} | "
            f"{row.verdict} | {row.cpu_seconds:.0f} s | {row.simple_cpu_seconds:.0f} s | {row.memory_mib:.0f} | "
            f"{row.seeds} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs or goes on with a study."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defaults.study", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the files of the sets")
    parser.add_argument("--output", type=Path, required=True, help="folder of the study")
    parser.add_argument("--sets", default=",".join(SETS), help="names of sets; all if not given")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each seeded model")
    parser.add_argument("--simple", help="names of the simple models; all that fit if not given")
    asked = parser.parse_args(arguments)
    names = asked.sets.split(",")
    if unknown := sorted(set(names) - set(SETS)):
        parser.error(f"--sets: found {', '.join(unknown)}, expected some of {', '.join(SETS)}")
    asked.output.mkdir(parents=True, exist_ok=True)
    options = ["--seeds", str(asked.seeds), *(["--simple", asked.simple] if asked.simple else [])]
    for name in names:
        compare_set(name, asked.data, asked.output, options)
        done = [each for each in SETS if (asked.output / f"{each}.memory.json").exists()]
        rows = [row for each in done if (row := row_of(each, asked.output)) is not None]
        (asked.output / "table.md").write_text(table(rows), encoding="utf-8")
        (asked.output / "table.json").write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    print(table(rows), end="")


if __name__ == "__main__":
    main()
