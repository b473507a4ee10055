"""The tokens of all chunks of a batch as one set without padding."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sampleformer.edges import Edges
from sampleformer.ragged import Ragged
from sampleformer.tokens import Tokens
from sampleformer.trees import tree_node


@tree_node  # what shares weights out among processes looks for the tensors that a layer gets and returns
@dataclass(frozen=True)
class Joined:
    """The real tokens of several chunks, one after the other, for what treats each token alone or goes along edges.

    One call serves all chunks, and nothing is computed of padding: for a batch of small graphs in six chunks that is
    half of a training step.

    Args:
        tokens: All real tokens as one set, features ``(1, N, d)``, with all edges; they carry nothing else.
        chunks: Chunks as they were given, ``(b, n, d)``, of which the features are those of another time.
        places: For each chunk, place of its real tokens among its ``b·n``. None: all are real.

    Example:
        >>> mask = torch.tensor([[True, False], [True, True]])
        >>> joined = Joined.of([Tokens(torch.ones(2, 2, 4), mask), Tokens(torch.zeros(1, 5, 4))])
        >>> joined.tokens.features.shape, joined.samples.tolist()
        (torch.Size([1, 8, 4]), [0, 1, 1, 2, 2, 2, 2, 2])
        >>> joined.apart()[0].features[:, :, 0]
        tensor([[1., 0.],
                [1., 1.]])
    """

    tokens: Tokens
    chunks: Sequence[Tokens]
    places: Sequence[Int64[Tensor, "..."] | None]

    @classmethod
    def of(cls, chunks: Sequence[Tokens]) -> "Joined":
        """Joins chunks.

        Args:
            chunks: Tokens of some samples each, features ``(b, n, d)``; of one width, and all with edges or none.
        """
        places = [None if each.mask is None else each.mask.flatten().nonzero().squeeze(1) for each in chunks]
        features = _joined([each.features for each in chunks], places)
        shapes = [each.with_features(each.features.detach()) for each in chunks]  # no gradient comes back to them
        return cls(Tokens(features, edges=_edges(chunks, places)), shapes, places)

    def with_features(self, features: Float[Tensor, "1 N d"]) -> "Joined":
        """The same tokens carrying other features."""
        return Joined(self.tokens.with_features(features), self.chunks, self.places)

    def join(self, of_chunks: Sequence[Float[Tensor, "..."]]) -> Float[Tensor, "1 N c"]:
        """Vectors of the chunks' tokens as those of the joined ones; what padding has is dropped."""
        return _joined(of_chunks, self.places)

    def apart(self) -> list[Tokens]:
        """The chunks with the joined tokens' features, zeros in the place of padding."""
        parts = self.tokens.features[0].split(self.counts)
        return [
            each.with_features(_padded(part, each, at))
            for part, each, at in zip(parts, self.chunks, self.places, strict=True)
        ]

    @property
    def counts(self) -> list[int]:
        """Number of real tokens of each chunk."""
        return [_count(each, at) for each, at in zip(self.chunks, self.places, strict=True)]

    def places_apart(self, apart: int) -> Int64[Tensor, "1 N"]:
        """Place of each token in its sample, padding counted, those of each sample so many places after the last's.

        Args:
            apart: More than there are tokens in a sample.
        """
        device = self.tokens.features.device
        lines = [torch.arange(each.length, device=device).expand(each.batch, -1)[..., None] for each in self.chunks]
        return self.join(lines)[..., 0] + apart * self.samples

    @property
    def layout(self) -> Ragged:
        """The samples as sets, and the place of each token in its own."""
        samples = self.samples
        sizes = torch.bincount(samples, minlength=sum(each.batch for each in self.chunks))
        first = sizes.cumsum(0) - sizes
        return Ragged(samples, torch.arange(len(samples), device=samples.device) - first[samples], sizes)

    @property
    def samples(self) -> Int64[Tensor, "N"]:
        """Index of the sample of each token."""
        found, first = [], 0
        for each, at in zip(self.chunks, self.places, strict=True):
            of_sample = torch.arange(first, first + each.batch, device=each.features.device)
            of_token = of_sample.repeat_interleave(each.length)
            found.append(of_token if at is None else of_token[at])
            first += each.batch
        return torch.cat(found)


def _count(chunk: Tokens, at: Tensor | None) -> int:
    return chunk.batch * chunk.length if at is None else len(at)


def _joined(of_chunks: Sequence[Tensor], places: Sequence[Tensor | None]) -> Tensor:
    rows = [each.flatten(0, 1) for each in of_chunks]
    kept = [each if at is None else each.index_select(0, at) for each, at in zip(rows, places, strict=True)]
    return (torch.cat(kept) if len(kept) > 1 else kept[0])[None]  # of one it would be a copy


def _padded(part: Tensor, chunk: Tokens, at: Tensor | None) -> Tensor:
    if at is not None:
        part = part.new_zeros(chunk.batch * chunk.length, part.shape[1]).index_copy(0, at, part)
    return part.unflatten(0, (chunk.batch, chunk.length))


def _edges(chunks: Sequence[Tokens], places: Sequence[Tensor | None]) -> Edges | None:
    """The real edges of all chunks between the joined tokens."""
    found, first = [], 0
    for each, at in zip(chunks, places, strict=True):
        edges = each.edges
        if edges is None:
            return None
        rows = torch.arange(each.batch * each.length, device=each.features.device)
        if at is not None:
            rows[at] = torch.arange(len(at), device=at.device)
        offset = torch.arange(each.batch, device=rows.device)[:, None] * each.length
        source, target = ((rows[end + offset] + first).flatten() for end in (edges.source, edges.target))
        features = edges.features.flatten(0, 1)
        if edges.mask is not None:
            real = edges.mask.flatten().nonzero().squeeze(1)
            source, target, features = source[real], target[real], features[real]
        found.append((source, target, features))
        first += _count(each, at)
    source, target, features = (torch.cat(parts)[None] for parts in zip(*found, strict=True))
    return Edges(source, target, features)
