"""Prepared data: samples in memory-mapped shards, written once in bounded memory and mapped by every training."""

from sampleformer.data.prepared.folder import PreparedFolder
from sampleformer.data.prepared.manifest import Manifest, is_prepared
from sampleformer.data.prepared.preparing import prepare

__all__ = ["Manifest", "PreparedFolder", "is_prepared", "prepare"]
