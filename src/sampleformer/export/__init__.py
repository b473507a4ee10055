"""Models as files that run without torch."""

from sampleformer.export.onnx_file import ExportedFile, export_onnx

__all__ = ["ExportedFile", "export_onnx"]
