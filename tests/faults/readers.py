"""Everything that reads a file from anywhere, each with a small file that it takes."""

from tests.faults import clouds, graphs, models, tables  # noqa: F401 - they register their readers
from tests.faults.reader import READERS

__all__ = ["READERS"]
