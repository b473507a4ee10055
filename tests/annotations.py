"""Checks the package's annotations of shape, dtype and type on every call that the tests make.

Like `jaxtyping.install_import_hook`, with two differences that let the compiler look through: functions inside
functions are left alone, and a call that is being compiled or exported goes straight to the function itself.
"""

import functools
import importlib.abc
import importlib.machinery
import inspect
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import torch
from beartype import beartype
from jaxtyping import jaxtyped


def check_modules(names: Sequence[str]) -> None:
    """Checks these modules, and those inside them, from their first import on."""
    sys.meta_path.insert(0, _Finder(names))


def _checked(function: Callable) -> Callable:
    strict = jaxtyped(function, typechecker=beartype)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return function(*args, **kwargs)
        return strict(*args, **kwargs)

    return wrapper


def _check_all_in(owner: ModuleType | type, module_name: str) -> None:
    for name, value in list(vars(owner).items()):
        if getattr(value, "__module__", None) != module_name:
            continue
        if name == "__init__" and hasattr(value, "__wrapped__"):
            continue  # transformers makes those of configurations, which take more than their signatures say
        if inspect.isfunction(value):
            setattr(owner, name, _checked(value))
        elif inspect.isclass(value) and not issubclass(value, torch.autograd.Function):
            _check_all_in(value, module_name)


class _Loader(importlib.machinery.SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _check_all_in(module, module.__name__)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not any(fullname == name or fullname.startswith(f"{name}.") for name in self.names):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec
