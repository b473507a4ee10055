"""The page of a comparison."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from sampleformer.compare.verdict import DIGITS, error_words
from sampleformer.explain.figures import BLUE, GREY, ORANGE, inline_svg, panels, style
from sampleformer.explain.html import details, escape, page, table
from sampleformer.explain.report import duration, score_name
from sampleformer.files import write_text
from sampleformer.tasks.metrics import LOWER_IS_BETTER
from sampleformer.wording import count, number

_SHORTEST = 0.01  # seconds, in the figure of times, whose axis has no zero

COLOURS = {"ours": ORANGE, "simple": BLUE, "floor": GREY}


def write_comparison_page(path: Path, results: dict[str, Any]) -> None:
    """Writes one self-contained HTML page.

    Args:
        path: Of the page.
        results: What ``compare.json`` holds.
    """
    verdict, name = results["verdict"], results["recipe"]
    notes = "".join(f"<p>{escape(note)}</p>\n" for note in verdict["notes"])
    body = [
        f"<h1>{escape(name)}: is it worth a transformer?</h1>\n",
        f"<p class='lead'><b>{escape(verdict['sentence'])}</b></p>\n{notes}",
        _headline(results),
        f"<h2>The models</h2>\n{_models(results)}",
        f"<h2>Score and time</h2>\n{_figures(results)}",
        f"<h2>How it was compared</h2>\n{_method(results)}",
        f"<h2>All scores</h2>\n{_scores(results)}",
        f"<h2>How to get this again</h2>\n{_provenance(results)}",
    ]
    write_text(path, page(f"{name}: comparison", "".join(body)))


def trained(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The models that were trained, the best on the test part first."""
    metric = results["metric"]
    found = [each for each in results["models"] if each.get("test")]
    sign = 1 if metric in LOWER_IS_BETTER else -1
    return sorted(found, key=lambda each: (np.isnan(each["test"][metric]), sign * each["test"][metric]))


def _headline(results: dict[str, Any]) -> str:
    """Scores of our model, of the best simple one and of the floor."""
    metric, best = results["metric"], results["verdict"]["best_simple"]
    shown = [
        each for each in results["models"] if each.get("test") and (each["role"] != "simple" or each["name"] == best)
    ]
    boxes = []
    for each in sorted(shown, key=lambda each: list(COLOURS).index(each["role"])):
        words = {"ours": "", "simple": ", the best simple model", "floor": ""}[each["role"]]
        time = "" if each["role"] == "floor" else f"<br>{duration(each['seconds'])}"
        boxes.append((with_error(each, results), f"{escape(each['title'])}{words}{time}"))
    inside = "".join(f"<div><b>{a}</b><span>{b}</span></div>" for a, b in boxes)
    return f"<p>Test {escape(score_name(metric))}{_direction(metric)}:</p>\n<div class='headline'>{inside}</div>\n"


def _direction(metric: str) -> str:
    return ", less is better" if metric in LOWER_IS_BETTER else ""


def with_error(each: dict[str, Any], results: dict[str, Any]) -> str:
    """The score on the test part with its standard error."""
    score = each["test"][results["metric"]]
    if results["standard_error"] == "seeds" and not each["seeded"]:
        return number(score, DIGITS)
    return f"{number(score, DIGITS)} ± {error_words(score, each['standard_error'])}"


def _models(results: dict[str, Any]) -> str:
    metric = results["metric"]
    head = ["model", f"test {escape(score_name(metric))}", "validation", "time", "processor time", "size", "chosen"]
    rows = []
    for each in trained(results):
        title = escape(each["title"])
        rows.append(
            [
                f"<b>{title}</b>" if each["role"] == "ours" else title,
                with_error(each, results),
                number(each["valid"][metric], DIGITS),
                duration(each["seconds"]),
                duration(each["cpu_seconds"]),
                size_words(each),
                escape(each["chosen"][0]),
            ]
        )
    seen = [[escape(each["title"]), escape(each["sees"])] for each in results["models"]]
    left_out = [[escape(each["title"]), escape(each["reason"])] for each in results["models"] if each.get("reason")]
    missing = f"<h3>Not trained</h3>\n{table(['model', 'why'], left_out)}" if left_out else ""
    return table(head, rows, kind="scores") + missing + details("What each model sees", table(["model", "sees"], seen))


