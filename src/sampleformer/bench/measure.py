"""Times and memory of layers, beside the token-wise floor."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from sampleformer.bench.layer import MeasuredLayer, make_layer, sampled_tokens
from sampleformer.bench.records import Cell, Record, Results
from sampleformer.bench.settings import SpeedSettings
from sampleformer.bench.timing import Pass
from sampleformer.bench.turns import Turns, threads

FLOOR = "floor"


def measure(settings: SpeedSettings, watch: Callable[[str], None] = lambda doing: None) -> Results:
    """Measures every attention and the token-wise floor in every pass and at every length.

    Args:
        settings: what to measure.
        watch: told what is being done; never while the clock runs.
    """
    torch.manual_seed(settings.seed)
    layers = {name: make_layer(name, settings) for name in (FLOOR, *settings.attentions)}

    @functools.lru_cache(maxsize=1)  # all layers get the same
    def features(length: int) -> Tensor:
        generator = torch.Generator().manual_seed(settings.seed)
        drawn = torch.randn(settings.batch, length, settings.width, generator=generator)
        return drawn.to(settings.device, getattr(torch, settings.dtype))

    def layer_pass(layer: MeasuredLayer, length: int, direction: str) -> Pass:
        of_tokens = features(length)
        # Some gradient of the result, already there.
        return Pass(layer, [of_tokens], of_tokens if direction == "train" else None)

    turns = Turns(settings, watch)
    results = Results(skipped=turns.skipped)
    candidates = {name: functools.partial(layer_pass, layer) for name, layer in layers.items()}
    with threads(settings.threads):
        for cells in turns.measure(settings.lengths, candidates, needed=FLOOR):
            for name, cell in cells.items():
                record = _record(name, settings, cell, cells[FLOOR]["median_s"])
                (results.floors if name == FLOOR else results.records).append(record)
    return results


def _record(name: str, settings: SpeedSettings, cell: Cell, floor_seconds: float) -> Record:
    return {
        "attention": name,
        "width": settings.width,
        "heads": settings.heads,
        "sampled": sampled_tokens(name, settings),
        "own": settings.own.get(name, {}),
        **cell,
        "floor_s": floor_seconds,
    }
