"""The package's own operators, written with those of ONNX."""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch.export import ExportedProgram

from sampleformer.errors import InputError

_BOOL = 9  # of onnx.TensorProto
_NAMESPACE = "sampleformer"
_OF_SAMPLED_HASHES = ("sign_codes", "bernoulli_attention")


def onnx_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Our operators in ONNX: what `torch.onnx.export` takes as ``custom_translation_table``.

    Returns:
        For each operator a function that builds it of those of ONNX. Needs the package onnxscript.
    """
    from onnxscript import opset18

    op: Any = opset18

    def ordered_topk(scores: Any, k: Any) -> Any:
        # ONNX promises the lower index first among equal values, which torch.topk does not.
        count = op.Reshape(k, op.Constant(value_ints=[-1]))
        _, indices = op.TopK(scores, count, axis=-1, largest=1, sorted=1)
        return indices

    def nearest_neighbours(coordinates: Any, k: int, mask: Any = None) -> Any:
        # Minus the squared distances of all pairs, added up as in the model; of fewer than k others the rest is −∞.
        axes = op.Split(coordinates, axis=2, num_outputs=coordinates.shape[2])
        steps = [op.Sub(x, op.Transpose(x, perm=[0, 2, 1])) for x in axes]
        closeness = op.Neg(functools.reduce(op.Add, [op.Mul(step, step) for step in steps]))
        never = op.Constant(value_float=-math.inf)
        length = op.Shape(coordinates, start=1, end=2)
        itself = op.EyeLike(op.Expand(never, op.Concat(length, length, axis=0)))
        closeness = op.Where(op.Cast(itself, to=_BOOL), never, closeness)
        if mask is not None:
            both = op.And(op.Unsqueeze(mask, axes=[1]), op.Unsqueeze(mask, axes=[2]))
            closeness = op.Where(both, closeness, never)
        closeness = op.Pad(closeness, op.Constant(value_ints=[0, 0, 0, 0, 0, k]), never)
        values, indices = op.TopK(closeness, op.Constant(value_ints=[k]), axis=-1, largest=1, sorted=1)
        valid = op.Greater(values, never)
        own = op.Range(op.Constant(value_int=0), op.Squeeze(length), op.Constant(value_int=1))
        return op.Where(valid, indices, op.Unsqueeze(own, axes=[1])), valid

    def expected_attention(query: Any, key: Any, value: Any, code_length: int) -> Any:
        cosine = op.MatMul(query, op.Transpose(key, perm=[0, 1, 3, 2]))
        cosine = op.Clip(cosine, op.Constant(value_float=-1.0), op.Constant(value_float=1.0))
        angle = op.Div(op.Acos(cosine), op.Constant(value_float=math.pi))
        same_sign = op.Sub(op.Constant(value_float=1.0), angle)
        return op.MatMul(op.Pow(same_sign, op.Constant(value_float=float(code_length))), value)

    operators = torch.ops.sampleformer
    return {
        operators.ordered_topk.default: ordered_topk,
        operators.nearest_neighbours.default: nearest_neighbours,
        operators.expected_attention.default: expected_attention,
    }


def check_operators(program: ExportedProgram, known: dict[Callable[..., Any], Callable[..., Any]]) -> None:
    """Refuses a program with one of our operators that has no translation.

    Raises:
        InputError: naming what cannot be exported, and what can in its place.
    """
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            target = node.target
            if not isinstance(target, torch._ops.OpOverload) or target.namespace != _NAMESPACE or target in known:
                continue
            name = target._schema.name.split("::")[1]
            if name in _OF_SAMPLED_HASHES:
                raise InputError(
                    "the attention yoso with hashes cannot be exported exactly: a token on the edge of a hash changes "
                    "sides with the rounding of other programs; train the expectation of the hashes instead, with "
                    "--set model.attention.hashes=null"
                )
            raise InputError(f"the model uses the operator {_NAMESPACE}::{name}, which cannot be written in ONNX yet")
