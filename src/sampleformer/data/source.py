"""What every source of data gives."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sampleformer.data.descriptors import Descriptor
from sampleformer.data.encoding import Encoding
from sampleformer.data.inputs import Inputs
from sampleformer.data.samples import Samples
from sampleformer.errors import InputError, listed
from sampleformer.settings import Component


@dataclass(frozen=True)
class Splits:
    """Samples for training, validation and test, and the encoding learnt on the first.

    Args:
        train, valid, test: the samples of each split.
        encoding: turns further rows into samples, and outputs back into rows.
        skipped: number of wrong rows left out.
        truncated: number of texts cut at the maximum length.
        rows: rows of each table that was read, by its path.
        fingerprint: SHA-256 that tells all samples and their parts from others, where it is known without reading
            them. Empty: it is not.
    """

    train: Samples
    valid: Samples
    test: Samples
    encoding: Encoding
    skipped: int = 0
    truncated: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    fingerprint: str = ""


class Source(ABC):
    """Data with a split, built from the plain values of a recipe's `data` section."""

    further_settings: ClassVar[tuple[str, ...]] = ()
    """Names of settings beside the arguments that its constructor names."""

    learnt: Inputs | None = None
    """Inputs of another run, whose vocabulary, categories and scaling are taken over; None: they are learnt anew."""

    descriptors: Sequence[Descriptor] = ()
    """Numbers that describe whole samples, which go to the model beside the tokens."""

    def files(self) -> dict[str, list[Path]]:
        """The user's files that it reads, by the setting that names them or their folder.

        Generated sets and published ones from the cache have none.
        """
        return {}

    def check_descriptors(self, descriptors: Sequence[Component]) -> None:
        """Refuses descriptors that the samples cannot have, named as in a recipe.

        Raises:
            InputError: if there are any, unless a source says otherwise.
        """
        if descriptors:
            names = listed([each.name for each in descriptors])
            raise InputError(f"descriptors: found {names}, expected none for data that is no table of samples")

    def verify(self) -> None:  # noqa: B027
        """Checks what `load` leaves for later, where there is anything."""

    def taken_over(self, inputs: Inputs) -> Inputs:
        """Inputs as the training part taught them, or with what another run's taught, see `learnt`."""
        return inputs if self.learnt is None else inputs.with_learnt(self.learnt)

    @abstractmethod
    def load(self) -> Splits:
        """Reads everything; downloads or generates it first if need be."""
