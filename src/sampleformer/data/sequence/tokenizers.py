"""Texts as codes: bytes, characters, words, or as a file of the library tokenizers has it."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sampleformer.data.sequence.word_counts import WordCounts
from sampleformer.documents import read_text
from sampleformer.extras import require
from sampleformer.parsing import parse_json
from sampleformer.reading import reading
from sampleformer.settings import construct

_FILE = "a tokenizer.json of the library tokenizers"
_MOST_BYTES = 2**27
_WORD = re.compile(r"\w+|[^\w\s]")


class Tokenizer(ABC):
    """Turns texts into codes and back into what each code stands for."""

    name: ClassVar[str]
    unknown: int | None = None
    """Code of every unknown token; None: no token is unknown."""

    @classmethod
    @abstractmethod
    def learn(cls, texts: Iterable[str], min_count: int = 1, max_size: int | None = None) -> Tokenizer:
        """A tokenizer for these texts.

        Args:
            texts: the texts of the training part.
            min_count: a token seen less often is unknown.
            max_size: at most so many tokens, the most frequent; None: all.
        """

    @property
    @abstractmethod
    def vocabulary(self) -> int:
        """Number of codes."""

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """What each code stands for."""

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """Codes of a text, ``(n,)``, of the smallest integer type that holds the vocabulary."""

    @abstractmethod
    def pieces(self, codes: np.ndarray, text: str | None) -> list[str]:
        """What each code stands for; the text, where known, shows unknown tokens."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""


class ByteTokenizer(Tokenizer):
    """The bytes of a text in UTF-8; 256 codes, nothing is unknown.

    Example:
        >>> ByteTokenizer().encode("é!").tolist()
        [195, 169, 33]
    """

    name = "bytes"
    vocabulary = 256
    names: ClassVar[list[str]] = [f"0x{code:02x}" if code < 33 or code > 126 else chr(code) for code in range(256)]

    @classmethod
    def learn(cls, texts: Iterable[str], min_count: int = 1, max_size: int | None = None) -> ByteTokenizer:
        return cls()

    def encode(self, text: str) -> np.ndarray:
        return np.frombuffer(text.encode("utf-8", errors="replace"), dtype=np.uint8)

    def pieces(self, codes: np.ndarray, text: str | None) -> list[str]:
        codes = np.asarray(codes, dtype=np.uint8)
        starts = np.flatnonzero((codes & 0xC0) != 0x80)  # every byte that does not continue a character
        pieces = [""] * len(codes)
        for start, end in pairwise([*starts.tolist(), len(codes)]):
            pieces[start] = codes[start:end].tobytes().decode("utf-8", errors="replace")
        return pieces

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name}


class VocabularyTokenizer(Tokenizer):
    """Tokens with a learnt vocabulary; code 0 stands for every unknown token.

    Args:
        words: the known tokens, which have the codes 1, 2, …
    """

    unknown = 0

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self._codes = {word: code for code, word in enumerate(self.words, start=1)}
        self._dtype = np.min_scalar_type(len(self.words))

    @staticmethod
    @abstractmethod
    def cut(text: str) -> Sequence[str]:
        """The tokens of a text."""

    @classmethod
    def learn(cls, texts: Iterable[str], min_count: int = 1, max_size: int | None = None) -> VocabularyTokenizer:
        with WordCounts() as counts:
            for text in texts:
                counts.add(cls.cut(text))
            return cls(counts.frequent(min_count, max_size))

    @property
    def vocabulary(self) -> int:
        return len(self.words) + 1

    @property
    def names(self) -> list[str]:
        return ["�", *self.words]

    def encode(self, text: str) -> np.ndarray:
        tokens = self.cut(text)
        return np.fromiter(map(self._codes.get, tokens, repeat(0)), dtype=self._dtype, count=len(tokens))

    def pieces(self, codes: np.ndarray, text: str | None) -> list[str]:
        if text is not None:
            return list(self.cut(text)[: len(codes)])
        return ["�" if code == 0 else self.words[code - 1] for code in codes]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "words": self.words}


