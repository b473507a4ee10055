"""Models as files that run without torch."""

from sampleformer.export.onnx_file import ExportedFile, export_onnx
from sampleformer.export.translations import onnx_translations

__all__ = ["ExportedFile", "export_onnx", "onnx_translations"]
