"""The slow second implementation of each attention: module ``tests/naive/NAME.py`` for the one registered as NAME.

It holds a function of this name, and ``VARIATIONS``, the sets of arguments that are worth a run of the contract suite.
"""

import importlib
from collections.abc import Callable

from torch import Tensor

from examples.own_attention import NystromAttention
from sampleformer.attention import ATTENTIONS, Attention

TESTED: dict[str, type[Attention]] = {**ATTENTIONS, "nystrom": NystromAttention}
"""Attentions that the suite runs on: those registered, and the example of one's own."""

_MODULES = {name: importlib.import_module(f"tests.naive.{name}") for name in TESTED}
TWINS: dict[str, Callable[..., Tensor]] = {name: getattr(module, name) for name, module in _MODULES.items()}
VARIATIONS: dict[str, dict[str, dict[str, object]]] = {name: module.VARIATIONS for name, module in _MODULES.items()}
