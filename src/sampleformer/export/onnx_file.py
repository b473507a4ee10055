"""A model as an ONNX file, kept only if it gives the model's answers."""

import copy
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from sampleformer.errors import InputError
from sampleformer.export.agreement import largest_difference, longest
from sampleformer.export.inputs import answer, free_sizes, random_inputs, with_edges
from sampleformer.export.translations import check_operators, onnx_translations
from sampleformer.files import write_bytes
from sampleformer.models import Model
from sampleformer.output_paths import check_output

log = logging.getLogger("sampleformer")

OPSET = 18
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
MOST_BYTES = 2**31 - 2**24  # of one ONNX file, with room for what is no weight


@dataclass(frozen=True)
class ExportedFile:
    """What was written.

    Args:
        path: of the file.
        inputs: name, type and shape of each input, as onnxruntime names them.
        outputs: the same of the outputs.
        opset: version of ONNX's operators.
        bytes: size of the file.
        difference: the largest between onnxruntime's answers and the model's that was seen.
    """

    path: Path
    inputs: list[str]
    outputs: list[str]
    opset: int
    bytes: int
    difference: float


def export_onnx(model: Model, path: str | os.PathLike[str]) -> ExportedFile:
    """Writes a model as an ONNX file, for any number of token sets of any length.

    The inputs are those of `program_inputs`: ``tokens``, codes ``(batch, length)`` int64 or numbers ``(batch, length,
    features)`` float32, ``mask``, ``(batch, length)``, true where a token is real, and what else the model takes. The
    output is ``output``: what the model gives. Before the file takes its name, onnxruntime's answers for random sets
    are compared with the model's.

    Args:
        model: in float32; it is neither moved nor changed.
        path: of the file, which must not exist.

    Returns:
        What was written.

    Raises:
        InputError: if a package is missing, the file exists or cannot be written, the model cannot be exported, or the
            answers differ. Then nothing is written.
    """
    path = check_output(path)
    _check_packages()
    wrong = {parameter.dtype for parameter in model.parameters()} - {torch.float32}
    if wrong:
        raise InputError(f"the model is in {wrong.pop()}, expected torch.float32")
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    if size > MOST_BYTES:
        raise InputError(f"the model's weights have {size:,} bytes, but one ONNX file holds at most {MOST_BYTES:,}")
    model = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    log.info("exporting")
    content = _content(_onnx_program(model))
    log.info("comparing onnxruntime's answers with the model's")
    written = _checked(model, path, content)
    write_bytes(path, content)
    return written


def _check_packages() -> None:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f'exporting needs {", ".join(missing)}: pip install "sampleformer[onnx]"')


class _WithTensors(nn.Module):
    """A program takes tensors."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return answer(self.model, with_edges(inputs))


def _onnx_program(model: Model) -> Any:
    known = onnx_translations()
    with _exporting():
        program, named = _program(model)
        check_operators(program, known)
        return torch.onnx.export(
            program,
            dynamo=True,
            dynamic_shapes=(named,),
            input_names=list(named),
            output_names=["output"],
            opset_version=OPSET,
            custom_translation_table=known,
            verbose=False,
        )


def export_program(model: Model) -> ExportedProgram:
    """A model as a program of `torch.export`, for any number of token sets of any length.

    It takes what the ONNX file of `export_onnx` takes as a dictionary, and `torch.export.save` writes it as a file.

    Args:
        model: in evaluation mode, on the CPU.

    Raises:
        InputError: if the model cannot be exported.
    """
    with _exporting():
        return _program(model)[0]


def _program(model: Model) -> tuple[ExportedProgram, dict[str, dict[int, Any]]]:
    """The program, and the names of the free sizes of its inputs."""
    most = longest(model)
    # Two sets of several tokens each: torch takes a size of 1 for one that never changes.
    length = 9 if most is None else min(9, most)
    given = random_inputs(model, [length, max(1, length // 2)], torch.Generator().manual_seed(0))
    # Not the names, with which torch wants a proof for all sizes: it finds none where a length is filled up to blocks.
    named = {name: {place: Dim(size) for place, size in enumerate(free_sizes(name))} for name in given}
    if most == 1:
        named = {name: {0: sizes[0]} for name, sizes in named.items()}
    sizes = {name: dict.fromkeys(each, Dim.DYNAMIC) for name, each in named.items()}
    program = torch.export.export(_WithTensors(model).eval(), (given,), dynamic_shapes=(sizes,), strict=False)
    return program, named


@contextmanager
def _exporting() -> Iterator[None]:
    """Turns whatever an export raises into an `InputError`."""
    try:
        with _quiet():
            yield
    except InputError:
        raise
    except Exception as error:  # of whatever kind: a model may have parts that are not ours
        raise InputError(f"the model cannot be exported: {_reason(error)}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without remarks on packages that are not there, on what is not optimised, and on the future."""
    exporters = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [exporter.level for exporter in exporters]
    for exporter in exporters:
        exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for exporter, level in zip(exporters, levels, strict=True):
            exporter.setLevel(level)


def _reason(error: BaseException) -> str:
    """The first line of what an error came from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]


def _content(written: Any) -> bytes:
    """The file, without the places in this machine's folders that torch notes for each node."""
    proto = written.model_proto
    for part in (proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return proto.SerializeToString()


def _checked(model: Model, path: Path, content: bytes) -> ExportedFile:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

        def run(given: dict[str, Tensor]) -> Tensor:
            inputs = {name: value.numpy() for name, value in given.items()}
            return torch.from_numpy(session.run(["output"], inputs)[0])

        difference = largest_difference(model, run)
    except InputError as error:
        raise InputError(f"{path}: not written: {error}") from error
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise InputError(f"{path}: not written: onnxruntime cannot run it: {_reason(error)}") from error
    inputs, outputs = (
        [f"{value.name}: {value.type[7:-1]} ({', '.join(map(str, value.shape))})" for value in values]
        for values in (session.get_inputs(), session.get_outputs())
    )
    return ExportedFile(path, inputs, outputs, OPSET, len(content), difference)
