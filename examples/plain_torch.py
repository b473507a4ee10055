"""A transformer of torch with one line added, beside an import: `swap` gives its attentions a sample of the tokens.

    python examples/plain_torch.py

The task: which of four tokens of 1 000 stands out tells the class; every other token is noise.
"""

import torch
import torch.nn.functional as F
from torch import nn

from sampleformer import swap

LENGTH, WIDTH, CLASSES = 1000, 32, 4


class Model(nn.Module):
    """Encoder of torch, a mean over the tokens, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, nhead=4, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=1)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Logits ``(b, classes)``; padding is True where there is no token."""
        encoded = self.encoder(tokens, src_key_padding_mask=padding)
        real = (~padding)[:, :, None]
        mean: torch.Tensor = (encoded * real).sum(1) / real.sum(1)
        logits: torch.Tensor = self.head(mean)
        return logits


def draw(batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, padding and classes."""
    tokens = 0.3 * torch.randn(batch, LENGTH, WIDTH, generator=generator)
    classes = torch.randint(CLASSES, (batch,), generator=generator)
    lengths = torch.randint(LENGTH // 2, LENGTH + 1, (batch, 1), generator=generator)
    place = torch.randint(LENGTH // 2, (batch,), generator=generator)
    tokens[torch.arange(batch), place, classes] += 8
    return tokens, torch.arange(LENGTH) >= lengths, classes


def main(steps: int = 60) -> None:
    """Trains the model and says how often it is right."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = Model()
    replaced = swap(model, sampled=16)  # the one line
    print(f"{replaced} attention replaced")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        tokens, padding, classes = draw(16, generator)
        optimizer.zero_grad()
        F.cross_entropy(model(tokens, padding), classes).backward()
        optimizer.step()
    tokens, padding, classes = draw(64, generator)
    with torch.inference_mode():
        right = (model.eval()(tokens, padding).argmax(1) == classes).float().mean()
    print(f"right: {right:.0%}")


if __name__ == "__main__":
    main()