def size_words(each: dict[str, Any]) -> str:
    """What a model learnt, counted."""
    return "–" if each["size"] is None else count(each["size"], each["size_of"])


def _figures(results: dict[str, Any]) -> str:
    """Score and time of each model beside each other, a row a model."""
    models, title = trained(results)[::-1], score_name(results["metric"])
    rows = range(len(models))
    with style("comparison"):
        figure, (scores, times) = panels(2)
        for place, each in enumerate(models):
            colour, score = COLOURS[each["role"]], each["test"][results["metric"]]
            error, seconds = each["standard_error"], max(each["seconds"], _SHORTEST)
            scores.errorbar(score, place, xerr=error, fmt="o", capsize=3, color=colour, markersize=6)
            times.plot([_SHORTEST, seconds], [place, place], color=colour, linewidth=1)
            times.plot(seconds, place, "o", color=colour, markersize=6)
        scores.set_yticks(rows, [_plain(each["title"]) for each in models])
        scores.set(title=f"Test {title}", xlabel=f"{title} ± one standard error")
        times.set_yticks(rows, [""] * len(models))
        times.set_xscale("log")
        times.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
        times.set(title="Time", xlabel="seconds")
        for axes in (scores, times):
            axes.margins(y=0.12)
        drawing = inline_svg(figure, f"Test {escape(title)} and time of each model")
    return f"<div class='figures'><figure class='whole'>{drawing}</figure></div>\n"


def _plain(title: str) -> str:
    """A title in which matplotlib sees no formula."""
    return title.replace("$", r"\$")


def _method(results: dict[str, Any]) -> str:
    rows, unit, seeds = results["rows"], results["unit"], results["seeds"]
    parts = [
        f"All models have the same split: {count(rows['train'], unit)} for training, {rows['valid']:,} for "
        f"validation, {rows['test']:,} for the test. The validation part chose settings and weights by "
        f"{escape(score_name(results['selected_by']))}, and which simple model is the best. The test part was scored "
        "once for each training.",
        errors_words(results),
        "The standard error of a difference, by which the verdict goes, is that of paired test rows, together with "
        "that over the seeds if there are several.",
        f"Seeds: {', '.join(map(str, seeds))}. Times are those of one training with its predictions for the test part; "
        "reading the data is in none of them, the numbers that a simple model makes of the samples are in its time.",
    ]
    if results["minutes"] is not None:
        parts.append(f"Each training had at most {results['minutes']:g} minutes.")
    return "".join(f"<p>{part}</p>\n" for part in parts)


def errors_words(results: dict[str, Any]) -> str:
    """What the standard errors are over."""
    tested = count(results["rows"]["test"], f"test {results['unit']}")
    if results["standard_error"] == "seeds":
        return (
            f"± is the standard error of the mean over {len(results['seeds'])} seeds; a model without it gives "
            "the same for every seed."
        )
    words = "by a bootstrap with a fixed seed; another seed of the training may change the score by more"
    return f"± is the standard error over the {tested}, {words}."


def _scores(results: dict[str, Any]) -> str:
    models = trained(results)
    names = list(models[0]["test"])
    rows = [[escape(each["title"]), *(number(each["test"][name]) for name in names), _runs(each)] for each in models]
    return table(
        ["model, test part", *(escape(score_name(name)) for name in names), "run folders"], rows, kind="scores"
    )


def _runs(each: dict[str, Any]) -> str:
    return ", ".join(f"<code>{escape(run)}</code>" for run in each["runs"]) or "–"


def _provenance(results: dict[str, Any]) -> str:
    machine = results["machine"]
    facts = {
        "device": machine["gpu"] or machine["device"],
        "processor": machine["processor"] or None,
        "cores, threads": f"{machine['cores']}, {results['threads']}",
        "started": results["started"],
        "finished": results["finished"],
        "versions": ", ".join(f"{name} {version}" for name, version in results["versions"].items()),
        "git revision": results["git_revision"],
    }
    rows = [[escape(name), escape(value)] for name, value in facts.items() if value is not None]
    return f"<pre>{escape(shlex.join(results['command']))}</pre>\n{table([], rows, kind='about')}"
