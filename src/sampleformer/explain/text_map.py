"""The choice map of a text: the text itself, with the chosen tokens marked."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from sampleformer.explain.choices import Choices
from sampleformer.explain.html import escape, inline_json, visible
from sampleformer.wording import count

SHOWN = 4096
"""Tokens of one text that a page shows."""

LEVELS = 5
"""Steps of the marks' intensity."""

# A piece is sought this far ahead of the last one; what lies between is shown as text that is no token.
_LONGEST_GAP = 1000


@dataclass(frozen=True)
class Cells:
    """What is marked as a whole: a token that can be seen, with the unseen ones after it.

    The bytes of one character are one cell, chosen by every head that chose any of them.

    Args:
        texts: what each cell shows.
        gaps: text before each cell that is no token, such as the space between two words.
        starts: the first token of each cell.
    """

    texts: list[str]
    gaps: list[str]
    starts: Int[np.ndarray, " cells"]

    @classmethod
    def from_pieces(cls, pieces: Sequence[str], source: str | None) -> "Cells":
        """Joins the pieces into cells and finds the gaps between them in the source.

        Example:
            >>> Cells.from_pieces(["so", "good"], "so  good").gaps
            ['', '  ']
        """
        starts = [index for index, piece in enumerate(pieces) if piece or index == 0]
        texts = [pieces[index] for index in starts]
        return cls(texts, _gaps(texts, source), np.asarray(starts, dtype=np.int64))

    def chosen(self, tokens: Bool[np.ndarray, "*heads n"]) -> Bool[np.ndarray, "*heads cells"]:
        """Which cells hold a chosen token."""
        if not len(self.starts):
            return np.zeros((*tokens.shape[:-1], 0), dtype=bool)
        return np.logical_or.reduceat(tokens, self.starts, axis=-1)


def most_chosen(pieces: Sequence[str], choices: Choices) -> int:
    """The largest number of heads that chose one of the cells shown."""
    cells = Cells.from_pieces(pieces[:SHOWN], None)
    return int(cells.chosen(choices.chosen[:, :, :SHOWN]).sum(axis=(0, 1)).max(initial=0))


def _gaps(texts: list[str], source: str | None) -> list[str]:
    gaps: list[str] = []
    end = 0
    searched = source or ""
    for text in texts:
        place = searched.find(text, end, end + len(text) + _LONGEST_GAP)
        if place < 0:
            break
        gaps.append(searched[end:place])
        end = place + len(text)
    if len(gaps) == len(texts):
        return gaps
    # The pieces are not parts of the source. Single signs follow each other; longer pieces are words.
    space = " " if any(len(text) > 1 for text in texts) else ""
    return ["" if index == 0 else space for index in range(len(texts))]


def level(chosen: int, most: int) -> int:
    """Step of intensity: 0 where no head chose, then 1 to `LEVELS` in equal parts of the most."""
    return -(-LEVELS * chosen // most) if chosen else 0


def text_legend(heads: int, most: int) -> str:
    """What the intensities mean; the page's script writes it anew for other layers and heads.

    Args:
        heads: of all layers together.
        most: the largest number of heads that chose one token.
    """
    ends = [step * most // LEVELS for step in range(LEVELS + 1)]
    marks = "".join(
        f'<mark class="s{step}">{first if first == last else f"{first}–{last}"}</mark>'
        for step, first, last in ((step, ends[step - 1] + 1, ends[step]) for step in range(1, LEVELS + 1))
        if first <= last
    )
    return f"<p class='legend'>Chosen by so many of {heads} heads: <span>0</span>{marks}</p>\n"


def text_map(pieces: Sequence[str], source: str | None, choices: Choices, most: int) -> str:
    """The text with chosen tokens marked, and the choices of every head for the page's script.

    Args:
        pieces: what each token shows.
        source: the text the tokens were cut from; None: join the pieces.
        choices: of every layer and head.
        most: heads that the strongest mark stands for.
    """
    cells = Cells.from_pieces(pieces[:SHOWN], source)
    chosen = cells.chosen(choices.chosen[:, :, :SHOWN])
    marked = _marked(cells, chosen.sum(axis=(0, 1)), most, choices.voters)
    note = ""
    if len(pieces) > SHOWN:
        note = (
            f"<p class='note'>The first {SHOWN:,} of {count(len(pieces), 'token')} are shown. "
            "All figures, and the strips below, are over all of them.</p>\n"
        )
    data = {
        "kind": "text",
        "cells": [visible(text) for text in cells.texts],
        "gaps": [visible(gap) for gap in cells.gaps] if any(cells.gaps) else [],
    }
    return f"<div class='map text' dir='auto'>{marked}</div>\n{note}{choices_data(chosen, data)}"


def plain_text(pieces: Sequence[str], source: str | None) -> str:
    """The text without marks."""
    cells = Cells.from_pieces(pieces[:SHOWN], source)
    text = "".join(gap + piece for gap, piece in zip(cells.gaps, cells.texts, strict=True))
    note = ""
    if len(pieces) > SHOWN:
        note = f"<p class='note'>The first {SHOWN:,} of {count(len(pieces), 'token')} are shown.</p>\n"
    return f"<div class='text' dir='auto'>{escape(visible(text))}</div>\n{note}"


def _marked(cells: Cells, counts: np.ndarray, most: int, heads: int) -> str:
    """Adjacent cells of one level share one mark, so that the page stays small."""
    parts: list[str] = []
    levels = [level(int(number), most) for number in counts]
    begin = 0
    for end in range(1, len(levels) + 1):
        if end < len(levels) and levels[end] == levels[begin]:
            continue
        gap = visible(cells.gaps[begin])
        run = cells.texts[begin] + "".join(
            gap + text for gap, text in zip(cells.gaps[begin + 1 : end], cells.texts[begin + 1 : end], strict=True)
        )
        parts.append(escape(gap) + _mark(visible(run), levels[begin], counts[begin:end], heads))
        begin = end
    return "".join(parts)


def _mark(text: str, step: int, counts: np.ndarray, heads: int) -> str:
    if step == 0:
        return escape(text)
    first, last = int(counts.min()), int(counts.max())
    numbers = f"{first}" if first == last else f"{first}–{last}"
    return f'<mark class="s{step}" title="chosen by {numbers} of {heads}">{escape(text)}</mark>'


def choices_data(chosen: Bool[np.ndarray, "layers heads cells"], data: dict[str, Any]) -> str:
    """The choices as data for the page's script: one bit a cell, one base64 text a head."""
    bits = np.packbits(chosen, axis=-1, bitorder="little")
    encoded = [[base64.b64encode(head.tobytes()).decode("ascii") for head in layer] for layer in bits]
    return f'<script type="application/json" class="choices">{inline_json(data | {"chosen": encoded})}</script>\n'
