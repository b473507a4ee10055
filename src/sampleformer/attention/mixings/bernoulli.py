"""YOSO's mixing: each pair has a weight with the probability that both get the same hash code."""

import torch
from torch import Tensor, nn

from sampleformer.attention.mixings.base import Mixing
from sampleformer.attention.mixings.records import Keys, Queries
from sampleformer.attention.samplers.base import noise_dtype
from sampleformer.distributed.over_shards import agreed, with_halo
from sampleformer.distributed.token_shards import current_shard, refuse_shards
from sampleformer.errors import nearest
from sampleformer.functional.bernoulli import gaussian_planes, hadamard_signs, sign_codes, unit_length
from sampleformer.kernels import check_kernel
from sampleformer.kernels.bernoulli import collision_attention, expected_attention, hadamard_codes
from sampleformer.tokens import Tokens

HASHINGS = ("gaussian", "hadamard")
GRADIENTS = ("sampled", "exact")
LONGEST_CODE = 16


class BernoulliMixing(Mixing):
    """``out_i = normalize(Σ_j c_ij v_j)`` with ``c_ij = (1 − arccos(q_i·k_j) / π)^τ``, estimated by m hashes.

    Queries and keys get unit length, and so does the result. A τ-bit sign hash of both collides with the probability
    c_ij, so the mean over m hashes of ``Σ_j [hash(q_i) = hash(k_j)] v_j`` estimates the sum, in O(n·m). Training draws
    hashes for each pass; evaluation uses fixed ones that are saved with the weights.

    Args:
        heads: h.
        width: e, of a head.
        hashes: m; None: the expectation itself, O(n²) in time.
        code_length: τ, bits of a code, 1 to 16.
        hashing: ``"gaussian"``: independent planes; ``"hadamard"``: three rounds of random signs and a Hadamard
            transform, of nearly the same distribution.
        gradient: of queries and keys, ``"sampled"``: by the same collisions; ``"exact"``: by the probabilities, O(n²).
        convolution: odd window of a learned depthwise convolution over the values along the sequence, one kernel for
            each head, which is added to the result (YOSO-C). None: there is none, and order does not matter.
        kernel: ``"auto"``: Triton's kernels where they can run; ``"plain"``: never; ``"triton"``: always.
        deterministic: False lets the kernels add with atomics, in any order, which is faster; the same input then gives
            results that differ by rounding.

    Raises:
        ValueError: if an argument is outside what it allows, naming it.

    Source: YOSO (arXiv 2111.09714), sections 3 and 4. Unlike the published code, it runs on CPUs too.

    Example:
        >>> query, key, value = torch.randn(3, 1, 2, 5, 4)
        >>> BernoulliMixing(heads=2, width=4, hashes=8)(Queries(query), Keys(key, value)).shape
        torch.Size([1, 2, 5, 4])
    """

    blockwise = False
    sharded = True
    random: Tensor

    def __init__(
        self,
        heads: int,
        width: int,
        *,
        hashes: int | None = 16,
        code_length: int = 9,
        hashing: str = "gaussian",
        gradient: str = "sampled",
        convolution: int | None = None,
        kernel: str = "auto",
        deterministic: bool = True,
    ) -> None:
        super().__init__()
        check_kernel(kernel)
        if hashes is not None and hashes < 1:
            raise ValueError(f"hashes is {hashes}, expected at least 1, or None for the expectation")
        if not 1 <= code_length <= LONGEST_CODE:
            raise ValueError(f"code_length is {code_length}, expected 1 to {LONGEST_CODE}")
        for argument, name, known in (("hashing", hashing, HASHINGS), ("gradient", gradient, GRADIENTS)):
            if name not in known:
                raise ValueError(f"{argument} is {name!r}; {nearest(name, known)}")
        if convolution is not None and (convolution < 1 or convolution % 2 == 0):
            raise ValueError(f"convolution is {convolution}, expected an odd window of at least 1, or None")
        self.width = width
        self.hashes = hashes
        self.code_length = code_length
        self.hashing = hashing
        self.gradient = gradient
        self.kernel = kernel
        self.deterministic = deterministic
        self.convolution = None
        self.reach = 0 if convolution is None else convolution // 2
        if convolution is not None:
            padding = (convolution // 2, 0)
            self.order_sensitive = self.self_only = True
            self.convolution = nn.Conv2d(heads, heads, (convolution, 1), padding=padding, groups=heads, bias=False)
        if hashes is not None:
            self.register_buffer("random", self._draw(None, None, torch.float32))

    def _reset_own_parameters(self) -> None:
        if self.hashes is not None:
            self.random.copy_(self._draw(None, self.random.device, self.random.dtype))

    def draw_noise(self, tokens: Tokens, generator: torch.Generator | None = None) -> Tensor | None:
        """What the planes of one pass are made of, shared by the batch and the heads; None for the expectation."""
        if self.hashes is None:
            return None
        return agreed(self._draw(generator, tokens.features.device, noise_dtype(tokens.features)))

    def _draw(self, generator: torch.Generator | None, device: torch.device | None, dtype: torch.dtype) -> Tensor:
        assert self.hashes is not None
        draw = gaussian_planes if self.hashing == "gaussian" else hadamard_signs
        return draw(self.hashes, self.width, self.code_length, generator=generator, device=device, dtype=dtype)

    def forward(
        self,
        queries: Queries,
        keys: Keys,
        bias: tuple[Tensor, Tensor] | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Mixes, see `Mixing.forward`."""
        query, key, value, valid = queries.q, keys.k, keys.v, keys.valid
        if self.hashes is None or self.gradient == "exact":
            refuse_shards(f"hashes = {self.hashes} with gradient {self.gradient!r}, which looks at all pairs")
        if keys.weights is not None:  # the result gets unit length, so what counts are the values in the sum
            value = value * keys.weights[..., None].to(value.dtype)
        if self.hashes is None:
            unit = unit_length(query), unit_length(key)
            mixed = expected_attention(*unit, value, self.code_length, valid, kernel=self.kernel)
        else:
            mixed = self._sampled(query, key, value, valid, self.random if noise is None else noise)
        mixed = unit_length(mixed)
        return mixed if self.convolution is None else mixed + self._convolved(self.convolution, value, valid)

    def _sampled(self, query: Tensor, key: Tensor, value: Tensor, valid: Tensor | None, random: Tensor) -> Tensor:
        # On which side of a plane a vector lies does not depend on its length, which only the gradients need to be one.
        codes = self._codes(query, key, random)
        if torch.is_grad_enabled():
            query, key = unit_length(query), unit_length(key)
        return collision_attention(
            query,
            key,
            value,
            *codes,
            self.code_length,
            valid,
            gradient=self.gradient,
            kernel=self.kernel,
            deterministic=self.deterministic,
        )

    def _codes(self, query: Tensor, key: Tensor, random: Tensor) -> tuple[Tensor, Tensor]:
        if self.hashing == "gaussian":
            return sign_codes(query, random), sign_codes(key, random)
        assert self.hashes is not None
        return hadamard_codes(query, key, random, self.hashes, self.code_length, kernel=self.kernel)

    def _convolved(self, convolution: nn.Module, value: Tensor, valid: Tensor | None) -> Tensor:
        if value.shape[2] == 0 and current_shard() is None:  # torch convolves no empty sequence
            return value
        if valid is not None:
            value = value.masked_fill(~valid[..., None], 0)
        length = value.shape[2]
        value, own = with_halo(value, self.reach)
        convolved: Tensor = convolution(value)
        return convolved[:, :, own] if value.shape[2] > length else convolved

    def extra_repr(self) -> str:
        how = f"kernel={self.kernel}" if self.deterministic else f"kernel={self.kernel}, deterministic=False"
        hashes = f"hashes={self.hashes}, code_length={self.code_length}, hashing={self.hashing}"
        return f"{hashes}, gradient={self.gradient}, {how}"
