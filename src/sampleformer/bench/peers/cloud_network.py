"""PointNet and DGCNN as they are trained."""

from torch import Tensor

from sampleformer.bench.peers.cloud_part import CloudBatch
from sampleformer.bench.peers.dgcnn import DGCNN
from sampleformer.bench.peers.network import Network
from sampleformer.bench.peers.pointnet import PointNet, orthogonality_loss

PENALTY = 0.001
"""Weight of the orthogonality of PointNet's feature transform, as published."""


class CloudNetwork(Network):
    """A peer that sees the coordinates of clouds, and for PointNet the penalty of its training.

    Args:
        peer: from coordinates ``(b, n, 3)`` to outputs.

    Source: PointNet (arXiv 1612.00593), section 4.2 and equation 2.

    Example:
        >>> import torch
        >>> network = CloudNetwork(DGCNN(4)).eval()
        >>> network(CloudBatch(torch.zeros(2, 8, 3), torch.zeros(2))).shape
        torch.Size([2, 4])
    """

    def __init__(self, peer: PointNet | DGCNN) -> None:
        super().__init__()
        self.peer = peer

    def forward(self, batch: CloudBatch) -> Tensor:
        """Outputs ``(b, o)``, one row a cloud."""
        return self.peer(batch.points)

    def with_penalty(self, batch: CloudBatch) -> tuple[Tensor, Tensor | float]:
        """The outputs, and 0.001 of PointNet's `orthogonality_loss`."""
        if isinstance(self.peer, PointNet):
            outputs, transform = self.peer.answers(batch.points)
            return outputs, PENALTY * orthogonality_loss(transform)
        return self(batch), 0.0
