"""Reads, generates or downloads data, checks it, and batches it."""

from sampleformer.data.batch import Batch
from sampleformer.data.batching import RandomBatches, cut_by_length
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
from sampleformer.data.point_cloud.cloud_arrays import CloudArrays
from sampleformer.data.point_cloud.cloud_folder import CloudFolder
from sampleformer.data.point_cloud.cloud_table import CloudTable
from sampleformer.data.point_cloud.published.modelnet import ModelNet10, ModelNet40
from sampleformer.data.point_cloud.published.s3dis import S3dis
from sampleformer.data.point_cloud.published.scanobjectnn import ScanObjectNN
from sampleformer.data.point_cloud.published.shapenet_part import ShapeNetPart
from sampleformer.data.prepared.folder import PreparedFolder
from sampleformer.data.samples import Samples, TargetRows
from sampleformer.data.sequence.cifar10 import Cifar10
from sampleformer.data.sequence.digits import Digits
from sampleformer.data.sequence.imdb import Imdb
from sampleformer.data.sequence.listops import ListOps
from sampleformer.data.sequence.numbers import NumberTable
from sampleformer.data.sequence.text import TextTable
from sampleformer.data.source import Source, Splits
from sampleformer.data.table_source import RowOptions
from sampleformer.data.token_sets import TokenSets
from sampleformer.registry import Registry
from sampleformer.sample import Sample

SOURCES: Registry[Source] = Registry(
    Source,  # type: ignore[type-abstract]
    {
        "text": TextTable,
        "numbers": NumberTable,
        "smiles": SmilesTable,
        "graphs": GraphFiles,
        "clouds": CloudFolder,
        "cloud_table": CloudTable,
        "cloud_arrays": CloudArrays,
        "pyg": PygDataset,
        "prepared": PreparedFolder,
        "peptides-func": PeptidesFunc,
        "peptides-struct": PeptidesStruct,
        "pascalvoc-sp": PascalVocSp,
        "coco-sp": CocoSp,
        "tu": TuDataset,
        "moleculenet": MoleculeNet,
        "modelnet10": ModelNet10,
        "modelnet40": ModelNet40,
        "shapenetpart": ShapeNetPart,
        "scanobjectnn": ScanObjectNN,
        "s3dis": S3dis,
        "digits": Digits,
        "listops": ListOps,
        "imdb": Imdb,
        "cifar10": Cifar10,
    },
)

__all__ = [
    "SOURCES",
    "Batch",
    "Cifar10",
    "CloudArrays",
    "CloudFolder",
    "CloudTable",
    "CocoSp",
    "Digits",
    "Encoding",
    "GraphFiles",
    "GraphList",
    "Imdb",
    "ListOps",
    "ModelNet10",
    "ModelNet40",
    "MoleculeNet",
    "NumberTable",
    "PascalVocSp",
    "PeptidesFunc",
    "PeptidesStruct",
    "PreparedFolder",
    "PygDataset",
    "RandomBatches",
    "RowOptions",
    "S3dis",
    "Sample",
    "Samples",
    "ScanObjectNN",
    "ShapeNetPart",
    "SmilesTable",
    "Source",
    "Splits",
    "TargetRows",
    "TextTable",
    "TokenSets",
    "TuDataset",
    "collate",
    "cut_by_length",
]
