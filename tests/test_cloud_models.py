"""Whole models of point clouds: rotations, order, batch and padding."""

import numpy as np
import pytest
import torch

from sampleformer.data import Sample, collate
from sampleformer.data.point_cloud.rotations import uniform_rotations
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.tokens import Tokens

EXACT = {"rtol": 1e-10, "atol": 1e-10}
ATTENTION = {
    "full": {"name": "full"},
    "samsa": {"name": "samsa", "sampled": 9},
    "yoso": {"name": "yoso", "hashes": 4, "code_length": 2},
    "sft-distance": {"name": "sft", "sampled": 9, "relative": "distance"},
    "sft-normals": {"name": "sft", "sampled": 9, "relative": "distance_normals"},
    "sft-field": {"name": "sft", "sampled": 9, "relative": "distance_field"},
}


def model(attention: str, *, invariant: bool, level: str = "sample") -> TokenModel:
    settings = ModelSettings(
        width=8,
        layers=2,
        heads=2,
        feedforward=16,
        residual_scale=0.7,
        attention=ATTENTION[attention],
        embed={"name": "point_cloud", "invariant": invariant, "neighbours": 4, "hidden": 8},
    )
    return TokenModel(settings, {"features": 0, "normals": True, "identifiers": 3}, 5, level=level).double().eval()


def cloud(points: int, seed: int) -> Sample:
    random = np.random.default_rng(seed)
    normals = random.standard_normal((points, 3))
    return Sample(
        np.zeros((points, 0), np.float32),
        None,
        str(seed),
        coordinates=random.standard_normal((points, 3)).astype(np.float32),
        normals=(normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32),
        identifiers=random.standard_normal((points, 3)).astype(np.float32),
    )


def wide(tokens: Tokens, rotation: torch.Tensor | None = None) -> Tokens:
    """The same tokens in float64, turned."""
    rotation = torch.eye(3, dtype=torch.float64) if rotation is None else rotation
    return Tokens(
        tokens.features.double(),
        tokens.mask,
        coordinates=tokens.coordinates.double() @ rotation.T,
        normals=tokens.normals.double() @ rotation.T,
        identifiers=tokens.identifiers.double(),
    )


@torch.no_grad()
@pytest.mark.parametrize("attention", ATTENTION)
def test_a_hundred_rotations_change_nothing_in_the_invariant_form(attention):
    made = model(attention, invariant=True)
    tokens = collate([cloud(40, 0), cloud(25, 1)]).tokens
    expected = made(wide(tokens))
    scale = expected.abs().max()
    for rotation in torch.from_numpy(np.asarray(uniform_rotations(100, np.random.default_rng(0)), dtype=np.float64)):
        assert float((made(wide(tokens, rotation)) - expected).abs().max() / scale) < 1e-8


@torch.no_grad()
def test_rotations_change_the_answer_of_the_plain_form():
    made = model("samsa", invariant=False)
    tokens = collate([cloud(40, 0)]).tokens
    rotation = torch.from_numpy(np.asarray(uniform_rotations(1, np.random.default_rng(0))[0], dtype=np.float64))
    assert float((made(wide(tokens, rotation)) - made(wide(tokens))).abs().max()) > 1e-3


@pytest.mark.parametrize("invariant", [False, True], ids=["plain", "invariant"])
@pytest.mark.parametrize("attention", ATTENTION)
def test_permuting_the_points_permutes_their_answers(attention, invariant):
    made = model(attention, invariant=invariant, level="token")
    sample = cloud(31, 2)
    order = np.random.default_rng(3).permutation(31)
    found, expected = made(wide(collate([sample.take(order)]).tokens)), made(wide(collate([sample]).tokens))
    torch.testing.assert_close(found, expected[:, order], **EXACT)


@pytest.mark.parametrize("attention", ATTENTION)
def test_a_batch_of_unequal_clouds_equals_one_by_one(attention):
    made = model(attention, invariant=True)
    samples = [cloud(30, 4), cloud(3, 5), cloud(1, 6), cloud(17, 7)]
    together = made(wide(collate(samples).tokens))
    for row, sample in enumerate(samples):
        torch.testing.assert_close(together[row], made(wide(collate([sample]).tokens))[0], **EXACT)
