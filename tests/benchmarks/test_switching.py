"""The study of a BERT whose attention is switched, on a few short reviews."""

import csv
import json
from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from benchmarks.switching import END, LENGTH, MASKED, PADDING, START, UNKNOWN, Reviews, main, read

WORDS = ("soup", "view", "room", "bed")


def write_reviews(path: Path) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "label", "text"])
        for word in WORDS:
            for label, how in enumerate(("cold", "lovely")):
                writer.writerow(["train", label, f"The {word} was {how}."])
                writer.writerow(["test", label, f"The {word} and breakfast were {how}. " + "very " * 600 * label])
    return path


def test_texts_are_codes_of_words_of_the_training_part(tmp_path: Path) -> None:
    learnt, tested = read(write_reviews(tmp_path / "reviews.csv"), 100, 3)
    assert len(learnt.codes) == 8
    assert learnt.labels == [0, 1] * 4
    assert all(codes[0] == START and codes[-1] == END and min(codes[1:-1]) > MASKED for codes in learnt.codes)
    assert len(tested.codes) == 3
    assert all(codes.count(UNKNOWN) >= 3 for codes in tested.codes)  # and, breakfast, were
    assert {len(codes) for codes, label in zip(tested.codes, tested.labels, strict=True) if label} <= {LENGTH}


def test_a_batch_is_padded_and_an_epoch_has_each_review_once() -> None:
    reviews = Reviews([[7] * (1 + row % 9) for row in range(70)], [row % 2 for row in range(70)])
    batch = reviews.batch([2, 0])
    assert batch["input_ids"].tolist() == [[7, 7, 7], [7, PADDING, PADDING]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [0, 0]
    numbered = Reviews([[7 + row] * (1 + row % 9) for row in range(70)], [0] * 70)
    epoch = list(islice(numbered.shuffled(3), 3))
    assert sorted(code for batch in epoch for code in batch["input_ids"][:, 0].tolist()) == list(range(7, 77))
    again = list(islice(numbered.shuffled(3), 3))
    assert all(one["input_ids"].equal(other["input_ids"]) for one, other in zip(epoch, again, strict=True))


def test_what_is_measured_is_kept_and_not_measured_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    numbers = {"sampled": LENGTH, "width": 8, "layers": 1, "words": 30, "pretraining": 2, "training": 3, "tuning": 2}
    arguments = [str(data), "-o", str(tmp_path / "study"), "--lengths", "8", "16", "--repeats", "1", "--seeds", "1"]
    for name, value in numbers.items():
        arguments += [f"--{name}", str(value)]
    main(arguments)
    path = tmp_path / "study" / "results.json"
    figures = json.loads(path.read_text())
    assert figures["settings"] == numbers | {"seeds": 1, "tested": 2000, "rates": [1e-3, 3e-4]}
    # As many sampled as there are tokens.
    assert figures["switched-1"]["accuracy"] == figures["trained"]["accuracy"]
    for name in ("trained", "full-1", "straight_through-1", "published-1"):
        assert 0 <= figures[name]["accuracy"] <= 1
        assert figures[name]["cpu_seconds"] > 0
    assert [(row["length"], row["texts"]) for row in figures["seconds"]] == [(8, 2), (16, 1)]
    capsys.readouterr()
    del figures["full-1"]
    path.write_text(json.dumps(figures))
    main(arguments)
    printed = capsys.readouterr().out
    assert "full-1\n" in printed
    assert "published-1\n" not in printed
    assert f"trained with full attention: {figures['trained']['accuracy']:.1%}" in printed
    with pytest.raises(SystemExit, match="written with other settings"):
        main([*arguments, "--tuning", "1"])
