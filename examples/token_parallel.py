"""A training step on one long sample whose tokens several processes share.

    torchrun --nproc-per-node 2 examples/token_parallel.py

Each process embeds, scores and attends with its own tokens. What it sends to the others in a layer depends on the
number of sampled tokens, not on the length of the sample.
"""

import os

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from sampleformer import ModelSettings, TokenModel, Tokens
from sampleformer.distributed import shard_tokens, token_parallel

LENGTH = 2_000


def main() -> None:
    ranks = int(os.environ["WORLD_SIZE"])
    mesh = init_device_mesh("cpu", (ranks,), mesh_dim_names=("tokens",))["tokens"]

    torch.manual_seed(0)  # the same weights, the same sample and the same noise everywhere
    attention = {"name": "samsa", "sampled": 64, "choice": "straight_through", "noise": 0.0}
    settings = ModelSettings(width=32, layers=2, heads=4, feedforward=64, residual_scale=1.0, attention=attention)
    model = TokenModel(settings, {"vocabulary": 256}, outputs=2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    sample, target = Tokens(torch.randint(256, (1, LENGTH))), torch.tensor([1])

    mine = shard_tokens(sample, mesh)  # a program with a long sample reads only these
    for step in range(3):
        with token_parallel(mesh, mine.length):
            loss = torch.nn.functional.cross_entropy(model(mine), target)
        # Every process has the same answer: its share of the loss is one of as many as there are processes.
        (loss / ranks).backward()
        for parameter in model.parameters():
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad, group=mesh.get_group())
        optimizer.step()
        optimizer.zero_grad()
        if dist.get_rank() == 0:
            print(f"step {step + 1}: loss {loss:.6f}, {mine.length} of {LENGTH} tokens here")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
