"""Files in the body of a request, as forms send them."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sampleformer.data.encoding import Encoding
from sampleformer.errors import LONGEST_NAME, InputError, one_line, shown
from sampleformer.serve.bodies import Asked, Refused, within_limits
from sampleformer.serve.settings import ServeSettings

FORM = "multipart/form-data"
_EXPLAIN: dict[str, bool | str] = {"false": False, "true": True, "html": "html"}
_LONGEST_SUFFIX = 16


class Part(NamedTuple):
    """One field of a form: its name, the name of its file if it is one, and what it holds."""

    name: str
    file: str | None
    content: bytes


def is_form(content_type: str) -> bool:
    """Whether a body is a form, and not JSON.

    Example:
        >>> is_form("multipart/form-data; boundary=x")
        True
    """
    return content_type.partition(";")[0].strip().lower() == FORM


def read_form(body: bytes, content_type: str, encoding: Encoding, settings: ServeSettings) -> Asked:
    """The samples in the files of a form.

    Args:
        body: Body of the request.
        content_type: Its header, which names the boundary between the fields.
        encoding: Encoding of the model, which says what files there are.
        settings: Limits.

    Raises:
        Refused: if it is no such form, or asks for too much, with the status 400, 413 or 422. What is wrong with one
            file is its sample.
    """
    explain: bool | str = False
    files = []
    for part in parts_of(body, content_type):
        if part.name == "file" and part.file is not None:
            files.append(part)
        elif part.name == "explain" and part.file is None:
            word = part.content.decode("utf-8", "replace")
            if word not in _EXPLAIN:
                raise Refused(422, f"explain: found {shown(word)}, expected {', '.join(_EXPLAIN)}")
            explain = _EXPLAIN[word]
        else:
            kind = "a field" if part.file is None else "a file in the field"
            raise Refused(422, f"found {kind} {shown(part.name)}, expected files in the field 'file', and 'explain'")
    if not files:
        raise Refused(422, "found no file, expected at least one in the field 'file'")
    if len(files) > settings.max_samples:
        raise Refused(413, f"found {len(files)} files, expected at most {settings.max_samples}")
    found: list[tuple[str, Any]] = []
    for part in files:
        found += samples_of(part, encoding, settings.max_samples)
        if len(found) > settings.max_samples:
            raise Refused(413, f"{part.file}: found more than {settings.max_samples} samples, expected no more at once")
    return within_limits(Asked([sample for _, sample in found], False, explain, [name for name, _ in found]), settings)


def samples_of(part: Part, encoding: Encoding, most: int) -> list[tuple[str, Any]]:
    """Samples in an uploaded file, each with its name; what is wrong with the whole file is its only one.

    Args:
        part: Field of the form.
        encoding: Encoding of the model.
        most: Largest number of samples.
    """
    # Of the name only the ending counts, so that it can lead nowhere.
    name = part.file or "file"
    suffix = PurePosixPath(name).suffix.lower()
    with TemporaryDirectory(prefix="sampleformer-") as folder:
        path = Path(folder, "upload" + (suffix if suffix[1:].isalnum() and len(suffix) <= _LONGEST_SUFFIX else ""))
        path.write_bytes(part.content)
        try:
            found = encoding.samples_in(path, most)
        except InputError as error:
            return [(name, _renamed(error, path, name))]
    return [(f"{name}: {place}" if place else name, _renamed(sample, path, name)) for place, sample in found]


def _renamed(sample: Any, path: Path, name: str) -> Any:
    """A sample; an error with the name that the user knows in the place of the path."""
    if not isinstance(sample, InputError):
        return sample
    return InputError(str(sample).removeprefix(f"{path}: ").replace(str(path), name))


def parts_of(body: bytes, content_type: str) -> list[Part]:
    r"""The fields of a form, RFC 7578.

    The whole body is in memory already and no larger than the service allows, so that no package is needed that reads
    forms piece by piece.

    Raises:
        Refused: if it is none, with the status 400.

    Example:
        >>> body = b'--x\r\nContent-Disposition: form-data; name="explain"\r\n\r\ntrue\r\n--x--\r\n'
        >>> parts_of(body, "multipart/form-data; boundary=x")
        [Part(name='explain', file=None, content=b'true')]
    """
    boundary = _headers(f"Content-Type: {content_type}").get_boundary()
    if not boundary:
        raise Refused(400, f"the body is no form: found {shown(content_type)}, expected {FORM} with a boundary")
    return list(_parts(body, b"\r\n--" + boundary.encode("utf-8", "surrogateescape")))


def _parts(body: bytes, delimiter: bytes) -> Iterator[Part]:
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Refused(400, "the body is no form, or was cut short: its last boundary is missing")
    for piece in pieces[1:-1]:
        rest, head_end, content = piece.partition(b"\r\n\r\n")
        blank, line_end, head = rest.partition(b"\r\n")
        if not head_end or not line_end or blank.strip(b" \t"):
            raise Refused(400, "the body is no form: a field has no header")
        headers = _headers(head.decode("utf-8", "replace"))
        name = headers.get_param("name", header="content-disposition")
        if headers.get_content_disposition() != "form-data" or not isinstance(name, str):
            raise Refused(400, "the body is no form: a field has no name")
        yield Part(one_line(name, LONGEST_NAME), _file_name(headers.get_filename()), content)


def _headers(text: str) -> Message:
    """Headers of which the parameters can be asked for; the parser of mails would take their bytes for mails'."""
    message = Message()
    for line in text.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            message[name.strip()] = value.strip()
    return message


def _file_name(given: str | None) -> str | None:
    """The last part of a file's name as messages show it; programs may send whole paths."""
    if given is None:
        return None
    return one_line(PureWindowsPath(given).name, LONGEST_NAME) or "file"
