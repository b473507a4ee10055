"""Predictions of a trained model for samples in memory."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from typing_extensions import Self

from sampleformer.data.encoding import Encoding
from sampleformer.data.samples import Samples
from sampleformer.errors import InputError, shown
from sampleformer.models import Model
from sampleformer.tables.memory import is_frame
from sampleformer.tasks import Predictions
from sampleformer.training.devices import pick_device
from sampleformer.training.evaluation import ROWS_AT_ONCE
from sampleformer.training.narrowed import narrow
from sampleformer.training.outputs import model_outputs
from sampleformer.training.predictions import prediction_columns, predictions_of
from sampleformer.training.run_folder import RunFolder

_OF_ONE = re.compile(r"^samples: (?:sample|cloud|graph) 0: ")
"""How what is wrong with the only sample begins, whose place in a sequence the caller knows better."""


class Predictor:
    """A trained model that answers for samples in memory as ``sampleformer predict`` does for those of a file.

    Several threads may call it at once: nothing in it changes.

    Args:
        model: Model, which is put into evaluation mode.
        encoding: Encoding of its training.
        max_tokens: Padded tokens that go through the model at once. At least 1.

    Example:
        >>> predictor = Predictor.load("runs/reviews")                      # doctest: +SKIP
        >>> predictor("Great view, cold soup.")["prediction"]               # doctest: +SKIP
        'negative'
        >>> predictor(["Great view.", "Cold soup."])["prediction"]          # doctest: +SKIP
        ['positive', 'negative']
    """

    def __init__(self, model: Model, encoding: Encoding, max_tokens: int) -> None:
        self.model = model.eval()
        self.encoding = encoding
        self.max_tokens = max_tokens

    @classmethod
    def load(
        cls,
        run: str | os.PathLike[str],
        *,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        quantize: str | None = None,
        compile: bool = False,
        trust_code: bool = False,
    ) -> Self:
        """Reads the best model of a run.

        Args:
            run: Folder of the run.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            dtype: Type of the weights of linear layers and embeddings, and of their products: ``torch.float32`` or
                ``torch.bfloat16``.
            quantize: ``"int8"``: these weights and products in whole numbers of eight bits, on a CPU. None: not.
            compile: Whether torch compiles the model when it is first called, which takes a minute or so and on a CPU
                needs a C++ compiler.
            trust_code: Whether the folder may name classes outside this package, see `TokenModel.from_pretrained`.

        Raises:
            InputError: if the folder is none of a finished run, the device is not there, or an option cannot be had.
        """
        folder = RunFolder(run)
        place = pick_device(device)
        narrowed = _narrowed(dtype, quantize, place)
        if compile:
            _check_compiler(place)
        recipe = folder.read_recipe(trust_code=trust_code)
        model, encoding = folder.read_trained(trust_code=trust_code)
        if narrowed:
            narrow(model, narrowed)
        model = model.to(place)
        if compile:
            model.compile(dynamic=True)
        return cls(model, encoding, recipe.training.max_tokens)

    def __call__(self, samples: Any) -> dict[str, Any]:
        """Predictions for one sample or many.

        A sample is a text or a SMILES, by the kind of the training data; a row of numbers; a point cloud as an array
        ``(points, 3)`` with further columns for the normal and features, or a mapping of ``points``, ``normals`` and
        ``features``; a graph of PyTorch Geometric, or a mapping of its ``x``, ``edge_index`` and ``edge_attr``. Where
        the training data was a table, it may be a mapping from columns to values, as it must be if other columns
        describe the samples, and many may be a DataFrame of pandas or polars.

        Args:
            samples: One sample, or a sequence of samples.

        Returns:
            The columns that ``predict`` writes. For many samples a list each, of one row a sample, or one row a token
            or pair of tokens if the model answers for these; for one sample without the column ``id``, and values in
            the place of lists if its answer is one row.

        Raises:
            InputError: if a sample cannot be used; it names its position, from 0.
        """
        samples = self.encoding.listed(samples)
        if self.encoding.is_one(samples):
            return self._of_one(self._columns([samples]))
        return self._columns(samples)

    def each(self, samples: Any) -> list[dict[str, Any] | InputError]:
        """An answer for each sample, where one that cannot be used costs no other its own.

        Args:
            samples: Sequence of samples, or a DataFrame.

        Returns:
            For each sample what a call with it alone returns, or what is wrong with it.

        Raises:
            InputError: if they are no sequence, or there are none.
        """
        samples = self.encoding.listed(samples)
        if not is_frame(samples) and not isinstance(samples, list | tuple | np.ndarray):
            samples = list(samples)
        try:
            ((usable, wrong),) = self.encoding.given(samples, on_error="skip")
        except InputError as error:  # of the samples together: what is wrong with which is found one by one
            return self._one_by_one(samples, error)
        if len(usable) + len(wrong) != len(samples) > 1 and wrong:  # clouds in blocks: which is wrong is not said
            return self._one_by_one(samples, InputError("a part of the sample cannot be used"))
        if wrong and len(samples) == 1:
            return [InputError(next(iter(wrong.values())))]
        try:
            answers = iter(self._answers(usable) if len(usable) else [])
        except InputError as error:  # of numbers so large that those computed of them are none
            return self._one_by_one(samples, InputError(f"the model cannot answer: {error}"))
        return [InputError(wrong[place]) if place in wrong else next(answers) for place in range(len(samples))]

    def _one_by_one(self, samples: Any, error: InputError) -> list[dict[str, Any] | InputError]:
        """An answer for each of several samples alone; of a single one, the error that it has raised."""
        if len(samples) < 2:
            return [InputError(_OF_ONE.sub("", str(error)))] if len(samples) else []
        return [self.each(samples[place : place + 1])[0] for place in range(len(samples))]

    def _columns(self, samples: Any) -> dict[str, Any]:
        """Columns for samples, from pieces of the size in which files are read."""
        pieces = [self._predictions(usable) for usable, _ in self.encoding.given(samples, rows=ROWS_AT_ONCE)]
        return prediction_columns(self.encoding, Predictions.joined(pieces), targets=False)

    def _answers(self, samples: Samples) -> list[dict[str, Any]]:
        """Answers for usable samples, one each; rows of tokens, and blocks of one scene, go to their sample."""
        predictions = self._predictions(samples)
        columns = prediction_columns(self.encoding, predictions, targets=False)
        rows: list[list[int]] = [[] for _ in predictions.ids]
        for row, sample in enumerate(predictions.sample.tolist()):
            rows[sample].append(row)
        return [self._of_one({name: [values[row] for row in own] for name, values in columns.items()}) for own in rows]

    def _predictions(self, samples: Samples) -> Predictions:
        outputs = model_outputs(self.model, samples, self.encoding.task, self.max_tokens, progress=None)
        return predictions_of(samples, outputs, self.encoding.task)

    def _of_one(self, columns: Mapping[str, list[Any]]) -> dict[str, Any]:
        """The answer for the only sample of some columns."""
        found = {name: values for name, values in columns.items() if name != "id"}
        if self.encoding.task.of_tokens:
            return found
        return {name: values[0] for name, values in found.items()}


def _narrowed(dtype: torch.dtype, quantize: str | None, device: str) -> str:
    """Type of the weights, as `narrow` names it; empty: float32."""
    if dtype not in (torch.float32, torch.bfloat16):
        raise InputError(f"dtype: found {dtype}, expected torch.float32 or torch.bfloat16")
    if quantize is None:
        return "" if dtype == torch.float32 else "bfloat16"
    if quantize != "int8":
        raise InputError(f"quantize: found {shown(quantize)}, expected 'int8' or None")
    if dtype != torch.float32:
        raise InputError(f"dtype and quantize: found {dtype} and {quantize!r}, expected one of them")
    if device != "cpu":
        raise InputError(f"quantize: found {quantize!r} for the device {device}, expected cpu; take torch.bfloat16")
    return quantize


def _check_compiler(device: str) -> None:
    """Raises InputError where torch would find no compiler when the model is first called."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    if device == "cpu" and not any(name and shutil.which(name) for name in names):
        raise InputError("compile: found no C++ compiler, with which torch compiles for a CPU, expected c++ or clang++")
