"""Sequences: codes or numbers, with their positions."""

import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from sampleformer.distributed import over_shards
from sampleformer.embed.fields import codes, numbers
from sampleformer.errors import InputError, nearest
from sampleformer.modules import Module, is_plain, start_with
from sampleformer.tokens import Tokens, as_tokens
from sampleformer.zeroing import zeroed

POSITIONS = ("learned", "none", "sinusoidal")
PLAIN_SCALE = 0.02


class SequenceEmbed(Module):
    """A vector for each code, or a linear map of the numbers; or, as published, through a hidden layer. Plus positions.

    With a hidden layer, one-hot codes or numbers → hidden → GELU → width; for codes it runs once for each word of the
    vocabulary and the tokens look their row up: the same numbers as running it for each token, at a fraction of the
    cost. A vocabulary of words then has ``hidden`` parameters a word, which few texts can train.

    Args:
        width: d, of the model.
        vocabulary: number of codes; give this or features.
        features: numbers that each token carries.
        length: number of tokens, if the data has a fixed one: columns of a table, pixels of an image.
        hidden: width of the hidden layer, 1024 as published. None, the default: no layer between. Vectors of codes, and
            positions beside them, then start at a scale of 0.02, as BERT's do: small steps of the optimizer change
            them quickly, and sinusoids are scaled down to them, since those of amplitude 1 would drown them.
        gaps: Whether a number may be missing, NaN, of tokens of one number each. It then counts as 0, and a learned
            vector of its place is added, which starts at 0.
        positions: ``"sinusoidal"``; ``"learned"``, one vector for each place, which needs a length; ``"none"``; or
            ``"auto"``: learned where there is a length, because there each place has a meaning of its own.

    Raises:
        ValueError: if not exactly one of vocabulary and features is given, a size is not positive, positions is
            unknown, or positions or gaps are learned without a length; when it runs, if there are more tokens than
            learned positions.

    Source: SAMSA (arXiv 2408.05391), section 4; positions: Vaswani et al. 2017 (arXiv 1706.03762), section 3.5.

    Example:
        >>> SequenceEmbed(8, vocabulary=256)(Tokens(torch.tensor([[72, 105]]))).features.shape
        torch.Size([1, 2, 8])
    """

    edge_features = None
    """Its tokens have no edges."""

    example: ClassVar[dict[str, Any]] = {"features": 1}
    """What the data may say of its tokens, to check settings before the data is read."""

    def __init__(
        self,
        width: int,
        *,
        vocabulary: int | None = None,
        features: int | None = None,
        length: int | None = None,
        hidden: int | None = None,
        positions: str = "auto",
        gaps: bool = False,
    ) -> None:
        super().__init__()
        if (vocabulary is None) == (features is None):
            raise ValueError(f"vocabulary is {vocabulary} and features is {features}, expected exactly one of them")
        inputs = vocabulary if vocabulary is not None else features
        if min(width, 1 if hidden is None else hidden, inputs or 0) < 1:
            raise ValueError(f"width, hidden and inputs are {width}, {hidden}, {inputs}, expected at least 1 each")
        if positions == "auto":
            positions = "sinusoidal" if length is None else "learned"
        if positions not in POSITIONS:
            raise ValueError(f"positions is {positions!r}; {nearest(positions, ['auto', *POSITIONS])}")
        if positions == "learned" and (length is None or length < 1):
            raise ValueError(f"positions is 'learned' and length is {length}, expected a length of at least 1")
        if gaps and (features != 1 or not length):
            raise ValueError(f"gaps is True, features is {features} and length is {length}, expected 1 and a length")
        self.width = width
        self.vocabulary = vocabulary
        self.features = features or 0
        self.length = length or 0
        self.positions = positions
        # As large as the vectors of codes beside them: the root mean square of a sinusoid is √½.
        self.position_scale = math.sqrt(2) * PLAIN_SCALE if vocabulary is not None and hidden is None else 1.0
        first = width if hidden is None else hidden
        self.enter = nn.Embedding(vocabulary, first) if vocabulary is not None else nn.Linear(features or 0, first)
        self.project = None if hidden is None else nn.Linear(hidden, width)
        self.places = nn.Embedding(length, width) if positions == "learned" and length else None
        self.gaps = nn.Embedding(length, width) if gaps and length else None
        if self.gaps is not None:
            start_with(self.gaps, _at_zero)
        if hidden is None:
            for table in (self.enter, self.places):
                if isinstance(table, nn.Embedding):
                    start_with(table, small)

    def forward(self, tokens: Tokens | Tensor) -> Tokens:
        """Tokens of the model's width; padding holds zeros. A tensor stands for tokens of which none is padding.

        Raises:
            InputError: if the tokens hold no codes of the vocabulary, another number of features, or places that were
                not learned.
        """
        tokens = as_tokens(tokens)
        raw = tokens.without_padding().features
        missing = None if self.gaps is None else raw.isnan()
        features = self._features(raw if missing is None else raw.masked_fill(missing, 0))
        if missing is not None:
            features = features + self._of_gaps(tokens) * missing.to(features.dtype)
        features = features + self._positions(tokens).to(features.dtype)
        if tokens.mask is not None:
            features = zeroed(features, tokens.mask[:, :, None])
        return tokens.with_features(features)

    def _features(self, raw: Tensor) -> Tensor:
        if self.vocabulary is None:
            return self._to_width(self.enter(numbers(raw, "features", self.features)))
        looked_up = codes(raw, [self.vocabulary])
        if self.project is None:
            return self._to_width(self.enter(looked_up))
        if is_plain(self.enter, nn.Embedding):
            entered = self.enter.weight
        else:
            entered = self.enter(torch.arange(self.vocabulary, device=raw.device))
        return F.embedding(looked_up, self._to_width(entered))

    def _to_width(self, entered: Tensor) -> Tensor:
        return entered if self.project is None else self.project(F.gelu(entered))

    def _of_gaps(self, tokens: Tokens) -> Tensor:
        assert self.gaps is not None
        return self.gaps(self._known_places(tokens))

    def _known_places(self, tokens: Tokens) -> Tensor:
        """Places of tokens, each below the length."""
        total = over_shards.total_length(tokens.length) if tokens.positions is None else 0
        if total > self.length:
            raise InputError(f"there are {total} tokens, but the model learned {self.length} positions")
        return codes(_places(tokens), [self.length], "position")

    def _positions(self, tokens: Tokens) -> Tensor:
        if self.places is not None:
            return self.places(self._known_places(tokens))
        places = _places(tokens)
        if self.positions == "sinusoidal":
            return sinusoidal_positions(places, self.width) * self.position_scale
        return places.new_zeros(())

    def extra_repr(self) -> str:
        return f"width={self.width}, vocabulary={self.vocabulary}, positions={self.positions}"


def _places(tokens: Tokens) -> Tensor:
    if tokens.positions is not None:
        return tokens.positions
    return over_shards.places(tokens.length, tokens.features.device)[None]


def _at_zero(table: nn.Embedding) -> None:
    nn.init.zeros_(table.weight)


def small(table: nn.Embedding) -> None:
    """Vectors as small as BERT's."""
    nn.init.normal_(table.weight, std=PLAIN_SCALE)


def sinusoidal_positions(positions: Num[Tensor, "b n"], width: int) -> Float[Tensor, "b n d"]:
    """``sin(p / 10000^(2i/d))`` and ``cos`` of the same, side by side.

    Args:
        positions: p, in tokens.
        width: d; if it is odd, the last cosine is left out.

    Example:
        >>> sinusoidal_positions(torch.tensor([[0]]), 4)
        tensor([[[0., 0., 1., 1.]]])
    """
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half, device=positions.device) * (-2 * math.log(10_000.0) / width))
    angles = positions[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :width]
