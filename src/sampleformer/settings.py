"""Settings that are checked when they are read, and parts that are built by name."""

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator
from typing_extensions import Unpack

from sampleformer.errors import LONGEST_NAME, InputError, nearest, one_line, shown
from sampleformer.parsing import parse_yaml
from sampleformer.registry import Registry

T = TypeVar("T")
AnySettings = TypeVar("AnySettings", bound="Settings")

# Constructors may take built parts, of any class, beside plain values.
_ANY_CLASS = ConfigDict(arbitrary_types_allowed=True)


class Settings(BaseModel):
    """A group of settings: immutable, typed, with unknown names refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Component(Settings):
    """A part of the model or of the data, by its name and the arguments of its constructor.

    In YAML: ``attention: {name: samsa, sampled: 256}``, or ``attention: samsa`` without arguments. The name is a
    registered one or the import path of a class, so that users plug in their own.

    Example:
        >>> Component(name="collections.Counter", a=2).build(Registry(dict, {}), "data")
        Counter({'a': 2})
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @model_validator(mode="before")
    @classmethod
    def _of_name(cls, given: Any) -> Any:
        """A name alone stands for the part without arguments."""
        return {"name": given} if isinstance(given, str) else given

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments: every key but the name."""
        return dict(self.model_extra or {})

    def build(self, registry: Registry[Any], setting: str, **given: Any) -> Any:
        """Makes the part.

        Args:
            registry: Classes by name.
            setting: Dotted name of this group, for messages.
            given: Arguments that come from elsewhere (the model's width, the vocabulary of the data, …).

        Raises:
            InputError: if the name or an argument does not exist, has the wrong type or is refused by the class; or
                the name is an import path where code is not trusted (`registry.trusted_code`).
        """
        return construct(registry.resolve(self.name, f"{setting}.name"), self.arguments, setting, **given)


def construct(made: type[T], values: Mapping[str, Any], setting: str, **given: Any) -> T:
    """Makes an object from plain values, which must have the types that the constructor's annotations name.

    Args:
        made: Class of the object.
        values: Arguments of the constructor from a file.
        setting: Dotted name of the object, for messages.
        given: Further arguments, which are not from a file and not checked.

    Raises:
        InputError: if an argument does not exist, is missing, has the wrong type or is refused by the class.

    Example:
        >>> construct(complex, {"real": 1, "imagination": 2}, "number")
        Traceback (most recent call last):
        sampleformer.errors.InputError: number.imagination: unknown setting; did you mean 'imag'? ...
    """
    arguments = _checked_arguments(made, values, setting, given)
    try:
        return made(**arguments, **given)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{setting}: {one_line(str(error))}") from error


def arguments_of(made: type) -> dict[str, Any]:
    """Types of the arguments of a class's constructor by name, those of a ``**options: Unpack[Options]`` among them."""
    hints = get_type_hints(made.__init__)  # type: ignore[misc]
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(made).parameters.items():
        hint = hints.get(name, Any)
        if parameter.kind is parameter.VAR_KEYWORD and get_origin(hint) is Unpack:
            found |= get_type_hints(get_args(hint)[0])
        elif parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            found[name] = hint
    return found


def _takes_others(made: type) -> bool:
    """Whether a class's constructor takes arguments that it does not name."""
    hints = get_type_hints(made.__init__)  # type: ignore[misc]
    others = [each for each in inspect.signature(made).parameters.values() if each.kind is each.VAR_KEYWORD]
    return any(get_origin(hints.get(each.name)) is not Unpack for each in others)


def _checked_arguments(made: type, arguments: Mapping[str, Any], setting: str, given: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(made).parameters
    known = arguments_of(made)
    others_allowed = _takes_others(made)
    for name in given:
        if name not in known and not others_allowed:
            raise InputError(f"{setting}: {made.__name__} does not take {name!r}; {nearest(name, known)}")
    free = [name for name in known if name not in given]
    checked = {}
    for name, value in arguments.items():
        if name not in free and others_allowed and name not in given:
            checked[name] = value  # the class itself checks it
            continue
        if name not in free:
            raise InputError(
                f"{setting}.{one_line(name, LONGEST_NAME)}: unknown setting; {nearest(name, ['name', *free])}"
            )
        try:
            checked[name] = TypeAdapter(known[name], config=_ANY_CLASS).validate_python(value)
        except ValidationError as error:
            raise InputError(f"{setting}.{name}: {_reason(error)}, got {shown(value)}") from error
    for name in free:
        if name in parameters and parameters[name].default is inspect.Parameter.empty and name not in checked:
            raise InputError(f"{setting}.{name}: required by {made.__name__}, but not given")
    return checked


def validate(cls: type[AnySettings], values: Mapping[str, Any], where: str = "", *, at: str = "") -> AnySettings:
    """Makes a settings group from plain values.

    Args:
        cls: the group's class.
        values: what a YAML or JSON file held.
        where: what stands before the setting's name in messages, such as a file's name.
        at: what the names of settings begin with, such as "model.".

    Raises:
        InputError: one line that names the setting, what was found and what is allowed.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = [str(part) for part in first["loc"]]
        start = f"{where}: " if where else ""
        if isinstance(cause := first.get("ctx", {}).get("error"), InputError):  # of a part, which has named it
            raise InputError(f"{start}{cause}") from error
        name = f"{start}{at}{one_line('.'.join(path), LONGEST_NAME) or 'settings'}"
        if first["type"] == "extra_forbidden":
            raise InputError(f"{name}: unknown setting; {nearest(path[-1], _fields_at(cls, path[:-1]))}") from error
        if first["type"] == "missing":
            raise InputError(f"{name}: required, but not given") from error
        raise InputError(f"{name}: {_reason(error)}, got {shown(first['input'])}") from error


def override(values: Mapping[str, Any], dotted: str, text: str) -> dict[str, Any]:
    """A copy of nested settings with one of them replaced.

    Args:
        values: nested settings.
        dotted: place of the setting, such as ``model.attention.sampled``.
        text: the new value, read as YAML: ``3`` is a number, ``[1, 2]`` a list, ``null`` nothing.

    Raises:
        InputError: if the place lies inside a plain value, or the text is no YAML.

    Example:
        >>> override({"model": {"width": 64}}, "model.width", "128")
        {'model': {'width': 128}}
    """
    value = parse_yaml(text, f"{dotted}: {shown(text)}")
    changed = group = dict(values)
    *outer, last = dotted.split(".")
    for name in outer:
        inner = {} if group.get(name) is None else group[name]
        if not isinstance(inner, Mapping):
            raise InputError(f"{dotted}: {name!r} is the plain value {shown(inner)}, it has no settings inside")
        group[name] = dict(inner)
        group = group[name]
    group[last] = value
    return changed


def _fields_at(cls: type[BaseModel], path: list[str]) -> list[str]:
    for name in path:
        inner = cls.model_fields[name].annotation if name in cls.model_fields else None
        groups = [each for each in (inner, *get_args(inner)) if isinstance(each, type) and issubclass(each, BaseModel)]
        if not groups:
            return []
        cls = groups[0]
    return [field.alias or name for name, field in cls.model_fields.items()]


def _reason(error: ValidationError) -> str:
    message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return message[0].lower() + message[1:]
