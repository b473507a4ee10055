"""YOSO: attention whose weights are collisions of sign hashes, in expectation and sampled through tables."""

from sampleformer.functional.bernoulli.codes import pack_signs, sign_codes, unit_length
from sampleformer.functional.bernoulli.expected import collision_probability, expected_attention
from sampleformer.functional.bernoulli.planes import (
    gaussian_planes,
    hadamard_planes,
    hadamard_projection,
    hadamard_signs,
    hadamard_transform,
)
from sampleformer.functional.bernoulli.sampled import bernoulli_attention, collision_attention

__all__ = [
    "bernoulli_attention",
    "collision_attention",
    "collision_probability",
    "expected_attention",
    "gaussian_planes",
    "hadamard_planes",
    "hadamard_projection",
    "hadamard_signs",
    "hadamard_transform",
    "pack_signs",
    "sign_codes",
    "unit_length",
]
