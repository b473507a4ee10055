"""The UCI optical digits, which ship inside the package."""

from pathlib import Path

from sampleformer.data.sequence.numbers import NumberTable


class Digits(NumberTable):
    """Handwritten digits: 1 797 images of 8 × 8 pixels with levels from 0 to 16, ten classes (CC BY 4.0).

    Args:
        values: "pixels": a token carries the pixel's level scaled to [0, 1]; "codes": one code for each level.
        limit: use at most so many images of each split.
        seed: seed of the split into 80 % for training, 10 % for validation and 10 % for the test.

    Example:
        >>> splits = Digits().load()
        >>> len(splits.train), len(splits.valid), len(splits.test), splits.encoding.layout
        (1438, 179, 180, (8, 8))
    """

    def __init__(self, values: str = "pixels", limit: int | None = None, seed: int = 0) -> None:
        super().__init__(
            Path(__file__).with_name("digits.csv.gz"),
            label="label",
            values=values,
            maximum=16,
            layout=(8, 8),
            limit=limit,
            seed=seed,
        )
