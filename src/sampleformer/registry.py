"""Classes by name, and classes of users by their import path."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

from sampleformer.errors import InputError, nearest, shown

T = TypeVar("T")

_code_is_trusted: ContextVar[bool] = ContextVar("code_is_trusted", default=True)


@contextmanager
def trusted_code(trusted: bool) -> Iterator[None]:
    """Context in which import paths are code that may run, or data that may not.

    What a user writes in a program, a recipe or on the command line is code. A run folder or a saved model that is
    read back is data: it may be a stranger's, and importing and calling what it names would run anything.

    Args:
        trusted: False: names are registered ones, and an import path is an error. An outer context that is not trusted
            stays so.

    Example:
        >>> with trusted_code(False):
        ...     check_trusted("attention", "subprocess.Popen")
        Traceback (most recent call last):
        sampleformer.errors.InputError: attention: 'subprocess.Popen' is code from outside this package, ...
    """
    token = _code_is_trusted.set(trusted and _code_is_trusted.get())
    try:
        yield
    finally:
        _code_is_trusted.reset(token)


def is_trusted() -> bool:
    """Whether import paths may be imported here, see `trusted_code`."""
    return _code_is_trusted.get()


def check_trusted(setting: str, name: str, hint: str = "") -> None:
    """Raises InputError if a name would run code that is not trusted.

    Args:
        setting: Dotted name of the setting, for the message.
        name: Import path that the setting holds.
        hint: Words on the names that need no trust.
    """
    if not is_trusted():
        raise InputError(
            f"{setting}: {shown(name)} is code from outside this package, and what is read back from a folder runs "
            f"none{f'; {hint}' if hint else ''}; if you trust who wrote the folder, give trust_code=True (--trust-code)"
        )


class Registry(dict[str, type[T]], Generic[T]):
    """Classes of one kind by name.

    Args:
        base: Class that all of them derive from, those of users too.
        classes: Registered classes by name.

    Example:
        >>> from collections import Counter
        >>> Registry(dict, {"counter": Counter}).resolve("counter", "data")
        <class 'collections.Counter'>
    """

    def __init__(self, base: type[T], classes: Mapping[str, type[T]]) -> None:
        super().__init__(classes)
        self.base = base

    def resolve(self, name: str, setting: str) -> type[T]:
        """The class that a name stands for.

        Args:
            name: Registered name, or the import path of a class that derives from the base.
            setting: Dotted name of the setting that holds it, for messages.

        Raises:
            InputError: if there is no such class, it derives from something else, or an import path stands where only
                registered names are allowed.
        """
        if name in self:
            return self[name]
        module_name, _, class_name = name.rpartition(".")
        if not module_name:
            raise InputError(f"{setting}: unknown name {shown(name)}; {nearest(name, self)}")
        check_trusted(setting, name, nearest(name, self))
        try:
            found = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError, TypeError, ValueError) as error:  # TypeError: a relative path
            raise InputError(f"{setting}: cannot import {shown(name)}: {error}") from error
        if not (isinstance(found, type) and issubclass(found, self.base)):
            kind = f"{self.base.__module__}.{self.base.__qualname__}"
            raise InputError(f"{setting}: {shown(name)} is {shown(found)}, expected a class derived from {kind}")
        return found
