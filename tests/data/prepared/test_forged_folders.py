"""Folders of prepared data in which one field is another and all checksums fit: used as they are, or one line."""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from sampleformer.data import GraphFiles, PreparedFolder, SmilesTable, Source
from sampleformer.data.cache import sha256
from sampleformer.data.collate import collate
from sampleformer.data.descriptors import MorganCounts
from sampleformer.data.prepared import prepare
from sampleformer.data.prepared.manifest import ENCODING, MANIFEST, SHARDS
from sampleformer.data.prepared.packing import checksum
from sampleformer.data.prepared.shard import NOTE, MappedShard, index_digest, read_layout
from sampleformer.errors import InputError
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.tasks import LOSSES
from tests.data.graph.small import write_many, write_one
from tests.data.graph.test_smiles import RINGS, table
from tests.data.prepared.small import text_source
from tests.faults.test_strangers_folders import leaves, some_values, with_value


def _molecules(folder: Path) -> Source:
    path = table(folder / "m.csv", [f"{'C' * size}{ring}" for ring in RINGS for size in (1, 2)])
    source = SmilesTable(path, "smiles", "active", laplacian=2)
    source.rows_at_once = 6  # type: ignore[misc]
    source.descriptors = [MorganCounts()]
    return source


SOURCES: dict[str, Callable[[Path], Source]] = {
    "texts": text_source,
    "molecules": _molecules,
    "graphs": lambda folder: GraphFiles(str(write_many(folder)), "active"),
    "nodes": lambda folder: GraphFiles(str(write_one(folder)), "group"),
    "links": lambda folder: GraphFiles(str(write_one(folder)), "link"),
}
EMBEDS = {"texts": "sequence"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for name, make in SOURCES.items():
        place = tmp_path_factory.mktemp(name)
        prepare(make(place), place / "prepared")
        found[name] = place / "prepared"
    return found


def _other_arrays(value: np.ndarray) -> Iterator[tuple[str, np.ndarray | None]]:
    """An array of a shard as it must not be, or not by chance."""
    yield "missing", None
    yield "shorter", value[:-1]
    yield "empty", value[:0]
    yield "longer", np.concatenate([value, value[-1:]])
    yield "deeper", value[..., None]
    yield "a number", np.zeros((), value.dtype)
    for kind in (np.float32, np.float64, np.int64, np.uint8, np.bool_):
        yield f"as {kind.__name__}", value.astype(kind)
    yield "backwards", value[::-1]
    whole = value.dtype.kind in "iu"
    for place in (0, len(value) - 1):
        for number in (255, -1, 2**62, *(() if whole else (np.nan, np.inf))):
            if not whole or np.iinfo(value.dtype).min <= number <= np.iinfo(value.dtype).max:
                changed = value.copy()
                with np.errstate(over="ignore"):
                    changed[place] = number
                yield f"{number} at {place}", changed


NEVER = ("missing", "shorter", "empty", "longer", "deeper", "a number")
"""Changes that no array may have."""
OPTIONAL = {"names", "edge_features: missing"}
"""Arrays, and changes of some, that samples can do without."""


def _forge(folder: Path, name: str, changed: dict[str, np.ndarray], *, fitting: bool = True) -> None:
    """Writes a shard anew, with checksums and an entry that fit."""
    values = json.loads((folder / MANIFEST).read_text())
    if fitting:
        with contextlib.suppress(IndexError, KeyError, TypeError, ValueError):  # no rows, no checksums
            rows = range(len(changed["checksums"]))
            changed["checksums"] = np.array([checksum(changed, row) for row in rows], np.uint32)
    content = save(changed, metadata={NOTE: "{}"})
    (folder / SHARDS / name).write_bytes(content)
    (entry,) = (each for each in values["shards"] if each["name"] == name)
    entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "index": index_digest(changed)}
    if "parts" in changed and changed["parts"].ndim:
        entry["samples"] = len(changed["parts"])
    (folder / MANIFEST).write_text(json.dumps(values))


