"""Batches as the tensors that an exported model takes, by name."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.edges import Edges
from sampleformer.errors import InputError
from sampleformer.models import Model
from sampleformer.tokens import Tokens

_OF_TOKENS = {"tokens": "features"} | {
    name: name for name in ("mask", "coordinates", "normals", "encodings", "identifiers", "descriptors")
}
_OF_EDGES = {"source": "source", "target": "target", "edge_features": "features", "edge_mask": "mask"}
_FREE = {"descriptors": ["batch"], "pairs": ["batch", "pairs"]} | {name: ["batch", "edges"] for name in _OF_EDGES}
_SHARE_OF_GAPS = 0.2


def program_inputs(tokens: Tokens, **questions: Tensor) -> dict[str, Tensor]:
    """A batch as the tensors, by name, that an exported model takes.

    Args:
        tokens: Raw tokens, as the model takes them.
        questions: For a model of pairs of tokens, ``pairs``.

    Returns:
        What is there of ``tokens`` (the features), ``mask``, ``coordinates``, ``normals``, ``encodings``,
        ``identifiers`` and ``descriptors``; of the edges ``source``, ``target``, ``edge_features`` and ``edge_mask``;
        and the questions. A mask is always there, and what has a width of 0 never.

    Example:
        >>> list(program_inputs(Tokens(torch.tensor([[3, 1]]))))
        ['tokens', 'mask']
    """
    found = {name: getattr(tokens, field) for name, field in _OF_TOKENS.items()}
    if found["mask"] is None:
        found["mask"] = torch.ones(tokens.batch, tokens.length, dtype=torch.bool)
    if (edges := tokens.edges) is not None:
        found |= {name: getattr(edges, field) for name, field in _OF_EDGES.items()}
        if found["edge_mask"] is None:
            found["edge_mask"] = torch.ones_like(edges.source, dtype=torch.bool)
    found = {name: value for name, value in found.items() if value is not None and value.shape[2:] != (0,)}
    return found | questions


def answer(model: Model, named: Mapping[str, Tensor]) -> Tensor:
    """What a model answers to the tensors of `program_inputs`."""
    given: dict[str, Any] = {field: named.get(name) for name, field in _OF_TOKENS.items()}
    if given["features"] is None:
        given["features"] = _nothing(named["mask"])
    if "source" in named:
        of_edges: dict[str, Any] = {field: named.get(name) for name, field in _OF_EDGES.items()}
        if of_edges["features"] is None:
            of_edges["features"] = _nothing(named["source"])
        given["edges"] = Edges(**of_edges)
    questions = {name: named[name] for name in ("pairs",) if name in named}
    result: Tensor = model(Tokens(**given), **questions)
    return result


def with_edges(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same inputs, where there are edges with some padded ones behind them.

    A graph may have no edge, but `torch.export` takes a size of 0 or 1 for one that never changes.
    """
    behind = {2: (0, 4), 3: (0, 0, 0, 4)}
    return {name: F.pad(each, behind[each.ndim]) if name in _OF_EDGES else each for name, each in named.items()}


def free_sizes(name: str) -> list[str]:
    """Names of the first sizes of an input, which may be any."""
    return _FREE.get(name, ["batch", "length"])


def random_inputs(model: Model, lengths: list[int], generator: torch.Generator) -> dict[str, Tensor]:
    """Inputs of the kind that the model takes, padded to the longest set, of one token at least.

    A graph has an edge less than nodes, in both directions where its edges are undirected.

    Raises:
        InputError: if the model takes anything else than codes, numbers, graphs or clouds.
    """
    kind, sizes = model.inputs, torch.tensor(lengths)
    mask = torch.arange(max(1, *lengths)) < sizes[:, None]

    def normal(width: int) -> Tensor:
        return torch.randn(*mask.shape, width, generator=generator)

    def below(limits: Tensor, *shape: int) -> Tensor:
        return torch.randint(2**31, shape, generator=generator) % limits.clamp(min=1)

    given: dict[str, Any] = {}
    if (vocabulary := kind.get("vocabulary")) is not None:
        features = below(torch.tensor(vocabulary), *mask.shape)
    elif (vocabularies := kind.get("vocabularies")) is not None:
        features = below(torch.tensor(vocabularies), *mask.shape, len(vocabularies))
    elif (width := kind.get("features")) is not None:
        features = normal(width)
    else:
        raise InputError(f"a model of {', '.join(kind)} cannot be exported, expected one of tokens")
    if kind.get("gaps"):
        features[torch.rand(features.shape, generator=generator) < _SHARE_OF_GAPS] = torch.nan
    if "normals" in kind:
        given["coordinates"] = normal(3)
        given["normals"] = F.normalize(normal(3), dim=-1) if kind["normals"] else None
    for name in ("encodings", "identifiers"):
        given[name] = normal(kind[name]) if kind.get(name) else None
    if (bins := kind.get("descriptors")) is not None:
        given["descriptors"] = torch.rand(len(lengths), len(bins), generator=generator)
        given["descriptors"] *= torch.tensor(bins).clamp(min=1)
    if (carried := kind.get("edge_features")) is not None:
        ends = below(sizes[:, None, None], len(lengths), mask.shape[1] - 1, 2)
        of_edges = torch.randn(*ends.shape[:2], carried, generator=generator)
        real = torch.arange(mask.shape[1] - 1) < sizes[:, None] - 1
        directions = 1 if kind.get("directed") else 2
        ends = torch.stack([ends, ends.flip(-1)], dim=2)[:, :, :directions].flatten(1, 2)
        of_edges, real = (each.repeat_interleave(directions, dim=1) for each in (of_edges, real))
        given["edges"] = Edges(ends[..., 0], ends[..., 1], of_edges, real)
    asked = {"pairs": below(sizes[:, None, None], len(lengths), 3, 2)} if model.level == "pair" else {}
    return program_inputs(Tokens(features, mask, **given), **asked)


def _nothing(like: Tensor) -> Tensor:
    """What tokens or edges carry that carry nothing."""
    return torch.zeros(*like.shape, 0)
