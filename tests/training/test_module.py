"""What a check between steps says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sampleformer.data import GraphFiles, Samples, Splits, TargetRows, TokenSets
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.settings import Component
from sampleformer.training.batches import evaluation_loader
from sampleformer.training.module import TrainingModule
from sampleformer.training.outputs import evaluation_batches
from sampleformer.training.settings import TrainingSettings
from tests.data.graph.small import write_many

SETTINGS = ModelSettings(width=8, layers=1, heads=2, feedforward=16, embed=Component(name="graph"))


def _checked_loss(splits: Splits, max_tokens: int, class_weights: str) -> float:
    torch.manual_seed(0)
    encoding = splits.encoding
    model = TokenModel(SETTINGS, encoding.model_inputs, encoding.task.outputs, level=encoding.task.level).eval()
    settings = TrainingSettings(
        steps=1, max_tokens=max_tokens, loss=Component(name="cross_entropy", class_weights=class_weights)
    )
    batches = evaluation_batches(splits.valid, max_tokens)
    module = TrainingModule(model, splits, settings, 1, check_batches=batches)
    module.on_validation_epoch_start()
    with torch.no_grad():
        for number, batch in enumerate(evaluation_loader(splits.valid, batches)):
            module.validation_step(batch, number)
    module.on_validation_epoch_end()
    return module.valid_scores["loss"]


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_the_loss_is_the_mean_over_known_targets_however_they_are_batched(tmp_path: Path, class_weights: str) -> None:
    splits = GraphFiles(str(write_many(tmp_path / "many")), "upper", identifiers=0).load()
    sets = TokenSets.of([splits.train[row] for row in range(12)])
    targets = np.arange(sets.offsets[-1]) % 3
    targets[1 : sets.offsets[2]] = -1  # of the first graph one is known, of the second none
    part = Samples(sets, TargetRows(targets, sets.offsets), [str(row) for row in range(12)])
    splits = Splits(part, part, part, splits.encoding)
    alone, together = (_checked_loss(splits, tokens, class_weights) for tokens in (1, 1000))
    assert alone == pytest.approx(together, rel=1e-5)
