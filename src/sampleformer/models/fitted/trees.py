"""Trees of decisions as arrays, gone through by gathers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sampleformer.modules import Module
from sampleformer.tracing import is_exporting


class Trees(Module):
    """The mean of what the leaves of some trees hold: ``y = 1/T Σ_t v_t(leaf of x in t)``.

    At an inner node x goes to the second child if ``x_f > threshold``, else to the first. A leaf is its own child, so
    that as many steps as the deepest tree has levels bring every x to a leaf.

    Args:
        trees: T. At least 1.
        nodes: Number of nodes of all trees together.
        depth: Largest number of steps from a root to a leaf.
        outputs: Numbers that a leaf holds.
    """

    roots: Tensor
    feature: Tensor
    threshold: Tensor
    below: Tensor
    value: Tensor

    def __init__(self, trees: int, nodes: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.depth = depth
        self.register_buffer("roots", torch.empty(trees, dtype=torch.int32))
        self.register_buffer("feature", torch.empty(nodes, dtype=torch.int32))
        self.register_buffer("threshold", torch.empty(nodes))
        self.register_buffer("below", torch.empty(nodes, 2, dtype=torch.int32))
        self.register_buffer("value", torch.empty(nodes, outputs))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        """Trees that are leaves alone, with nothing in them."""
        self.roots.zero_()
        self.feature.zero_()
        self.threshold.fill_(torch.inf)
        self.below.copy_(torch.arange(len(self.below), device=self.below.device)[:, None].expand(-1, 2))
        self.value.zero_()

    def forward(self, x: Float[Tensor, "b f"]) -> Float[Tensor, "b outputs"]:
        """The mean over trees."""
        below = self.below.flatten()
        node = self.roots.long().expand(x.shape[0], -1)
        for _ in range(self.depth):
            farther = x.gather(1, self.feature[node].long()) > self.threshold[node]
            node = below[2 * node + farther.long()].long()
        if is_exporting():
            return self.value[node].mean(1)
        return F.embedding_bag(node, self.value, mode="mean")  # never all of ``(b, trees, outputs)``

    def check_places(self, features: int) -> None:
        """Raises ValueError if a node, or a feature that one asks for, is not there.

        Args:
            features: Number of features of x.
        """
        nodes = len(self.feature)
        for name, most in (("roots", nodes), ("below", nodes), ("feature", features)):
            places = getattr(self, name)
            if len(places) and not 0 <= int(places.min()) <= int(places.max()) < most:
                raise ValueError(f"{name} has places from {places.min()} to {places.max()}, expected 0 to {most - 1}")

    @classmethod
    def of_forest(cls, estimators: list[Any], values: list[np.ndarray]) -> Trees:
        """The trees of a forest of scikit-learn.

        Args:
            estimators: Its trees.
            values: What the nodes of each tree hold, ``(nodes, outputs)``.
        """
        parts = [estimator.tree_ for estimator in estimators]
        counts = [part.node_count for part in parts]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        made = cls(len(parts), sum(counts), max(part.max_depth for part in parts), values[0].shape[1])
        for part, start, held in zip(parts, starts.tolist(), values, strict=True):
            own = np.arange(part.node_count)
            inner = part.children_left >= 0
            children = np.stack([part.children_left, part.children_right], axis=1)
            children = np.where(inner[:, None], children, own[:, None]) + start
            place = slice(start, start + part.node_count)
            made.below[place] = torch.from_numpy(children)
            made.feature[place] = torch.from_numpy(np.where(inner, part.feature, 0))
            made.threshold[place] = torch.from_numpy(np.where(inner, _not_above(part.threshold), np.inf))
            made.value[place] = torch.from_numpy(held)
        made.roots.copy_(torch.from_numpy(starts))
        return made

    @classmethod
    def joined(cls, parts: Sequence[Trees]) -> Trees:
        """All trees of several.

        Args:
            parts: Trees whose leaves hold equally many numbers. One at least.
        """
        with torch.device("meta"):
            made = cls(0, 0, max(each.depth for each in parts), parts[0].value.shape[1])
        starts = np.cumsum([0] + [len(each.feature) for each in parts]).tolist()
        made.roots = torch.cat([each.roots + start for each, start in zip(parts, starts, strict=False)])
        made.below = torch.cat([each.below + start for each, start in zip(parts, starts, strict=False)])
        for name in ("feature", "threshold", "value"):
            setattr(made, name, torch.cat([getattr(each, name) for each in parts]))
        return made


def features_of_a_node(features: int, *, of_values: bool) -> int:
    """How many features a node looks at: their square root or a twentieth, of values a third, whichever is more.

    Args:
        features: Number of features.
        of_values: Whether the trees say values, not classes or labels.

    Example:
        >>> features_of_a_node(100, of_values=False), features_of_a_node(1000, of_values=False)
        (10, 50)
    """
    return max(1, round(max(features**0.5, features / 20, features / 3 * of_values)))


def check_depth(depth: int, nodes: Sequence[int]) -> None:
    """Raises ValueError if trees are deeper than they have nodes.

    Args:
        depth: Levels of the deepest tree.
        nodes: Nodes of each of some `Trees`.
    """
    if depth > max(nodes):
        raise ValueError(f"depth is {depth}, expected at most the {max(nodes)} nodes")


def _not_above(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 numbers that are not above some of float64: the same float32 numbers are above both."""
    rounded = thresholds.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > thresholds, lower, rounded)
