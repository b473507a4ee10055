"""From which length on one attention is faster than another."""

import math
from collections.abc import Sequence


def crossover(lengths: Sequence[int], seconds: Sequence[float], yardstick: Sequence[float]) -> float:
    """The length from which on an attention stays faster than the yardstick.

    Between two measured lengths both times are taken as straight lines in the logarithms, that is, as powers of the
    length. If the times cross more than once, the last crossing counts.

    Args:
        lengths: measured, rising.
        seconds: of the attention at each length.
        yardstick: seconds of what it is compared with, at the same lengths.

    Returns:
        0 if the attention is faster at every length, infinity if it is not faster at the longest.

    Raises:
        ValueError: if there is no length, or not one time for each.

    Example:
        >>> round(crossover([1024, 4096], [2.0, 8.0], [1.0, 16.0]))
        2048
    """
    if not lengths or not len(lengths) == len(seconds) == len(yardstick):
        raise ValueError(
            f"{len(lengths)} lengths with {len(seconds)} and {len(yardstick)} times, expected one or more of each"
        )
    gains = [math.log(slow / fast) for fast, slow in zip(seconds, yardstick, strict=True)]
    if gains[-1] <= 0:
        return math.inf
    last = max((place for place, gain in enumerate(gains) if gain <= 0), default=None)
    if last is None:
        return 0.0
    start, end = math.log(lengths[last]), math.log(lengths[last + 1])
    return math.exp(start + (end - start) * gains[last] / (gains[last] - gains[last + 1]))