class CharacterTokenizer(VocabularyTokenizer):
    """The characters (code points) of a text."""

    name = "characters"

    @staticmethod
    def cut(text: str) -> Sequence[str]:
        return text


class WordTokenizer(VocabularyTokenizer):
    """Words and punctuation marks.

    Example:
        >>> WordTokenizer.cut("It's good.")
        ['It', "'", 's', 'good', '.']
    """

    name = "words"

    @staticmethod
    def cut(text: str) -> Sequence[str]:
        return _WORD.findall(text)


class WhitespaceTokenizer(VocabularyTokenizer):
    """What stands between white space."""

    name = "whitespace"

    @staticmethod
    def cut(text: str) -> Sequence[str]:
        return text.split()


class FileTokenizer(Tokenizer):
    """Tokens as a ``tokenizer.json`` of Hugging Face's library tokenizers has them, special ones included.

    What the file says of padding and of longest texts does not matter.

    Args:
        content: Content of the file.
        where: Path of the file, for messages.

    Raises:
        InputError: if it is none, its vocabulary is empty, or the library is not installed.
    """

    name = "file"

    def __init__(self, content: str, where: str = "tokenizer.json") -> None:
        library = require("tokenizers", "tokens", where)
        self.content = content
        values = parse_json(content, where)
        with reading(where, _FILE):
            try:
                self._made = library.Tokenizer.from_str(content)
            except Exception as error:  # the library raises nothing more exact
                raise ValueError(str(error)) from error
            self._made.no_padding()
            self._made.no_truncation()
            self._codes: dict[str, int] = self._made.get_vocab(with_added_tokens=True)
            if not self._codes:
                raise ValueError("its vocabulary is empty")
            self.unknown = self._unknown(values["model"])
        self._names = [f"<{code}>" for code in range(max(self._codes.values()) + 1)]
        for name, code in self._codes.items():
            self._names[code] = name
        self._dtype = np.min_scalar_type(len(self._names) - 1)

    def _unknown(self, model: dict[str, Any]) -> int | None:
        by_name = self._codes.get(str(model.get("unk_token")))
        code = model.get("unk_id") if by_name is None else by_name
        return code if isinstance(code, int) else None

    @classmethod
    def read(cls, path: str) -> FileTokenizer:
        """Reads a file.

        Args:
            path: Path of the file.

        Raises:
            InputError: if it is none, or the library is not installed.
        """
        return cls(read_text(Path(path), _FILE, _MOST_BYTES), path)

    @classmethod
    def learn(cls, texts: Iterable[str], min_count: int = 1, max_size: int | None = None) -> FileTokenizer:
        raise NotImplementedError("a file has its vocabulary, which no text changes")

    @property
    def vocabulary(self) -> int:
        return len(self._names)

    @property
    def names(self) -> list[str]:
        return self._names

    def encode(self, text: str) -> np.ndarray:
        return np.array(self._made.encode(text).ids, dtype=self._dtype)

    def pieces(self, codes: np.ndarray, text: str | None) -> list[str]:
        names = [self._names[code] for code in codes]
        if text is None:
            return names
        places = self._made.encode(text).offsets
        return [text[start:end] or name for name, (start, end) in zip(names, places, strict=False)]

    def to_json(self) -> dict[str, Any]:
        digest = hashlib.sha256(self.content.encode()).hexdigest()
        return {"name": self.name, "sha256": digest, "content": self.content}


TOKENIZERS: dict[str, type[Tokenizer]] = {
    tokenizer.name: tokenizer for tokenizer in (ByteTokenizer, CharacterTokenizer, WordTokenizer, WhitespaceTokenizer)
}


def tokenizer_from_json(values: dict[str, Any]) -> Tokenizer:
    """The inverse of `Tokenizer.to_json`."""
    arguments = {name: value for name, value in values.items() if name != "name"}
    if values["name"] == FileTokenizer.name:
        if arguments.pop("sha256") != hashlib.sha256(arguments["content"].encode()).hexdigest():
            raise ValueError("the content of the tokenizer is not that of its SHA-256")
        return construct(FileTokenizer, arguments, "tokenizer")
    return construct(TOKENIZERS[values["name"]], arguments, "tokenizer")
