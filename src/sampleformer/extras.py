"""Packages that only some users need: the extras of the installation."""

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from types import ModuleType

from sampleformer.errors import InputError

TRAINING = ("lightning", "matplotlib", "pooch", "rich", "torchmetrics")
"""Packages of the extra ``train``, without which most verbs cannot run."""


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


def check_installed(packages: Iterable[str], extra: str, what: str) -> None:
    """Refuses what needs packages that are not installed, without importing those that are.

    Args:
        packages: Names of the packages.
        extra: Name of the extra that installs them.
        what: What needs them. For the message.

    Raises:
        InputError: if one is missing; it gives the line that installs all.

    Example:
        >>> check_installed(["no_such_package"], "train", "sampleformer train")
        Traceback (most recent call last):
        sampleformer.errors.InputError: sampleformer train needs no_such_package: pip install "sampleformer[train]"
    """
    missing = [name for name in packages if not _is_there(name)]
    if missing:
        raise InputError(f'{what} needs {", ".join(missing)}: pip install "sampleformer[{extra}]"')


def _is_there(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None
    return importlib.util.find_spec(package) is not None
