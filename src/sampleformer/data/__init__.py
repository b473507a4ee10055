"""Reads, generates or downloads data, checks it, and batches it."""

from sampleformer.data.batch import Batch
from sampleformer.data.batching import LengthGroupedBatches
from sampleformer.data.collate import collate
from sampleformer.data.encoding import Encoding
from sampleformer.data.graph.coco_sp import CocoSp
from sampleformer.data.graph.graph_files import GraphFiles
from sampleformer.data.graph.graph_list import GraphList
from sampleformer.data.graph.moleculenet import MoleculeNet
from sampleformer.data.graph.pascalvoc_sp import PascalVocSp
from sampleformer.data.graph.peptides_func import PeptidesFunc
from sampleformer.data.graph.peptides_struct import PeptidesStruct
from sampleformer.data.graph.pyg_dataset import PygDataset
from sampleformer.data.graph.smiles import SmilesTable
from sampleformer.data.graph.tu_dataset import TuDataset
from sampleformer.data.sample import Sample
from sampleformer.data.samples import Samples, TargetRows
from sampleformer.data.sequence.cifar10 import Cifar10
from sampleformer.data.sequence.digits import Digits
from sampleformer.data.sequence.imdb import Imdb
from sampleformer.data.sequence.listops import ListOps
from sampleformer.data.sequence.numbers import NumberTable
from sampleformer.data.sequence.text import TextTable
from sampleformer.data.source import Source, Splits
from sampleformer.data.token_sets import TokenSets

SOURCES: dict[str, type[Source]] = {
    "text": TextTable,
    "numbers": NumberTable,
    "smiles": SmilesTable,
    "graphs": GraphFiles,
    "pyg": PygDataset,
    "peptides-func": PeptidesFunc,
    "peptides-struct": PeptidesStruct,
    "pascalvoc-sp": PascalVocSp,
    "coco-sp": CocoSp,
    "tu": TuDataset,
    "moleculenet": MoleculeNet,
    "digits": Digits,
    "listops": ListOps,
    "imdb": Imdb,
    "cifar10": Cifar10,
}

__all__ = [
    "SOURCES",
    "Batch",
    "Cifar10",
    "CocoSp",
    "Digits",
    "Encoding",
    "GraphFiles",
    "GraphList",
    "Imdb",
    "LengthGroupedBatches",
    "ListOps",
    "MoleculeNet",
    "NumberTable",
    "PascalVocSp",
    "PeptidesFunc",
    "PeptidesStruct",
    "PygDataset",
    "Sample",
    "Samples",
    "SmilesTable",
    "Source",
    "Splits",
    "TargetRows",
    "TextTable",
    "TokenSets",
    "TuDataset",
    "collate",
]
