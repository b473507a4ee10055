"""Attentions, one method a file, all keeping one contract. A new one joins by its entry here."""

from sampleformer.attention.base import Attention, Selection
from sampleformer.attention.full import FullAttention
from sampleformer.attention.samsa import SamsaAttention

ATTENTIONS: dict[str, type[Attention]] = {"full": FullAttention, "samsa": SamsaAttention}

__all__ = ["ATTENTIONS", "Attention", "FullAttention", "SamsaAttention", "Selection"]
