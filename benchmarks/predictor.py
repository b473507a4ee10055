"""Size, latency and exactness of the forms in which a trained model answers.

python -m benchmarks.predictor runs/reviews runs/molecules -o predictor.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sampleformer.data.collate import collate
from sampleformer.errors import InputError
from sampleformer.export import export_onnx, export_program, program_inputs
from sampleformer.models import Model
from sampleformer.tokens import Tokens
from sampleformer.training import Predictor, RunFolder
from sampleformer.training.data_record import load_again

SAMPLES = 100
OPTIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"dtype": torch.bfloat16},
    "int8": {"quantize": "int8"},
    "compiled": {"compile": True},
}
"""Options of `Predictor.load`, by the name of the form."""
FORMS = (*OPTIONS, "onnx", "pt2")
Program = Callable[[Tokens], Tensor]


def answered(run: Path) -> tuple[Tokens, Tokens]:
    """One sample of a run's training part and `SAMPLES` of them, of few some again, as a model takes them."""
    folder = RunFolder(run)
    samples = load_again(folder, folder.read_recipe()).train
    several = [samples[row % len(samples)] for row in range(SAMPLES)]
    return collate(several[:1]).tokens, collate(several).tokens


def forms(run: Path, folder: Path, names: Sequence[str]) -> Iterator[tuple[str, int, Program]]:
    """Each form: its name, its bytes, and what answers.

    Args:
        run: Run folder.
        folder: Folder for the files of programs.
        names: Those of `FORMS` that are wanted.
    """
    for name, options in OPTIONS.items():
        if name not in names:
            continue
        model = Predictor.load(run, **options).model
        yield name, sum(each.numel() * each.element_size() for each in model.state_dict().values()), model
    model = RunFolder(run).read_model().eval()
    for name, program in (("onnx", _onnx), ("pt2", _program)):
        if name in names:
            yield name, *program(model, folder / f"model.{name}")


def _onnx(model: Model, path: Path) -> tuple[int, Program]:
    import onnxruntime

    export_onnx(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def answer(tokens: Tokens) -> Tensor:
        given = {name: value.numpy() for name, value in program_inputs(tokens).items()}
        return torch.from_numpy(session.run(["output"], given)[0])

    return path.stat().st_size, answer


def _program(model: Model, path: Path) -> tuple[int, Program]:
    torch.export.save(export_program(model), path)
    program = torch.export.load(path).module()
    return path.stat().st_size, lambda tokens: program(program_inputs(tokens))


@torch.inference_mode()
def measured(run: Path, repeats: int, names: Sequence[str] = FORMS) -> list[dict[str, Any]]:
    """The figures of each form; of one that the model cannot have, why.

    Args:
        run: Run folder.
        repeats: Passes, of whose times the median is taken. At least 1.
        names: Those of `FORMS` that are wanted.
    """
    one, several = answered(run)
    expected = Predictor.load(run).model(several)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, size, program in forms(run, Path(folder), names):
                difference = float((program(several) - expected).abs().max())
                found.append(
                    {
                        "form": name,
                        "bytes": size,
                        "p50_ms_of_one": _median(program, one, repeats),
                        f"p50_ms_of_{SAMPLES}": _median(program, several, repeats),
                        "largest_difference": difference,
                        "largest_output": float(expected.abs().max()),
                    }
                )
        except InputError as error:
            found.append({"form": "onnx, pt2", "refused": str(error)})
    return found


def _median(program: Program, tokens: Tokens, repeats: int) -> float:
    """Milliseconds of a pass: those of the process, which other programs on the machine do not change."""
    times = []
    for _ in range(repeats + 2):  # two warm up
        start = time.process_time()
        program(tokens)
        times.append(time.process_time() - start)
    return round(1000 * sorted(times[2:])[repeats // 2], 3)


def main() -> None:
    """Reads the command line, measures, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="run folders whose data is still there")
    parser.add_argument("--repeats", type=int, default=30, help="passes of each form and size (30)")
    parser.add_argument(
        "--forms", nargs="+", choices=FORMS, default=FORMS, metavar="FORM", help=f"of {', '.join(FORMS)}"
    )
    parser.add_argument("-o", "--output", type=Path, help="file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {"torch": torch.__version__, "threads": 1, "runs": {}}
    for run in options.runs:
        found["runs"][str(run)] = measured(run, options.repeats, options.forms)
    text = json.dumps(found, indent=1) + "\n"
    print(text, end="")
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
