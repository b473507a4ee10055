"""Settings of the transformer of this package."""

from sampleformer.models.base import AnyModelSettings
from sampleformer.settings import Component


class ModelSettings(AnyModelSettings):
    """What a recipe says of the model; what depends on the data is given to `TokenModel` beside it.

    Args:
        name: "transformer".
        width: d, of the tokens inside the model.
        layers: depth.
        heads: of the attention; must divide the width.
        feedforward: width inside the token-wise branch.
        attention: name and arguments of the attention; in a recipe ``auto``, see `attention.auto.choose_attention`.
            Beside them ``layers: [1, 3]`` or ``layers: every second``: the layers that have it, counted from 1; the
            others have `local` alone. ``layers: []``: all of them have.
        embed: name and arguments of the embedding.
        pooling: ``attention``, ``mean`` or ``max``.
        dropout: of the branches and inside the token-wise branch.
        stochastic_depth: probability that a sample skips a branch.
        residual_scale: where the learned scale of the branches starts; 0 as published for SAMSA, 1 as in a plain
            pre-norm transformer.
        local: Name and arguments of the local part beside the attention, one of `attention.LOCALS`: ``{name: window,
            window: 8}``, ``{name: edges}``. None: there is none.
        norm: ``rms``, ``layer`` or ``batch``.
        norm_position: ``pre`` (at the start of each branch and at the end) or ``post`` (after each sum).
        beside: Name and settings of other models of `MODELS`, whose outputs are added: ``[{name: bag, ngrams: 2}]``.
            None: ``mlp`` where the data has descriptors, which the tokens do not carry.
    """

    name: str = "transformer"
    width: int = 128
    layers: int = 4
    heads: int = 8
    feedforward: int = 512
    attention: Component = Component(name="samsa")
    embed: Component = Component(name="sequence")
    pooling: str = "attention"
    dropout: float = 0.0
    stochastic_depth: float = 0.0
    residual_scale: float = 0.0
    local: Component | None = None
    norm: str = "rms"
    norm_position: str = "pre"
    beside: tuple[Component, ...] | None = None
