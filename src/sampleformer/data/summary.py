"""What is in the parts of the data."""

from dataclasses import dataclass

import numpy as np

from sampleformer.data.encoding import Encoding
from sampleformer.data.samples import Samples
from sampleformer.data.source import Source
from sampleformer.tasks import TargetSummary, Task, count_known


@dataclass(frozen=True)
class PartSummary:
    """What is in one part.

    Args:
        samples: number of samples.
        judged: samples, tokens or pairs whose target is known; None if there are no targets.
        shortest, median, longest: number of tokens of a sample.
        empty: samples without tokens.
        counts: samples, tokens or pairs of each class, or that have each label; for regression nothing.
        majority_share: share of the most frequent class, the accuracy of always answering it; None if not classes.
        means: mean of each target in its unit, for regression.
    """

    samples: int
    judged: int | None
    shortest: int
    median: float
    longest: int
    empty: int
    counts: dict[str, int]
    majority_share: float | None
    means: dict[str, float]


@dataclass(frozen=True)
class Summary:
    """What a training would see of some data.

    Args:
        task: what would be learnt.
        target_unit: What one target is for.
        inputs: size of the vocabulary, or number of features of a token.
        parts: "train", "valid" and "test".
        skipped: wrong rows left out.
        truncated: texts cut at the maximum length.
    """

    task: Task
    target_unit: str
    inputs: dict[str, int]
    parts: dict[str, PartSummary]
    skipped: int
    truncated: int


def check(source: Source) -> Summary:
    """Reads everything, as a training would, and says what is in it.

    Raises:
        InputError: if something is wrong with the data.
    """
    source.verify()
    splits = source.load()
    parts = {"train": splits.train, "valid": splits.valid, "test": splits.test}
    described = {name: _describe(samples, splits.encoding) for name, samples in parts.items()}
    encoding = splits.encoding
    unit = encoding.target_unit
    return Summary(encoding.task, unit, encoding.model_inputs, described, splits.skipped, splits.truncated)


def _describe(samples: Samples, encoding: Encoding) -> PartSummary:
    lengths = samples.lengths
    targets = samples.targets
    found = TargetSummary() if targets is None else encoding.task.summarize(targets)
    return PartSummary(
        samples=len(samples),
        judged=None if targets is None else count_known(targets),
        shortest=int(lengths.min()),
        median=float(np.median(lengths)),
        longest=int(lengths.max()),
        empty=int((lengths == 0).sum()),
        counts=found.counts,
        majority_share=None if targets is None else encoding.task.majority_share(targets),
        means=found.means,
    )
