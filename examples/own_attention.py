"""An attention of your own: Nyström attention (Xiong et al. 2021, arXiv 2102.03902), with right masks and contexts.

What is written here is the mixing; projections, heads, norms, padding, cross-attention, saving and explaining are the
package's. A recipe names the class by its import path, from the folder that holds this file:

    PYTHONPATH=examples sampleformer train digits --attention own_attention.NystromAttention

The test suite holds it to the contract of every attention: `tests/attention/test_contract.py`, with the slow second
implementation in `tests/naive/nystrom.py`.
"""

import math

import torch
from torch import Tensor, nn

from sampleformer import Attention, FullAttention, Tokens
from sampleformer.attention import Keys, Mixing, Queries


class NystromMixing(Mixing):
    """``softmax(q k̃ᵀ / √e) · softmax(q̃ k̃ᵀ / √e)⁺ · softmax(q̃ kᵀ / √e) · v``: cost O(n·m).

    The landmarks q̃ and k̃ are means of m segments of the real queries and of the valid keys; a set of fewer than m has
    as many landmarks as tokens. The inverse is that of the publication, a few steps of an iteration.

    Args:
        landmarks: m, of the queries and of the keys.
        iterations: Steps towards the pseudo-inverse.
    """

    order_sensitive = True  # which tokens share a segment depends on their order
    blockwise = False  # the landmarks are statistics over all queries

    def __init__(self, landmarks: int, iterations: int) -> None:
        super().__init__()
        for name, value in (("landmarks", landmarks), ("iterations", iterations)):
            if value < 1:
                raise ValueError(f"{name} is {value}, expected at least 1")
        self.landmarks = landmarks
        self.iterations = iterations

    def forward(
        self,
        queries: Queries,
        keys: Keys,
        bias: tuple[Tensor, Tensor] | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Mixes, see `Mixing.forward`."""
        wide = torch.promote_types(queries.q.dtype, torch.float32)  # an inverse needs more than half precision
        q, k, v = (each.to(wide) for each in (queries.q, keys.k, keys.v))
        of_queries = None if queries.mask is None else queries.mask[:, None]
        query_means, query_valid = self._segment_means(q, of_queries)
        key_means, key_valid = self._segment_means(k, keys.valid)
        valid = torch.ones_like(k[:, :1, :, 0], dtype=torch.bool) if keys.valid is None else keys.valid
        from_queries = attention_weights(q, key_means, key_valid[:, :, None])
        between = attention_weights(query_means, key_means, query_valid[..., None] & key_valid[:, :, None])
        to_keys = attention_weights(query_means, k, query_valid[..., None] & valid[:, :, None])
        mixed = from_queries @ (pseudo_inverse(between, self.iterations) @ (to_keys @ v))
        return mixed.to(queries.q.dtype)

    def _segment_means(self, vectors: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Means ``(b, h, m, e)`` of m runs, as equal as can be, of the valid vectors; and which of them there are."""
        if valid is None:
            valid = torch.ones_like(vectors[:, :1, :, 0], dtype=torch.bool)
        count = valid.sum(-1, keepdim=True)
        segments = count.clamp(max=self.landmarks)
        place = valid.cumsum(-1) - valid.long()  # among the valid ones, from 0
        segment = (place * segments // count.clamp(min=1)).clamp(max=self.landmarks - 1)
        there = torch.arange(self.landmarks, device=vectors.device) < segments
        sizes = torch.zeros_like(there, dtype=vectors.dtype).scatter_add(-1, segment, valid.to(vectors.dtype))
        kept = vectors.masked_fill(~valid[..., None], 0)
        sums = vectors.new_zeros(*vectors.shape[:2], self.landmarks, vectors.shape[-1])
        sums = sums.scatter_add(2, segment[..., None].expand_as(kept), kept)
        return sums / sizes.clamp(min=1)[..., None], there

    def extra_repr(self) -> str:
        return f"landmarks={self.landmarks}, iterations={self.iterations}"


class NystromAttention(Attention):
    """Attention of all tokens over all tokens through m landmarks: cost O(n·m).

    Args:
        width: d, of the tokens.
        heads: h, must divide the width.
        landmarks: m.
        iterations: Steps towards the pseudo-inverse, 6 as published.
        norm: Norm of the features before the projections.
        bias: Whether the projections have one.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        landmarks: int = 64,
        iterations: int = 6,
        norm: nn.Module | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(width, heads, mixing=NystromMixing(landmarks, iterations), norm=norm, bias=bias)


def attention_weights(query: Tensor, key: Tensor, valid: Tensor) -> Tensor:
    """Softmax over the valid keys of each query; zeros where there is none."""
    logits = query @ key.mT / math.sqrt(query.shape[-1])
    logits = logits.masked_fill(~valid, torch.finfo(logits.dtype).min)
    return logits.softmax(-1).masked_fill(~valid, 0)


def pseudo_inverse(matrices: Tensor, iterations: int) -> Tensor:
    """Publication's equation 11, for each matrix by itself; rows and columns of zeros stay what they are."""
    sums = matrices.sum(-2).amax(-1) * matrices.sum(-1).amax(-1)
    inverse = matrices.mT / sums.masked_fill(sums == 0, 1)[..., None, None]
    one = torch.eye(matrices.shape[-2], device=matrices.device, dtype=matrices.dtype)
    for _ in range(iterations):
        product = matrices @ inverse
        inverse = inverse @ (13 * one - product @ (15 * one - product @ (7 * one - product))) / 4
    return inverse


def main() -> None:
    """Compares it with full attention that has the same weights."""
    torch.manual_seed(0)
    tokens = Tokens(torch.randn(2, 500, 32), torch.arange(500) < torch.tensor([[500], [300]]))
    full = FullAttention(32, 4)
    for landmarks in (16, 64, 256):
        attention = NystromAttention(32, 4, landmarks=landmarks, iterations=20)
        attention.load_state_dict(full.state_dict())
        error = (attention(tokens) - full(tokens)).norm() / full(tokens).norm()
        print(f"{landmarks} landmarks: {error.item():.1%} from full attention")


if __name__ == "__main__":
    main()
