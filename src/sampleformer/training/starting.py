"""A start from the weights of another run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sampleformer.data.encoding import Encoding
from sampleformer.data.source import Source
from sampleformer.errors import InputError, listed
from sampleformer.registry import trusted_code
from sampleformer.tasks import Task, task_to_json
from sampleformer.training.run_folder import RunFolder

log = logging.getLogger("sampleformer")
HEADS = ("head.", "beside.")


@dataclass(frozen=True)
class Start:
    """What a training takes over from a finished run.

    Args:
        name: Path of the run, for messages.
        weights: Weights of its model.
        encoding: Its encoding, of which the inputs are taken over: vocabulary, categories, scaling.
    """

    name: str
    weights: Mapping[str, Tensor]
    encoding: Encoding

    @classmethod
    def of(cls, folder: str, *, trust_code: bool = False) -> Start:
        """Reads a run folder.

        Args:
            folder: Path of the run folder.
            trust_code: Whether it may name classes outside this package.

        Raises:
            InputError: if it is no finished run.
        """
        with trusted_code(trust_code):
            model, encoding = RunFolder(folder).read_trained(trust_code=trust_code)
        return cls(folder, model.main.state_dict(), encoding)

    def prepare(self, source: Source) -> None:
        """Lets a source take the inputs over."""
        source.learnt = self.encoding.inputs

    @torch.no_grad()
    def fill(self, model: nn.Module, task: Task) -> None:
        """Gives a model the weights that fit it, and says in one line which were taken and which were not.

        The head, and models beside, are taken only if both runs have the same task.

        Args:
            model: New model.
            task: What it will learn.

        Raises:
            InputError: if nothing fits.
        """
        own = model.state_dict()
        same = task_to_json(task) == task_to_json(self.encoding.task)
        reasons: dict[str, list[str]] = {}
        taken = 0
        for name, tensor in own.items():
            found = self.weights.get(name)
            if name.startswith(HEADS) and not same:
                reasons.setdefault("another task", []).append(name)
            elif found is None:
                reasons.setdefault("not in that run", []).append(name)
            elif found.shape != tensor.shape:
                reasons.setdefault("of another shape there", []).append(name)
            else:
                tensor.copy_(found)
                taken += 1
        unused = [name for name in self.weights if name not in own]
        if unused:
            reasons["of no use here"] = unused
        if not taken:
            raise InputError(
                f"training.init_from: {self.name}: no weight fits the model; expected a run of a like model"
            )
        left = "; ".join(f"{reason}: {listed(names)}" for reason, names in reasons.items())
        log.info("%s: %d of %d tensors taken over%s", self.name, taken, len(own), f"; {left}" if left else "")
