"""Texts as codes, and back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.sequence.tokenizers import (
    TOKENIZERS,
    ByteTokenizer,
    CharacterTokenizer,
    WhitespaceTokenizer,
    WordTokenizer,
    tokenizer_from_json,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts)
def test_bytes_round_trip(text: str) -> None:
    codes = ByteTokenizer().encode(text)
    assert codes.dtype == np.uint8
    assert codes.tobytes().decode() == text
    assert "".join(ByteTokenizer().pieces(codes, None)) == text


@given(texts)
def test_characters_round_trip(text: str) -> None:
    tokenizer = CharacterTokenizer.learn([text])
    codes = tokenizer.encode(text)
    assert len(codes) == len(text)
    assert "".join(tokenizer.pieces(codes, None)) == text
    assert (codes > 0).all()


@given(texts, st.sampled_from(sorted(TOKENIZERS)))
def test_codes_pieces_and_json_agree(text: str, name: str) -> None:
    tokenizer = TOKENIZERS[name].learn([text, text])
    again = tokenizer_from_json(json.loads(json.dumps(tokenizer.to_json())))
    codes = tokenizer.encode(text)
    assert again.encode(text).tolist() == codes.tolist()
    assert again.vocabulary == tokenizer.vocabulary
    assert (codes < tokenizer.vocabulary).all()
    assert tokenizer.pieces(codes, text) == tokenizer.pieces(codes, None)
    assert len(tokenizer.pieces(codes, text)) == len(codes)


def test_vocabulary_of_bytes_is_256() -> None:
    assert ByteTokenizer().vocabulary == 256


def test_a_character_is_shown_on_its_first_byte() -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.pieces(tokenizer.encode("aé😀b"), None) == ["a", "é", "", "😀", "", "", "", "b"]


def test_a_character_cut_in_the_middle_shows_a_replacement() -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.pieces(tokenizer.encode("a😀")[:3], None) == ["a", "\ufffd", ""]


def test_half_a_surrogate_pair_is_one_replaced_byte() -> None:
    assert ByteTokenizer().encode("a\ud800").tolist() == list(b"a?")


def test_words_and_punctuation() -> None:
    assert WordTokenizer.cut("Don't panic – it's 3.5 €!") == [
        "Don",
        "'",
        "t",
        "panic",
        "–",
        "it",
        "'",
        "s",
        "3",
        ".",
        "5",
        "€",
        "!",
    ]


def test_whitespace_keeps_brackets() -> None:
    assert WhitespaceTokenizer.cut("[MAX 2 9 ]") == ["[MAX", "2", "9", "]"]


def test_vocabulary_counts_in_the_texts_given() -> None:
    tokenizer = WordTokenizer.learn(["b a b", "c b a"], min_count=2)
    assert tokenizer.words == ["b", "a"]  # the most frequent first
    assert tokenizer.encode("a b c d").tolist() == [2, 1, 0, 0]
    assert tokenizer.vocabulary == 3
    assert WordTokenizer.learn(["b a b c"], max_size=1).words == ["b"]


def test_unknown_words_are_shown_from_the_text() -> None:
    tokenizer = WordTokenizer(["known"])
    codes = tokenizer.encode("known strange words")
    assert tokenizer.pieces(codes, "known strange words") == ["known", "strange", "words"]
    assert tokenizer.pieces(codes, None) == ["known", "\ufffd", "\ufffd"]
    assert tokenizer.pieces(codes[:2], "known strange words") == ["known", "strange"]


@pytest.mark.parametrize(("words", "dtype"), [(255, np.uint8), (256, np.uint16), (70_000, np.uint32)])
def test_codes_have_the_smallest_type_that_holds_them(words: int, dtype: type) -> None:
    assert WordTokenizer([f"w{number}" for number in range(words)]).encode("w0").dtype == dtype
