"""From the encoder's tokens to outputs: pooling, one output for a sample, for each token, or for pairs of tokens."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sampleformer.distributed import over_shards
from sampleformer.distributed.token_shards import current_shard
from sampleformer.errors import nearest
from sampleformer.functional.gathering import rows_at
from sampleformer.functional.indices import check_indices
from sampleformer.gelu import GELU
from sampleformer.modules import Module
from sampleformer.tokens import Tokens, as_tokens
from sampleformer.zeroing import zeroed


class AttentionPooling(Module):
    """Weighted mean of the tokens, the weights a softmax of one learned score a token; nothing gives zeros.

    Args:
        width: d, of the tokens.

    Source: SAMSA (arXiv 2408.05391), section 4. Padding gets weight zero, which the published code misses.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, tokens: Tokens | Tensor) -> Float[Tensor, "b d"]:
        """One vector a set."""
        tokens = as_tokens(tokens).without_padding()
        return over_shards.summed((self.weights(tokens)[:, None, :] @ tokens.features).squeeze(1))

    def weights(self, tokens: Tokens | Tensor) -> Float[Tensor, "b n"]:
        """The weight of each token; over the tokens of all ranks they sum to one, or to zero for a set without any."""
        tokens = as_tokens(tokens)
        scores = self.score(tokens.features).squeeze(-1)
        if tokens.mask is None:
            return over_shards.softmax(scores)
        # A finite lowest value: a softmax over minus infinities alone would be NaN, here it is masked to zero after.
        scores = scores.masked_fill(~tokens.mask, torch.finfo(scores.dtype).min)
        return over_shards.softmax(scores).masked_fill(~tokens.mask, 0)


class MeanPooling(Module):
    """Mean of the tokens that are no padding; nothing gives zeros."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, tokens: Tokens | Tensor) -> Float[Tensor, "b d"]:
        """One vector a set."""
        tokens = as_tokens(tokens)
        if current_shard() is None and tokens.mask is None:
            return tokens.features.mean(1)
        mask = tokens.features.new_ones(tokens.features.shape[:2], dtype=torch.bool)
        mask = mask if tokens.mask is None else tokens.mask
        total = over_shards.summed(zeroed(tokens.features, mask[:, :, None]).sum(1))
        return total / over_shards.summed(mask.sum(1, keepdim=True)).clamp(min=1)


class MaxPooling(Module):
    """Largest value of each feature over the tokens that are no padding; nothing gives zeros."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, tokens: Tokens | Tensor) -> Float[Tensor, "b d"]:
        """One vector a set."""
        tokens = as_tokens(tokens)
        if current_shard() is not None:
            return over_shards.amax(tokens.features, tokens.mask)
        if tokens.mask is None:
            return tokens.features.amax(1)
        largest = tokens.features.masked_fill(~tokens.mask[:, :, None], -torch.inf).amax(1)
        return largest.masked_fill(~tokens.mask.any(1, keepdim=True), 0)


POOLINGS: dict[str, type[nn.Module]] = {"attention": AttentionPooling, "mean": MeanPooling, "max": MaxPooling}


class SampleHead(Module):
    """One answer for a whole sample: classes, several labels or values, as the task reads its outputs.

    Args:
        width: d, of the tokens.
        outputs: numbers in an answer.
        pooling: ``"attention"``, ``"mean"`` or ``"max"``.

    Raises:
        ValueError: if outputs < 1 or the pooling is unknown.
    """

    def __init__(self, width: int, outputs: int, *, pooling: str = "attention") -> None:
        super().__init__()
        if outputs < 1:
            raise ValueError(f"outputs is {outputs}, expected at least 1")
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is {pooling!r}; {nearest(pooling, POOLINGS)}")
        self.pooling = POOLINGS[pooling](width)
        self.output = nn.Linear(width, outputs)

    def forward(self, tokens: Tokens | Tensor) -> Float[Tensor, "b outputs"]:
        """One answer a sample."""
        return self.output(self.pooling(tokens))


class TokenHead(Module):
    """One answer for each token, or for those asked about; zero at padding.

    Args:
        width: d, of the tokens.
        outputs: numbers in an answer.

    Raises:
        ValueError: if outputs < 1.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        if outputs < 1:
            raise ValueError(f"outputs is {outputs}, expected at least 1")
        self.output = nn.Linear(width, outputs)

    def forward(
        self, tokens: Tokens | Tensor, asked: Int64[Tensor, "b m"] | None = None
    ) -> Float[Tensor, "b m outputs"]:
        """One answer a token.

        Args:
            tokens: from the encoder.
            asked: indices of the tokens to answer for, of this rank, which saves the outputs of the others. None: all.

        Raises:
            InputError: if an index is that of no token.
        """
        tokens = as_tokens(tokens)
        if asked is not None:
            check_indices(asked, tokens.length, "a token asked about")
            return self.output(rows_at(tokens.without_padding().features, asked))
        answers = self.output(tokens.without_padding().features)
        return answers if tokens.mask is None else zeroed(answers, tokens.mask[:, :, None])


class PairHead(Module):
    """One answer for each of the pairs asked about.

    ``Linear(GELU(Linear([x_i ⊙ x_j ; |x_i − x_j|])))``, the same for (i, j) and (j, i); for directed pairs
    ``Linear(GELU(Linear([x_i ; x_j ; x_i ⊙ x_j])))``.

    Args:
        width: d, of the tokens.
        outputs: numbers in an answer.
        directed: whether (i, j) and (j, i) are different questions.

    Raises:
        ValueError: if outputs < 1.
    """

    def __init__(self, width: int, outputs: int, *, directed: bool = False) -> None:
        super().__init__()
        if outputs < 1:
            raise ValueError(f"outputs is {outputs}, expected at least 1")
        self.directed = directed
        self.answer = nn.Sequential(nn.Linear((3 if directed else 2) * width, width), GELU(), nn.Linear(width, outputs))

    def forward(self, tokens: Tokens | Tensor, pairs: Int64[Tensor, "b p 2"]) -> Float[Tensor, "b p outputs"]:
        """One answer a pair.

        Args:
            tokens: from the encoder.
            pairs: indices of the two tokens of each, among those of all ranks if they share the tokens.

        Raises:
            InputError: if an index is that of no token.
        """
        tokens = as_tokens(tokens)
        check_indices(pairs, over_shards.total_length(tokens.length), "a pair")
        take = rows_at if current_shard() is None else over_shards.rows
        first, second = (take(tokens.features, pairs[..., place]) for place in (0, 1))
        if self.directed:
            return self.answer(torch.cat([first, second, first * second], dim=-1))
        return self.answer(torch.cat([first * second, (first - second).abs()], dim=-1))


HEADS: dict[str, type[nn.Module]] = {"sample": SampleHead, "token": TokenHead, "pair": PairHead}
"""The head for each level of targets, see `sampleformer.tasks.Task.level`."""
