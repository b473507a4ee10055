"""Pages that show what a model does: which tokens each head chose, and the report of a training."""

from sampleformer.explain.page import write_page
from sampleformer.explain.report import write_report

__all__ = ["write_page", "write_report"]
