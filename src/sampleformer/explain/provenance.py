"""Where a run's numbers come from: recipe, command, machine and versions, as HTML."""

import shlex
from typing import Any

from sampleformer.explain.html import details, escape, table
from sampleformer.training.recipe import Recipe
from sampleformer.training.run_folder import RunFolder


def provenance(run_folder: RunFolder, recipe: Recipe, run: dict[str, Any]) -> str:
    """The command, what it ran on, and the recipe with every setting.

    Args:
        run_folder: of the training.
        recipe: of the training.
        run: content of ``run.json``.
    """
    commands = [run["command"], *(session["command"] for session in run["resumed"])]
    lines = "\n".join(escape(shlex.join(command)) for command in commands)
    settings = escape(run_folder.config.read_text(encoding="utf-8"))
    rows = [[escape(name), escape(value)] for name, value in _facts(recipe, run).items() if value is not None]
    return (
        f"<pre>{lines}</pre>\n{table([], rows)}"
        f"{details('The recipe with every setting (config.yaml)', f'<pre>{settings}</pre>')}"
    )


def _facts(recipe: Recipe, run: dict[str, Any]) -> dict[str, Any]:
    machine = run["machine"]
    return {
        "seed": recipe.seed,
        "device": machine["gpu"] or machine["device"],
        "processor": machine["processor"] or None,
        "cores, threads": f"{machine['cores']}, {run['threads']}",
        "system": machine["system"],
        "started": run["started"],
        "finished": run["finished"],
        "versions": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
        "git revision": run["git_revision"],
    }
