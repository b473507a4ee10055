"""A run as a model of transformers: trained here, saved, and asked by a pipeline.

    python examples/hugging_face_run.py

The program writes a table of reviews and trains a few steps on it; give `share` the folder of a run of yours.
"""

import tempfile
from pathlib import Path

from transformers import pipeline

from sampleformer.integrations.huggingface import SampleformerForSequenceClassification, SampleformerTokenizer
from sampleformer.recipes import request
from sampleformer.training import train

WORDS = {"good": ("lovely", "warm", "fine"), "bad": ("cold", "stale", "late")}


def write_reviews(path: Path) -> Path:
    """A table of short reviews."""
    rows = [
        f"the {what} was {how},{label}"
        for what in ("soup", "bread", "wine", "room", "bed", "view")
        for label, several in WORDS.items()
        for how in several
    ]
    path.write_text("\n".join(["review,sentiment", *rows * 3]) + "\n", encoding="utf-8")
    return path


def share(run: Path, folder: Path) -> None:
    """Writes a run as transformers read it: weights, configuration, tokenizer and model card."""
    SampleformerForSequenceClassification.from_run(run).save_pretrained(folder)
    SampleformerTokenizer.from_run(run).save_pretrained(folder)


def main(folder: Path) -> None:
    """Trains, saves, and asks for reviews of things that the training has not seen."""
    data = {"path": str(write_reviews(folder / "reviews.csv")), "text": "review", "label": "sentiment"}
    train(request(None, data=data, steps=60), folder / "run", quiet=True)
    share(folder / "run", folder / "shared")
    classify = pipeline("text-classification", model=str(folder / "shared"))
    asked = [(f"the garden was {how}", label) for label, several in WORDS.items() for how in several]
    answers = classify([text for text, _ in asked])
    right = sum(answer["label"] == label for answer, (_, label) in zip(answers, asked, strict=True))
    print(f"right: {right / len(asked):.0%}")
    print(f"card: {sum(1 for _ in (folder / 'shared' / 'README.md').open(encoding='utf-8'))} lines")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
