"""Settings of a training."""

from typing import Literal

from pydantic import Field, model_validator

from sampleformer.settings import Component, Settings
from sampleformer.training.schedules import Schedules

MOST_CHECKS = 50
"""A small table has short passes, and of many checks on few rows the best would be the luckiest one."""
FEWEST_STEPS = 20
"""Between two checks that no setting asks for: `patience` counts checks."""


class TrainingSettings(Settings):
    """How a model is trained.

    Args:
        epochs: passes over the training part.
        steps: optimiser steps. Where both are given, the training ends at whichever comes first.
        min_steps: fewest optimiser steps where ``epochs`` of a small table would be fewer.
        minutes: Time for all of a training: reading the data, steps, checks and the test at the end. The first steps
            are timed, and ``steps`` becomes the number that fits, of at most ``epochs`` passes; a training that turns
            out slower ends in time with the best weights so far. Where ``steps`` is given too, as in the folder of such
            a run, nothing is timed. More than 0. None: there is no limit.
        batch_size: samples of a step. The samples of a pass are shared out evenly among its steps.
        max_tokens: padded tokens (with those of edges) that go through the model at once, in training and evaluation. A
            step goes through it in chunks of samples of similar length, whose gradients are added up: the result is
            that of the whole batch, the memory that of the largest chunk. A sample of more is a chunk by itself. Batch
            norms see the whole batch: the chunks of the batch go through the model side by side. Where their padded
            tokens are more than this, each part of the batch that is at hand at once has its own statistics, and
            ``train`` says so.
        learning_rate: its highest value, after the warm-up.
        weight_decay: on weight matrices only; norms, biases and scalars are never decayed.
        optimizer: name and arguments of the optimizer: ``adamw``, ``adam``, ``sgd``, ``muon``, see
            `training.optimizers`, or the import path of one.
        schedule: Name and arguments of how the learning rate goes down after the warm-up: ``cosine``, ``linear`` (both
            to zero, or with ``last`` to a share of it) or ``constant``, see `training.learning_rate`, or the import
            path of one.
        warmup_steps: steps over which the learning rate rises along a line from zero; at most a fifth of all steps.
        gradient_clip: largest norm of the whole gradient; None leaves it as it is.
        check_every: steps between two checks, each of which validates and writes a checkpoint. None: once a pass, or as
            many passes apart as make fifty checks, and twenty steps where that leaves ten checks.
        accumulate: batches whose gradients make one step, so that it sees ``accumulate · batch_size`` samples.
        precision: ``bf16-mixed`` runs matrix products in bfloat16, ``16-mixed`` in float16 with scaled gradients, for
            GPUs that know no bfloat16; a step whose gradients overflow is left out. Default ``32-true``.
        activation_checkpointing: Tokens of a block of token-wise work (MLPs, attention to chosen tokens) of which
            training keeps what goes in and comes out, and makes the rest again in the backward pass: less memory, more
            time, the same gradients. None: all is kept.
        compile: whether the model is compiled, which takes minutes at first and pays on GPUs.
        workers: processes that make the batches; 0: the training makes them itself.
        devices: Processes on each host, which share the batch of a step; on GPUs one for each. None: 1, or as many as
            the launcher (torchrun, SLURM) started.
        hosts: Hosts, each with as many processes. None: 1, or as the launcher says.
        strategy: Share of the model that each process holds. ``ddp``: all of it, and gradients are added up over the
            processes. ``fsdp``: some rows of each weight, of its gradient and of the optimizer's state; layers are put
            together when they are needed. ``tokens``: all of it, but some tokens of each sample. Default ``ddp``.
        token_shards: Number of processes that share the tokens of each sample, with the strategy ``tokens``; the
            others have other samples of the batch. It divides the number of processes. None: all of them.
        timeout_minutes: Time for which a process waits for the others before the run ends; reading the data counts.
        parts: Number of processes that the chunks of a batch are to keep busy. Noise and dropout are drawn for each
            chunk, so that runs of equal parts are the same for 1 to `parts` processes. None: the number of processes.
        ema: decay of a moving average of the weights, such as 0.999; the average is what is checked, kept and tested.
            None: there is none.
        patience: checks without a better one after which the training ends. None: it goes on to its last step.
        init_from: folder of a finished run whose weights the training starts from, and whose vocabulary, categories and
            scaling it takes over; the head only if the task is the same.
        loss: name and arguments of the loss, see `sampleformer.tasks.LOSSES`. None: the task's own.
        selected_by: metric on the validation part that decides which weights are kept. None: accuracy, average
            precision or mean absolute error, by the task; mean IoU for classes of points.
        schedules: of the noise, the temperature and the number of the tokens that are chosen, see `Schedules`; they
            bring training and evaluation of a hard choice together.
        score_entropy: weight of a reward for even scores, see `functional.collapse.score_entropy`; 0: there is none.
        score_load: weight of a penalty for heads that score the same tokens high, see
            `functional.collapse.score_load`; 0: there is none.
        score_mass: weight of the divergence of the scores from the attention that tokens would get, see
            `attention.teaching.score_divergence`; 0: there is none. It teaches the scorer alone, beside the estimator
            of the choice or, with ``choice: detached``, in its place.
        mass_queries: Tokens of each sample whose attention to all others is computed for that.
        choice_samples: choices that are compared in each step where the choice learns by ``score_function``.

    Example:
        >>> TrainingSettings(steps=10).total_steps(batches_per_pass=4)
        10
        >>> TrainingSettings(epochs=3).total_steps(batches_per_pass=4)
        12
        >>> TrainingSettings(epochs=3, steps=10).total_steps(batches_per_pass=4)
        10
        >>> TrainingSettings(epochs=3, steps=100, min_steps=20).total_steps(batches_per_pass=4)
        20
    """

    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    min_steps: int = Field(default=0, ge=0)
    minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    batch_size: int = Field(default=32, ge=1)
    max_tokens: int = Field(default=32_768, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    optimizer: Component = Component(name="adamw")
    schedule: Component = Component(name="cosine")
    warmup_steps: int = Field(default=0, ge=0)
    gradient_clip: float | None = Field(default=2.0, gt=0)
    check_every: int | None = Field(default=None, ge=1)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    activation_checkpointing: int | None = Field(default=None, ge=1)
    compile: bool = False
    workers: int = Field(default=0, ge=0)
    devices: int | None = Field(default=None, ge=1)
    hosts: int | None = Field(default=None, ge=1)
    strategy: Literal["ddp", "fsdp", "tokens"] = "ddp"
    token_shards: int | None = Field(default=None, ge=2)
    timeout_minutes: float = Field(default=30, gt=0, allow_inf_nan=False)
    parts: int | None = Field(default=None, ge=1)
    ema: float | None = Field(default=None, gt=0, lt=1)
    patience: int | None = Field(default=None, ge=1)
    init_from: str | None = None
    loss: Component | None = None
    selected_by: str | None = None
    schedules: Schedules = Schedules()
    score_entropy: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    score_load: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    score_mass: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    mass_queries: int = Field(default=32, ge=1)
    choice_samples: int = Field(default=2, ge=2)

    @model_validator(mode="after")
    def _fits_together(self) -> "TrainingSettings":
        if self.epochs is None and self.steps is None and self.minutes is None:
            raise ValueError("epochs, steps or minutes must be given")
        if self.steps is not None and self.min_steps > self.steps:
            raise ValueError(f"min_steps is {self.min_steps}, expected at most steps, which is {self.steps}")
        if self.compile and self.activation_checkpointing is not None:
            raise ValueError(
                f"activation_checkpointing is {self.activation_checkpointing} beside compile, expected none: what a "
                "compiled program keeps is for the compiler to choose"
            )
        return self

    def total_steps(self, batches_per_pass: int) -> int:
        """Optimiser steps of the whole training."""
        lengths = (self.steps, None if self.epochs is None else self.epochs * batches_per_pass)
        return max(self.min_steps, min(length for length in lengths if length is not None))

    def steps_between_checks(self, batches_per_pass: int) -> int:
        """Steps from one check to the next."""
        total = self.total_steps(batches_per_pass)
        apart = max(-(-total // MOST_CHECKS), min(FEWEST_STEPS, total // 10), 1)
        passes = -(-apart // batches_per_pass)
        return min(self.check_every or passes * batches_per_pass, total)
