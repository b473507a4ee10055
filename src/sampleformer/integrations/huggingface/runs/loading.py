"""What is wrong with weights that were read."""

from typing import Any

from sampleformer.errors import InputError
from sampleformer.weights import listed

FITTED = ("fitted.", "factors")
"""Beginnings of the names of weights of what was fitted and blended."""
HEAD = ("head.", "beside.", *FITTED)
"""Beginnings of the names of weights that may be others, for other labels."""


def check_loaded(path: str, found: dict[str, Any], anew: bool) -> None:
    """Refuses weights that do not fit the configuration.

    Args:
        path: Path or name of the model, for the message.
        found: Loading info of transformers: the names of missing, unexpected and mismatched weights.
        anew: Whether the head may be missing or of another shape, and is started anew, without what was fitted.

    Raises:
        InputError: if weights are missing, too many or of another shape.
    """
    missing = {name for name in found["missing_keys"] if not (anew and name.startswith(HEAD))}
    if missing:
        raise InputError(
            f"{path}: does not fit its config.json: weights are missing: {listed(missing)}{_hint(missing)}"
        )
    if unknown := {name for name in found["unexpected_keys"] if not (anew and name.startswith(FITTED))}:
        raise InputError(f"{path}: does not fit its config.json: there is no place for {listed(unknown)}")
    for name, shape, expected in found["mismatched_keys"]:
        if not (anew and name.startswith(HEAD)):
            raise InputError(
                f"{path}: does not fit its config.json: {name} has shape {tuple(shape)}, expected {tuple(expected)}"
                f"{_hint([name])}"
            )


def _hint(names: Any) -> str:
    """The way to start a head anew, where all that is wrong is a head."""
    if all(name.startswith(HEAD) for name in names):
        return "; for other labels, whose head starts anew, give ignore_mismatched_sizes=True"
    return ""