def _use(folder: Path, name: str) -> str:
    """Reads all of a folder and answers it with a model; the message of an error, "" if all went well."""
    try:
        splits = PreparedFolder(folder).load()
        encoding = splits.encoding
        for part in (splits.train, splits.valid, splits.test):
            samples, _, _ = list(part), part.ids, part.targets
            for sample in samples:
                encoding.pieces(sample)
        shape = {"width": 8, "layers": 1, "heads": 1, "feedforward": 8, "embed": EMBEDS.get(name, "graph")}
        settings = ModelSettings.model_validate(shape)
        model = TokenModel(settings, encoding.model_inputs, encoding.task.outputs, level=encoding.task.level)
        batch = collate([splits.train.drawn(row, np.random.default_rng(0)) for row in range(min(4, len(splits.train)))])
        outputs = model(batch.tokens) if not encoding.task.of_pairs else model(batch.tokens, pairs=batch.pairs)
        assert torch.isfinite(outputs).all()
        targets = splits.train.targets
        LOSSES[encoding.task.losses[0]](targets, encoding.task.outputs)
    except InputError as error:
        message = str(error)
        assert "\n" not in message
        assert str(folder) in message
        return message
    return ""


@pytest.fixture(params=["texts", "molecules", "links"])
def forged(request: pytest.FixtureRequest, folders: dict[str, Path], tmp_path: Path) -> tuple[str, Path]:
    """A kind of data, and a copy of a folder of it that a test may change."""
    shutil.copytree(folders[request.param], tmp_path / "copy")
    assert _use(tmp_path / "copy", request.param) == ""
    return request.param, tmp_path / "copy"


def _arrays(folder: Path) -> tuple[str, dict[str, np.ndarray]]:
    """Name of the first shard of a folder, and its arrays."""
    path = min((folder / SHARDS).iterdir())
    return path.name, {key: value.copy() for key, value in MappedShard(path, read_layout(path)).arrays.items()}


def test_whatever_an_array_holds_it_is_used_or_refused(forged: tuple[str, Path]) -> None:
    name, folder = forged
    manifest = (folder / MANIFEST).read_bytes()
    shard, arrays = _arrays(folder)
    content = (folder / SHARDS / shard).read_bytes()
    passed = []
    for array, value in arrays.items():
        for words, other in _other_arrays(value):
            if other is not None and other.shape == value.shape and (other == value).all():
                continue
            changed = {key: each for key, each in arrays.items() if key != array}
            if other is not None:
                changed[array] = np.array(other, order="C")
            _forge(folder, shard, changed, fitting=array != "checksums")
            if not _use(folder, name):
                passed.append(f"{array}: {words}")
            (folder / MANIFEST).write_bytes(manifest)
    (folder / SHARDS / shard).write_bytes(content)
    assert _use(folder, name) == ""
    wrong = [each for each in passed if each.endswith(NEVER) and not {each, each.split(":")[0]} & OPTIONAL]
    assert wrong == []


def test_whatever_the_manifest_says_it_is_used_or_refused(forged: tuple[str, Path]) -> None:
    name, folder = forged
    whole = json.loads((folder / MANIFEST).read_text())
    places = [place for place in leaves(whole) if place[0] != "shards" or len(place) < 2 or place[1] == 0]
    refused = 0
    for turn, place in enumerate(places):
        for value in some_values(turn):
            (folder / MANIFEST).write_text(json.dumps(with_value(whole, place, value)))
            refused += _use(folder, name) != ""  # any other error than that of a refusal is raised
    assert refused


def test_whatever_the_encoding_says_it_is_used_or_refused(forged: tuple[str, Path]) -> None:
    name, folder = forged
    whole = json.loads((folder / ENCODING).read_text())
    manifest = json.loads((folder / MANIFEST).read_text())
    # Of a list of many of one kind, two are enough.
    places = [place for place in leaves(whole) if all(not isinstance(key, int) or key < 2 for key in place)]
    refused = 0
    for turn, place in enumerate(places):
        for value in some_values(turn):
            (folder / ENCODING).write_text(json.dumps(with_value(whole, place, value)))
            (folder / MANIFEST).write_text(json.dumps(manifest | {"encoding": sha256(folder / ENCODING)}))
            refused += _use(folder, name) != ""  # any other error than that of a refusal is raised
    assert refused


