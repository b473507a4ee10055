"""Batch norms see the whole batch, however it is cut into chunks."""

import copy
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sampleformer.attention.local.edges import LocalEdges
from sampleformer.data import Samples, TokenSets, collate
from sampleformer.data.batch import Batch
from sampleformer.data.batching import cut_together, padded_tokens
from sampleformer.edges import Edges
from sampleformer.encoder import Encoder, EncoderLayer, FeedForward
from sampleformer.encoder.norming import sees_whole_batch
from sampleformer.functional.batch_norm import batch_norm, batch_statistics
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.norms import BatchNorm
from sampleformer.settings import Component
from sampleformer.tasks import Classification
from sampleformer.tokens import Tokens
from sampleformer.training import TrainingSettings, train
from sampleformer.training.batches import BY_LENGTH, BY_LENGTH_TOGETHER, IN_ORDER, TOGETHER
from sampleformer.training.loss import make_loss
from sampleformer.training.step_loss import StepLoss
from sampleformer.training.trainer import cut_for
from tests.training.small import text_recipe, write_texts

STEPS = TrainingSettings(steps=1)
LENGTHS = [9, 2, 5, 3, 8, 2, 4, 9, 1, 6]


def _samples() -> Samples:
    random = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    sets = TokenSets(random.integers(0, 20, size=offsets[-1]), offsets)
    return Samples(sets, np.arange(len(LENGTHS)) % 3, [str(row) for row in range(len(LENGTHS))])


def _model(**settings: Any) -> TokenModel:
    given: dict[str, Any] = {
        "width": 8,
        "layers": 2,
        "heads": 2,
        "feedforward": 16,
        "embed": Component(name="sequence", hidden=8),
        "attention": Component(name="samsa", sampled=3, noise=0.0, choice="straight_through"),
        "residual_scale": 1.0,
        "norm": "batch",
    }
    torch.manual_seed(0)
    return TokenModel(ModelSettings(**given | settings), {"vocabulary": 20}, 3).double().train()


def _batches(cut: list[list[np.ndarray]]) -> list[list[Batch]]:
    samples = _samples()
    return [[collate([samples[row] for row in chunk]) for chunk in group] for group in cut]


def _step(model: TokenModel, groups: list[list[Batch]]) -> tuple[float, dict[str, Tensor], dict[str, Tensor]]:
    """The loss of a step, its gradients, and the running statistics afterwards."""
    model = copy.deepcopy(model)
    loss = StepLoss(STEPS, model, make_loss(Classification("y", ["0", "1", "2"]), None, np.arange(3)))
    total = 0.0
    for parts in loss(groups):
        parts["loss"].backward()
        total += parts["loss"].item()
    gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    return total, gradients, dict(model.named_buffers())


def _assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-9, msg=name)


WHOLE = [[np.arange(len(LENGTHS))]]
MODELS = {
    "pre": {},
    "post": {"norm_position": "post"},
    "window": {"local": Component(name="window", window=1)},
    "some layers": {
        "local": Component(name="window", window=1),
        "attention": Component(name="samsa", sampled=3, noise=0.0, layers=[2]),
    },
    "full": {"attention": Component(name="full")},
    "token by token": {"norm": "rms"},
}


@pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
def test_a_step_in_chunks_is_the_step_of_the_batch(settings: dict[str, Any]) -> None:
    model = _model(**settings)
    cut = [[np.array([0, 7, 4]), np.array([9, 2, 6]), np.array([3, 1, 5, 8])]]
    loss, gradients, statistics = _step(model, _batches(WHOLE))
    found_loss, found, found_statistics = _step(model, _batches(cut))
    assert found_loss == pytest.approx(loss, rel=1e-9)
    _assert_same(found, gradients)
    _assert_same(found_statistics, statistics)
    if not statistics:
        return
    assert any("running_mean" in name and bool(value.abs().max() > 0) for name, value in statistics.items())
    apart = _step(model, _batches([[chunk] for chunk in cut[0]]))
    assert apart[0] != pytest.approx(loss, rel=1e-4), "statistics of single chunks are others"


