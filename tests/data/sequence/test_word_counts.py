"""Counts of words in bounded memory."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.sequence.tokenizers import CharacterTokenizer
from sampleformer.data.sequence.word_counts import WordCounts

texts = st.lists(st.lists(st.sampled_from(["a", "b", "\n", "\ud800", "é", "c d"]), max_size=5), max_size=8)


@given(texts, st.integers(1, 4))
def test_counts_are_exact_however_few_words_are_held(lists: list[list[str]], most: int) -> None:
    with WordCounts(most) as counts:
        for words in lists:
            counts.add(words)
        found = list(counts)
    assert found == sorted(Counter(word for words in lists for word in words).items())


@pytest.mark.parametrize("most", [1, 100])
def test_frequent_words_come_first_and_equal_ones_in_order(most: int) -> None:
    with WordCounts(most) as counts:
        for words in (["b", "a"], ["c", "b"], ["a", "d"], ["e"]):
            counts.add(words)
        assert counts.frequent() == ["a", "b", "c", "d", "e"]
        assert counts.frequent(least=2) == ["a", "b"]
        assert counts.frequent(most=3) == ["a", "b", "c"]


def test_a_vocabulary_is_the_same_from_files(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["some text", "another", "text text"]
    whole = CharacterTokenizer.learn(lines, 2, 5).words
    monkeypatch.setattr("sampleformer.data.sequence.word_counts.MOST", 3)
    assert CharacterTokenizer.learn(lines, 2, 5).words == whole
