"""A sample without some of its tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor
from torch.utils import _pytree as pytree

from sampleformer.edges import Edges
from sampleformer.tokens import Tokens


def without(tokens: Tokens, deleted: Bool[np.ndarray, "rows n"], *, directed: bool = False) -> Tokens:
    """A batch of one sample, each row of which lacks other tokens.

    A deleted token is masked, as padding is: nothing attends to it, no sum and no neighbourhood has it. So a word is
    gone and the others stay at their places in the text; a pixel or a column was not measured; the neighbours of a
    point are found among those that are left. An atom takes its bonds with it, and a bond can go alone. What was
    computed of the whole sample stays as it was: the encodings of a graph, features that tell of an atom's neighbours,
    descriptors.

    Args:
        tokens: One sample, ``(1, n, …)``.
        deleted: True for the tokens that a row lacks, over the ``n`` tokens of a sample, or over the nodes of a graph
            and then its edges.
        directed: Whether each edge of a graph is there once. False: in both directions, one after the other.
    """
    rows, length = len(deleted), tokens.length
    gone = torch.from_numpy(np.ascontiguousarray(deleted[:, :length])).to(tokens.features.device)
    # Of a tensor of one row, all rows are the same memory.
    batch: Tokens = pytree.tree_map_only(Tensor, lambda value: value.expand(rows, *value.shape[1:]), tokens)
    kept = ~gone if batch.mask is None else batch.mask & ~gone
    edges = batch.edges and _edges_without(batch.edges, gone, deleted[:, length:], 1 if directed else 2)
    return replace(batch, mask=kept, edges=edges)


def _edges_without(edges: Edges, gone: Tensor, deleted: Bool[np.ndarray, "rows edges"], directions: int) -> Edges:
    """Edges without those that are deleted, or that lost an end."""
    kept = ~(gone.gather(1, edges.source) | gone.gather(1, edges.target))
    if deleted.shape[1]:
        kept &= ~torch.from_numpy(np.repeat(deleted, directions, axis=1)).to(kept.device)
    return replace(edges, mask=kept if edges.mask is None else edges.mask & kept)
