"""What was found while rows were read: wrong rows, gaps, texts that were cut, texts without a token."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from sampleformer.errors import InputError, listed
from sampleformer.reading import reading_row
from sampleformer.wording import count

logger = logging.getLogger("sampleformer")


class RowReport:
    """Stops at the first wrong row, or skips and counts wrong rows.

    Args:
        path: the file that is read, as the messages name it.
        place: words for where row i is, such as "row 3 (line 4)".
        on_error: "stop" or "skip".

    Raises:
        InputError: if on_error is neither.
    """

    def __init__(self, path: str, place: Callable[[int], str], on_error: str = "stop") -> None:
        if on_error not in ("stop", "skip"):
            raise InputError(f"on_error: found {on_error!r}, expected 'stop' or 'skip'")
        self.path = path
        self.place = place
        self.on_error = on_error
        self.wrong: dict[int, str] = {}
        self._earlier = 0
        self._first = ""
        self.truncated = 0
        self.empty = 0
        self.unreadable = 0
        self.gaps: Counter[str] = Counter()
        self.new_gaps: set[str] = set()

    def go_on(self, place: Callable[[int], str]) -> None:
        """Goes on with the next piece of a file, whose rows are counted from 0 again; what was found is kept in mind.

        Args:
            place: words for where row i of the piece is.
        """
        self._first = self._first_words()
        self._earlier += len(self.wrong)
        self.wrong = {}
        self.place = place

    def add(self, row: int, message: str, remedy: str = "") -> None:
        """Reports a wrong row.

        Args:
            row: its index.
            message: what is wrong with it.
            remedy: what the user can do about it, said where it stops the reading.

        Raises:
            InputError: if the first wrong row is to stop the reading.
        """
        if self.on_error == "stop":
            raise InputError(f"{self.path}: {self.place(row)}: {message}{f'; {remedy}' if remedy else ''}")
        self.wrong.setdefault(row, message)

    def add_gaps(self, columns: Sequence[str], values: np.ndarray) -> None:
        """Counts the gaps of columns of numbers.

        Args:
            columns: Names of the columns.
            values: ``(rows, columns)``; NaN is a gap.
        """
        for place, gaps in enumerate(np.isnan(values).sum(axis=0).tolist()):
            if gaps:
                self.gaps[columns[place]] += gaps

    def take_over(self, wrong: int, first: str, truncated: int, empty: int) -> None:
        """Counts what another report, of other rows of the same file, has found.

        Args:
            wrong: Number of wrong rows that were skipped.
            first: Place and fault of the first of them.
            truncated: Texts that were cut.
            empty: Texts without a token.
        """
        self._first = self._first_words() or first
        self._earlier += wrong
        self.truncated += truncated
        self.empty += empty

    @property
    def first(self) -> str:
        """Place and fault of the first wrong row; empty if there is none."""
        return self._first_words()

    def reading(self, row: int, kind: str) -> reading_row:
        """Guard around what reads one row; what is raised there makes it a wrong row.

        Args:
            row: its index.
            kind: what it should hold, with its article.

        Example:
            >>> report = RowReport("a.csv", lambda row: f"row {row + 1}", on_error="skip")
            >>> for row, text in enumerate(["1", "one"]):
            ...     with report.reading(row, "a number"):
            ...         number = float(text)
            >>> report.wrong
            {1: "not a number (could not convert string to float: 'one')"}
        """
        return reading_row(self.path, kind, lambda message: self.add(row, message))

    def kept(self, rows: int) -> np.ndarray:
        """The numbers of the rows that are not wrong."""
        return np.delete(np.arange(rows), sorted(self.wrong))

    @property
    def skipped(self) -> int:
        """Number of wrong rows, those that could not even be split into columns included."""
        return self.unreadable + self._earlier + len(self.wrong)

    def log(self) -> None:
        """Logs one line for each of the things found."""
        if first := self._first_words():
            skipped = count(self._earlier + len(self.wrong), "wrong row")
            logger.warning("%s: skipped %s, the first: %s", self.path, skipped, first)
        if self.gaps:
            found = listed([f"{name} {gaps:,}" for name, gaps in self.gaps.items()])
            logger.info("%s: gaps: %s", self.path, found)
        if self.new_gaps:
            names = listed(sorted(self.new_gaps))
            logger.warning("%s: gaps count as the mean where the training part had none: %s", self.path, names)
        if self.empty:
            empty = count(self.empty, "text is empty and kept, as a sample", "texts are empty and kept, as samples")
            logger.warning("%s: %s without tokens", self.path, empty)
        if self.truncated:
            cut = count(self.truncated, "text was", "texts were")
            logger.warning("%s: %s cut at the maximum length", self.path, cut)

    def _first_words(self) -> str:
        """Place and fault of the first wrong row; empty if there is none."""
        if self._first or not self.wrong:
            return self._first
        row, message = min(self.wrong.items())
        return f"{self.place(row)}: {message}"
