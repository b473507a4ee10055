"""From raw tokens to tokens of the model's width, learned. A new modality joins by its entry here."""

from torch import nn

from sampleformer.embed.graph import GraphEmbed
from sampleformer.embed.point_cloud import PointCloudEmbed
from sampleformer.embed.sequence import SequenceEmbed
from sampleformer.registry import Registry

EMBEDS: Registry[nn.Module] = Registry(
    nn.Module, {"sequence": SequenceEmbed, "graph": GraphEmbed, "point_cloud": PointCloudEmbed}
)

__all__ = ["EMBEDS", "GraphEmbed", "PointCloudEmbed", "SequenceEmbed"]
