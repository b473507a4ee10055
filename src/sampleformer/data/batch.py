"""What the training loop gets from the data."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sampleformer.tokens import Tokens


@dataclass(frozen=True)
class Chunk:
    """Place of some samples in the batch of a step, which goes through the model in chunks.

    Args:
        noise_seed: Seed of what training draws for these samples.
        number: Number of the chunk, counted from 0.
        of: Number of chunks of the batch.
        counts: Whether the samples count in the loss and in statistics over the batch. False: they are there so that
            their process goes through the model as the others do, which have all the samples.
    """

    noise_seed: int
    number: int = 0
    of: int = 1
    counts: bool = True


@dataclass(frozen=True)
class Batch:
    """Samples padded to one length.

    An answer is for a sample; or, where ``answered`` is given, there are m answers to each, for its tokens (m = n), for
    some of them or for pairs of them.

    Args:
        tokens: raw tokens: codes ``(b, n)`` int64 or vectors ``(b, n, f)`` float32.
        targets: class numbers ``(b,)`` or ``(b, m)`` int64; or ``(b, t)`` or ``(b, m, t)`` float32, 0 and 1 for several
            labels, standardised values for regression. None if the samples have no targets.
        target_mask: in the shape of the targets, True where one is known. None: all are.
        ids: the name of each sample in its source.
        answered: ``(b, m)``, True where there is a token or a pair to answer for. None: an answer is for a sample.
        pairs: the two tokens of each pair asked about, ``(b, m, 2)`` int64. None: answers are not for pairs.
        asked: the tokens asked about, ``(b, m)`` int64. None: all, if answers are for tokens.
        chunk: Place of these samples in the batch of a step. None: they are all of it.
    """

    tokens: Tokens
    targets: Tensor | None
    target_mask: Tensor | None
    ids: list[str]
    answered: Tensor | None = None
    pairs: Tensor | None = None
    asked: Tensor | None = None
    chunk: Chunk | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> bool:
        """Whether the samples count in the loss and in statistics over the batch."""
        return self.chunk is None or self.chunk.counts

    @property
    def noise_seed(self) -> int | None:
        """Seed of what training draws for these samples. None: torch's generators go on."""
        return None if self.chunk is None else self.chunk.noise_seed

    @property
    def target_rows(self) -> tuple[Tensor, Tensor | None]:
        """Targets of all samples, tokens or pairs one after the other, and where these are known; None: all are."""
        if self.targets is None:
            raise ValueError("the batch has no targets")
        return self.rows(self.targets), None if self.target_mask is None else self.rows(self.target_mask)

    def rows(self, answers: Tensor) -> Tensor:
        """Answers, targets or masks of all samples, tokens or pairs one after the other: ``(rows, …)``."""
        return answers if self.answered is None else answers[self.answered]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same batch on another device."""
        names = ("tokens", "targets", "target_mask", "answered", "pairs", "asked")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(self, **{name: value.to(device, non_blocking=non_blocking) for name, value in given.items()})
