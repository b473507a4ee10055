"""The tokenizer of a run as one of transformers."""

import json
import os
from pathlib import Path
from typing import Any

from transformers import AddedToken, PreTrainedTokenizer
from typing_extensions import Self

from sampleformer.data.sequence.text_columns import LONGEST
from sampleformer.data.sequence.tokenizers import ByteTokenizer, Tokenizer, VocabularyTokenizer, tokenizer_from_json
from sampleformer.documents import read_json
from sampleformer.errors import InputError
from sampleformer.files import write_text
from sampleformer.reading import reading

PADDING = "<the padding>"
"""Token of padding. It holds a blank, so that no tokenizer of the package finds it in a text."""


class SampleformerTokenizer(PreTrainedTokenizer):
    """Codes of texts as the run made them: no special tokens beside padding, longer texts cut as there.

    Args:
        vocab_file: Path of ``vocabulary.json``, which `save_pretrained` writes. None: `tokenizer` is given.
        tokenizer: Tokenizer of the package. None: bytes, if there is no file.
        cut_to: Number of tokens to which longer texts are cut. None: they are not, or as the file says.

    Raises:
        InputError: if the file is none that `save_pretrained` wrote.

    Example:
        >>> tokens = SampleformerTokenizer()(["soup", "it"], padding=True)
        >>> tokens["input_ids"], tokens["attention_mask"]
        ([[115, 111, 117, 112], [105, 116, 256, 256]], [[1, 1, 1, 1], [1, 1, 0, 0]])
    """

    vocab_files_names = {"vocab_file": "vocabulary.json"}  # noqa: RUF012 - transformers' attribute
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        *,
        tokenizer: Tokenizer | None = None,
        cut_to: int | None = None,
        **kwargs: Any,
    ) -> None:
        if vocab_file is not None:
            content = read_json(Path(vocab_file), "the vocabulary of a run")
            with reading(vocab_file, "the vocabulary of a run"):
                tokenizer, cut_to = tokenizer_from_json(content["tokenizer"]), content["cut_to"]
        self.tokenizer = ByteTokenizer() if tokenizer is None else tokenizer
        self.cut_to = cut_to
        self._names = self.tokenizer.names
        self._code_of = {name: code for code, name in enumerate(self._names) if code != self.tokenizer.unknown}
        self._added_tokens_decoder = {self.tokenizer.vocabulary: AddedToken(PADDING, special=True)}
        kwargs = {"model_max_length": LONGEST if cut_to is None else cut_to} | kwargs
        super().__init__(**kwargs | {"pad_token": PADDING})

    @classmethod
    def from_run(cls, run: str | os.PathLike[str]) -> Self:
        """The tokenizer of a run on texts.

        Args:
            run: Path of the run folder.

        Raises:
            InputError: as `SampleformerForSequenceClassification.from_run`.
        """
        from sampleformer.integrations.huggingface.runs.conversion import read_run

        texts = read_run(run).texts
        return cls(tokenizer=texts.tokenizer, cut_to=texts.max_length)

    @property
    def vocab_size(self) -> int:
        """Number of codes without padding."""
        return self.tokenizer.vocabulary

    def get_vocab(self) -> dict[str, int]:
        """Codes by token, padding among them; what is unknown has no name."""
        return self._code_of | self.added_tokens_encoder

    def tokenize(self, text: str, pair: str | None = None, add_special_tokens: bool = False, **_: Any) -> list[str]:
        """Tokens of a text; nothing in a text is padding, whatever it says."""
        if isinstance(self.tokenizer, VocabularyTokenizer):
            return list(self.tokenizer.cut(text)[: self.cut_to])
        return [self._names[code] for code in self.tokenizer.encode(text)[: self.cut_to].tolist()]

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The codes themselves: there are no special ones.

        Raises:
            InputError: if there is a second text.
        """
        if token_ids_1 is not None:
            raise InputError("text_pair is given, expected one text a sample: the model has seen no pairs")
        return token_ids_0

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """0."""
        return 0

    def get_special_tokens_mask(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None, already_has_special_tokens: bool = False
    ) -> list[int]:
        """1 for each code of padding."""
        return [int(code == self.pad_token_id) for code in token_ids_0]

    def _convert_token_to_id(self, token: str) -> int:
        return self._code_of.get(token, self.tokenizer.unknown or 0)

    def _convert_id_to_token(self, index: int) -> str:
        return self._names[index]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Tokens beside each other, as an explanation shows them."""
        return (" " if self.tokenizer.name in ("words", "whitespace") else "").join(tokens)

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str]:
        """Writes ``vocabulary.json``."""
        path = Path(save_directory) / f"{filename_prefix + '-' if filename_prefix else ''}vocabulary.json"
        content = {"tokenizer": self.tokenizer.to_json(), "cut_to": self.cut_to}
        write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
        return (str(path),)
