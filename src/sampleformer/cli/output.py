"""Tables on standard output."""

import sys

from rich.console import Console
from rich.table import Table


def show(table: Table) -> None:
    """Prints a table; into a file or a pipe, as wide as it needs."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=200)
    console.print(table)
