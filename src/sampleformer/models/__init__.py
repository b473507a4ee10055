"""Models over `Tokens`: the transformer of this package, and simple models that users should compare with."""

from sampleformer.models.bag import BagOfEmbeddings
from sampleformer.models.base import MODELS, AnyModelSettings, Model
from sampleformer.models.blend import Blend
from sampleformer.models.dgcnn import DGCNN
from sampleformer.models.fitted.base import FittedModel
from sampleformer.models.fitted.boosting import Boosting
from sampleformer.models.fitted.forest import Forest
from sampleformer.models.fitted.kernel import DescriptorKernel
from sampleformer.models.fitted.linear import DescriptorLinear
from sampleformer.models.fitted.ngrams import NGrams
from sampleformer.models.gin import GIN
from sampleformer.models.mlp import DescriptorMLP
from sampleformer.models.pointnet import PointNet
from sampleformer.models.transformer import TokenModel
from sampleformer.models.transformer_settings import ModelSettings

_TRAINED = (TokenModel, GIN, PointNet, DGCNN, BagOfEmbeddings, DescriptorMLP)
_FITTED = (NGrams, DescriptorLinear, DescriptorKernel, Forest, Boosting)
MODELS.update({each.name: each for each in (*_TRAINED, *_FITTED, Blend)})

__all__ = [
    "DGCNN",
    "GIN",
    "MODELS",
    "AnyModelSettings",
    "BagOfEmbeddings",
    "Blend",
    "Boosting",
    "DescriptorKernel",
    "DescriptorLinear",
    "DescriptorMLP",
    "FittedModel",
    "Forest",
    "Model",
    "ModelSettings",
    "NGrams",
    "PointNet",
    "TokenModel",
]
