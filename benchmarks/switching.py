"""A small BERT switched from full to sampled attention and fine-tuned: accuracy, and times at several lengths.

python -m benchmarks.switching imdb_reviews.csv.gz -o runs/switching

The file has the columns split (train, test), label (0, 1) and text. What is done is kept in the folder, and a program
that was stopped goes on behind it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, BertConfig, BertForMaskedLM, PreTrainedModel

import sampleformer.integrations.huggingface  # noqa: F401  # registers "samsa"

PADDING, UNKNOWN, START, END, MASKED = range(5)
LENGTH = 512
"""Tokens of a review at most."""
BATCH = 32
HEADS = 4
ATTENTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "full": ("sdpa", {}),
    "straight_through": ("samsa", {"choice": "straight_through", "noise": 0.0}),
    "published": ("samsa", {"choice": "hard", "noise": 1.0}),
}
"""Attentions that are fine-tuned and timed: `attn_implementation` and settings."""


@dataclass(frozen=True)
class Reviews:
    """Codes of texts, with their labels."""

    codes: list[list[int]]
    labels: list[int]

    def batch(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """Inputs of a model of transformers."""
        codes = nn.utils.rnn.pad_sequence([torch.tensor(self.codes[row]) for row in rows], batch_first=True)
        labels = torch.tensor([self.labels[row] for row in rows])
        return {"input_ids": codes, "attention_mask": (codes != PADDING).long(), "labels": labels}

    def shuffled(self, seed: int) -> Iterator[dict[str, Tensor]]:
        """Batches without end; those of a batch are of similar length."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            order = torch.randperm(len(self.codes), generator=generator).tolist()
            for first in range(0, len(order), 50 * BATCH):
                near = sorted(order[first : first + 50 * BATCH], key=lambda row: len(self.codes[row]))
                batches = [near[each : each + BATCH] for each in range(0, len(near), BATCH)]
                for each in torch.randperm(len(batches), generator=generator).tolist():
                    yield self.batch(batches[each])


def read(path: Path, words: int, tested: int) -> tuple[Reviews, Reviews]:
    """Training part and some of the test part, as codes of the most frequent words of the training part."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [row["text"] for row in rows if row["split"] == "train"]
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(vocab_size=words, special_tokens=special))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", END), ("[CLS]", START))
    tokenizer.enable_truncation(LENGTH)
    held = [row for row in rows if row["split"] == "test"]
    order = torch.randperm(len(held), generator=torch.Generator().manual_seed(0)).tolist()
    parts = ([row for row in rows if row["split"] == "train"], [held[row] for row in order[:tested]])
    train, test = (
        Reviews(
            [each.ids for each in tokenizer.encode_batch([row["text"] for row in part])],
            [int(row["label"]) for row in part],
        )
        for part in parts
    )
    return train, test


def masked_loss(model: BertForMaskedLM, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of 15 % of the tokens, which the model does not see."""
    codes = batch["input_ids"]
    hidden = (torch.rand(codes.shape) < 0.15) & (codes > MASKED)
    states = model.bert(codes.masked_fill(hidden, MASKED), attention_mask=batch["attention_mask"]).last_hidden_state
    return F.cross_entropy(model.cls(states[hidden]), codes[hidden])


def label_loss(model: PreTrainedModel, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of the labels."""
    loss: Tensor = model(**batch).loss
    return loss


def train(
    model: PreTrainedModel,
    loss_of: Callable[[Any, dict[str, Tensor]], Tensor],
    reviews: Reviews,
    steps: int,
    rate: float,
    seed: int,
) -> dict[str, float]:
    """Trains a model, and says what its last losses were and how many seconds a processor worked for it."""
    torch.manual_seed(seed)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    losses, start = [], time.process_time()
    for batch in islice(reviews.shuffled(seed), steps):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if len(losses) % 100 == 0:
            print(f"  {len(losses)}/{steps}: loss {statistics.mean(losses[-100:]):.4f}", flush=True)
    return {"loss": statistics.mean(losses[-100:]), "cpu_seconds": time.process_time() - start}


@torch.inference_mode()
def accuracy(model: PreTrainedModel, reviews: Reviews) -> float:
    """Share of the reviews whose label the model finds."""
    model.eval()
    order = sorted(range(len(reviews.codes)), key=lambda row: len(reviews.codes[row]))
    right = 0
    for first in range(0, len(order), BATCH):
        batch = reviews.batch(order[first : first + BATCH])
        right += int((model(**batch).logits.argmax(1) == batch["labels"]).sum())
    return right / len(order)


def seconds(
    reviews: Reviews, like: BertConfig, sampled: int, lengths: Sequence[int], repeats: int
) -> list[dict[str, float]]:
    """CPU-seconds of forward and backward passes over the same number of tokens, as texts of each length.

    Texts are reviews one after the other. The attentions take turns, and the median of their times is given.
    """
    stream = cycle(code for codes in reviews.codes for code in codes)
    tokens = max(lengths)
    rows = []
    for length in lengths:
        codes = torch.tensor(list(islice(stream, tokens // length * length))).view(-1, length)
        batch = {"input_ids": codes, "labels": torch.zeros(len(codes), dtype=torch.long)}
        built = {}
        for name, (method, options) in ATTENTIONS.items():
            settings = {"max_position_embeddings": tokens, "samsa": {"sampled": sampled} | options}
            config = BertConfig.from_dict(like.to_dict() | settings)
            built[name] = AutoModelForSequenceClassification.from_config(config, attn_implementation=method).train()
        times: dict[str, list[float]] = {name: [] for name in built}
        for turn in range(repeats + 1):
            for name, model in built.items():
                model.zero_grad()
                start = time.process_time()
                model(**batch).loss.backward()
                if turn:  # the first one warms up
                    times[name].append(time.process_time() - start)
        rows.append(
            {"length": length, "texts": len(codes)} | {each: statistics.median(of) for each, of in times.items()}
        )
    return rows


class Results:
    """Figures in a JSON file; what is there is not measured again.

    Args:
        path: The file.
        settings: What they depend on.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"settings": settings}
        if self.figures["settings"] != settings:
            raise SystemExit(f"{path}: written with other settings, expected {settings}")

    def of(self, name: str, measure: Callable[[], Any]) -> Any:
        """A figure of the file, or a new one, which is written there."""
        if name not in self.figures:
            print(name, flush=True)
            self.figures[name] = measure()
            self.path.write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")
            print(f"  {self.figures[name]}", flush=True)
        return self.figures[name]


