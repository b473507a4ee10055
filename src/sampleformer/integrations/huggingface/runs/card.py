"""The model card: what a model was trained on, how, and how well."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from sampleformer.files import write_text
from sampleformer.integrations.huggingface.runs.about import About, digest
from sampleformer.reading import reading
from sampleformer.wording import number

if TYPE_CHECKING:
    from sampleformer.integrations.huggingface.runs.pretrained import SampleformerPreTrainedModel

FILE = "README.md"
MARK = "<!-- Written by sampleformer. Without this line the text stays as it is. -->"
"""Line of a card that may be written anew."""
_OF_TRANSFORMERS = "This model card has been automatically generated"
"""Sentence of the card without content that transformers writes."""
_PIPELINE = "text-classification"
_ANSWERS = {
    "single_label_classification": "one of {number} classes",
    "multi_label_classification": "which of {number} labels apply",
    "regression": "numbers in the unit of the training data",
}
_TITLES = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "auroc": "AUROC",
    "f1": "F1 (macro)",
}
_PARTS = ("train", "valid", "test")
_PAPERS = {"samsa": "2408.05391", "sft": "2408.05822", "yoso": "2111.09714"}


def write_card(model: SampleformerPreTrainedModel, folder: str | os.PathLike[str]) -> None:
    """Writes the card, unless there is one that somebody has written.

    Args:
        model: Model that the card describes.
        folder: Path of the folder.
    """
    path = Path(folder) / FILE
    if path.exists():
        with reading(path, "a model card in UTF-8"):
            text = path.read_text(encoding="utf-8")
        if MARK not in text and _OF_TRANSFORMERS not in text:
            return
    write_text(path, card_of(model))


def card_of(model: SampleformerPreTrainedModel) -> str:
    """Text of the card, with its metadata."""
    about = model.config.about_run()
    as_scored = about is not None and about.weights == digest(model)
    sections = [_title(model, about), _use(model)]
    if about is not None:
        sections += [_data(about), _scores(about, as_scored)]
    sections.append(_recipe(model, about))
    metadata = _metadata(model, about if as_scored else None)
    return str(ModelCard(f"---\n{metadata.to_yaml()}\n---\n{MARK}\n\n" + "\n".join(sections)))


def _has_head(model: SampleformerPreTrainedModel) -> bool:
    return model.base is not model


def _metadata(model: SampleformerPreTrainedModel, about: About | None) -> ModelCardData:
    """Metadata; with the scores of the run only where the weights are still its own."""
    scored: dict[str, Any] = {}
    if about is not None and _has_head(model):
        results = [
            EvalResult(
                task_type=_PIPELINE,
                dataset_type="table",
                dataset_name=str(about.data.get("path", about.name)),
                dataset_split="test",
                metric_type=name,
                metric_name=_words(name),
                metric_value=value,
            )
            for name, value in sorted(about.scores.get("test", {}).items())
            if value is not None
        ]
        scored = {"model_name": about.name, "eval_results": results}
    return ModelCardData(
        library_name="transformers",
        pipeline_tag=_PIPELINE if _has_head(model) else "feature-extraction",
        tags=["sampleformer", model.config.model_settings().attention.name],
        **scored,
    )


def _title(model: SampleformerPreTrainedModel, about: About | None) -> str:
    config, settings = model.config, model.config.model_settings()
    what = "Hidden states of texts."
    if _has_head(model):
        answers = _ANSWERS.get(config.problem_type or "", "{number} outputs").format(number=config.num_labels)
        what = f"Takes a text and answers {answers}: {', '.join(map(str, (config.id2label or {}).values()))}."
    name, sampled = settings.attention.name, settings.attention.arguments.get("sampled")
    chosen = "" if sampled is None else f", k = {sampled}"
    paper = f" ([arXiv {_PAPERS[name]}](https://arxiv.org/abs/{_PAPERS[name]}))" if name in _PAPERS else ""
    size = (
        f"A transformer of sampleformer: {settings.layers} layers, width {settings.width}, {settings.heads} heads, "
        f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters; attention `{name}`{chosen}{paper}."
    )
    blended = _blended(model)
    title = f"# {about.name if about else 'A transformer for texts'}"
    return "\n\n".join(filter(None, (title, about.description if about else "", what, size, blended))) + "\n"


def _blended(model: SampleformerPreTrainedModel) -> str:
    """What each model of a blend weighs."""
    factors = getattr(model, "factors", None)
    if factors is None:
        return ""
    names = ["the transformer", *[f"`{each['name']}`" for each in model.config.fitted or []]]
    each = ", ".join(f"{factor:.2f} × {name}" for name, factor in zip(names, factors.float().tolist(), strict=True))
    return f"Its answers are blended with those of models that were fitted to the same data: {each}."


def _use(model: SampleformerPreTrainedModel) -> str:
    made = "from transformers import AutoModel, AutoTokenizer\n\nmodel = AutoModel.from_pretrained(name)"
    if _has_head(model):
        made = f'from transformers import pipeline\n\nclassify = pipeline("{_PIPELINE}", model=name)'
    return f"## Use\n\n```python\nimport sampleformer.integrations.huggingface\n{made}\n```\n"


def _data(about: About) -> str:
    sizes = ", ".join(f"{about.samples[part]:,} {part}" for part in _PARTS if part in about.samples)
    return f"## Data\n\nRows: {sizes}.\n\n```yaml\n{_yaml(about.data)}```\n"


def _scores(about: About, as_scored: bool) -> str:
    parts = [part for part in _PARTS if part in about.scores]
    names = sorted({name for part in parts for name in about.scores[part]})
    rows = [f"| score | {' | '.join(parts)} |", f"| --- |{' ---: |' * len(parts)}"]
    for name in names:
        values = [number(about.scores[part][name]) if name in about.scores[part] else "" for part in parts]
        rows.append(f"| {_words(name)} | {' | '.join(values)} |")
    words = f"Of the weights with the best {_words(about.selected_by)} on the validation part."
    if about.majority_share is not None:
        words += f" The most frequent class alone has accuracy {number(about.majority_share)} on the test part."
    if not as_scored:
        words += " **The weights here are others: trained further, converted, or without their head.**"
    return "## Scores\n\n" + "\n".join(rows) + f"\n\n{words}\n"


def _recipe(model: SampleformerPreTrainedModel, about: About | None) -> str:
    shown: dict[str, Any] = {"model": model.config.settings}
    last = []
    if about is not None:
        shown |= {"training": about.training, "seed": about.seed}
        versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
        seconds = "" if about.train_seconds is None else f"Trained in {about.train_seconds:,.0f} s. "
        last = [each for each in (about.source, f"{seconds}Versions: {versions}.") if each]
    return "\n\n".join([f"## Recipe\n\n```yaml\n{_yaml(shown)}```", *last]) + "\n"


def _words(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


def _yaml(values: Any) -> str:
    return str(yaml.safe_dump(values, allow_unicode=True))
