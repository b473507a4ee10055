"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}

_AS_CSV = "save it as 'CSV UTF-8' there"
_UNPACK = "unpack it"
_KINDS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook of Excel (.xls)", _AS_CSV),
    (b"PK\x05\x06", "an empty zip archive", "give the table itself"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xfd7zXZ\x00", "an xz file", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", _UNPACK),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "write the table as CSV or Parquet"),
    (b"\x93NUMPY", "a NumPy array", "write it as CSV with a header"),
    (b"ARROW1\x00\x00", "an Arrow or Feather file", "write it as Parquet"),
    (b"FEA1", "a Feather file", "write it as Parquet"),
    (b"\x80\x04\x95", "a Python pickle", "write the table as CSV or Parquet"),
    (b"\x80\x05\x95", "a Python pickle", "write the table as CSV or Parquet"),
    (b"%PDF-", "a PDF document", "give the table itself"),
    (b"{\\rtf", "a text with formatting (RTF)", "save it as plain text"),
    (b"version https://git-lfs", "the place holder of a file in Git LFS", "get the file with `git lfs pull`"),
)
_WEB = (b"<!doctype html", b"<html")
_TAR = slice(257, 262)


def other_kind(head: bytes) -> str | None:
    """Words for a file that is no table in text, and what to do with it; None if it may be one.

    Example:
        >>> other_kind(b"%PDF-1.7 ...")
        'found a PDF document, expected a table; give the table itself'
    """
    found = _kind(head)
    return None if found is None else f"found {found[0]}, expected a table; {found[1]}"


def _kind(head: bytes) -> tuple[str, str] | None:
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(head)
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "a bzip2 file", _UNPACK
    if head[_TAR] == b"ustar":
        return "a tar archive", _UNPACK
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:32].lower()
    if start.startswith(_WEB):
        return "a web page", "download the file itself (the page may say why it did not come)"
    if start.startswith(b"<?xml"):
        return "XML", "write the table as CSV"
    return next(((words, remedy) for magic, words, remedy in _KINDS if head.startswith(magic)), None)


def _zip_kind(head: bytes) -> tuple[str, str]:
    if b"opendocument.spreadsheet" in head[:200]:
        return "a spreadsheet of LibreOffice (.ods)", "save it as 'Text CSV' there"
    if b"[Content_Types].xml" in head or b"xl/" in head:
        return "a workbook of Excel (.xlsx)", _AS_CSV
    return "a zip archive", _UNPACK
