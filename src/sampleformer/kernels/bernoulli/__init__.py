"""YOSO in Triton: hash codes, sums over collisions and their gradients, without a matrix of pairs."""

from sampleformer.kernels.bernoulli.attention import collision_attention
from sampleformer.kernels.bernoulli.codes import hadamard_codes
from sampleformer.kernels.bernoulli.expected import expected_attention

__all__ = ["collision_attention", "expected_attention", "hadamard_codes"]
