"""The one structure that every model part sees."""

from dataclasses import dataclass, field, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor
from torch.utils import _pytree as pytree

from sampleformer.edges import Edges
from sampleformer.errors import InputError
from sampleformer.ragged import Ragged
from sampleformer.trees import tree_node
from sampleformer.zeroing import zeroed

# What a field holds for each token, for the checks.
_NUMBER = {"dimensions": 2}
_VECTOR = {"dimensions": 3}

_OF_PYG = {"features": "x", "coordinates": "pos", "normals": "normal"}
"""Fields of tokens, and what PyTorch Geometric calls them."""


@tree_node
@dataclass(frozen=True)
class Tokens:
    """A batch of token sets of unequal sizes, padded to one length.

    Args:
        features: what each token carries, shape ``(b, n)`` for integer codes, ``(b, n, c)`` for several of them, or
            ``(b, n, d)`` for vectors.
        mask: shape ``(b, n)``, True where a token is real and False where it is padding. None: every token is real,
            which lets attention skip its masks.
        positions: place of each token in its sequence, shape ``(b, n)``. None: 0, 1, 2, …
        coordinates: place of each token in space, shape ``(b, n, c)``. None: it has none.
        normals: direction of the surface at each token, of unit length, shape ``(b, n, c)``. None: it has none.
        encodings: what tells of each token's place in a graph, shape ``(b, n, p)``. None: nothing does.
        identifiers: random numbers by which each token can be told from the others, shape ``(b, n, r)``; they travel
            with the tokens. None: it has none.
        hidden: shape ``(b, n)``, True where the model is to name what a token carried, which has been taken away. None:
            nothing has.
        descriptors: numbers that describe each set as a whole, shape ``(b, f)``. None: there are none.
        edges: what joins the tokens: bonds of atoms, nearest neighbours of points; a padded token has none. None:
            nothing does.

    Raises:
        ValueError: if a field does not have its shape, the mask is not boolean, vectors are no floating-point numbers,
            or the edges are for another number of token sets.

    Example:
        >>> tokens = Tokens(torch.zeros(2, 5, 8))
        >>> tokens.batch, tokens.length
        (2, 5)
    """

    features: Num[Tensor, "b n *rest"]
    mask: Bool[Tensor, "b n"] | None = field(default=None, metadata=_NUMBER)
    positions: Num[Tensor, "b n"] | None = field(default=None, metadata=_NUMBER)
    coordinates: Float[Tensor, "b n c"] | None = field(default=None, metadata=_VECTOR)
    normals: Float[Tensor, "b n c"] | None = field(default=None, metadata=_VECTOR)
    encodings: Float[Tensor, "b n p"] | None = field(default=None, metadata=_VECTOR)
    identifiers: Float[Tensor, "b n r"] | None = field(default=None, metadata=_VECTOR)
    hidden: Bool[Tensor, "b n"] | None = field(default=None, metadata=_NUMBER)
    descriptors: Float[Tensor, "b f"] | None = None
    edges: Edges | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.features, Tensor) or torch.compiler.is_compiling():
            return  # tree utilities rebuild the structure with placeholders in the place of tensors
        if self.features.ndim < 2:
            raise InputError(
                f"features have shape {tuple(self.features.shape)}, expected (batch, tokens) or (batch, tokens, …); "
                "of a single set of tokens, give features[None]"
            )
        for name, dimensions in _PER_TOKEN.items():
            value = getattr(self, name)
            if isinstance(value, Tensor):
                self._check(name, value, dimensions)
        for name, true in (("mask", "a real token"), ("hidden", "a hidden token")):
            value = getattr(self, name)
            if isinstance(value, Tensor) and value.dtype != torch.bool:
                raise ValueError(f"{name} has dtype {value.dtype}, expected torch.bool (True = {true})")
        described = self.descriptors
        if isinstance(described, Tensor) and (described.ndim != 2 or described.shape[0] != self.batch):
            raise ValueError(f"descriptors have shape {tuple(described.shape)}, expected ({self.batch}, numbers)")
        if isinstance(self.coordinates, Tensor) and isinstance(self.normals, Tensor):
            spaces = (self.normals.shape[2], self.coordinates.shape[2])
            if spaces[0] != spaces[1]:
                raise ValueError(f"normals have {spaces[0]} dimensions, but coordinates have {spaces[1]}")
        if isinstance(self.edges, Edges) and isinstance(self.edges.source, Tensor) and self.edges.batch != self.batch:
            raise ValueError(f"edges are for {self.edges.batch} token sets, but the features are for {self.batch}")

    def _check(self, name: str, value: Tensor, dimensions: int) -> None:
        if value.shape[:2] != self.features.shape[:2]:
            raise ValueError(
                f"{name} has shape {tuple(value.shape)}, but the features' first two dimensions are "
                f"{tuple(self.features.shape[:2])}"
            )
        if value.ndim != dimensions:
            raise ValueError(f"{name} has shape {tuple(value.shape)}, expected {dimensions} dimensions")
        if dimensions == 3 and not value.is_floating_point():
            raise ValueError(f"{name} has dtype {value.dtype}, expected floating-point numbers")

    @classmethod
    def from_pyg(cls, data: Any) -> "Tokens":
        """Nodes of a graph, or of a batch of graphs, of PyTorch Geometric; `ragged.Ragged.rows` gives results back.

        Args:
            data: `torch_geometric.data.Data` or ``Batch``. Its ``x`` ``(N, f)`` or ``(N,)``, numbers or integer codes,
                becomes the features (without one, every node has the code 0), ``pos`` the coordinates, ``normal`` the
                normals, ``edge_index`` and ``edge_attr`` the edges, see `Edges.from_pyg`.

        Raises:
            InputError: if something does not fit, or the data are a graph of several types of nodes.

        Example:
            >>> from torch_geometric.data import Batch, Data
            >>> batch = Batch.from_data_list([Data(x=torch.ones(3, 2)), Data(x=torch.ones(1, 2))])
            >>> Tokens.from_pyg(batch).mask
            tensor([[ True,  True,  True],
                    [ True, False, False]])
        """
        if not hasattr(data, "edge_index") or hasattr(data, "node_types"):
            raise InputError(f"data is a {type(data).__name__}, expected torch_geometric.data.Data or Batch")
        number, batch = data.num_nodes, getattr(data, "batch", None)
        given = {ours: getattr(data, name, None) for ours, name in _OF_PYG.items()}
        device = next((each.device for each in (*given.values(), data.edge_index) if each is not None), None)
        nodes = Ragged.of(batch, number, None if batch is None else data.num_graphs, device)
        for ours, value in given.items():
            if value is not None and (value.ndim not in (1, 2) or len(value) != number):
                raise InputError(f"data.{_OF_PYG[ours]} has shape {tuple(value.shape)}, expected ({number}, numbers)")
        if given["features"] is None:
            given["features"] = torch.zeros(number, dtype=torch.int64, device=device)
        padded = {ours: nodes.padded(value) for ours, value in given.items() if value is not None}
        return cls(**padded, mask=nodes.mask(), edges=None if data.edge_index is None else Edges.from_pyg(data))

    @property
    def batch(self) -> int:
        """Number of token sets."""
        return self.features.shape[0]

    @property
    def length(self) -> int:
        """Tokens of the longest set, padding included."""
        return self.features.shape[1]

    def with_features(self, features: Num[Tensor, "b n *rest"]) -> "Tokens":
        """The same tokens carrying other features."""
        # Not dataclasses.replace, which Dynamo of torch 2.6 cannot trace.
        return Tokens(features, *[getattr(self, name) for name in _CARRIED])

    def with_edges(self, edges: Edges | None) -> "Tokens":
        """The same tokens joined by other edges."""
        return Tokens(**{name: getattr(self, name) for name in _FIELDS if name != "edges"}, edges=edges)

    def without_padding(self, *, edges: bool = True) -> "Tokens":
        """The same tokens with zeros in the place of padding, whatever it held (NaN too, in value and gradient).

        Args:
            edges: Whether padded edges, too, lose what they held. False: who looks at them does that.
        """
        joined = self.edges
        if joined is not None and edges:
            joined = joined.without_padding()
        if self.mask is None:
            return self if joined is self.edges else self.with_edges(joined)
        kept = {name: _without_padding(getattr(self, name), self.mask) for name in _FIELDS if name in _OF_TOKENS}
        return Tokens(**kept, descriptors=self.descriptors, edges=joined)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Tokens":
        """Moves every tensor to a device; to change the precision, use `with_features`: a mask stays boolean."""
        return pytree.tree_map_only(Tensor, lambda tensor: tensor.to(device, non_blocking=non_blocking), self)


