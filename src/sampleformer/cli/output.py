"""What a verb leaves behind: tables, its last line, the report of a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sampleformer.output_paths import is_standard_output

if TYPE_CHECKING:
    from rich.table import Table

    from sampleformer.data import Samples
    from sampleformer.training import RunFolder


def show(table: Table) -> None:
    """Prints a table; into a file or a pipe, as wide as it needs. Brackets and colons in names are no markup."""
    from rich.console import Console  # here, so that a verb's help can be read without the extra `train`

    console = Console(file=sys.stdout, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, markup=False, emoji=False, width=200)
    console.print(table)


def say(line: str, output: str) -> None:
    """Prints what was written; to standard error if the output itself is on standard output."""
    print(line, file=sys.stderr if is_standard_output(output) else sys.stdout)


def write_report(folder: RunFolder, test: Samples | None) -> None:
    """Writes the report of a finished run of the user's own.

    Args:
        folder: Run folder.
        test: The test part of its data, if it is at hand. None: it is loaded anew.
    """
    from sampleformer.explain import write_report as write  # draws, and so imports what draws

    write(folder.path, test=test, trust_code=True)
