"""Graphs: nodes and edges as tokens."""

import functools
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sampleformer.distributed.token_shards import refuse_shards
from sampleformer.edges import Edges
from sampleformer.embed.fields import codes, numbers
from sampleformer.errors import InputError, nearest
from sampleformer.functional.gathering import rows_at
from sampleformer.functional.indices import check_indices
from sampleformer.modules import Module, start_with
from sampleformer.tokens import Tokens, as_tokens
from sampleformer.tracing import is_exporting, is_readable
from sampleformer.zeroing import zeroed

EDGE_TOKENS = ("each", "pair", "none")


class GraphEmbed(Module):
    """Nodes, then edges, as tokens; random identifiers let attention match a node with its edges.

    With ``f_i`` a linear map of what node i carries (features and encodings) and ``z_i`` its identifiers::

        left_i  = softplus(a) ⊙ (A z_i) + C f_i        node i:         f_i + left_i + right_i
        right_i = softplus(b) ⊙ (B z_i) + D f_i        edge i → j:     E e_ij + left_i − right_j

    Args:
        width: d, of the model.
        vocabularies: number of codes of each categorical feature that a node carries; give this or features.
        features: numbers that each node carries; 0: none, and all nodes are alike.
        edge_features: numbers that each edge carries, before and behind the embedding.
        encodings: numbers that tell of a node's place, see `Tokens`.
        identifiers: random numbers of a node, see `Tokens`. 0: none, and a node is known by what it carries alone.
        directed: whether edges lead one way. Where they do not, `Tokens` has both directions of each, the second right
            after the first.
        edge_tokens: ``"each"`` direction of an edge is a token, as published; ``"pair"``: the mean of the two
            directions is one, half as many; ``"none"``: nodes alone; ``"auto"``: pairs, or each where directed.

    Raises:
        ValueError: if not exactly one of vocabularies and features is given, a size is negative, edge_tokens is unknown
            or it is ``"pair"`` for directed edges; when it runs, InputError if the tokens lack what it is made for.

    Source: SAMSA (arXiv 2408.05391), section 4. The published identifiers are as wide as the model and enter as they
    are; here they may be narrower, A and B being learned.

    Example:
        >>> from sampleformer.edges import Edges
        >>> edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 0))
        >>> nodes = Tokens(torch.tensor([[[5], [7]]]), edges=edges)
        >>> GraphEmbed(8, vocabularies=[9])(nodes).features.shape
        torch.Size([1, 3, 8])
    """

    example: ClassVar[dict[str, Any]] = {"features": 1, "edge_features": 1}
    """What the data may say of its tokens, to check settings before the data is read."""

    def __init__(
        self,
        width: int,
        *,
        vocabularies: Sequence[int] | None = None,
        features: int | None = None,
        edge_features: int = 0,
        encodings: int = 0,
        identifiers: int = 0,
        directed: bool = False,
        edge_tokens: str = "auto",
    ) -> None:
        super().__init__()
        if (vocabularies is None) == (features is None):
            raise ValueError(f"vocabularies is {vocabularies} and features is {features}, expected exactly one of them")
        sizes = {"width": width - 1, "edge_features": edge_features, "encodings": encodings, "identifiers": identifiers}
        for name, size in sizes.items():
            if size < 0:
                raise ValueError(f"{name} is {size}, expected at least {'1' if name == 'width' else '0'}")
        if edge_tokens == "auto":
            edge_tokens = "each" if directed else "pair"
        if edge_tokens not in EDGE_TOKENS:
            raise ValueError(f"edge_tokens is {edge_tokens!r}; {nearest(edge_tokens, ['auto', *EDGE_TOKENS])}")
        if directed and edge_tokens == "pair":
            raise ValueError("edge_tokens is 'pair', expected 'each' or 'none' where edges are directed")
        self.width = width
        self.vocabularies = vocabularies
        self.features = features
        self.edge_features = edge_features
        self.encodings = encodings
        self.identifiers = identifiers
        self.edge_tokens = edge_tokens
        self.node = CodeSum(vocabularies, width) if vocabularies is not None else numbers_to_width(features or 0, width)
        self.encode = nn.Linear(encodings, width, bias=False) if encodings else None
        self.identify = nn.Linear(identifiers, 2 * width, bias=False) if identifiers else None
        self.scale = nn.Parameter(torch.empty(2 * width)) if identifiers else None
        self.sides = nn.Linear(width, 2 * width, bias=False)
        self.edge = numbers_to_width(edge_features, width)
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        if self.scale is not None:
            nn.init.zeros_(self.scale)

    def forward(self, tokens: Tokens | Tensor) -> Tokens:
        """Node tokens ``(b, n, d)`` and after them edge tokens; what joins which is kept.

        The edges join the nodes as before. Behind them each edge token is joined with the two ends of its edge, in both
        directions, by edges with the features of its own edge (of a pair, of its first direction).

        Raises:
            InputError: if the tokens have no edges, or none of the encodings or identifiers that are expected, or other
                codes or numbers than the model was made for.
        """
        tokens = as_tokens(tokens)
        if tokens.edges is None:
            raise InputError("the tokens have no edges, expected those of graphs")
        if self.edge_tokens != "none":
            refuse_shards(f"graphs with edge_tokens = {self.edge_tokens!r}, expected 'none'")
        tokens = tokens.without_padding()
        assert tokens.edges is not None
        check_indices(tokens.edges.source, tokens.length, "the source of an edge")
        check_indices(tokens.edges.target, tokens.edges.reach(tokens.length), "the target of an edge")
        nodes = self._nodes(tokens)
        left, right = self._sides(nodes, tokens)
        parts, masks, edges = [nodes + left + right], [tokens.mask], tokens.edges
        if self.edge_tokens != "none":
            made, mask = self._edges(tokens.edges, left, right)
            parts.append(made)
            masks.append(mask)
            edges = with_edge_tokens(edges, tokens.length, paired=self.edge_tokens == "pair")
        features = torch.cat(parts, dim=1)
        mask = _joined(masks, parts)
        if mask is not None:
            features = zeroed(features, mask[:, :, None])
        return Tokens(features, mask, edges=edges)

    def _nodes(self, tokens: Tokens) -> Tensor:
        features = tokens.features
        if self.vocabularies is not None:
            features = codes(features if features.ndim == 3 else features[..., None], self.vocabularies)
        elif self.features:
            features = numbers(features, "features", self.features)
        nodes: Tensor = self.node(features)
        if self.encode is not None:
            nodes = nodes + self.encode(numbers(tokens.encodings, "encodings", self.encodings))
        return nodes

    def _sides(self, nodes: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """What stands for a node as the source and as the target of an edge."""
        sides = self.sides(nodes)
        if self.identify is not None and self.scale is not None:
            identifiers = numbers(tokens.identifiers, "identifiers", self.identifiers)
            sides = sides + F.softplus(self.scale) * self.identify(identifiers)
        left, right = sides.chunk(2, dim=-1)
        return left, right

    def _edges(self, edges: Edges, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor | None]:
        carried = (
            numbers(edges.features, "features of edges", self.edge_features) if self.edge_features else edges.features
        )
        if self.edge_tokens == "pair":
            check_pairs(edges)
        made = self.edge(carried.to(left.dtype)) + rows_at(left, edges.source) - rows_at(right, edges.target)
        if self.edge_tokens == "each":
            return made, edges.mask
        return made.unflatten(1, (-1, 2)).mean(2), None if edges.mask is None else edges.mask[:, ::2]

    def extra_repr(self) -> str:
        return f"width={self.width}, edge_tokens={self.edge_tokens}"


def check_pairs(edges: Edges) -> None:
    """Raises InputError where an edge is not followed by its reverse, if that can be read."""
    if not is_readable(edges.source):
        return
    wrong = torch.tensor(edges.number % 2 > 0)
    if not wrong:
        source, target = edges.source, edges.target
        wrong = (source[:, ::2] != target[:, 1::2]) | (target[:, ::2] != source[:, 1::2])
        if edges.mask is not None:
            wrong = wrong & edges.mask.unflatten(1, (-1, 2)).any(2)
    if bool(wrong.any()):
        raise InputError(
            "edge_tokens is 'pair', but some edge is not followed by its reverse; expected edges in both directions, "
            "as those of undirected graphs are, or edge_tokens = 'each'"
        )


def with_edge_tokens(edges: Edges, first: int, *, paired: bool) -> Edges:
    """Edges of nodes, and behind them those that join each edge token with the two ends of its edge, both ways.

    Args:
        edges: Edges of nodes.
        first: Index of the first edge token.
        paired: Whether two edges, one after the other, are one token. It has the features of the first.

    Example:
        >>> edges = Edges(torch.tensor([[0]]), torch.tensor([[2]]), torch.tensor([[[5.0]]]))
        >>> joined = with_edge_tokens(edges, 3, paired=False)
        >>> list(zip(joined.source[0].tolist(), joined.target[0].tolist()))
        [(0, 2), (3, 0), (3, 2), (0, 3), (2, 3)]
    """
    step = 2 if paired else 1
    source, target, features = edges.source[:, ::step], edges.target[:, ::step], edges.features[:, ::step]
    mask = None if edges.mask is None else edges.mask[:, ::step]
    tokens = (torch.arange(source.shape[1], device=source.device) + first).expand_as(source)
    return Edges(
        torch.cat([edges.source, tokens, tokens, source, target], dim=1),
        torch.cat([edges.target, source, target, tokens, tokens], dim=1),
        torch.cat([edges.features, *[features] * 4], dim=1),
        None if edges.mask is None or mask is None else torch.cat([edges.mask, *[mask] * 4], dim=1),
    )


class CodeSum(Module):
    """The sum of one learned vector for each code that a token carries.

    Args:
        vocabularies: number of codes of each feature.
        width: d, of the vectors.

    Raises:
        ValueError: if a vocabulary is empty.
    """

    first: Tensor
    sizes: Tensor

    def __init__(self, vocabularies: Sequence[int], width: int) -> None:
        super().__init__()
        if not vocabularies or min(vocabularies) < 1:
            raise ValueError(f"vocabularies is {list(vocabularies)}, expected at least one number of at least 1")
        self.codes = sum(vocabularies)
        self.table = nn.EmbeddingBag(self.codes, width, mode="sum")
        start_with(self.table, functools.partial(_normal, deviation=len(vocabularies) ** -0.5))
        self.register_value("first", [0, *accumulate(vocabularies)][:-1])
        self.register_value("sizes", list(vocabularies))

    def forward(self, codes: Int64[Tensor, "b n c"]) -> Float[Tensor, "b n d"]:
        """One vector a token."""
        rows = codes + self.first
        if not is_readable(codes) and not is_exporting():
            # Nobody has looked at the codes, and one that is too large is another feature's: no row, torch refuses it.
            rows = torch.where((codes >= 0) & (codes < self.sizes), rows, self.codes)
        summed: Tensor = self.table(rows.flatten(0, 1))
        return summed.unflatten(0, codes.shape[:2])


def _normal(table: nn.EmbeddingBag, deviation: float) -> None:
    """Vectors whose sum has variance 1 if the deviation is one over the root of their number."""
    nn.init.normal_(table.weight, std=deviation)


class Alike(Module):
    """One learned vector for every token, whatever it carries.

    Args:
        width: d, of the vector.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(width))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        nn.init.zeros_(self.bias)

    def forward(self, features: Float[Tensor, "b n f"]) -> Float[Tensor, "b n d"]:
        """The vector, once for each token."""
        return self.bias.expand(*features.shape[:2], -1)


def numbers_to_width(features: int, width: int) -> nn.Module:
    """A linear map of so many numbers; where there are none, all tokens are alike."""
    return nn.Linear(features, width) if features else Alike(width)


def _joined(masks: list[Tensor | None], parts: list[Tensor]) -> Tensor | None:
    """The masks of token sets that stand side by side; None: all tokens are real."""
    if all(mask is None for mask in masks):
        return None
    filled = [
        part.new_ones(part.shape[:2], dtype=torch.bool) if mask is None else mask
        for mask, part in zip(masks, parts, strict=True)
    ]
    return torch.cat(filled, dim=1)
