"""One training of the controlled task: how well a variant finds the needles, against steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.attention import Sampler
from sampleformer.attention.samplers import Scores
from sampleformer.bench.estimator_variants import WEIGHTS, Variant
from sampleformer.bench.needle_model import NeedleModel
from sampleformer.bench.needles import NeedleBatch, Needles, found_share
from sampleformer.functional.score_function import leave_one_out
from sampleformer.training.score_terms import SIGNS, score_term

BATCH = 32
LEARNING_RATE = 3e-3
CHECKS = 10
TEST_SAMPLES = 256
_TEST_BATCH = 64
_TEST_SEED = 2**31
DRAWS = 2
"""Choices of each sample in a step, where the loss itself enters the gradient."""


class TaskPoint(TypedDict):
    """The model after some steps, on test samples: answers of evaluation (the k best) and of training (with noise)."""

    step: int
    accuracy: float
    noisy_accuracy: float
    found: float


class TaskCell(TypedDict):
    """One training. ``curve`` is by step; ``seconds`` are of the processor, for the steps alone."""

    variant: str
    n: int
    seed: int
    steps: int
    seconds: float
    curve: list[TaskPoint]


def train_task(variant: Variant, length: int, seed: int, steps: int) -> TaskCell:
    """Trains and tests.

    All that is random follows from the seed: the weights, which but for the sampler's are those of every variant, the
    samples and the noise. The test samples are the same for every seed and variant.

    Args:
        variant: what to train.
        length: n.
        seed: of everything random.
        steps: of the optimiser.
    """
    task = Needles(length)
    tests = _tests(task)
    checks = {round(number * steps / CHECKS) for number in range(1, CHECKS + 1)}
    seconds, curve = 0.0, []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = NeedleModel(variant, task.features, task.classes)
        optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
        samples = torch.Generator().manual_seed(seed)
        for step in range(steps):
            batch = task.batch(BATCH, samples)
            _set_schedules(model, variant, step, steps, length)
            begun = time.process_time()
            loss = training_loss(model, batch, variant)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seconds += time.process_time() - begun
            if step + 1 in checks:
                curve.append(_test(model, tests, step + 1))
    return {
        "variant": variant.name,
        "n": length,
        "seed": seed,
        "steps": steps,
        "seconds": round(seconds, 3),
        "curve": curve,
    }


def training_loss(model: NeedleModel, batch: NeedleBatch, variant: Variant) -> Tensor:
    """Cross-entropy; where the loss enters the gradient of the choice, of several choices for each sample.

    Args:
        model: in training.
        batch: of samples.
        variant: what is trained, which may add a term of the scores.
    """
    model.train()
    repeats = variant.repeats and not _noiseless(model)
    logits, selection = model(batch.features.repeat(DRAWS, 1, 1) if repeats else batch.features)
    scores = [] if selection.scores is None else [selection.scores]
    if not repeats:
        return F.cross_entropy(logits, batch.labels) + _term(variant, scores)
    losses = F.cross_entropy(logits, batch.labels.repeat(DRAWS), reduction="none").view(DRAWS, -1)
    probabilities = [each.log_probability for each in scores if each.log_probability is not None]
    estimate = leave_one_out(losses, torch.stack(probabilities).sum(0).view(DRAWS, -1))
    return losses.mean() + estimate + _term(variant, scores)


def _term(variant: Variant, scores: Sequence[Scores]) -> Tensor | float:
    """What the scores add to the loss."""
    if variant.addition not in WEIGHTS:
        return 0.0
    name = f"score_{variant.addition}"
    return SIGNS[name] * WEIGHTS[variant.addition] * score_term(name, scores)


def _samplers(model: NeedleModel) -> list[Sampler]:
    return [module for module in model.modules() if isinstance(module, Sampler)]


def _noiseless(model: NeedleModel) -> bool:
    return all(sampler.noise_scale == 0 for sampler in _samplers(model))


def _set_schedules(model: NeedleModel, variant: Variant, step: int, steps: int, length: int) -> None:
    for sampler in _samplers(model):
        sampler.noise_scale.fill_(variant.noise_scale(step, steps))
        sampler.temperature_scale.fill_(variant.temperature_scale(step, steps))
        sampler.sampled_in_training = variant.sampled(step, steps, sampler.sampled, length)


def _tests(task: Needles) -> list[NeedleBatch]:
    generator = torch.Generator().manual_seed(_TEST_SEED)
    return [task.batch(_TEST_BATCH, generator) for _ in range(TEST_SAMPLES // _TEST_BATCH)]


@torch.no_grad()
def _test(model: NeedleModel, tests: list[NeedleBatch], step: int) -> TaskPoint:
    """Scores the model; its noise is drawn beside that of the training, which goes on as if there had been no test."""
    right, noisy_right, found = 0, 0, 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_TEST_SEED)
        for batch in tests:
            model.eval()
            logits, selection = model(batch.features)
            right += int((logits.argmax(1) == batch.labels).sum())
            found += found_share(selection.indices, batch.places) * len(batch.labels)
            model.train()
            noisy_right += int((model(batch.features)[0].argmax(1) == batch.labels).sum())
    count = sum(len(batch.labels) for batch in tests)
    return {
        "step": step,
        "accuracy": right / count,
        "noisy_accuracy": noisy_right / count,
        "found": round(found / count, 6),
    }
