"""Runs on texts, as far as transformers can know them."""

import os
from dataclasses import dataclass
from typing import Any, Literal

from sampleformer.data.encoding import Encoding
from sampleformer.data.sequence.text_columns import TextColumns
from sampleformer.errors import InputError
from sampleformer.integrations.huggingface.runs.configuration import SampleformerConfig
from sampleformer.models import Blend, Model, TokenModel
from sampleformer.tasks import Classification, MultiLabel, Regression, Task
from sampleformer.training.run_folder import RunFolder

_KINDS: dict[type[Task], Literal["single_label_classification", "multi_label_classification", "regression"]] = {
    Classification: "single_label_classification",
    MultiLabel: "multi_label_classification",
    Regression: "regression",
}
"""Transformers' names of the tasks that it knows."""


@dataclass(frozen=True)
class TrainedRun:
    """A finished run on texts.

    Args:
        folder: Its folder.
        model: Its best model, perhaps a blend.
        encoding: What it learnt of its rows.
        texts: The columns of texts.
    """

    folder: RunFolder
    model: Model
    encoding: Encoding
    texts: TextColumns


def read_run(run: str | os.PathLike[str]) -> TrainedRun:
    """A finished run on texts.

    Args:
        run: Path of its folder.

    Raises:
        InputError: if it is none, or its model cannot be one of transformers.
    """
    folder = RunFolder(run)
    model, encoding = folder.read_trained()
    inputs = encoding.inputs
    if not isinstance(model.main, TokenModel):
        raise InputError(f"{folder.path}: found the model {model.main.name!r}, expected {TokenModel.name!r}")
    if not isinstance(inputs, TextColumns):
        raise InputError(f"{folder.path}: found a run on {inputs.kind} data, expected texts, which tokenizers read")
    if encoding.descriptors is not None:
        raise InputError(
            f"{folder.path}: other columns describe the texts, expected texts alone, which is all that tokenizers read"
        )
    if type(encoding.task) not in _KINDS or encoding.task.of_tokens:
        raise InputError(
            f"{folder.path}: found the task {encoding.task.name!r} for each {encoding.task.level}, expected "
            "classification, multilabel or regression of whole texts"
        )
    return TrainedRun(folder, model, encoding, inputs)


def config_of(run: TrainedRun) -> SampleformerConfig:
    """Configuration of a run's model, without what is known of its training."""
    task, blended = run.encoding.task, isinstance(run.model, Blend)
    scale: dict[str, Any] = {}
    if isinstance(task, Regression):
        scale = {"columns": task.columns, "means": task.mean.tolist(), "deviations": task.deviation.tolist()}
    return SampleformerConfig(
        settings=run.model.main.settings.model_dump(mode="json"),
        fitted=[each.model_dump(mode="json") for each in run.model.settings.parts[1:]] if blended else None,
        vocabulary=run.texts.tokenizer.vocabulary,
        id2label=dict(enumerate(task.labels)),
        label2id={label: number for number, label in enumerate(task.labels)},
        problem_type=_KINDS[type(task)],
        **scale,
    )
