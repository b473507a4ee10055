"""The code that the documentation shows runs as it stands."""

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sampleformer.cli import main
from sampleformer.cli.parser import VERBS, parse
from sampleformer.recipes import names as recipe_names

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN_DATA = [ROOT / "docs" / f"{name}.md" for name in ("molecules", "graphs", "point-clouds")]
"""Pages whose commands run too, in the order of the page."""
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OF_OTHERS = {"--index-url", "--help", "--debug"}  # pip's, and those that every verb has
OF_OTHERS |= {"--nproc-per-node", "--nnodes", "--max-restarts"}
OF_OTHERS |= {"--rdzv-backend", "--rdzv-conf", "--rdzv-endpoint", "--rdzv-id"}
OF_OTHERS |= {"--ntasks-per-node", "--gpus-per-node", "--signal"}  # SLURM's; above, torchrun's
OF_OTHERS |= {"--data-path", "--task-type", "--output-dir", "--smiles-columns", "--target-columns"}
OF_OTHERS |= {
    "--descriptors-path",
    "--molecule-featurizers",
    "--split-type",
    "--separate-val-path",
    "--separate-test-path",
}
OF_OTHERS |= {"--test-path", "--model-path", "--preds-path"}  # chemprop's
OF_OTHERS |= {"--cycles", "--jobs", "--keep", "--only"}  # of the programs in tests/faults
COMMAND = re.compile(r"^sampleformer (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")


SHORT = ["--steps", "3", "--set", "training.warmup_steps=1", "--set", "training.batch_size=8"]
SHORT += ["--set", "model.width=16", "--set", "model.feedforward=16", "--set", "model.layers=1"]
"""The data is the page's, the training is not: three steps of a small model show that it runs."""


def _name(page: Path) -> str:
    return page.name


def code_of(page: Path) -> str:
    return "\n".join(PYTHON.findall(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", [page for page in PAGES[1:] if code_of(page) and page not in OWN_DATA], ids=_name)
def test_code_runs_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code_of(page), page.name, "exec"), names)
    assert "torch" in names


@pytest.mark.parametrize("page", OWN_DATA, ids=_name)
def test_pages_for_own_data_run_as_they_stand(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    run = []
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(block, page.name, "exec"), names)
            continue
        for command in COMMAND.findall(block):
            arguments = shlex.split(command, comments=True)
            run.append(arguments[0])
            short = SHORT if arguments[0] == "train" else []
            assert main([*arguments, *short]) == 0, capsys.readouterr().err
    assert {"train", "predict", "explain"} <= set(run)


def test_readme_code_gives_what_its_comments_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code_of(ROOT / "README.md"), "README.md", "exec"), names)
    assert names["output"].shape == (2, 5000, 64)
    assert names["selection"].indices.shape == (2, 4, 128)
    assert names["probabilities"].shape == (1, 2)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_to_files(page: Path) -> None:
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    targets = [target for target in LINK.findall(prose) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_is_in_the_navigation() -> None:
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if page.name not in listed] == []
    assert yaml.safe_load(listed)["strict"] is True


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from options_of(inner)


@pytest.fixture(scope="module")
def options() -> set[str]:
    found = set(OF_OTHERS)
    for verb in VERBS:
        parser = argparse.ArgumentParser()
        importlib.import_module(f"sampleformer.cli.{verb}").add_arguments(parser)
        found.update(options_of(parser))
    return found


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_options_that_are_shown_exist(page: Path, options: set[str]) -> None:
    assert set(OPTION.findall(page.read_text(encoding="utf-8"))) - options == set()


def test_every_verb_option_and_recipe_is_shown(options: set[str]) -> None:
    verbs = (ROOT / "docs" / "verbs.md").read_text(encoding="utf-8")
    assert options - OF_OTHERS - set(OPTION.findall(verbs)) == set()
    assert [verb for verb in VERBS if f"\n## {verb}\n" not in verbs] == []
    recipes = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert [name for name in recipe_names() if f"`{name}`" not in recipes] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_that_are_shown_can_be_read(page: Path) -> None:
    for command in COMMAND.findall(page.read_text(encoding="utf-8")):
        assert parse(shlex.split(command, comments=True)).run is not None
