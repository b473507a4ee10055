"""GraphGPS of PyTorch Geometric with two lines changed: the import, and `swap`.

    python examples/geometric.py

Batches hold many small graphs and a large one. `by_size` keeps the attention from padding the small ones to the size of
the large one. The task: two nodes carry a mark, far from each other; are the marks equal?
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINConv, GPSConv, global_add_pool

from sampleformer import swap  # the first line

WIDTH, MARKS = 32, 3


class Gps(nn.Module):
    """Layers of messages and attention, a sum over the nodes, a linear head."""

    def __init__(self, layers: int = 2) -> None:
        super().__init__()
        self.embed = nn.Linear(MARKS, WIDTH)
        self.layers = nn.ModuleList(
            GPSConv(WIDTH, GINConv(nn.Linear(WIDTH, WIDTH)), heads=4, norm="layer_norm") for _ in range(layers)
        )
        self.head = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2))

    def forward(self, data: Batch) -> Tensor:
        """Logits ``(graphs, 2)``."""
        x = self.embed(data.x)
        for layer in self.layers:
            x = layer(x, data.edge_index, data.batch)
        logits: Tensor = self.head(global_add_pool(x * data.x.any(1, keepdim=True), data.batch))
        return logits


def draw(generator: torch.Generator, graphs: int = 15) -> Batch:
    """Small rings and one of 300 nodes; the first and the middle node carry marks."""
    drawn = []
    for nodes in [*torch.randint(6, 12, (graphs,), generator=generator).tolist(), 300]:
        marks = torch.randint(MARKS, (2,), generator=generator)
        if torch.rand((), generator=generator) < 0.4:
            marks[1] = marks[0]
        x = torch.zeros(nodes, MARKS)
        x[[0, nodes // 2], marks] = 1
        ring = torch.arange(nodes)
        edge_index = torch.cat([torch.stack([ring, ring.roll(1)]), torch.stack([ring.roll(1), ring])], dim=1)
        drawn.append(Data(x=x, edge_index=edge_index, y=(marks[0] == marks[1]).long()[None]))
    return Batch.from_data_list(drawn)


def main(steps: int = 80) -> None:
    """Trains the model and says how often it is right."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = Gps()
    replaced = swap(model, sampled=8, by_size=True)  # the second line
    print(f"{replaced} attentions replaced")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        data = draw(generator)
        optimizer.zero_grad()
        F.cross_entropy(model(data), data.y).backward()
        optimizer.step()
    data = draw(generator, graphs=127)
    with torch.inference_mode():
        right = (model.eval()(data).argmax(1) == data.y).float().mean()
    print(f"right: {right:.0%}")


if __name__ == "__main__":
    main()
