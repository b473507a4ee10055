"""Descriptors: numbers that describe a whole sample, beside its tokens."""

from sampleformer.data.descriptors.base import DESCRIPTORS, Descriptor
from sampleformer.data.descriptors.clouds import ShapeStatistics
from sampleformer.data.descriptors.collection import Descriptors
from sampleformer.data.descriptors.columns import InputNumbers, TableColumns
from sampleformer.data.descriptors.graphs import GraphStatistics, NeighbourhoodCounts
from sampleformer.data.descriptors.molecules import MoleculeProperties, MorganCounts, TorsionCounts

DESCRIPTORS.update(
    {
        each.name: each
        for each in (
            MorganCounts,
            TorsionCounts,
            MoleculeProperties,
            GraphStatistics,
            NeighbourhoodCounts,
            ShapeStatistics,
            TableColumns,
            InputNumbers,
        )
    }
)

__all__ = [
    "DESCRIPTORS",
    "Descriptor",
    "Descriptors",
    "GraphStatistics",
    "InputNumbers",
    "MoleculeProperties",
    "MorganCounts",
    "NeighbourhoodCounts",
    "ShapeStatistics",
    "TableColumns",
    "TorsionCounts",
]
