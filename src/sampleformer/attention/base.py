"""The attention that all methods are combinations of, and the contract that it keeps."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sampleformer.attention.attending import attend, keys_of_choice, keys_of_slots, split_heads, with_learned
from sampleformer.attention.mixings import Keys, Mixing, ScoredMixing
from sampleformer.attention.projection import project_by_group
from sampleformer.attention.relative import Relative
from sampleformer.attention.samplers import Choice, Everything, NonFiniteScores, Sampler, Selection
from sampleformer.attention.sharded import check_sharded, joined_keys, placed
from sampleformer.attention.teaching import score_divergence
from sampleformer.distributed.over_shards import from_owners, owned_places, total_length
from sampleformer.errors import InputError
from sampleformer.kernels import check_kernel
from sampleformer.modules import Module, start_with
from sampleformer.norms import is_tokenwise, normalised
from sampleformer.tokens import Tokens, as_tokens, vectors_of_width

Noise: TypeAlias = tuple[Tensor | None, Tensor | None]
"""The random numbers of one training pass: the sampler's and the mixing's."""


class Attention(Module):
    """Multi-head attention put together from a sampler, a mixing and, for pairs, relative terms.

    The sampler chooses tokens of the context; keys and values are projected of those alone; the mixing combines the
    values for each query. What its users may rely on, whatever the parts: padding changes nothing, a fully masked row
    gives zeros, evaluation is deterministic, and all randomness of training is what `draw_noise` draws.

    Args:
        width: d, of the tokens.
        heads: h, must divide the width.
        sampler: chooses what the heads attend to; None: everything. Its groups must divide the heads.
        mixing: combines the values; None: softmax of the scaled dot product.
        relative: terms of the places of query and key that enter the scores; None: places do not matter.
        norm: applied to the features before the projections; None: the features are used as they are. The attention
            owns its norm because a sampler scores the features before it.
        bias: whether the projections have one.
        kernel: that projects what was chosen: ``"auto"``, ``"plain"`` or ``"triton"``, see `kernels.use_triton`. It
            knows RMSNorm and no norm; after another one the plain function projects, whatever the kernel.

    Attributes:
        taught_by: Number of tokens that teach the scorer in training, see `attention.teaching`; 0: none does. A
            training sets it, and asks for the selection, which carries what the scorer is to learn.

    Raises:
        ValueError: if the width or the heads are not positive, the heads do not divide the width, the groups do not
            divide the heads, the parts do not go together, or the kernel is unknown.

    Example:
        >>> from sampleformer.attention import ImportanceSampler, ScoredMixing
        >>> sampler = ImportanceSampler(8, groups=1, sampled=3)
        >>> attention = Attention(8, 2, sampler=sampler, mixing=ScoredMixing("maxout", "leaky_softmax"))
        >>> attention(Tokens(torch.zeros(1, 5, 8))).shape
        torch.Size([1, 5, 8])
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        sampler: Sampler | None = None,
        mixing: Mixing | None = None,
        relative: Relative | None = None,
        norm: nn.Module | None = None,
        bias: bool = True,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        check_kernel(kernel)
        check_heads(width, heads)
        self.width = width
        self.heads = heads
        self.kernel = kernel
        self.taught_by = 0
        self.norm = norm if norm is not None else nn.Identity()
        self.sampler = sampler if sampler is not None else Everything()
        self.mixing = mixing if mixing is not None else ScoredMixing()
        self.relative = relative
        _check_parts(heads, self.sampler, self.mixing, relative)
        self.query = nn.Linear(width, width, bias=bias)
        self.key_value = nn.Linear(width, 2 * width, bias=bias)
        self.leak = nn.Linear(width, heads) if self.mixing.leaks else None
        self.output = nn.Linear(width, width, bias=bias)
        if self.mixing.standardised:
            for projection in (self.query, self.key_value):
                start_with(projection, standardised)
        if self.sampler.extra:
            carried = self._carried * heads // self.sampler.groups
            self.extra_key_value = nn.Parameter(torch.empty(self.sampler.groups, self.sampler.extra, carried))
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        if self.sampler.extra:
            nn.init.normal_(self.extra_key_value)

    @property
    def _carried(self) -> int:
        """Numbers that a chosen token has for one head: its key, its value and perhaps its leak logit."""
        return 2 * self.width // self.heads + int(self.mixing.leaks)

    @property
    def selects(self) -> bool:
        """Whether a token attends to some of the tokens only, which the sampler chooses."""
        return self.sampler.selects

    @property
    def order_sensitive(self) -> bool:
        """Whether the result depends on the order of tokens that have no `positions`, beside what they carry.

        False: permuted tokens give the permuted result.
        """
        return self.mixing.order_sensitive or (self.relative is not None and self.relative.order_sensitive)

    @property
    def self_only(self) -> bool:
        """Whether it is self-attention alone, with no use for another context."""
        return self.mixing.self_only

    def draw_noise(
        self,
        tokens: Tokens | Tensor,
        context: Tokens | Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Noise | None:
        """The random numbers of one training pass; None if the method needs none.

        Args:
            tokens: what will attend.
            context: what will be attended to; None: the tokens themselves.
            generator: source of randomness; None: torch's global one.
        """
        tokens = as_tokens(tokens)
        of_sampler = self.sampler.draw_noise(tokens if context is None else as_tokens(context), generator)
        of_mixing = self.mixing.draw_noise(tokens, generator)
        return None if of_sampler is None and of_mixing is None else (of_sampler, of_mixing)

    def forward(
        self,
        tokens: Tokens | Tensor,
        context: Tokens | Tensor | None = None,
        *,
        noise: Noise | None = None,
        return_selection: bool = False,
    ) -> Float[Tensor, "b n d"] | tuple[Float[Tensor, "b n d"], Selection]:
        """Attends.

        Args:
            tokens: the queries, features ``(b, n, d)``. A tensor stands for tokens of which none is padding.
            context: what they attend to; None: the tokens themselves.
            noise: from `draw_noise`, used in training only; None: drawn here.
            return_selection: also say which tokens each head attended to.

        Returns:
            One vector a token, zero at masked tokens and where there is nothing to attend to.

        Raises:
            InputError: if the features are no vectors of the width, the context is of another batch, or another context
                than the tokens themselves is given to an attention that is `self_only`.
            NonFiniteScores: if the sampler's scores are NaN or infinite.
        """
        tokens, context = self._asked(tokens, context)
        check_sharded(self.sampler, self.mixing, self.relative)
        if self.training and noise is None:
            noise = self.draw_noise(tokens, context)
        of_sampler, of_mixing = noise if self.training and noise is not None else (None, None)
        try:
            choice = self.sampler(context, of_sampler)
        except NonFiniteScores as error:
            error.heads = self.heads
            raise
        terms = None if self.relative is None else self.relative.of_choice(tokens, *placed(context, choice))
        norm: Callable[[Tensor], Tensor] = self.norm
        scored = context
        same = context is tokens
        # It must see every token at once; or each is both asked and asked about, and its gradient costs much.
        if not is_tokenwise(self.norm) or (self.training and same):
            tokens = normalised(self.norm, tokens)
            context = tokens if same else normalised(self.norm, context)
            norm = nn.Identity()
        if self.training and self.taught_by and return_selection and choice.scores is not None:
            divergence = score_divergence(self, norm, scored, tokens, context)
            choice = replace(choice, scores=replace(choice.scores, divergence=divergence))
        keys = self._project(norm, context, choice)
        result = attend(
            self.mixing,
            keys,
            tokens,
            project=lambda features: self.query(norm(features)),
            output=self.output,
            terms=terms,
            noise=of_mixing,
        )
        return (result, choice.selection(self.heads)) if return_selection else result

    def _asked(self, tokens: Tokens | Tensor, context: Tokens | Tensor | None) -> tuple[Tokens, Tokens]:
        """Queries, and what they attend to, as tokens of the width; the same object where both are the same."""
        given = None if context is tokens else context
        queries = vectors_of_width(tokens, self.width).without_padding(edges=False)
        if given is None:
            return queries, queries
        if self.self_only:
            raise InputError(
                f"context is given, expected None: {type(self).__name__} ({type(self.mixing).__name__}) attends to the "
                "tokens themselves alone"
            )
        attended = vectors_of_width(given, self.width, "context").without_padding(edges=False)
        if attended.batch != queries.batch:
            raise InputError(
                f"context has {attended.batch} sets of tokens, expected {queries.batch}, as the tokens have"
            )
        return queries, attended

    def _project(self, norm: Callable[[Tensor], Tensor], context: Tokens, choice: Choice) -> Keys:
        """Keys, values and perhaps leak logits of what the sampler chose."""
        if not self.sampler.selects:
            features = norm(context.features)
            key, value = (split_heads(each, self.heads) for each in self.key_value(features).chunk(2, dim=-1))
            sink = None if self.leak is None else self.leak(features).transpose(1, 2)
            keys = keys_of_slots(choice, key, value, sink)
            return keys if self.mixing.sharded else joined_keys(keys)
        candidates = self.project_candidates(norm, context, choice.indices)
        return keys_of_choice(choice, candidates, self.heads, leaks=self.leak is not None)

    def project_candidates(self, norm: Callable[[Tensor], Tensor], context: Tokens, indices: Tensor) -> Tensor:
        """Each group's slice of the projections, for the tokens that this group chose: (b, g, m, carried h / g)."""
        length = context.length
        own, owned = owned_places(indices, length)
        known = own.clamp(max=max(length, 1) - 1)
        # Where there are learned tokens alone, something must stand in the place of the others.
        features = context.features if length else F.pad(context.features, (0, 0, 0, 1))
        layers = (self.key_value, self.leak)
        candidates = project_by_group(norm, features, known, *layers, heads=self.heads, kernel=self.kernel)
        candidates = from_owners(candidates, owned)
        if not self.sampler.extra:
            return candidates
        return with_learned(candidates, self.extra_key_value, indices, total_length(length))

    def extra_repr(self) -> str:
        return f"width={self.width}, heads={self.heads}"


def standardised(projection: nn.Linear) -> None:
    """Queries and keys of mean 0 and variance 1, from tokens that have these; values as torch has them.

    Torch's linear layers start with a variance of a third, which moves a sum of maxima by several of its standard
    deviations: hardly a score would be above zero, and what relu cuts off learns nothing.
    """
    width = projection.in_features
    standardised_(projection.weight[:width], None if projection.bias is None else projection.bias[:width])


def standardised_(weight: Tensor, bias: Tensor | None) -> None:
    """Starts the rows of queries or of keys in place, see `standardised`."""
    nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
    if bias is not None:
        nn.init.zeros_(bias)


def check_heads(width: int, heads: int) -> None:
    """Refuses, with a ValueError, a width and a number of heads that do not go together."""
    for name, value in (("width", width), ("heads", heads)):
        if value < 1:
            raise ValueError(f"{name} is {value}, expected at least 1")
    if width % heads:
        raise ValueError(f"heads is {heads}, expected a divisor of width = {width}")


def _check_parts(heads: int, sampler: Sampler, mixing: Mixing, relative: Relative | None) -> None:
    if heads % sampler.groups:
        raise ValueError(f"the sampler's groups is {sampler.groups}, expected a divisor of heads = {heads}")
    if relative is None:
        return
    if not mixing.relates:
        raise ValueError(f"relative is {type(relative).__name__}, but {type(mixing).__name__} takes no relative terms")
    if sampler.extra:
        raise ValueError(f"extra is {sampler.extra}, expected 0 with relative terms: extra tokens have no place")
    if relative.heads != heads:
        raise ValueError(f"relative is made for {relative.heads} heads, expected heads = {heads}")
