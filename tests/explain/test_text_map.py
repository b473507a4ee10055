import re
from importlib.resources import files
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.sequence.tokenizers import ByteTokenizer, CharacterTokenizer, WordTokenizer
from sampleformer.explain.choices import Choices
from sampleformer.explain.html import visible
from sampleformer.explain.text_map import LEVELS, SHOWN, Cells, level, most_chosen, plain_text, text_legend, text_map
from tests.explain.pages import Page, chosen_cells


def choices_of(chosen: np.ndarray) -> Choices:
    return Choices(chosen, np.zeros(chosen.shape[:2], int))


def drawn(pieces: list[str], source: str | None, chosen: np.ndarray) -> Page:
    choices = choices_of(chosen)
    return Page(text_map(pieces, source, choices, most_chosen(pieces, choices)))


def test_chosen_tokens_are_marked_by_how_many_heads_chose_them() -> None:
    chosen = np.array([[[1, 1, 0, 0], [1, 0, 0, 1]], [[1, 1, 0, 0], [1, 0, 0, 0]]], bool)
    page = drawn(list("abcd"), "abcd", chosen)
    assert page.marks == [("s5", "a"), ("s3", "b"), ("s2", "d")]
    assert page.texts == ["abcd"]


def test_adjacent_tokens_of_one_level_share_a_mark() -> None:
    page = drawn(list("abcdef"), "abcdef", np.array([[[1, 1, 1, 0, 0, 1]]], bool))
    assert page.marks == [("s5", "abc"), ("s5", "f")]


def test_bytes_of_one_character_are_one_cell() -> None:
    pieces = ByteTokenizer().pieces(ByteTokenizer().encode("aéb"), "aéb")
    page = drawn(pieces, "aéb", np.array([[[0, 0, 1, 0]]], bool))  # the second byte of é alone
    assert page.marks == [("s5", "é")]


def test_space_between_words_is_shown_and_marked_only_inside_a_run() -> None:
    page = drawn(["It", "is", "so", "good"], "It is  so\ngood", np.array([[[1, 0, 1, 1]]], bool))
    assert page.marks == [("s5", "It"), ("s5", "so↵\ngood")]
    assert page.texts == ["It is  so↵\ngood"]


def test_words_that_are_not_in_the_source_are_joined_by_spaces() -> None:
    assert drawn(["it", "is"], "IT IS", np.zeros((1, 1, 2), bool)).texts == ["it is"]
    assert drawn(["a", "b"], None, np.zeros((1, 1, 2), bool)).texts == ["ab"]


def test_source_is_searched_without_quadratic_cost() -> None:
    cells = Cells.from_pieces(["x"] + ["missing"] * 5, "x" + "y" * 10_000)
    assert cells.gaps == ["", " ", " ", " ", " ", " "]


def test_script_gets_the_choices_of_every_head() -> None:
    chosen = np.random.default_rng(0).random((3, 2, 21)) < 0.4
    (data,) = drawn(list("abcdefghijklmnopqrstu"), None, chosen).choices
    assert data["cells"] == list("abcdefghijklmnopqrstu")
    for layer in range(3):
        for head in range(2):
            assert (chosen_cells(data["chosen"][layer][head], 21) == chosen[layer, head]).all()


def test_markup_in_a_text_is_shown_as_text() -> None:
    text = "</script><script>alert('x')</script><!-- & \"quoted\" \x00\x1b\ud800"
    pieces = CharacterTokenizer.cut(text)
    html = text_map(pieces, text, choices_of(np.arange(len(text))[None, None] % 3 == 0), 1)
    assert "<script>alert" not in html
    assert html.count("</script>") == 1
    page = Page(html)
    (shown,) = page.texts
    assert shown == "</script><script>alert('x')</script><!-- & \"quoted\" ␀␛\ufffd"
    assert "".join(page.choices[0]["cells"]) == shown
    assert html.encode("utf-8")


@given(st.text(min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_any_text_is_shown_whole(text: str, random: Random) -> None:
    text = text.encode("utf-8", errors="replace").decode("utf-8")
    for tokenizer in (ByteTokenizer(), CharacterTokenizer([]), WordTokenizer([])):
        pieces = tokenizer.pieces(tokenizer.encode(text), text)
        if not pieces:
            continue
        chosen = np.array([random.random() < 0.5 for _ in pieces])
        page = drawn(pieces, text, chosen[None, None])
        starts = [*Cells.from_pieces(pieces, text).starts.tolist(), len(pieces)]
        wanted = [bool(chosen[first:end].any()) for first, end in pairwise(starts)]
        assert chosen_cells(page.choices[0]["chosen"][0][0], len(wanted)).tolist() == wanted
        last = [piece for piece in pieces if piece][-1]
        assert page.texts == [visible(text[: text.rindex(last) + len(last)])]  # all but white space after the last word


def test_long_texts_are_cut_with_a_word_and_stay_small() -> None:
    length = 60_000
    chosen = np.zeros((4, 8, length), bool)
    chosen[:, :, ::16] = True
    html = text_map(["a"] * length, "a" * length, choices_of(chosen), 32)
    assert f"The first {SHOWN:,} of 60,000 tokens are shown." in html
    assert len(html) < 120_000


@pytest.mark.parametrize(
    ("chosen", "most", "expected"), [(0, 8, 0), (1, 8, 1), (2, 8, 2), (7, 8, 5), (8, 8, 5), (1, 1, 5)]
)
def test_levels(chosen: int, most: int, expected: int) -> None:
    assert level(chosen, most) == expected


@pytest.mark.parametrize("most", [1, 2, 3, 5, 7, 32])
def test_legend_says_what_the_levels_are(most: int) -> None:
    marks = dict(Page(text_legend(32, most)).legend)
    for chosen in range(1, most + 1):
        first, _, last = marks[f"s{level(chosen, most)}"].partition("–")
        assert int(first) <= chosen <= int(last or first)


def test_script_and_page_have_the_same_levels() -> None:
    script = (files("sampleformer.explain") / "assets" / "page.js").read_text(encoding="utf-8")
    assert re.findall(r"LEVELS = (\d+)", script) == [str(LEVELS)]


def test_plain_text_has_no_marks() -> None:
    page = Page(plain_text(["so", "<i>"], "so <i>"))
    assert (page.text.strip(), page.marks) == ("so <i>", [])
