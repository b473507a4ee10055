"""Models as files that run without this package's code: ONNX, and programs of torch."""

from sampleformer.export.inputs import program_inputs
from sampleformer.export.onnx_file import ExportedFile, export_onnx, export_program
from sampleformer.export.translations import onnx_translations

__all__ = ["ExportedFile", "export_onnx", "export_program", "onnx_translations", "program_inputs"]
