"""What ``config.json`` of a Hugging Face YOSO says."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from sampleformer.settings import Settings

Positive = Annotated[int, Field(ge=1)]

# What the writer of a file says of itself and of the precision; the next writer would say it wrongly.
_OF_THE_WRITER = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


class YosoBertConfig(Settings):
    """Settings of a `YosoBert`, under the names and with the defaults of transformers' ``YosoConfig``.

    Settings that change no hidden state (token ids, names of labels, …) are kept and written back as they are.

    Args:
        vocab_size: number of codes.
        hidden_size: d, of the tokens.
        num_hidden_layers: depth.
        num_attention_heads: h; must divide d.
        intermediate_size: width inside the token-wise branch.
        hidden_act: ``"gelu"``; nothing else is built here.
        hidden_dropout_prob: of the embedding and of each branch, in training.
        max_position_embeddings: the longest sequence.
        type_vocab_size: number of token types.
        initializer_range: standard deviation of new weights.
        layer_norm_eps: added to the variance in every norm.
        use_expectation: whether the attention is the expectation, whatever ``num_hash`` says.
        hash_code_len: τ, bits of a hash code, 1 to 16.
        num_hash: m, hashes.
        conv_window: odd window of the convolution over the values; None: there is none.
        use_fast_hash: hashes by Hadamard transforms; False: by Gaussian planes.
        lsh_backward: gradients of queries and keys by the same collisions; False: by the probabilities.
        pad_token_id: code whose vector is zero at the start and does not learn; None: there is none.
        model_type: ``"yoso"``.
        position_embedding_type: ``"absolute"``; nothing else is built here.

    Example:
        >>> YosoBertConfig(hidden_size=64, num_attention_heads=2).hash_code_len
        9
    """

    model_config = ConfigDict(extra="allow", frozen=True, validate_default=True)

    model_type: str = "yoso"
    vocab_size: Positive = 50265
    hidden_size: Positive = 768
    num_hidden_layers: Positive = 12
    num_attention_heads: Positive = 12
    intermediate_size: Positive = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: Annotated[float, Field(ge=0, lt=1)] = 0.1
    max_position_embeddings: Positive = 4096
    position_embedding_type: str = Field(default="absolute", exclude=True)
    type_vocab_size: Positive = 1
    initializer_range: Annotated[float, Field(ge=0)] = 0.02
    layer_norm_eps: Annotated[float, Field(gt=0)] = 1e-12
    use_expectation: bool = True
    hash_code_len: Annotated[int, Field(ge=1, le=16)] = 9
    num_hash: Positive = 64
    conv_window: Positive | None = None
    use_fast_hash: bool = True
    lsh_backward: bool = True
    pad_token_id: int | None = 1

    @field_validator("model_type")
    @classmethod
    def _is_yoso(cls, value: str) -> str:
        if value != "yoso":
            raise ValueError("only 'yoso' is read here, other models have other layers")
        return value

    @field_validator("hidden_act")
    @classmethod
    def _is_gelu(cls, value: str) -> str:
        if value != "gelu":
            raise ValueError("only 'gelu' is built here, another function would give other numbers")
        return value

    @field_validator("position_embedding_type")
    @classmethod
    def _is_absolute(cls, value: str) -> str:
        if value != "absolute":
            raise ValueError("only 'absolute' is built here: one learned vector for each place, added to the words")
        return value

    @field_validator("num_attention_heads")
    @classmethod
    def _divides_the_width(cls, value: int, info: ValidationInfo) -> int:
        width = info.data.get("hidden_size", 0)
        if width % value:
            raise ValueError(f"expected a divisor of hidden_size = {width}")
        return value

    @field_validator("conv_window")
    @classmethod
    def _is_odd(cls, value: int | None) -> int | None:
        if value is not None and value % 2 == 0:
            raise ValueError("expected an odd window, an even one gives another number of tokens")
        return value

    @field_validator("pad_token_id")
    @classmethod
    def _is_in_the_vocabulary(cls, value: int | None, info: ValidationInfo) -> int | None:
        codes = info.data.get("vocab_size")
        if value is not None and codes is not None and not 0 <= value < codes:
            raise ValueError(f"expected a code below vocab_size = {codes}, or null")
        return value

    def as_json(self) -> dict[str, Any]:
        """What a ``config.json`` says, that transformers' ``YosoModel`` reads."""
        kept = {name: value for name, value in self.model_dump().items() if name not in _OF_THE_WRITER}
        return {"architectures": ["YosoModel"], **kept}
