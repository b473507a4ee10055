"""Outcomes of tests of transformers with its sdpa and with a sampled attention in its place.

python -m benchmarks.transformers_suite CHECKOUT tests/models/bert/test_modeling_bert.py -o suite.json

CHECKOUT has the tests (and src) of the transformers that is installed; they want accelerate and parameterized. Wherever
a test arrives at sdpa, by default or asked, it gets the attention, with as many sampled as there are tokens. Testers
that ask for eager attention by an argument of their own are asked for this one, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parent.parent
SAMPLED = 1_000_000
"""Tokens that a head attends to at most: more than any test has."""
ATTENTION, OUTCOMES = "SUITE_ATTENTION", "SUITE_OUTCOMES"
"""Variables of the environment by which the process of the tests knows what to do."""
REPLACED = "sdpa"


def replace(attention: str) -> None:
    """Puts an attention in the place of transformers' sdpa, in this process."""
    import transformers

    import sampleformer.integrations.huggingface  # noqa: F401  # registers it

    setattr(transformers.PreTrainedConfig, attention, {"sampled": SAMPLED})
    base: Any = transformers.PreTrainedModel
    correct, change = base.get_correct_attn_implementation, base.set_attn_implementation

    def corrected(self: Any, *positional: Any, **named: Any) -> str:
        return str(instead(correct(self, *positional, **named)))

    def changed(self: Any, wanted: str | dict[str, Any], *positional: Any, **named: Any) -> None:
        change(self, instead(wanted), *positional, **named)

    def instead(wanted: Any) -> Any:
        if isinstance(wanted, dict):
            return {name: instead(each) for name, each in wanted.items()}
        return attention if wanted == REPLACED else wanted

    base.get_correct_attn_implementation, base.set_attn_implementation = corrected, changed


def pytest_configure() -> None:
    """Pytest's hook: this module is its plugin in the process of the tests."""
    if os.environ[ATTENTION] != REPLACED:
        replace(os.environ[ATTENTION])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pytest's hook: testers are asked for the attention."""
    for kind in {item.cls for item in items if isinstance(item, pytest.Function) and item.cls is not None}:

        def set_up(self: Any, before: Any = kind.setUp) -> None:
            before(self)
            if hasattr(getattr(self, "model_tester", None), "attn_implementation"):
                self.model_tester.attn_implementation = REPLACED

        kind.setUp = set_up


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Pytest's hook: writes how a test ended, and by what error."""
    if report.when != "call" and report.passed:
        return
    crash = getattr(report.longrepr, "reprcrash", None)
    reason = crash.message if crash else str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
    line = {"test": report.nodeid, "outcome": report.outcome, "reason": reason}
    with open(os.environ[OUTCOMES], "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def outcomes(checkout: Path, tests: Sequence[str], attention: str) -> dict[str, dict[str, str]]:
    """Outcome of each test, and the reason where it did not pass.

    Args:
        checkout: Folder in which the tests run.
        tests: What pytest is given.
        attention: Value of `attn_implementation` in the place of sdpa.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcomes.jsonl"
        paths = [str(REPOSITORY), str(REPOSITORY / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        known = {ATTENTION: attention, OUTCOMES: str(path), "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", __spec__.name, "-p", "no:cacheprovider", "-W", "ignore"]
        place = ["-c", os.devnull, "--rootdir", str(checkout.resolve())]
        subprocess.run([*command, *place, *tests], cwd=checkout, env=os.environ | known, check=False)
        if not path.exists():
            raise SystemExit(f"{checkout}: no test ran")
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        test = line.pop("test")
        if test not in found or found[test]["outcome"] != "failed":  # subtests and tear-downs have lines of their own
            found[test] = line
    return found


def beside(found: dict[str, dict[str, dict[str, str]]]) -> dict[str, Any]:
    """How many tests end how with each attention, and those that do not end the same."""
    first, second = found
    tests = [test for test in found[first] if test in found[second]]
    return {
        "versions": {name: version(name) for name in ("transformers", "torch")},
        "counts": {name: dict(Counter(each["outcome"] for each in of.values())) for name, of in found.items()},
        "differences": {
            test: {name: of[test] for name, of in found.items()}
            for test in tests
            if found[first][test]["outcome"] != found[second][test]["outcome"]
        },
        "outcomes": {test: {name: of[test]["outcome"] for name, of in found.items()} for test in tests},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the tests twice, writes both outcomes of each, and prints the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="folder with the tests of transformers")
    parser.add_argument("tests", nargs="+", help="files and options that pytest is given")
    parser.add_argument("--attention", default="samsa", help="in the place of sdpa (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file for the outcomes, JSON")
    given = parser.parse_args(arguments)
    record = beside({name: outcomes(given.checkout, given.tests, name) for name in (REPLACED, given.attention)})
    given.output.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for name, counts in record["counts"].items():
        print(name, counts)
    for test, of in record["differences"].items():
        print(test, *(f"  {name}: {each['outcome']} {each['reason'][:200]}" for name, each in of.items()), sep="\n")


if __name__ == "__main__":
    main()
