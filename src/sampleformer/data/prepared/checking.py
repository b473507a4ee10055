"""The arrays that every shard of prepared data must hold, by what its encoding says of the samples.

A checksum finds damage; it does not find what was written wrong and given its own checksum. So nothing of a shard is
believed: what a training keeps in memory is checked when it starts, and what a sample holds when the sample is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sampleformer.data.encoding import Encoding
from sampleformer.data.prepared.packing import NO_PART, PARTS, held
from sampleformer.errors import InputError, shown

_SAMPLES, _ONE = "samples", "one"
"""In the place of the name of offsets: a row for each sample, and one row."""
_NO_OFFSETS = {_SAMPLES, _ONE}
_WHOLE, _REAL, _ANY = "iu", "f", "biuf"
_KINDS = {"i": "signed integers", "u": "unsigned integers", _WHOLE: "integers", _REAL: "floats", _ANY: "numbers"}


class Form(NamedTuple):
    """An array as it must be.

    Args:
        kinds: Kinds of numpy's dtypes that it may have.
        shape: Shape of one of its rows. None: any.
        rows: Name of the offsets that say which rows are whose.
        needed: Whether a shard must hold it.
    """

    kinds: str
    shape: tuple[int, ...] | None
    rows: str
    needed: bool = True


class Checks:
    """What the arrays of a folder's shards must be.

    Args:
        encoding: What the training part taught.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._task = encoding.task
        inputs = encoding.model_inputs
        codes = inputs.get("vocabularies", [inputs["vocabulary"]] if "vocabulary" in inputs else [])
        self._vocabularies = np.asarray(codes, np.int64)
        self._gaps = bool(inputs.get("gaps"))
        self._forms = _forms(encoding, codes)

    def check_shard(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Checks the form of all arrays of a shard, and the values of those that a training reads when it starts.

        Raises:
            InputError: if one is missing, of another form, or holds what cannot be.
        """
        names = [name for name, form in self._forms.items() if form.needed or name in arrays]
        needed = {*names, *(self._forms[name].rows for name in names)} - _NO_OFFSETS
        if missing := sorted(needed - arrays.keys()):
            raise InputError(f"{path}: the array {missing[0]!r} is missing; prepare the data again")
        if unknown := sorted(arrays.keys() - needed):
            raise InputError(f"{path}: found the array {shown(unknown[0])}, which no shard of such data has")
        samples = len(arrays["parts"]) if arrays["parts"].ndim else 0
        counts = {_SAMPLES: samples, _ONE: 1}
        counts |= {name: _check_offsets(path, name, arrays[name], samples) for name in sorted(needed - {*names})}
        for name in sorted(names):
            _check_form(path, name, arrays[name], self._forms[name], counts)
        self._check_values(path, arrays)

    def _check_values(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Checks the values of what a training keeps in memory."""
        parts = arrays["parts"]
        if not np.isin(parts, [*range(len(PARTS)), NO_PART]).all():
            raise InputError(
                f"{path}: parts: found {int(parts.max())}, expected 0 to {len(PARTS) - 1}, or {NO_PART} for none"
            )
        if len(arrays["places"]) and arrays["places"].min() < 0:
            raise InputError(f"{path}: places: found {int(arrays['places'].min())}, expected 0 or more")
        for name in ("targets", "target_values"):
            if name in arrays:
                try:
                    self._task.check_targets(arrays[name])
                except ValueError as error:
                    raise InputError(f"{path}: {name}: {error}") from error

    def check_sample(self, where: str, arrays: Mapping[str, np.ndarray], row: int) -> None:
        """Checks the values that one sample holds.

        Args:
            where: Shard and sample, for messages.
            arrays: Arrays of its shard, of forms that were checked.
            row: Place of the sample in them.

        Raises:
            InputError: if one holds what no model could take.
        """
        found = held(arrays, row)
        features = found["features"]
        if len(self._vocabularies) and len(features):
            codes = features.reshape(-1, len(self._vocabularies)).astype(np.int64)
            wrong = (codes < 0) | (codes >= self._vocabularies)
            if wrong.any():
                _, column = np.argwhere(wrong)[0]
                most = int(self._vocabularies[column]) - 1
                raise InputError(f"{where}: features: found the code {int(codes[wrong][0])}, expected 0 to {most}")
        for name in ("ends", "pairs"):
            places = found.get(name)
            if places is not None and places.size and not 0 <= places.min() <= places.max() < len(features):
                wrong_place = int(places.max() if places.min() >= 0 else places.min())
                raise InputError(
                    f"{where}: {name}: found the token {wrong_place}, expected 0 to {len(features) - 1}: "
                    f"it has {len(features)}"
                )
        for name, value in found.items():
            if name == "features" and self._gaps:
                value = np.nan_to_num(value, posinf=np.inf, neginf=-np.inf)
            if value.dtype.kind == _REAL and name != "target_values" and not _finite(value):
                raise InputError(f"{where}: {name}: found a number that is not finite")


def _forms(encoding: Encoding, codes: Sequence[int]) -> dict[str, Form]:
    """Form of each array that a shard of some data may hold, but for offsets."""
    inputs, task = encoding.model_inputs, encoding.task
    forms = {
        "parts": Form("u", (), _SAMPLES),
        "places": Form("i", (), _SAMPLES),
        "checksums": Form("u", (), _SAMPLES),
        "ids": Form("u", (), "id_offsets"),
        "names": Form(_WHOLE, (), "name_offsets", needed=False),
        "sources": Form("u", (), "source_offsets", needed=encoding.inputs.has_source),
        "index": Form(_WHOLE, (), "offsets", needed=False),
        "directed": Form("u", (), _ONE, needed=bool(inputs.get("directed"))),
        "features": Form(_WHOLE, (len(codes),) if "vocabularies" in inputs else (), "offsets"),
    }
    if "features" in inputs:
        forms["features"] = Form(_REAL, (inputs["features"],), "offsets")
    if "edge_features" in inputs:
        forms["ends"] = Form(_WHOLE, (2,), "edge_offsets")
        forms["edge_features"] = Form(_ANY, (inputs["edge_features"],), "edge_offsets", bool(inputs["edge_features"]))
    if inputs.get("encodings"):
        forms["encodings"] = Form(_REAL, (inputs["encodings"],), "offsets")
    if "normals" in inputs:
        forms["coordinates"] = Form(_REAL, (3,), "offsets")
    if inputs.get("normals"):
        forms["normals"] = Form(_REAL, (3,), "offsets")
    if "descriptors" in inputs:
        forms["descriptors"] = Form(_REAL, (len(inputs["descriptors"]),), _SAMPLES)
    if not task.from_inputs:
        of_tokens = task.of_tokens
        forms["target_values" if of_tokens else "targets"] = Form(
            _ANY, None, "target_offsets" if of_tokens else _SAMPLES
        )
    if task.of_pairs:
        forms["pairs"] = Form(_WHOLE, (2,), "target_offsets")
    return forms


def _check_offsets(path: Path, name: str, offsets: np.ndarray, samples: int) -> int:
    """Rows that offsets share out among samples.

    Raises:
        InputError: if they do not begin with 0, or decrease, or are not one more than there are samples.
    """
    if offsets.dtype.kind != "i" or offsets.shape != (samples + 1,):
        raise InputError(
            f"{path}: {name}: found {offsets.dtype} of shape {offsets.shape}, expected integers of shape "
            f"({samples + 1},), one more than there are samples"
        )
    if offsets[0] != 0 or (offsets[1:] < offsets[:-1]).any():
        raise InputError(f"{path}: {name}: found offsets that begin with {offsets[0]} or decrease, expected 0, …")
    return int(offsets[-1])


def _check_form(path: Path, name: str, array: np.ndarray, form: Form, counts: Mapping[str, int]) -> None:
    """Raises InputError if an array is not of its form."""
    expected = (counts[form.rows], *(array.shape[1:] if form.shape is None else form.shape))
    if array.dtype.kind not in form.kinds or array.shape != expected:
        raise InputError(
            f"{path}: {name}: found {array.dtype} of shape {array.shape}, expected {_KINDS[form.kinds]} of shape "
            f"{expected}"
        )


def _finite(values: np.ndarray) -> bool:
    """Whether all are finite numbers in single precision, which models compute in."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(values.astype(np.float32, copy=False)).all())
