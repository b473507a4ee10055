"""Optimizers by name, Muon among them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from numbers import Number
from typing import Any, overload

import torch
from torch import Tensor, nn

from sampleformer.errors import InputError, shown
from sampleformer.registry import Registry
from sampleformer.training.settings import TrainingSettings
from sampleformer.training.shares import is_shared_out, shared_out, whole

_ENDS = ("embed", "head", "beside")
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.AdamW):
    """Muon for matrices inside the model, AdamW for all else.

    The momentum ``B ← μ B + (1 − μ) G`` of a matrix, looked ahead by Nesterov, ``U = (1 − μ) G + μ B``, is brought near
    the closest matrix with orthonormal rows by Newton–Schulz steps ``X ← a X + (b A + c A²) X`` with ``A = X Xᵀ``, and
    scaled to the root mean square of Adam's steps: ``W ← W − lr (0.2 √max(rows, columns) X + λ W)``. Matrices of one
    shape take their steps as one stack, which costs a third of taking them one by one.

    Args:
        params: Groups of parameters; those with ``matrices: True`` hold matrices for Muon.
        lr: Learning rate of AdamW.
        matrix_lr: Learning rate of Muon. Positive. Default 0.01.
        momentum: μ. 0 to 1. Default 0.95.
        steps: Number of Newton–Schulz steps. Default 5.
        betas: Decay rates of AdamW's means. Default 0.9 and 0.999.
        weight_decay: λ of groups that have none of their own.

    Raises:
        ValueError: if a number is out of range, or a group of matrices holds anything else.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the scale: Liu et al. 2025
    (arXiv 2502.16982), section 2.2.

    Example:
        >>> weight = nn.Parameter(torch.eye(2))
        >>> optimizer = Muon([{"params": [weight], "matrices": True}], lr=1e-3)
        >>> weight.grad = torch.ones(2, 2)
        >>> optimizer.step()
    """

    for_matrices = True
    """Whether it takes groups of matrices, see `parameter_groups`."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        matrix_lr: float = 0.01,
        momentum: float = 0.95,
        steps: int = 5,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.01,
        *,
        fused: bool | None = None,
    ) -> None:
        if not 0 < matrix_lr < float("inf"):
            raise ValueError(f"matrix_lr is {matrix_lr}, expected a positive number")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}, expected 0 or more and less than 1")
        if steps < 1:
            raise ValueError(f"steps is {steps}, expected at least 1")
        groups: list[dict[str, Any]] = [each if isinstance(each, dict) else {"params": [each]} for each in params]
        for group in groups:
            if group.setdefault("matrices", False):
                group.setdefault("lr", matrix_lr)
                if any(each.ndim != 2 for each in group["params"]):
                    raise ValueError("a group of matrices holds a parameter that is none, expected two dimensions each")
        super().__init__(groups, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused)
        self.momentum = momentum
        self.steps = steps

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        learning = [group for group in self.param_groups if group["matrices"]]
        gradients = {matrix: matrix.grad for group in learning for matrix in group["params"] if matrix.grad is not None}
        for group in learning:
            self._step_matrices(group)
        for matrix in gradients:  # AdamW leaves out what has no gradient
            matrix.grad = None
        super().step()
        for matrix, gradient in gradients.items():
            matrix.grad = gradient
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        by_shape: dict[tuple[torch.Size, torch.device, torch.dtype], list[Tensor]] = {}
        for matrix in group["params"]:
            if matrix.grad is not None:
                by_shape.setdefault((matrix.shape, matrix.device, matrix.dtype), []).append(matrix)
        for (shape, _, _), matrices in by_shape.items():
            gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
            buffers = []
            for matrix in matrices:
                state = self.state[matrix]
                if "momentum_buffer" not in state:
                    state["step"] = torch.zeros(())  # which AdamW expects of every state that it reads back
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                buffers.append(state["momentum_buffer"])
            torch._foreach_lerp_(buffers, gradients, 1 - self.momentum)
            ahead = torch._foreach_lerp(gradients, buffers, self.momentum)
            if is_shared_out(ahead[0]):
                # Each process takes the steps of whole matrices, one at a time: they are there for no other reason.
                update = [shared_out(orthogonalized(whole(each)[None], self.steps)[0], each) for each in ahead]
            else:
                update = list(orthogonalized(torch.stack(ahead), self.steps).unbind())
            torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(matrices, update, alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)


