"""Reads, generates or downloads data, checks it, and batches it."""

from sampleformer.data.batch import Batch
from sampleformer.data.batching import LengthGroupedBatches
from sampleformer.data.encoding import Encoding
from sampleformer.data.samples import Sample, Samples, collate
from sampleformer.data.sequence.listops import ListOps
from sampleformer.data.source import Source, Splits

SOURCES: dict[str, type[Source]] = {"listops": ListOps}

__all__ = [
    "SOURCES",
    "Batch",
    "Encoding",
    "LengthGroupedBatches",
    "Sample",
    "Samples",
    "Source",
    "Splits",
    "collate",
]
