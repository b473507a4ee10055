"""Models over `Tokens`: the transformer of this package, and simple models that users should compare with."""

from sampleformer.models.bag import BagOfEmbeddings
from sampleformer.models.base import MODELS, AnyModelSettings, Model
from sampleformer.models.dgcnn import DGCNN
from sampleformer.models.gin import GIN
from sampleformer.models.mlp import DescriptorMLP
from sampleformer.models.pointnet import PointNet
from sampleformer.models.transformer import ModelSettings, TokenModel

MODELS.update({each.name: each for each in (TokenModel, GIN, PointNet, DGCNN, BagOfEmbeddings, DescriptorMLP)})

__all__ = [
    "DGCNN",
    "GIN",
    "MODELS",
    "AnyModelSettings",
    "BagOfEmbeddings",
    "DescriptorMLP",
    "Model",
    "ModelSettings",
    "PointNet",
    "TokenModel",
]
