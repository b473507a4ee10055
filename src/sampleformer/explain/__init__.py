"""Pages that show what a model does: which tokens each head chose and what they are worth, and reports."""

from sampleformer.explain.faithfulness import Deletions
from sampleformer.explain.page import write_page
from sampleformer.explain.report import write_report

__all__ = ["Deletions", "write_page", "write_report"]
