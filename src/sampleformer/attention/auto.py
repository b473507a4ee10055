"""``auto``: full attention where it is faster, a sampling one beyond."""

import json
from importlib import resources
from typing import Any

from sampleformer.errors import InputError, nearest
from sampleformer.settings import Component

AUTO = "auto"
TABLE = "crossovers.json"


def read_crossovers() -> list[dict[str, Any]]:
    """The table in the package, which `sampleformer bench speed --crossovers FILE` makes.

    Returns:
        One record for each attention, pass and device: from which ``length`` on it is faster than full attention, and
        how that was measured.
    """
    text = resources.files("sampleformer.attention").joinpath(TABLE).read_text(encoding="utf-8")
    records: list[dict[str, Any]] = json.loads(text)
    return records


def choose_attention(attention: Component, length: int, device: str = "cpu") -> tuple[Component, str]:
    """The attention that ``auto`` stands for.

    Args:
        attention: ``{name: auto, beyond: samsa, …}``: the attention to take from its crossover on (samsa, if it is not
            given), and its arguments, of which ``layers`` stay if full attention is chosen; or any other attention,
            which stands for itself.
        length: tokens of a typical input.
        device: ``cpu``, ``cuda`` or ``mps``.

    Returns:
        The attention's name and arguments, and a sentence that says why; it is empty if nothing was to choose.

    Raises:
        InputError: if no crossover is known for the attention on this device.

    Example:
        >>> choose_attention(Component(name="auto"), 50)[0]
        Component(name='full')
        >>> choose_attention(Component(name="auto", beyond="samsa", sampled=64), 10_000)[0]
        Component(name='samsa', sampled=64)
    """
    if attention.name != AUTO:
        return attention, ""
    arguments = attention.arguments
    name = arguments.pop("beyond", "samsa")
    on_device = [record for record in read_crossovers() if record["device"] == device and record["pass"] == "train"]
    known = {record["attention"]: record["length"] for record in on_device}
    if not known:
        raise InputError(
            f"model.attention.name: 'auto' knows no crossover on {device}; name an attention, and find out with "
            f"sampleformer bench speed --device {device}"
        )
    if name not in known:
        raise InputError(f"model.attention.beyond: no crossover is known for {name!r}; {nearest(name, known)}")
    crossover = known[name]
    if crossover is None or length < crossover:
        kept = {"layers": arguments["layers"]} if "layers" in arguments else {}
        chosen = Component(name="full", **kept)
        beyond = "never" if crossover is None else f"from {crossover:.0f} tokens on"
        return chosen, f"attention: full, for inputs of {length} tokens; {name} is faster {beyond}"
    chosen = Component(name=name, **arguments)
    return chosen, f"attention: {name}, for inputs of {length} tokens; it is faster from {crossover:.0f} tokens on"
