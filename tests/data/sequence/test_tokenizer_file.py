"""Texts cut by a file of the library tokenizers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampleformer import InputError, Predictor
from sampleformer.data.sequence.text import TextTable
from sampleformer.data.sequence.tokenizers import FileTokenizer, tokenizer_from_json
from sampleformer.training import evaluate, train
from tests.training.small import text_recipe, write_texts

library = pytest.importorskip("tokenizers")

TEXTS = ["abba cdcd", "abxx", "", "é unseen", "ab ab cd"]


def made(kind: str) -> Any:
    """A tokenizer of the library, learnt of a few texts."""
    specials = ["[UNK]", "[CLS]", "[SEP]"]
    if kind == "bytes":
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = library.pre_tokenizers.ByteLevel.alphabet()
        trainer = library.trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    elif kind == "unigram":
        tokenizer = library.Tokenizer(library.models.Unigram())
        trainer = library.trainers.UnigramTrainer(
            vocab_size=12, unk_token="[UNK]", special_tokens=specials, show_progress=False
        )
    else:
        tokenizer = library.Tokenizer(library.models.WordPiece(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = library.pre_tokenizers.Whitespace()
        trainer = library.trainers.WordPieceTrainer(vocab_size=30, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(["abba cdcd", "abab cdxx", "ab ab cd"], trainer)
    if kind == "special":
        tokenizer.post_processor = library.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    return tokenizer


@pytest.mark.parametrize("kind", ["bytes", "words", "special", "unigram"])
def test_codes_are_those_of_the_library(kind: str, tmp_path: Path) -> None:
    theirs = made(kind)
    theirs.enable_padding(length=50)
    theirs.enable_truncation(3)
    theirs.save(str(tmp_path / "tokenizer.json"))
    theirs.no_padding()
    theirs.no_truncation()
    ours = FileTokenizer.read(str(tmp_path / "tokenizer.json"))
    again = tokenizer_from_json(json.loads(json.dumps(ours.to_json())))
    assert ours.vocabulary == theirs.get_vocab_size() == len(ours.names)
    assert ours.unknown == (None if kind == "bytes" else 0)
    for text in TEXTS:
        expected = theirs.encode(text)
        codes = ours.encode(text)
        assert codes.dtype == (np.uint16 if ours.vocabulary > 256 else np.uint8)
        assert codes.tolist() == again.encode(text).tolist() == expected.ids
        assert ours.pieces(codes, None) == [theirs.id_to_token(code) for code in expected.ids]
        pieces = ours.pieces(codes, text)
        assert len(pieces) == len(codes)
        if kind == "words":
            assert "".join(pieces) == text.replace(" ", "")
    assert len(ours.pieces(ours.encode("abba cdcd")[:2], "abba cdcd")) == 2


def test_a_run_keeps_the_file_and_refuses_another(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    made("words").save(str(path))
    recipe = text_recipe(write_texts(tmp_path / "texts.csv"), steps=2, check_every=2)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"tokens": str(path)})})
    run = train(recipe, tmp_path / "run", quiet=True)
    record = run.read_run()["data"]["files"]["tokens"]
    saved = json.loads(run.encoding.read_text(encoding="utf-8"))["inputs"]["tokenizer"]
    assert record["sha256"] == saved["sha256"]
    assert saved["content"] == path.read_text(encoding="utf-8")
    assert evaluate(run.path)["scores"]
    answers = Predictor.load(run.path)(["abba", "cd"])
    path.write_text(path.read_text(encoding="utf-8").replace("[SEP]", "[END]"), encoding="utf-8")
    with pytest.raises(InputError, match=r"tokenizer\.json: changed since the training"):
        evaluate(run.path)
    path.unlink()
    assert Predictor.load(run.path)(["abba", "cd"]) == answers


def test_it_goes_into_transformers(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from sampleformer.integrations.huggingface import SampleformerTokenizer

    ours = FileTokenizer(made("special").to_str())
    SampleformerTokenizer(tokenizer=ours, cut_to=4).save_pretrained(tmp_path)
    again = SampleformerTokenizer.from_pretrained(tmp_path)
    assert again(TEXTS)["input_ids"] == [ours.encode(text)[:4].tolist() for text in TEXTS]
    assert again.pad_token_id == ours.vocabulary


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "not a tokenizer.json of the library tokenizers ("),
        ('{"model": {"type": "Unheard"}}', "not a tokenizer.json of the library tokenizers ("),
        ('{"version": "1.0", "model": {"type": "WordLevel", "vocab": {}, "unk_token": "x"}}', "vocabulary is empty"),
    ],
)
def test_files_that_are_none_are_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        FileTokenizer.read(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file, expected a tokenizer.json of the library tokenizers"):
        FileTokenizer.read(str(tmp_path / "tokenizer.json"))
    with pytest.raises(
        InputError, match=r"tokens: found 'wrods'; did you mean 'words'\?.*, or the path of a tokenizer"
    ):
        TextTable("texts.csv", "review", "sentiment", tokens="wrods")


def test_a_stranger_s_encoding_must_hold_what_was_saved(tmp_path: Path) -> None:
    values = FileTokenizer(made("words").to_str()).to_json()
    with pytest.raises(ValueError, match="not that of its SHA-256"):
        tokenizer_from_json(values | {"content": values["content"] + " "})


def test_the_line_that_installs_the_library_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    content = made("words").to_str()
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(InputError, match=r'this needs the package tokenizers: pip install "sampleformer\[tokens\]"'):
        FileTokenizer(content)
