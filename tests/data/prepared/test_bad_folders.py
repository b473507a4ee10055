"""Folders of prepared data that cannot be used: each is an error of one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sampleformer.data import PreparedFolder, TextTable
from sampleformer.data.prepared import prepare
from sampleformer.data.prepared.manifest import ENCODING, MANIFEST, SHARDS
from sampleformer.data.prepared.shard import read_layout
from sampleformer.errors import InputError
from sampleformer.recipes import request
from sampleformer.settings import Component
from sampleformer.training.recipe import make_source
from tests.data.prepared.small import in_pieces, text_source
from tests.training.small import write_texts

THIRD = f"{SHARDS}/000003.safetensors"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    prepare(text_source(folder), folder / "prepared")
    return folder / "prepared"


def _flip(folder: Path, array: str) -> None:
    path = folder / THIRD
    content = bytearray(path.read_bytes())
    content[read_layout(path).places[array].offset] ^= 1
    path.write_bytes(content)


def _manifest(folder: Path, change: Callable[[dict], object]) -> None:
    values = json.loads((folder / MANIFEST).read_text())
    change(values)
    (folder / MANIFEST).write_text(json.dumps(values))


def _half(folder: Path) -> None:
    plan = json.loads((folder / MANIFEST).read_text())["plan"]
    (folder / "preparing.json").write_text(json.dumps(plan))
    (folder / MANIFEST).unlink()


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda folder: (folder / THIRD).unlink(), f"{THIRD}: no such file; the shard is missing"),
    "doubled": (
        lambda folder: shutil.copy(folder / THIRD, folder / SHARDS / "copy.safetensors"),
        "copy.safetensors: is none of the 9 shards of the manifest",
    ),
    "in the place of another": (
        lambda folder: shutil.copy(folder / SHARDS / "000008.safetensors", folder / THIRD),
        f"{THIRD}: found [0-9,]+ bytes, expected",
    ),
    "listed twice": (
        lambda folder: _manifest(folder, lambda values: values["shards"].append(values["shards"][3])),
        "the shard '000003.safetensors' is listed twice",
    ),
    "cut": (
        lambda folder: (folder / THIRD).write_bytes((folder / THIRD).read_bytes()[:-9]),
        f"{THIRD}: found [0-9,]+ bytes, expected [0-9,]+; the shard was cut or changed",
    ),
    "changed offsets": (lambda folder: _flip(folder, "offsets"), f"{THIRD}: changed since the data was prepared"),
    "changed targets": (lambda folder: _flip(folder, "targets"), f"{THIRD}: changed since the data was prepared"),
    "changed parts": (lambda folder: _flip(folder, "parts"), f"{THIRD}: changed since the data was prepared"),
    "changed checksums": (lambda folder: _flip(folder, "checksums"), f"{THIRD}: changed since the data was prepared"),
    "another format": (
        lambda folder: _manifest(folder, lambda values: values["plan"].update(format=2)),
        f"{MANIFEST}: found format 2, expected 1; prepare the data again",
    ),
    "half prepared": (_half, "is half prepared; run the same `sampleformer data prepare` again"),
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), f"found no {MANIFEST}, expected a folder that"),
    "damaged manifest": (lambda folder: (folder / MANIFEST).write_text("{"), f"{MANIFEST}: not valid JSON"),
    "manifest of something else": (lambda folder: (folder / MANIFEST).write_text("{}"), "found format None"),
    "path in the manifest": (
        lambda folder: _manifest(folder, lambda values: values["shards"][0].update(name="../000000.safetensors")),
        "expected a name of a file",
    ),
    "another number of samples": (
        lambda folder: _manifest(folder, lambda values: values["samples"].update(test=5)),
        "found 6 samples for test, expected 5",
    ),
    "changed encoding": (
        lambda folder: (folder / ENCODING).write_text((folder / ENCODING).read_text().replace("words", "word")),
        f"{ENCODING}: changed since the data was prepared",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_one_line_before_anything_is_trained(name: str, prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "copy")
    damage, message = DAMAGES[name]
    damage(tmp_path / "copy")
    with pytest.raises(InputError, match=message) as caught:
        PreparedFolder(tmp_path / "copy").load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("array", ["features", "sources", "ids"])
def test_a_changed_sample_is_found_when_it_is_read(array: str, prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "copy")
    _flip(tmp_path / "copy", array)
    source = PreparedFolder(tmp_path / "copy")
    splits = source.load()
    with pytest.raises(InputError, match=f"{THIRD}: sample 1 of the shard changed since the data was prepared"):
        [list(part) for part in (splits.train, splits.valid, splits.test)]
    with pytest.raises(InputError, match=f"{THIRD}: changed since the data was prepared"):
        source.verify()


def test_a_prepared_folder_is_not_overwritten(prepared: Path) -> None:
    with pytest.raises(InputError, match="holds prepared data already, which is not overwritten"):
        prepare(text_source(prepared.parent), prepared)


def test_a_folder_with_anything_else_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="full: exists already, expected a new folder or an empty one"):
        prepare(text_source(tmp_path), tmp_path / "full")


def test_half_prepared_data_is_not_mixed_with_other_data(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path / "half")
    _half(tmp_path / "half")
    with pytest.raises(InputError, match=r"half: is half prepared from something else \(files differs\)"):
        prepare(in_pieces(TextTable(write_texts(tmp_path / "t.csv", 61), "review", "sentiment")), tmp_path / "half")


def test_workers_are_no_negative_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers: found -1, expected 0 or more"):
        prepare(text_source(tmp_path), tmp_path / "prepared", workers=-1)


def test_what_was_decided_is_not_given_again(prepared: Path) -> None:
    with pytest.raises(InputError, match="--text: found it beside .*, whose data is prepared; give it to"):
        request(None, data={"path": str(prepared), "text": "review"})


def test_descriptors_are_those_of_the_preparation(prepared: Path) -> None:
    recipe = request(None, data={"path": str(prepared)}, changes=["descriptors=[morgan]"])
    with pytest.raises(InputError, match="descriptors: found morgan, but .* was prepared with none"):
        make_source(recipe)
    folder = PreparedFolder(prepared)
    plan = folder.manifest.plan.model_copy(update={"descriptors": (Component(name="morgan"),)})
    folder.manifest = folder.manifest.model_copy(update={"plan": plan})
    with pytest.raises(InputError, match=r"found none, .* with morgan; model\.beside=\[\] and blend=\[\] leave"):
        folder.check_descriptors([])


def test_another_run_cannot_lend_its_vocabulary_afterwards(prepared: Path) -> None:
    source = PreparedFolder(prepared)
    source.learnt = TextTable("t.csv", "review", "sentiment").learn_inputs([], ["other words"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="training.init_from: .* was prepared with another vocabulary or scaling"):
        source.load()
    source.learnt = source_inputs = PreparedFolder(prepared).load().encoding.inputs
    assert source.load().encoding.inputs.to_json() == source_inputs.to_json()
