"""Times and memory of models of point clouds, measured side by side."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.bench.cloud_models import CLASSES, PEERS, build_model, sizes_of
from sampleformer.bench.cloud_settings import CloudsSettings
from sampleformer.bench.records import Cell, CloudRecord
from sampleformer.bench.timing import Pass
from sampleformer.bench.turns import Turns, threads


@dataclass
class CloudResults:
    """All measured cells of models, in the order of pass, points and model.

    Args:
        records: of every model.
        skipped: what was left out and why, in words.
    """

    records: list[CloudRecord] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def measure_clouds(settings: CloudsSettings, watch: Callable[[str], None] = lambda doing: None) -> CloudResults:
    """Measures every model in every pass and with every number of points.

    Args:
        settings: what to measure.
        watch: told what is being done; never while the clock runs.
    """
    torch.manual_seed(settings.seed)
    models = {name: build_model(name, settings) for name in settings.models}
    dtype = getattr(torch, settings.dtype)
    gradient = torch.randn(settings.batch, CLASSES).to(settings.device, dtype)

    @functools.lru_cache(maxsize=1)  # all models get the same
    def points(number: int) -> Tensor:
        generator = torch.Generator().manual_seed(settings.seed)
        return sphere(settings.batch, number, generator).to(settings.device, dtype)

    def model_pass(model: nn.Module, number: int, direction: str) -> Pass:
        return Pass(model, [points(number)], gradient if direction == "train" else None)

    turns = Turns(settings, watch)
    results = CloudResults(skipped=turns.skipped)
    candidates = {name: functools.partial(model_pass, model) for name, model in models.items()}
    with threads(settings.threads):
        for cells in turns.measure(settings.points, candidates):
            results.records += [_record(name, models[name], settings, cells) for name in cells]
    return results


def sphere(batch: int, points: int, generator: torch.Generator) -> Tensor:
    """Uniform points of unit spheres, each with its normal, which here is the point itself: ``(b, n, 6)``.

    Example:
        >>> sphere(2, 5, torch.Generator()).shape
        torch.Size([2, 5, 6])
    """
    normals = F.normalize(torch.randn(batch, points, 3, generator=generator), dim=-1)
    return torch.cat([normals, normals], dim=-1)


def _record(name: str, model: nn.Module, settings: CloudsSettings, cells: dict[str, Cell]) -> CloudRecord:
    sizes = None if name in PEERS else sizes_of(name, settings)
    seconds = cells[name]["median_s"]
    return {
        "model": name,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "layers": None if sizes is None else sizes.layers,
        "width": None if sizes is None else sizes.width,
        "heads": None if sizes is None else sizes.heads,
        "sampled": None if sizes is None else sizes.sampled,
        "invariant": None if sizes is None else settings.invariant,
        "neighbours": None if sizes is None else settings.neighbours,
        **cells[name],
        "clouds_per_s": settings.batch / seconds,
        "ratios": {peer: cells[peer]["median_s"] / seconds for peer in PEERS if peer in cells and peer != name},
    }
