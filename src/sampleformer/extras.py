"""Packages that only some users need: the extras of the installation."""

import importlib
from types import ModuleType

from sampleformer.errors import InputError


def require(module: str, extra: str, path: str = "") -> ModuleType:
    """Imports a module of a package that is installed with an extra.

    Args:
        module: its dotted name, such as ``"rdkit.Chem"``.
        extra: name of the extra that installs it, such as ``"graph"``.
        path: the file that it is needed for, for the message.

    Raises:
        InputError: if the package is not installed; it gives the line that installs it. A package that is there and
            fails to import its own parts raises its own error.

    Example:
        >>> require("math", "graph").sqrt(9)
        3.0
    """
    package = module.partition(".")[0]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        where = path and f"{path}: "
        raise InputError(f'{where}this needs the package {package}: pip install "sampleformer[{extra}]"') from error
    return importlib.import_module(module)
