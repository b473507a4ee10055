import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampleformer.data.collate import collate
from sampleformer.errors import InputError
from sampleformer.explain import write_page
from sampleformer.training.run_folder import RunFolder
from sampleformer.wording import amount
from tests.explain.pages import Page, chosen_cells
from tests.explain.runs import make_run, numbers_run, texts_run, write_table

SCRIPT = "<script>alert('x')</script> & é\nmore"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on texts as bytes."""
    return texts_run(tmp_path_factory.mktemp("texts") / "run")[0]


def page_of(run: RunFolder, path: Path, **arguments: Any) -> tuple[str, Page]:
    """The page of a file, taken apart and checked."""
    html = write_page(run, path, path.with_suffix(".html"), force=True, **arguments).read_text(encoding="utf-8")
    page = Page(html)
    page.check_self_contained()
    return html, page


def chosen_by_select(run: RunFolder, path: Path, row: int) -> np.ndarray:
    """What `TokenModel.select` says of one row, through a batch of its own."""
    sample = run.read_encoding().read(path, targets=False)[row]
    chosen = []
    for selection in run.read_model().select(collate([sample]).tokens):
        heads = np.zeros((selection.indices.shape[1], len(sample.features)), bool)
        for head, (indices, valid) in enumerate(zip(selection.indices[0], selection.valid[0], strict=True)):
            heads[
                head, [int(i) for i, real in zip(indices, valid, strict=True) if real and i < len(sample.features)]
            ] = True
        chosen.append(heads)
    return np.stack(chosen)


def test_marked_tokens_are_those_that_the_model_selects(tmp_path: Path, texts: RunFolder) -> None:
    rows = ["a good text", "a bad one"]
    path = write_table(tmp_path / "new.csv", ["review", "sentiment"], [[rows[0], "yes"], [rows[1], "no"]])
    _, page = page_of(texts, path)
    marked = ""
    for row, (text, data) in enumerate(zip(rows, page.choices, strict=True)):
        expected = chosen_by_select(texts, path, row)
        shown = [[chosen_cells(head, len(text)) for head in layer] for layer in data["chosen"]]
        assert (np.array(shown) == expected).all()
        assert "".join(data["cells"]) == text
        marked += "".join(sign for sign, chosen in zip(text, expected.any(axis=(0, 1)), strict=True) if chosen)
    assert "".join(sign for _, sign in page.marks) == marked
    assert page.texts == rows
    assert page.text.count("✓ right") + page.text.count("✗ wrong") == 2


def test_text_with_markup_is_shown_as_text(tmp_path: Path, texts: RunFolder) -> None:
    path = write_table(tmp_path / "<b>new & old.csv", ["id", "review"], [["<i>1", SCRIPT]])
    html, page = page_of(texts, path)
    assert "<script>alert" not in html
    assert SCRIPT.replace("\n", "↵\n") in page.text
    assert "(id <i>1)" in page.text
    assert "What the model chose in <b>new & old.csv" in page.text


@pytest.mark.parametrize("tokens", ["bytes", "characters", "words"])
def test_every_kind_of_text_token(tmp_path: Path, tokens: str) -> None:
    run, _ = texts_run(tmp_path / "run", tokens)
    path = write_table(tmp_path / "new.csv", ["review"], [["a good é, or a strange text?"]])
    _, page = page_of(run, path)
    assert "a good é, or a strange text?" in page.text
    assert page.marks


def test_truth_is_left_out_where_the_file_has_none(tmp_path: Path, texts: RunFolder) -> None:
    _, page = page_of(texts, write_table(tmp_path / "bare.csv", ["review"], [["good"]]))
    assert "The true answers are not shown" in page.text
    assert "column 'sentiment' is missing." in page.text
    _, page = page_of(texts, write_table(tmp_path / "odd.csv", ["review", "sentiment"], [["good", "perhaps"]]))
    assert "label 'perhaps' does not occur in the training part" in page.text


def test_numbers_with_their_names_and_values(tmp_path: Path) -> None:
    run, splits = numbers_run(tmp_path / "run", "price")
    _, page = page_of(run, tmp_path / "numbers.csv", samples=3)
    assert "Shown: the first 3 of 60 of the file's samples." in page.text
    assert len(page.choices) == 3
    for row, data in enumerate(page.choices):
        expected = chosen_by_select(run, tmp_path / "numbers.csv", row)
        assert (np.array([[chosen_cells(h, 10) for h in layer] for layer in data["chosen"]]) == expected).all()
    sample = run.read_encoding().read(tmp_path / "numbers.csv", targets=True)[0]
    for piece in splits.encoding.pieces(sample):
        assert piece.replace(" = ", "") in page.text
    truth = float((tmp_path / "numbers.csv").read_text().splitlines()[1].split(",")[10])
    assert f"true: price = {amount(truth)}" in page.text


def test_images_have_a_picture_for_each_head(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "run", {"name": "digits", "limit": 60})
    columns = json.loads(run.encoding.read_text(encoding="utf-8"))["inputs"]["columns"]
    rows = [[(17 * place + row) % 17 for place in range(64)] for row in range(2)]
    _, page = page_of(run, write_table(tmp_path / "new.csv", columns, rows))
    for row in range(2):
        chosen = chosen_by_select(run, tmp_path / "new.csv", row)
        for layer in range(2):
            for head in range(4):
                words = f"Layer {layer + 1}, head {head + 1}: chose {chosen[layer, head].sum()} of 64 pixels"
                assert [image["alt"] for image in page.images].count(words) >= 1
    assert "Over these samples" in page.text


def test_empty_text_is_answered_without_tokens(tmp_path: Path, texts: RunFolder) -> None:
    _, page = page_of(texts, write_table(tmp_path / "new.csv", ["review"], [["good"], [""]]))
    assert "No tokens: the model answers from its bias alone." in page.text


def test_full_attention_has_no_choice_to_show(tmp_path: Path) -> None:
    run, _ = texts_run(tmp_path / "run", attention={"name": "full"})
    _, page = page_of(run, write_table(tmp_path / "new.csv", ["review"], [["good"]]))
    assert "Every head of every layer attends to every token: there is no choice to show." in page.text
    assert (page.marks, page.choices) == ([], [])
    assert "good" in page.text


def test_more_samples_than_tokens_chooses_all(tmp_path: Path) -> None:
    run, _ = texts_run(tmp_path / "run", attention={"name": "samsa", "sampled": 64})
    _, page = page_of(run, write_table(tmp_path / "new.csv", ["review"], [["good"], ["a longer text " * 9]]))
    assert page.text.count("there is no choice to show") == 1
    assert len(page.choices) == 1


def test_choices_of_nothing_are_counted(tmp_path: Path) -> None:
    run, _ = texts_run(tmp_path / "run", attention={"name": "samsa", "sampled": 6, "extra": 6})
    path = write_table(tmp_path / "new.csv", ["review"], [["a good text, or a bad one"]])
    chosen = chosen_by_select(run, path, 0)
    _, page = page_of(run, path)
    assert 0 < chosen.sum() < 48
    assert f"choices of “nothing”{48 - chosen.sum()} of 48" in page.text


@pytest.mark.parametrize(("choice", "there"), [("soft", True), ("hard", False)])
def test_soft_choice_says_that_runners_up_are_read_too(tmp_path: Path, choice: str, there: bool) -> None:
    run, _ = texts_run(tmp_path / "run", attention={"name": "samsa", "sampled": 4, "choice": choice})
    _, page = page_of(run, write_table(tmp_path / "new.csv", ["review"], [["a good text"]]))
    assert ("The choice of this model is soft" in page.text) is there


@pytest.mark.parametrize(("pooling", "there"), [("attention", True), ("mean", False), ("max", False)])
def test_pooling_weights_are_shown_where_there_are_any(tmp_path: Path, pooling: str, there: bool) -> None:
    run, _ = texts_run(tmp_path / "run", pooling=pooling)
    _, page = page_of(run, write_table(tmp_path / "new.csv", ["review"], [["a good text"]]))
    assert ("half of the pooling weight lies on" in page.text) is there


def test_same_input_gives_the_same_bytes(tmp_path: Path, texts: RunFolder) -> None:
    path = write_table(tmp_path / "new.csv", ["review"], [["a good text"], ["a bad one"]])
    assert page_of(texts, path)[0] == page_of(texts, path)[0]


def test_samples_do_not_depend_on_those_beside_them(tmp_path: Path, texts: RunFolder) -> None:
    one, _ = page_of(texts, write_table(tmp_path / "one.csv", ["review"], [["a good text"]]))
    two, _ = page_of(
        texts, write_table(tmp_path / "two.csv", ["review"], [["a good text"], ["another, much longer one"]])
    )
    start, end = (one.index(word) for word in ("<script type", "</section>"))
    assert one[start:end] in two


def test_long_texts_give_a_page_of_moderate_size(tmp_path: Path) -> None:
    run, _ = texts_run(tmp_path / "run", attention={"name": "samsa", "sampled": 64}, layers=4, width=32, heads=8)
    rows = [[f"{row} " + "The quick brown fox jumps over the lazy dog. " * 200] for row in range(3)]
    html, _ = page_of(run, write_table(tmp_path / "new.csv", ["review"], rows))
    assert "The first 4,096 of 9,002 tokens are shown." in html
    assert len(html) < 3 * 200_000


def test_nothing_is_overwritten(tmp_path: Path, texts: RunFolder) -> None:
    path = write_table(tmp_path / "new.csv", ["review"], [["good"]])
    output = tmp_path / "page.html"
    output.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_page(texts, path, output)
    assert output.read_text() == "mine"
    with pytest.raises(InputError, match="there is no folder"):
        write_page(texts, path, tmp_path / "missing" / "page.html")
    with pytest.raises(InputError, match="samples: found 0, expected at least 1"):
        write_page(texts, path, tmp_path / "other.html", samples=0)
    with pytest.raises(InputError, match="column 'review' is missing"):
        write_page(texts, write_table(tmp_path / "other.csv", ["text"], [["good"]]), tmp_path / "other.html")
    assert not (tmp_path / "other.html").exists()


def test_wrong_rows_stop_or_are_skipped(tmp_path: Path) -> None:
    run, _ = numbers_run(tmp_path / "run", "price")
    head = [f"x{place}" for place in range(10)]
    path = write_table(tmp_path / "new.csv", head, [[1] * 10, ["many"] + [1] * 9])
    with pytest.raises(InputError, match="many"):
        write_page(run, path, tmp_path / "page.html")
    html = write_page(run, path, tmp_path / "page.html", on_error="skip").read_text(encoding="utf-8")
    assert "Shown: all 1 of the file's samples." in html
