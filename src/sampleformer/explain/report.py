"""The report of a training: ``report.html`` in the run folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sampleformer.data.samples import Samples
from sampleformer.errors import InputError
from sampleformer.explain.curves import Metrics, Score, curves
from sampleformer.explain.explanation import explain
from sampleformer.explain.gallery import gallery, model_words
from sampleformer.explain.html import escape, page, table
from sampleformer.explain.predictions_table import PredictionsTable, read_predictions
from sampleformer.explain.provenance import provenance
from sampleformer.files import write_text
from sampleformer.registry import is_trusted, trusted_code
from sampleformer.training.data_record import load_again
from sampleformer.training.recipe import Recipe
from sampleformer.training.run_folder import RunFolder
from sampleformer.training.summary import main_score
from sampleformer.wording import count, number, percent

_SAMPLES = 4
_GAPS_LISTED = 50
_SCORE_NAMES = {
    "f1": "F1 (macro)",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "auroc": "AUROC",
    "miou": "mean IoU",
    "instance_miou": "instance mIoU",
    "class_miou": "class mIoU",
}
_SPLITS = {"valid": "validation", "test": "test"}


def write_report(
    run_folder: RunFolder | str | os.PathLike[str], *, test: Samples | None = None, trust_code: bool = False
) -> Path:
    """Writes the report of a finished training, and its curves as ``curves.png``, into the run folder.

    Args:
        run_folder: of the training.
        test: the test part of the run's data, if it is at hand. None: it is loaded anew.
        trust_code: Whether the run folder may name classes outside this package, see `TokenModel.from_pretrained`.

    Returns:
        The path of ``report.html``.

    Raises:
        InputError: if the training is not finished, or a file of the run folder cannot be read.
    """
    folder = run_folder if isinstance(run_folder, RunFolder) else RunFolder(run_folder)
    recipe, run, results = folder.read_recipe(trust_code=trust_code), folder.read_run(), folder.read_results()
    if results is None:
        raise InputError(f"{folder.results}: no such file; the training is not finished, go on with --resume")
    encoding = folder.read_encoding(trust_code=trust_code)
    predictions = read_predictions(folder.test_predictions, encoding.task)
    summary = predictions.html(encoding.target_unit)
    shown = main_score(results)
    selected = results["selected_by"]
    chosen = "" if selected == shown else score_name(selected)
    majority = results["valid_majority_share"] if shown == "accuracy" else None
    score = Score(f"valid_{shown}", score_name(shown), results["best"]["step"], majority, chosen)
    with trusted_code(trust_code):
        choices = _choices(folder, recipe, predictions, test)
    body = [
        f"<h1>{escape(recipe.name)}</h1>\n",
        f"<p class='lead'>{_lead(recipe)}</p>\n",
        _headline(results),
        f"<h2>Results</h2>\n{_results(results)}{_gaps(encoding.gaps, results['samples']['train'])}",
        f"<h2>Learning curves</h2>\n{curves(Metrics.read(folder.metrics), score, folder.path / 'curves.png')}",
        f"<h2>{escape(predictions.title)} (test, best weights)</h2>\n{summary}" if predictions.title else "",
        f"<h2>What the heads chose</h2>\n{choices}",
        f"<h2>How to get this again</h2>\n{provenance(folder, recipe, run)}",
    ]
    write_text(folder.report, page(f"{recipe.name}: report", "".join(body)))
    return folder.report


def _lead(recipe: Recipe) -> str:
    described = recipe.description.rstrip(".")
    parts = [described[:1].upper() + described[1:], f"Model: {model_words(recipe.model)}", recipe.source.rstrip(".")]
    return " ".join(f"{escape(part)}." for part in parts if part)


def _headline(results: dict[str, Any]) -> str:
    """The few numbers that most readers come for."""
    shown = main_score(results)
    boxes = [
        (number(results["best"]["test"][shown]), f"test {score_name(shown)}, best on validation"),
        (number(results["last"]["test"][shown]), f"test {score_name(shown)}, last"),
    ]
    if results["majority_share"] is not None:
        of_what = "" if shown == "accuracy" else "accuracy of "
        boxes.append((number(results["majority_share"]), f"{of_what}always the most frequent class"))
    boxes += [(duration(results["train_seconds"]), "training"), (f"{results['parameters']:,}", "parameters")]
    return "<div class='headline'>" + "".join(f"<div><b>{a}</b><span>{b}</span></div>" for a, b in boxes) + "</div>\n"


def _results(results: dict[str, Any]) -> str:
    """Scores of the weights that were best on the validation part, and of the last ones."""
    pair = [results["best"], results["last"]]
    rows = [["step", *(f"{weights['step']:,}" for weights in pair)]]
    for split, words in _SPLITS.items():
        for name in results["best"][split]:
            rows.append([f"{words} {score_name(name)}", *(number(weights[split][name]) for weights in pair)])
    judged, unit = results["judged"], results["judged"]["unit"]
    trained = count(results["samples"]["train"], "sample") if judged["train"] is None else f"{judged['train']:,}"
    words = (
        f"The weights were picked by the {escape(score_name(results['selected_by']))} on "
        f"{count(judged['valid'], unit)} for validation, after training on {trained}. "
        f"Those for the test, {judged['test']:,}, were looked at once, at the end."
    )
    if results["majority_share"] is not None:
        share = percent(results["majority_share"])
        words += f" Always naming the most frequent class of the test part would be right in {share} of it."
    return table(["", "best on validation", "last"], rows) + f"<p class='note'>{words}</p>\n" + _parts(results)


def _gaps(gaps: Mapping[str, int], rows: int) -> str:
    """How often each column of numbers was empty in the training part."""
    if not gaps:
        return ""
    words = f"Of the {count(rows, 'row')} of the training part, these columns of numbers had gaps"
    named = [[escape(name), f"{missing:,}", percent(missing / rows)] for name, missing in gaps.items()]
    return f"<p class='note'>{words}:</p>\n" + table(["column", "gaps", ""], named[:_GAPS_LISTED])


def _parts(results: dict[str, Any]) -> str:
    """What each model of a blend gives alone."""
    if not results["parts"]:
        return ""
    score = main_score(results)
    rows = [
        [escape(part["name"]), f"{part['factor']:.2f}", number(part["valid"][score]), number(part["test"][score])]
        for part in results["parts"]
    ]
    words = (
        "The outputs are a weighted sum of those of several models, some trained, others fitted to the training part "
        "at once; the validation part decided what each is multiplied by. Learning curves are of the first alone. "
        f"What each gives alone ({escape(score_name(score))}):"
    )
    return f"<p class='note'>{words}</p>\n" + table(["model", "factor", "validation", "test"], rows)


def _choices(run_folder: RunFolder, recipe: Recipe, predictions: PredictionsTable, test: Samples | None) -> str:
    """A few samples of the test part with what each head chose."""
    try:
        samples = load_again(run_folder, recipe).test if test is None else test
    except InputError as error:
        return f"<p>The data cannot be read any more, so no samples are shown: {escape(error)}</p>\n"
    model, encoding = run_folder.read_trained(trust_code=is_trusted())
    if not model.main.attends:
        return "<p>This model attends to no tokens, so there is no choice to show.</p>\n"
    whole = not encoding.task.of_tokens
    known = samples.ids if whole else list(dict.fromkeys(samples.ids))  # a scene may be in several samples
    if known != (list(predictions.ids) if whole else list(dict.fromkeys(predictions.ids))):
        return "<p>The data has changed since the training, so no samples are shown.</p>\n"
    rows = predictions.to_show(_SAMPLES)
    places = rows if whole else list(dict.fromkeys(samples.ids.index(predictions.ids[row]) for row in rows))
    shown = [explain(model, encoding, samples[place]) for place in places]
    words = predictions.words_for_shown
    words = f"<p>{count(len(shown), 'sample')} of the test part{words if whole else ''}.</p>\n"
    return words + gallery(shown, model.main.settings, [f"Test sample {one.id}" for one in shown])


def score_name(score: str) -> str:
    """A metric as people call it.

    Example:
        >>> score_name("auroc"), score_name("average_precision")
        ('AUROC', 'average precision')
    """
    return _SCORE_NAMES.get(score, score.replace("_", " "))


def duration(seconds: float) -> str:
    """A time in words.

    Example:
        >>> duration(12.34), duration(150), duration(7384)
        ('12.3 s', '2 min 30 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