def test_edges_and_their_messages() -> None:
    torch.manual_seed(0)
    layers = [
        EncoderLayer(
            None,
            FeedForward(8, 8, norm=BatchNorm(8)),
            local=LocalEdges(8, 2, edge_features=0, kind=kind, norm=BatchNorm(8)),
        )
        for kind in ("messages", "attention")
    ]
    encoder = Encoder(layers, norm=BatchNorm(8), residual_scale=1.0).double().train()
    assert encoder.runs_together
    other = copy.deepcopy(encoder)

    def tokens(rows: Tensor, mask: Tensor) -> Tokens:
        ends = torch.tensor([[0, 1, 2], [1, 0, 0]])
        source, target = (each.expand(len(rows), -1) for each in ends)
        edges = Edges(source, target, rows.new_zeros(len(rows), 3, 0))
        return Tokens(rows, mask, edges=edges)

    features, mask = (
        torch.randn(3, 5, 8, dtype=torch.float64),
        torch.tensor([[True] * 5, [True] * 5, [True] * 3 + [False] * 2]),
    )
    whole = encoder(tokens(features, mask)).features
    first, second = other.together([tokens(features[:2], mask[:2]), tokens(features[2:, :3], mask[2:, :3])])
    torch.testing.assert_close(first.features, whole[:2])
    torch.testing.assert_close(second.features, whole[2:, :3])


def test_in_evaluation_chunks_are_alone() -> None:
    model = _model().eval()
    (group,) = _batches([[np.array([0, 7]), np.array([8])]])
    answers = model.together([chunk.tokens for chunk in group], [{}, {}])
    for (outputs, _), chunk in zip(answers, group, strict=True):
        torch.testing.assert_close(outputs, model(chunk.tokens))


@pytest.mark.parametrize("masked", [True, False])
def test_statistics_of_several_tensors_are_those_of_one(masked: bool) -> None:
    features = [torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(3, 4, 3, dtype=torch.float64)]
    masks = [torch.rand(each.shape[:2]) > 0.4 if masked else None for each in features]
    real = [each if mask is None else each[mask] for each, mask in zip(features, masks, strict=True)]
    rows = torch.cat([each.reshape(-1, 3) for each in real])
    found = batch_statistics(features, masks)
    expected = batch_norm(rows, torch.ones(3), torch.zeros(3))[1:]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


class _Normed(nn.Module):
    """A part with a batch norm of torch's inside."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part, self.norm = part, nn.BatchNorm1d(8)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.norm(self.part(features).transpose(1, 2)).transpose(1, 2)
        return result


def test_which_models_run_chunks_together() -> None:
    model = _model()
    assert model.runs_together
    assert cut_for(model, STEPS) is TOGETHER
    tokenwise = _model(norm="rms")
    assert cut_for(tokenwise, STEPS) is BY_LENGTH_TOGETHER
    assert cut_for(tokenwise, STEPS.model_copy(update={"compile": True})) is BY_LENGTH
    for changed in ({"compile": True}, {"score_entropy": 0.1}):
        assert cut_for(model, STEPS.model_copy(update=changed)) is IN_ORDER
    inside = _model()
    inside.encoder.layers[1].feed_forward = _Normed(inside.encoder.layers[1].feed_forward.mlp)
    embedding = _model()
    embedding.embed = nn.Sequential(embedding.embed, _Normed(nn.Identity()))
    deep = _model()
    deep.encoder.layers[0].attention.output = nn.Sequential(nn.Linear(8, 8), BatchNorm(8))
    wrapped = _model()
    wrapped.encoder.layers[0] = nn.Sequential(wrapped.encoder.layers[0])
    for each in (inside, embedding, deep, wrapped):
        assert sees_whole_batch(each)
        assert not each.runs_together
        assert cut_for(each, STEPS) is IN_ORDER


@pytest.mark.parametrize(("most", "groups"), [(60_000, 1), (48_000, 2), (30_000, 2), (12_000, 7), (1, 10)])
def test_a_batch_is_one_group_or_groups_of_random_samples(most: int, groups: int) -> None:
    sizes = 1000 * np.array(LENGTHS)  # 49 000 in all
    found = cut_together(sizes, most)
    assert len(found) == groups
    assert sorted(int(row) for group in found for chunk in group for row in chunk) == list(range(len(sizes)))
    for group in found:
        rows = sorted(int(row) for chunk in group for row in chunk)
        assert rows == list(range(rows[0], rows[-1] + 1)), "neighbours in the random order"
        assert len(rows) == 1 or padded_tokens(sizes, group) <= most


@pytest.mark.parametrize(("most", "said"), [(4096, False), (40, True)])
def test_it_is_said_that_norms_see_parts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, most: int, said: bool
) -> None:
    recipe = text_recipe(write_texts(tmp_path / "texts.csv"), model={"norm": "batch"}, max_tokens=most, steps=2)
    with caplog.at_level(logging.INFO, logger="sampleformer"):
        train(recipe, tmp_path / "run", quiet=True)
    found = [message for message in caplog.messages if "batch norms of the model see a batch in up to" in message]
    assert bool(found) is said
