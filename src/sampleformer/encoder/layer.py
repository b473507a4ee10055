"""One layer: attention, token-wise branch, norms and residuals."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sampleformer.attention import Attention, Noise, Selection
from sampleformer.attention.together import attended_together, attends_together
from sampleformer.distributed.over_shards import agreed
from sampleformer.distributed.streams import in_turn
from sampleformer.dropout import Dropout
from sampleformer.encoder.norming import first_norm, norms_over
from sampleformer.joined import Joined
from sampleformer.modules import Module
from sampleformer.norms import normalised
from sampleformer.tokens import Tokens, as_tokens


class EncoderLayer(Module):
    """``x ← x + r·(attention(x) + local(x))``, then ``x ← x + r·feed_forward(x)``.

    With pre-norm the branches own their norms; with post-norm there are none in them, and each sum is normalised.

    Args:
        attention: Any attention. None: the layer has its local part alone.
        feed_forward: the token-wise branch.
        local: Module whose result is added to the attention's: what is near, by one of `attention.LOCALS`, beside a
            sample of what is far. It takes `Tokens`, returns features and draws no noise. None: there is none.
        attention_norm: applied to the sum with the attention. None: nothing is, as in pre-norm.
        feed_forward_norm: applied to the sum with the token-wise branch. None: nothing is, as in pre-norm.
        dropout: share of each branch's features set to zero in training.
        stochastic_depth: probability that a sample skips a branch in training.

    Raises:
        ValueError: if a probability is outside [0, 1), or there is neither an attention nor a local part.
    """

    def __init__(
        self,
        attention: Attention | None,
        feed_forward: nn.Module,
        *,
        local: nn.Module | None = None,
        attention_norm: nn.Module | None = None,
        feed_forward_norm: nn.Module | None = None,
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= stochastic_depth < 1:
            raise ValueError(f"stochastic_depth is {stochastic_depth}, expected at least 0 and less than 1")
        if attention is None and local is None:
            raise ValueError("attention and local are None, expected at least one of them")
        self.attention: Attention | None = attention
        self.feed_forward = feed_forward
        self.local: nn.Module | None = local
        self.attention_norm: nn.Module | None = attention_norm
        self.feed_forward_norm: nn.Module | None = feed_forward_norm
        self.dropout = Dropout(dropout)
        self.stochastic_depth = stochastic_depth

    def forward(
        self,
        tokens: Tokens | Tensor,
        residual_scale: Float[Tensor, ""],
        *,
        noise: Noise | None = None,
        return_selection: bool = False,
    ) -> Tokens | tuple[Tokens, Selection | None]:
        """Runs the layer.

        Args:
            tokens: Features ``(b, n, d)``. A tensor stands for tokens of which none is padding.
            residual_scale: r.
            noise: Random numbers of the attention, used in training only. None: drawn there.
            return_selection: Whether to return what each head attended to, too; None where there is no attention.
        """
        tokens, selection = self._with_others(as_tokens(tokens), residual_scale, noise, return_selection)
        tokens = self._alone(normalised(self.attention_norm, tokens), residual_scale)
        tokens = normalised(self.feed_forward_norm, tokens)
        return (tokens, selection) if return_selection else tokens

    def together(self, joined: Joined, residual_scale: Float[Tensor, ""]) -> Joined:
        """Runs the layer on the chunks of one batch; batch norms see the tokens of all of them.

        Args:
            joined: Tokens of all chunks.
            residual_scale: r.
        """
        branches = [_beside(part, joined) for part in (self.attention, self.local) if part is not None]
        mixed = self._add(joined.tokens, residual_scale, sum_of(branches), joined)
        fed = self._alone(normalised(self.attention_norm, mixed), residual_scale, joined)
        return joined.with_features(normalised(self.feed_forward_norm, fed).features)

    def _with_others(
        self, tokens: Tokens, residual_scale: Tensor, noise: Noise | None = None, return_selection: bool = False
    ) -> tuple[Tokens, Selection | None]:
        """The sum with the attention and the local part."""
        selection = None
        branches: list[Tensor] = []
        if self.attention is not None:
            attended = self.attention(tokens, noise=noise, return_selection=return_selection)
            attended, selection = attended if return_selection else (attended, None)
            branches.append(attended)
        if self.local is not None:
            branches.append(self.local(tokens))
        return self._add(tokens, residual_scale, sum_of(branches)), selection

    def _alone(self, tokens: Tokens, residual_scale: Tensor, joined: Joined | None = None) -> Tokens:
        """The sum with the token-wise branch."""
        # Other modules than ours may be token-wise branches, and take nothing but features.
        masks = (tokens.mask,) if getattr(self.feed_forward, "takes_mask", False) else ()
        return self._add(tokens, residual_scale, self.feed_forward(tokens.features, *masks), joined)

    def _add(self, tokens: Tokens, residual_scale: Tensor, branch: Tensor, joined: Joined | None = None) -> Tokens:
        branch = self.dropout(branch)
        if self.training and self.stochastic_depth:
            keep = 1 - self.stochastic_depth
            chunks = [tokens] if joined is None else in_turn(joined.chunks)
            kept = torch.cat([branch.new_empty(each.batch, 1, 1).bernoulli_(keep) for each in chunks]).div(keep)
            kept = agreed(kept)
            branch = branch * (kept if joined is None else kept[joined.samples].transpose(0, 1))
        # Never in place of the branch, which a hook may have kept.
        return tokens.with_features(torch.addcmul(tokens.features, residual_scale.to(branch.dtype), branch))


def sum_of(branches: Sequence[Tensor]) -> Tensor:
    """The sum of one branch or two."""
    return branches[0] if len(branches) == 1 else branches[0] + branches[1]


def _beside(part: nn.Module, joined: Joined) -> Tensor:
    """What an attention or a local part makes of the tokens of all chunks, ``(1, N, d)``."""
    if getattr(part, "along_edges", False):  # no edge leads from one sample to another
        found: Tensor = part(joined.tokens)
        return found
    if attends_together(part, joined):
        return attended_together(part, joined)
    with norms_over([joined.tokens], first_norm(part)):
        return joined.join([part(tokens) for tokens in in_turn(joined.apart())])
