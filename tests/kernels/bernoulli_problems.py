"""What the tests of YOSO's kernels share: problems, and the plain functions' answers to them in float64."""

import torch
from torch import Tensor

from sampleformer.functional import bernoulli as plain

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LEAVES = ("query", "key", "value")
# Sums run in float32, results are rounded to the dtype.
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2**-7, torch.float16: 2**-10}
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def problem(
    n: int,
    k: int,
    e: int = 8,
    c: int = 8,
    m: int = 2,
    t: int = 2,
    *,
    masks: bool = False,
    dtype: torch.dtype = torch.float32,
    rows: tuple[int, int] = (1, 1),
) -> dict[str, Tensor | int | None]:
    """Queries and keys of unit length, some of them close to each other, their codes and masks."""
    query = plain.unit_length(torch.randn(*rows, n, e))
    key = plain.unit_length(query[:, :, torch.arange(k) % n] + 0.3 * torch.randn(*rows, k, e))
    query, key = query.to(dtype), key.to(dtype)
    planes = plain.gaussian_planes(m, e, t)
    values = {
        "query": query,
        "key": key,
        "value": torch.randn(*rows, k, c).to(dtype),
        "query_codes": plain.sign_codes(query, planes),
        "key_codes": plain.sign_codes(key, planes),
        "valid": torch.rand(rows[0], 1, k) < 0.7 if masks else None,
        "query_valid": torch.rand(*rows, n) < 0.7 if masks else None,
    }
    values = {name: None if value is None else value.to(DEVICE) for name, value in values.items()}
    return {**values, "code_length": t}


def value_and_gradients(attend, values: dict, *, wide: bool = False, **how: object) -> dict[str, Tensor]:
    """The result of ``attend`` and its gradients along what is the same each time; ``wide``: all in float64."""
    leaves = {name: values[name].to(torch.float64 if wide else values[name].dtype) for name in LEAVES}
    leaves = {name: leaf.clone().requires_grad_() for name, leaf in leaves.items()}
    out = attend(**{**values, **leaves}, **how)
    generator = torch.Generator().manual_seed(5)
    upstream = torch.randn(out.shape, generator=generator).to(values["value"].dtype).to(out)
    gradients = torch.autograd.grad(out, list(leaves.values()), upstream)
    return {"out": out.detach(), **dict(zip(LEAVES, gradients, strict=True))}


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float | None = None) -> None:
    """Within the tolerance of the dtype found, of each number and of the largest one, which sums may cancel to."""
    for name, value in expected.items():
        limit = TOLERANCE[found[name].dtype] if tolerance is None else tolerance
        assert found[name].shape == value.shape
        assert bool(found[name].isfinite().all())
        error = (found[name].double() - value).abs()
        allowed = limit * (value.abs() + value.abs().amax())
        assert bool((error <= allowed).all()), f"{name}: {float(error.max())} beside {float(value.abs().max())}"
