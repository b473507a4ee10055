"""What is printed: tables, and the last line of a verb."""

import sys

from rich.console import Console
from rich.table import Table

from sampleformer.files import is_standard_output


def show(table: Table) -> None:
    """Prints a table; into a file or a pipe, as wide as it needs. Brackets and colons in names are no markup."""
    console = Console(file=sys.stdout, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, markup=False, emoji=False, width=200)
    console.print(table)


def say(line: str, output: str) -> None:
    """Prints what was written; to standard error if the output itself is on standard output."""
    print(line, file=sys.stderr if is_standard_output(output) else sys.stdout)
