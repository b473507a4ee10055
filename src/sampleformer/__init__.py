"""Transformers that attend to a sample of their tokens, so that cost grows linearly with the input."""

__version__ = "0.1.0"