def study(data: Path, folder: Path, settings: dict[str, Any], lengths: Sequence[int], repeats: int) -> dict[str, Any]:
    """Trains, switches, fine-tunes, and gives all figures.

    Args:
        data: Table of reviews.
        folder: Folder for models and `results.json`.
        settings: Those of the command line.
        lengths: Lengths that are timed.
        repeats: How often each is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(folder / "results.json", settings)
    learnt, tested = read(data, settings["words"], settings["tested"])
    config = BertConfig(
        vocab_size=settings["words"],
        hidden_size=settings["width"],
        num_hidden_layers=settings["layers"],
        num_attention_heads=HEADS,
        intermediate_size=4 * settings["width"],
        max_position_embeddings=LENGTH,
        attention_probs_dropout_prob=0.0,  # with it torch's fast kernels for CPUs cannot be used
    )

    def loaded(path: Path, attention: str, seed: int) -> PreTrainedModel:
        torch.manual_seed(seed)  # of what is new: the head, the scorers
        method, options = ATTENTIONS[attention]
        options = {"attn_implementation": method, "samsa": {"sampled": settings["sampled"]} | options}
        return AutoModelForSequenceClassification.from_pretrained(path, **options)

    def pretrained() -> dict[str, float]:
        torch.manual_seed(0)
        model = BertForMaskedLM(config)
        found = train(model, masked_loss, learnt, settings["pretraining"], 1e-3, 0)
        model.save_pretrained(folder / "pretrained")
        return found

    def tuned(start: str, attention: str, steps: int, rate: float, seed: int, name: str) -> dict[str, float]:
        model = loaded(folder / start, attention, seed)
        found = train(model, label_loss, learnt, steps, rate, seed)
        model.save_pretrained(folder / name)
        return found | {"accuracy": accuracy(model, tested)}

    def switched(seed: int) -> dict[str, float]:
        return {"accuracy": accuracy(loaded(folder / "trained", "published", seed), tested)}

    first, second = settings["rates"]
    results.of("pretrained", pretrained)
    results.of("trained", partial(tuned, "pretrained", "full", settings["training"], first, 0, "trained"))
    results.of("seconds", partial(seconds, learnt, config, settings["sampled"], lengths, repeats))
    for seed in range(1, settings["seeds"] + 1):
        results.of(f"switched-{seed}", partial(switched, seed))
        for attention in ATTENTIONS:
            name = f"{attention}-{seed}"
            results.of(name, partial(tuned, "trained", attention, settings["tuning"], second, seed, name))
    figures: dict[str, Any] = results.figures
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="table of reviews, .csv or .csv.gz")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for models and results.json")
    numbers = {
        "sampled": (64, "tokens that a head attends to after the switch"),
        "width": (64, "width of the model"),
        "layers": (2, "layers"),
        "words": (10_000, "words of the vocabulary"),
        "pretraining": (400, "steps with masked words"),
        "training": (500, "steps with labels, full attention"),
        "tuning": (120, "further steps after the switch, and without it"),
        "seeds": (3, "how often these"),
        "tested": (2000, "reviews of the test part that are asked"),
    }
    for name, (default, meaning) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{meaning} (default: %(default)s)")
    parser.add_argument("--rates", type=float, nargs=2, default=[1e-3, 3e-4], help="highest rate of both trainings")
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 2048, 8192], help="lengths that are timed")
    parser.add_argument("--repeats", type=int, default=5, help="how often (default: %(default)s)")
    given = vars(parser.parse_args(arguments))
    data, folder, lengths, repeats = (given.pop(name) for name in ("data", "output", "lengths", "repeats"))
    figures = study(data, folder, given, lengths, repeats)
    print(f"trained with full attention: {figures['trained']['accuracy']:.1%}")
    for name in ("switched", *ATTENTIONS):
        found = [figures[f"{name}-{seed}"]["accuracy"] for seed in range(1, given["seeds"] + 1)]
        print(f"{name}{', fine-tuned' * (name in ATTENTIONS)}: {', '.join(f'{each:.1%}' for each in found)}")
    for row in figures["seconds"]:
        print(f"{row['length']} tokens: {', '.join(f'{name} {row[name]:.2f} s' for name in ATTENTIONS)}")


if __name__ == "__main__":
    main()
