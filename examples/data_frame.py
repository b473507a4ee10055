"""A text column of a DataFrame, learnt by a program for scikit-learn with three lines changed.

    pip install pandas
    python examples/data_frame.py

The task: a review of forty words is good or bad by three of them; all others are noise.
"""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from sampleformer.integrations.sklearn import SampleformerClassifier  # the first line

GOOD, BAD = ["lovely", "fresh", "warm"], ["dreadful", "stale", "cold"]


def draw(rows: int = 240, words: int = 40) -> pd.DataFrame:
    """Reviews and what they say."""
    random = np.random.default_rng(0)
    table = []
    for _ in range(rows):
        good = bool(random.integers(2))
        review = random.choice([f"word{number}" for number in range(300)], size=words)
        review[random.choice(words, size=3, replace=False)] = random.choice(GOOD if good else BAD, size=3)
        table.append({"review": " ".join(review), "rating": "good" if good else "bad"})
    return pd.DataFrame(table)


def main(steps: int = 60) -> None:
    """Trains on three quarters of the reviews and says how often it is right on the rest."""
    train, test = train_test_split(draw(), test_size=0.25, random_state=0)
    classifier = SampleformerClassifier(text="review", steps=steps, settings=SETTINGS)  # the second
    classifier.fit(train, train["rating"])  # the third
    print(test.assign(prediction=classifier.predict(test))[["rating", "prediction"]].head(3).to_string(index=False))
    print(f"right: {classifier.score(test, test['rating']):.0%}")


SETTINGS = ["model.width=16", "model.feedforward=32", "training.learning_rate=0.01", "training.warmup_steps=5"]
"""A model small enough to learn this in seconds; without them it is that of the recipe for texts."""

if __name__ == "__main__":
    main()