def as_tokens(given: Tokens | Tensor) -> Tokens:
    """Tokens as they are; a tensor as the features of tokens of which none is padding.

    Raises:
        InputError: if it is neither.

    Example:
        >>> as_tokens(torch.zeros(2, 5, 8)).length
        5
    """
    if isinstance(given, Tokens):
        return given
    if not isinstance(given, Tensor):
        raise InputError(f"tokens is a {type(given).__name__}, expected Tokens or a tensor (batch, tokens, width)")
    return Tokens(given)


def vectors_of_width(given: Tokens | Tensor, width: int, name: str = "tokens") -> Tokens:
    """Tokens that carry vectors of a model's width; a tensor as in `as_tokens`.

    Args:
        given: Tokens, or their features ``(b, n, d)``.
        width: d.
        name: Name of the argument, for the message.

    Raises:
        InputError: if they do not.
    """
    tokens = as_tokens(given)
    features = tokens.features
    if features.ndim != 3 or features.shape[2] != width:
        hint = "; of a single set of tokens, give features[None]" if features.ndim == 2 else ""
        raise InputError(
            f"{name} have features of shape {tuple(features.shape)}, expected (batch, tokens, width = {width}){hint}"
        )
    if not features.is_floating_point():
        raise InputError(f"{name} have features of {features.dtype}, expected floating-point; codes need an embedding")
    return tokens


_FIELDS = tuple(each.name for each in fields(Tokens))
_CARRIED = _FIELDS[1:]
_OF_TOKENS = frozenset(_FIELDS) - {"descriptors", "edges"}
_PER_TOKEN = {each.name: each.metadata["dimensions"] for each in fields(Tokens) if each.metadata}


def _without_padding(value: Tensor | None, mask: Tensor | None) -> Any:
    if value is None or value is mask or mask is None:
        return value
    return zeroed(value, mask.reshape(mask.shape + (1,) * (value.ndim - 2)))