def orthogonalized(matrices: Tensor, steps: int = 5) -> Tensor:
    """Matrices near those with orthonormal rows (or columns, if these are fewer) that are closest to them.

    Args:
        matrices: Stack of matrices, ``(m, rows, columns)``.
        steps: Number of Newton–Schulz steps.

    Returns:
        Matrices of the same shape whose singular values lie around 1; zero for a matrix of zeros.

    Example:
        >>> orthogonalized(4 * torch.eye(2)[None]).diagonal(dim1=1, dim2=2).round(decimals=1)
        tensor([[1.1000, 1.1000]])
    """
    a, b, c = _COEFFICIENTS
    upright = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if upright else matrices
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if upright else x


OPTIMIZERS: Registry[torch.optim.Optimizer] = Registry(
    torch.optim.Optimizer,
    {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD, "muon": Muon},
)


def optimizer_of(settings: TrainingSettings, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a training.

    Norms, biases and scalars are not decayed. One fused call steps all parameters where the optimizer can do that:
    small models on a CPU otherwise spend milliseconds a step on looping over them.

    Args:
        settings: Settings of the training: ``optimizer`` is a name in `OPTIMIZERS`, or the import path of a class
            derived from `torch.optim.Optimizer`, and its arguments.
        model: Model that learns.

    Raises:
        InputError: if the name or an argument is unknown or wrong.
    """
    optimizer = settings.optimizer
    kind = OPTIMIZERS.resolve(optimizer.name, "training.optimizer.name")
    reserved = {"params", "lr", "weight_decay", "fused"} & optimizer.arguments.keys()
    if reserved:
        name = {"lr": "learning_rate"}.get(min(reserved), min(reserved))
        raise InputError(f"training.optimizer.{min(reserved)}: expected in the training section, as training.{name}")
    groups = parameter_groups(model, settings.weight_decay, matrices=getattr(kind, "for_matrices", False))
    given: dict[str, Any] = {"params": groups, "lr": settings.learning_rate}
    if "fused" in inspect.signature(kind).parameters:
        devices = {parameter.device.type for parameter in model.parameters()}
        given["fused"] = (settings.precision == "32-true" and devices <= {"cpu", "cuda"}) or None
    made: torch.optim.Optimizer = optimizer.build(OPTIMIZERS, "training.optimizer", **given)
    return made


def parameter_groups(model: nn.Module, weight_decay: float, *, matrices: bool = False) -> list[dict[str, Any]]:
    """Parameters that learn, by whether they are decayed, and whether Muon steps them.

    Muon is for maps inside the model: weights of linear layers, but for those of its first and last part (``embed`` and
    ``head``) and of models beside it, which are little more than both.

    Args:
        model: Model that learns.
        weight_decay: Of weights with two dimensions and more.
        matrices: Whether matrices inside the model have a group of their own.
    """
    inner = set()
    if matrices:
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear) and name.split(".")[0] not in _ENDS:
                inner.add(module.weight)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [each for each in learning if each in inner], "weight_decay": weight_decay, "matrices": True},
        {"params": [each for each in learning if each.ndim >= 2 and each not in inner], "weight_decay": weight_decay},
        {"params": [each for each in learning if each.ndim == 1], "weight_decay": 0.0},
        # By themselves, since processes that share the weights out leave them whole.
        {"params": [each for each in learning if each.ndim == 0], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def check_state(optimizer: torch.optim.Optimizer) -> None:
    """Raises ValueError if what an optimizer has from a file does not fit its parameters.

    A fused step does not look, and would write beyond the memory of a tensor that is too small. What the state of a
    user's own optimizer is like is not known.
    """
    if type(optimizer) not in OPTIMIZERS.values():
        return
    for group in optimizer.param_groups:
        for name, default in optimizer.defaults.items():
            if _numbers(group[name]) != _numbers(default):
                raise ValueError(f"optimizer: {name}: found {shown(group[name])}, expected a value like {default}")
        for number, parameter in enumerate(group["params"]):
            for name, value in optimizer.state.get(parameter, {}).items():
                if value is None:  # as SGD keeps the momentum of a parameter that has none
                    continue
                expected = torch.zeros(()) if name == "step" else parameter
                if _layout(value) != _layout(expected):
                    found = f"found {_layout(value)}, expected {_layout(expected)}"
                    raise ValueError(f"optimizer: {name} of parameter {number}: {found}")


def _numbers(value: Any) -> int:
    """How many numbers a setting is: 1, or those of a tuple; 0 if it is something else, such as a switch."""
    if isinstance(value, (tuple, list)):
        return sum(map(_numbers, value))
    return int(isinstance(value, (Number, Tensor)) and not isinstance(value, bool))


def _layout(value: Any) -> str:
    """Type, shape and strides of a tensor."""
    if not isinstance(value, Tensor) or value.layout is not torch.strided:
        return shown(value)
    return f"{value.dtype} of shape {tuple(value.shape)} and strides {value.stride()}"
