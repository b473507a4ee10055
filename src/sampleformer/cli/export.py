"""The verb ``export``."""

import argparse

from sampleformer.cli.parser import add_trust
from sampleformer.export import export_onnx
from sampleformer.output_paths import check_output
from sampleformer.training import RunFolder

EXAMPLE = """
sampleformer export runs/reviews-20260101-120000 model.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run and the file."""
    parser.add_argument("folder", metavar="RUN", help="a run folder")
    parser.add_argument("file", metavar="FILE", help="the ONNX file; an existing file is not overwritten")
    add_trust(parser)
    parser.add_argument("--quiet", action="store_true", help="no messages and progress bars, only the result")


def run(options: argparse.Namespace) -> None:
    """Writes the file and says what it takes and gives."""
    check_output(options.file, option="FILE")
    written = export_onnx(RunFolder(options.folder).read_model(trust_code=options.trust_code), options.file)
    for kind, values in (("input", written.inputs), ("output", written.outputs)):
        for value in values:
            print(f"{kind} {value}")
    print(f"opset {written.opset}, {written.bytes:,} bytes")
    print(f"largest difference between onnxruntime and the model: {written.difference:.1e}")
    print(f"model: {written.path}")
