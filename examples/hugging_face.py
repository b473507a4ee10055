"""A classifier of transformers with one line changed: `attn_implementation="samsa"` (and the import that registers it).

    python examples/hugging_face.py

The checkpoint is a small BERT with random weights that the program writes itself; give `main` the name of yours.
"""

import tempfile

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification, PreTrainedModel

import sampleformer.integrations.huggingface  # noqa: F401  # registers "samsa", "sft" and "yoso"

CODES, LENGTH = 20, 300


def draw(batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Texts of noise that hold the code 3 or the code 4 in up to 24 places, which is the label."""
    codes = torch.randint(5, CODES, (batch, LENGTH), generator=generator)
    labels = torch.randint(2, (batch,), generator=generator)
    places = torch.randint(LENGTH // 2, (batch, 24), generator=generator)
    codes.scatter_(1, places, (3 + labels)[:, None].expand(-1, 24))
    mask = torch.arange(LENGTH) < torch.randint(LENGTH // 2, LENGTH + 1, (batch, 1), generator=generator)
    return {"input_ids": codes, "attention_mask": mask.long(), "labels": labels}


def write_checkpoint(folder: str) -> str:
    """Small BERT with random weights, as `save_pretrained` writes it."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=CODES,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=LENGTH,
        samsa={"sampled": 32},  # settings of the method; without them its defaults
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def read(checkpoint: str) -> PreTrainedModel:
    """The classifier of a checkpoint; which attention it has is not part of one."""
    return AutoModelForSequenceClassification.from_pretrained(checkpoint, attn_implementation="samsa")  # the one line


def main(checkpoint: str, steps: int = 80) -> None:
    """Trains the model, saves it, reads it and says how often it is right."""
    generator = torch.Generator().manual_seed(0)
    model = read(checkpoint).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**draw(16, generator)).loss.backward()
        optimizer.step()
    model.save_pretrained(checkpoint)
    model = read(checkpoint).eval()
    batch = draw(64, generator)
    with torch.inference_mode():
        right = (model(**batch).logits.argmax(1) == batch["labels"]).float().mean()
    print(f"settings: {model.config.samsa}")
    print(f"right: {right:.0%}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(write_checkpoint(folder))
