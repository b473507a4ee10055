"""What the trainer does for every network: penalties, sizes of batches, and how the best check is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sampleformer.bench.peers.baseline import Judge
from sampleformer.bench.peers.cloud_network import CloudNetwork
from sampleformer.bench.peers.cloud_part import CloudBatch
from sampleformer.bench.peers.dgcnn import DGCNN
from sampleformer.bench.peers.network import Network
from sampleformer.bench.peers.network_training import NetworkTraining, train_network
from sampleformer.bench.peers.pointnet import PointNet, orthogonality_loss
from sampleformer.tasks import Classification, Regression


@dataclass(frozen=True)
class Numbers:
    """A batch of numbers."""

    values: Tensor
    targets: Tensor

    def to(self, device: str) -> Numbers:
        return self


class NumbersPart:
    """Numbers whose target is twice the number; it remembers what was drawn."""

    def __init__(self, count: int) -> None:
        self.values = torch.linspace(-1, 1, count)[:, None]
        self.targets = 2 * self.values.numpy()
        self.asked: list[tuple[list[int], list[int]]] = []

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, rows: Sequence[int] | np.ndarray) -> Numbers:
        places = torch.as_tensor(np.asarray(rows))
        return Numbers(self.values[places], torch.from_numpy(self.targets)[places])

    def drawn(self, rows: Sequence[int] | np.ndarray, seed: Sequence[int]) -> Numbers:
        self.asked.append((np.asarray(rows).tolist(), list(seed)))
        return self.batch(rows)


class Penalised(Network):
    """One factor, and a number that is only in the penalty."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.zeros(1))
        self.aside = nn.Parameter(torch.ones(1))

    def forward(self, batch: Numbers) -> Tensor:
        return batch.values * self.factor

    def with_penalty(self, batch: Numbers) -> tuple[Tensor, Tensor]:
        return self(batch), self.aside.square().sum()


def mean_error(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    return {"mae": float(np.abs(outputs - targets).mean())}


def test_the_penalty_is_minimised_and_is_no_part_of_the_validation_loss() -> None:
    model, part = Penalised(), NumbersPart(10)
    settings = NetworkTraining(steps=400, learning_rate=0.02, batch=5)
    found = train_network(model, (part, part, part), Regression(["y"], [0.0], [1.0]), mean_error, settings)
    assert abs(model.aside.item()) < 0.05
    assert model.factor.item() == pytest.approx(2, abs=0.02)
    expected = float((part.values * (model.factor.item() - 2)).square().mean())
    assert found.last_valid["loss"] == pytest.approx(expected, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(("samples", "batch", "sizes"), [(3, 2, {3}), (5, 1, {2, 3}), (10, 4, {5}), (1, 4, {1})])
def test_no_batch_is_of_one_sample_and_each_pass_has_all(samples: int, batch: int, sizes: set[int]) -> None:
    part = NumbersPart(samples)
    train_network(
        Penalised(),
        (part, part, part),
        Regression(["y"], [0.0], [1.0]),
        mean_error,
        NetworkTraining(steps=6, batch=batch, seed=7),
    )
    assert {len(rows) for rows, _ in part.asked} == sizes
    assert [seed for _, seed in part.asked] == [[7, step] for step in range(6)]
    a_pass = max(1, min(round(samples / batch), samples // 2))
    assert sorted(row for rows, _ in part.asked[:a_pass] for row in rows) == list(range(samples))


def test_the_judge_chooses_by_the_score_that_was_asked_for() -> None:
    given = iter([{"accuracy": 0.9, "f1": 0.5}, {"accuracy": 0.8, "f1": 0.6}, {"accuracy": 1.0, "f1": 0.6}])
    targets = np.array([0, 1])
    judge = Judge(Classification("y", ["a", "b"]), lambda outputs, targets: next(given), targets, "f1")
    outputs = [np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32), np.eye(2, dtype=np.float32)]
    assert [judge.is_best(step, each, targets) for step, each in enumerate(outputs)] == [True, True, True]
    assert (judge.best_step, judge.best_valid) == (2, judge.last_valid)  # equal in f1, and of lower loss


def test_pointnet_is_penalised_as_published_and_dgcnn_is_not() -> None:
    batch = CloudBatch(torch.randn(3, 9, 3), torch.zeros(3))
    peer = PointNet(4).eval()
    nn.init.normal_(peer.feature_transform.output.weight, std=0.1)
    outputs, penalty = CloudNetwork(peer).with_penalty(batch)
    torch.testing.assert_close(outputs, peer(batch.points))
    torch.testing.assert_close(penalty, 0.001 * orthogonality_loss(peer.answers(batch.points)[1]))
    assert penalty > 0
    dgcnn = CloudNetwork(DGCNN(4, neighbours=3)).eval()
    outputs, penalty = dgcnn.with_penalty(batch)
    torch.testing.assert_close(outputs, dgcnn(batch))
    assert penalty == 0
