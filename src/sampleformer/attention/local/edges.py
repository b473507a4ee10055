"""Every token hears of the tokens that its edges lead to."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sampleformer.attention.base import Attention, check_heads
from sampleformer.attention.mixings.edges import EdgeMixing, edge_projection, edges_of, project_edges
from sampleformer.distributed.edge_halo import with_targets
from sampleformer.errors import nearest
from sampleformer.functional.edge_sums import edge_messages, edge_sums
from sampleformer.modules import Module
from sampleformer.norms import normalised
from sampleformer.tokens import Tokens, vectors_of_width
from sampleformer.zeroing import zeroed

KINDS = ("messages", "attention")


class LocalEdges(Module):
    """Messages or attention along `Tokens.edges`, with the features of the edges: cost O(edges).

    Beside an attention that samples, a token sees its neighbourhood: the bonds of an atom, the nearest points of a
    point. The order of the tokens and of the edges does not matter.

    Args:
        width: d, of the tokens.
        heads: h, must divide the width; for the kind ``"attention"``.
        edge_features: Numbers that each edge carries. In a model the embedding says it.
        kind: ``"messages"``: `EdgeMessages`, a sum; ``"attention"``: softmax attention with an `EdgeMixing`.
        norm: Norm of the features. None: they are used as they are.

    Raises:
        ValueError: if the heads do not divide the width, edge_features is negative or the kind is unknown; when it
            runs, InputError if the tokens have no edges, or edges with another number of features.

    Example:
        >>> from sampleformer.edges import Edges
        >>> edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 3))
        >>> LocalEdges(8, 2, edge_features=3)(Tokens(torch.zeros(1, 5, 8), edges=edges)).shape
        torch.Size([1, 5, 8])
    """

    along_edges: ClassVar[bool] = True
    """Whether a token hears of others along its edges alone, so that the sets of a batch may be joined into one."""
    told_by_embed: ClassVar[tuple[str, ...]] = ("edge_features",)
    """Arguments that need not be given where a model is built: attributes of its embedding."""

    def __init__(
        self, width: int, heads: int, *, edge_features: int, kind: str = "messages", norm: nn.Module | None = None
    ) -> None:
        super().__init__()
        check_heads(width, heads)
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; {nearest(kind, KINDS)}")
        self.kind = kind
        self.part: EdgeMessages | Attention
        if kind == "messages":
            self.part = EdgeMessages(width, edge_features=edge_features, norm=norm)
        else:
            self.part = Attention(width, heads, mixing=EdgeMixing(width, edge_features=edge_features), norm=norm)

    @property
    def norm(self) -> nn.Module:
        """Norm of the features."""
        return self.part.norm

    def forward(self, tokens: Tokens | Tensor) -> Float[Tensor, "b n d"]:
        """One vector a token, zero at masked tokens and, with attention, where no edge leaves."""
        result = self.part(tokens)
        if self.kind == "messages":
            return result
        assert isinstance(tokens, Tokens)
        assert tokens.edges is not None
        return zeroed(result, has_neighbours(tokens)[:, :, None])

    def extra_repr(self) -> str:
        return f"kind={self.kind}"


class EdgeMessages(Module):
    """``MLP((1 + ε) x_i + Σ_j relu(x_j + W e_ij))`` over the edges i → j: GIN with features of edges.

    Args:
        width: d, of the tokens; the MLP is d → d → d with ReLU inside. ε is learned and starts at 0.
        edge_features: Numbers that each edge carries. 0: e is zero.
        norm: Norm of x. None: the features are used as they are.

    Raises:
        ValueError: if edge_features is negative; when it runs, InputError if the tokens have no edges, or edges with
            another number of features.

    Source: Hu et al. 2019 (arXiv 1905.12265), appendix A, on Xu et al. 2018 (arXiv 1810.00826), section 4.
    """

    def __init__(self, width: int, *, edge_features: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.width = width
        self.norm = norm if norm is not None else nn.Identity()
        self.edge = edge_projection(edge_features, width)
        self.epsilon = nn.Parameter(torch.empty(()))
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        nn.init.zeros_(self.epsilon)

    def forward(self, tokens: Tokens | Tensor) -> Float[Tensor, "b n d"]:
        """One vector a token, zero at masked tokens."""
        tokens = vectors_of_width(tokens, self.width).without_padding(edges=False)
        edges = edges_of(tokens, self.edge)
        x = normalised(self.norm, tokens).features
        of_edges = project_edges(edges, self.edge, x)
        # What comes behind the tokens at hand hears nothing here.
        heard = edge_messages(with_targets(x, edges), edges.source, edges.target, of_edges, edges.mask)[:, : x.shape[1]]
        result: Tensor = self.mlp((1 + self.epsilon.to(x.dtype)) * x + heard)
        return result if tokens.mask is None else zeroed(result, tokens.mask[:, :, None])


def has_neighbours(tokens: Tokens) -> Tensor:
    """Whether an edge leaves each token, ``(b, n)``."""
    assert tokens.edges is not None
    edges = tokens.edges.without_padding()
    ones = torch.ones_like(edges.source, dtype=torch.float32)[:, :, None]
    return edge_sums(ones, edges.source, tokens.length, edges.mask)[:, :, 0] > 0