def _set(array: str, place: object, value: float) -> Callable[[dict[str, np.ndarray]], object]:
    return lambda arrays: arrays[array].__setitem__(place, value)


FORGED: list[tuple[str, Callable[[dict[str, np.ndarray]], object], str]] = [
    ("texts", lambda arrays: arrays.pop("offsets"), "the array 'offsets' is missing; prepare the data again"),
    ("texts", lambda arrays: arrays.pop("parts"), "the array 'parts' is missing"),
    ("texts", lambda arrays: arrays.update(extra=np.zeros(2)), "found the array 'extra', which no shard of such data"),
    ("texts", _set("offsets", 1, -3), "offsets: found offsets that begin with 0 or decrease"),
    ("texts", _set("offsets", 2, 30), "offsets: found offsets that begin with 0 or decrease"),
    ("texts", _set("offsets", 7, 2**62), "features: found uint8 of shape"),
    ("texts", _set("targets", 2, 7), "targets: found 7, expected 0 to 1, or −1 where unknown"),
    ("texts", lambda arrays: arrays.update(targets=arrays["targets"][:3]), r"targets: found int64 of shape \(3,\)"),
    ("texts", _set("parts", 0, 9), "parts: found 9, expected 0 to 2, or 255 for none"),
    ("texts", _set("features", 0, 200), "sample 1 of the shard: features: found the code 200, expected 0 to "),
    ("molecules", lambda arrays: arrays.pop("descriptors"), "the array 'descriptors' is missing"),
    ("molecules", _set("descriptors", (0, 0), np.nan), "sample 1 of the shard: descriptors: found a number that is"),
    ("graphs", _set("ends", (0, 1), 500), "sample 1 of the shard: ends: found the token 500, expected 0 to "),
    ("graphs", lambda arrays: arrays.pop("edge_offsets"), "the array 'edge_offsets' is missing"),
    ("nodes", _set("target_values", 5, 2), "target_values: found 2, expected 0 to 1"),
    ("links", _set("pairs", (3, 0), -1), "sample 1 of the shard: pairs: found the token -1, expected 0 to 59"),
    ("links", _set("target_values", (0, 0), 5), "target_values: found 5.0, expected 0 or 1, or NaN where unknown"),
]


@pytest.mark.parametrize(("name", "change", "message"), FORGED, ids=[message[:40] for *_, message in FORGED])
def test_what_is_wrong_with_a_forged_shard_is_said(
    name: str, change: Callable[[dict[str, np.ndarray]], object], message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders[name], tmp_path / "copy"))
    shard, arrays = _arrays(folder)
    change(arrays)
    _forge(folder, shard, arrays)
    found = _use(folder, name)
    assert found.startswith(f"{folder / SHARDS / shard}: ")
    assert re.search(message, found), found


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("shards",), [], "manifest.json: shards: list should have at least 1 item"),
        (("samples", "test"), 0, "manifest.json: samples.test: input should be greater than or equal to 1"),
        (("samples", "train"), 10**18, "samples for train, expected 1000000000000000000"),
        (("shards", 0, "samples"), 10**18, " samples, expected 1,000,000,000,000,000,000 as in the manifest"),
    ],
)
def test_what_is_wrong_with_a_forged_manifest_is_said(
    place: tuple[str, ...], value: object, message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["texts"], tmp_path / "copy"))
    values = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(with_value(values, place, value)))
    assert message in _use(folder, "texts")


def test_a_shard_under_two_names_is_found(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["texts"], tmp_path / "copy"))
    values = json.loads((folder / MANIFEST).read_text())
    first = values["shards"][0]
    shutil.copy(folder / SHARDS / first["name"], folder / SHARDS / "again.safetensors")
    values["shards"].append(first | {"name": "again.safetensors"})
    arrays = _arrays(folder)[1]
    for number, part in enumerate(values["samples"]):
        values["samples"][part] += int((arrays["parts"] == number).sum())
    (folder / MANIFEST).write_text(json.dumps(values))
    assert "found two samples for train in the same place" in _use(folder, "texts")
