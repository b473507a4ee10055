"""Settings of table files that their content does not always say."""

from __future__ import annotations

from pydantic import Field, field_validator

from sampleformer.settings import Settings

_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


class TableFormat(Settings):
    """How a table file is written, where the file itself does not say.

    Example:
        >>> TableFormat(separator="semicolon", decimal=",")
        TableFormat(separator=';', encoding=None, decimal=',')
    """

    separator: str | None = Field(default=None, description="character between fields of CSV files, such as ; or tab")
    encoding: str | None = Field(default=None, description="encoding of text files, such as cp1252, latin-1 or utf-16")
    decimal: str | None = Field(default=None, description="decimal mark of numbers in text: . or ,")

    @field_validator("separator")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        value = _NAMED.get(value or "", value)
        if value is not None and (len(value) != 1 or value in '"\r\n' or value.isalnum()):
            raise ValueError("expected one character, such as ; or tab")
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        try:
            "".encode(value or "utf-8")  # refuses the codecs that are none of text
        except (LookupError, UnicodeError, ValueError) as error:
            raise ValueError("expected the name of an encoding, such as cp1252, latin-1 or utf-16") from error
        return value

    @field_validator("decimal")
    @classmethod
    def _mark(cls, value: str | None) -> str | None:
        if value not in (None, ".", ","):
            raise ValueError("expected a point or a comma")
        return value

    def changed(self, other: TableFormat | None) -> TableFormat:
        """This format, with what another one says in its place."""
        given = {} if other is None else other.model_dump(exclude_none=True)
        return TableFormat(**(self.model_dump() | given))
