"""Models of point clouds: that they are what they are named for, and what the verb prints, writes and refuses."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest
import torch
from rich.table import Table

from sampleformer.bench import cloud_measure
from sampleformer.bench.cloud_measure import CloudResults, measure_clouds, sphere
from sampleformer.bench.cloud_models import MODELS, PEERS, build_model, sizes_of
from sampleformer.bench.cloud_settings import CloudsSettings
from sampleformer.bench.cloud_table import cloud_notes, cloud_tables
from sampleformer.bench.clouds import NAMES, add_arguments, run
from sampleformer.bench.timing import Pass
from sampleformer.errors import InputError
from sampleformer.models import PointNet
from tests.cli.program import run_program

SIZES = ["--points", "24,8", "--batch", "2", "--layers", "1", "--width", "16", "--heads", "2", "--sampled", "4"]
TINY = [*SIZES, "--repeats", "2", "--threads", "1"]
FIELDS = (
    "model parameters layers width heads sampled invariant neighbours pass n batch median_s min_s max_s peak_bytes "
    "device dtype threads torch clouds_per_s ratios"
)


def clouds(*options: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args(list(options)))


def test_all_models_are_the_default() -> None:
    assert tuple(NAMES.split(",")) == MODELS
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    settings = CloudsSettings.read(parser.parse_args([]))
    assert (settings.models, settings.points, settings.batch) == (MODELS, (1024,), 32)


def test_our_models_have_small_or_published_sizes_unless_told_otherwise() -> None:
    def found(settings: CloudsSettings) -> list[tuple[int, int, int, int | None]]:
        return [dataclasses.astuple(sizes_of(name, settings)) for name in ("samsa", "sft", "yoso", "full")]

    published = CloudsSettings(models=MODELS, published=True)
    assert found(published) == [(6, 256, 8, 512), (8, 256, 8, 256), (6, 256, 8, None), (6, 256, 8, None)]
    assert found(CloudsSettings(models=MODELS)) == [(4, 128, 4, 256)] * 2 + [(4, 128, 4, None)] * 2
    smaller = CloudsSettings(models=MODELS, layers=2, width=32, heads=4, sampled=9)
    assert found(smaller) == [(2, 32, 4, 9)] * 2 + [(2, 32, 4, None)] * 2
    model = build_model("samsa", smaller)
    assert len(model.model.encoder.layers) == 2
    assert (model.model.settings.width, model.model.settings.feedforward) == (32, 96)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_for_each_cloud_by_what_it_is_given(name: str) -> None:
    settings = CloudsSettings(models=(name,), layers=1, width=16, heads=2, sampled=4, dtype="float64")
    model = build_model(name, settings).eval()
    points = sphere(3, 30, torch.Generator().manual_seed(1)).double()
    answers = model(points)
    assert answers.shape == (3, 40)
    moved, turned = points.clone(), points.clone()
    moved[..., :3] *= 1.5
    turned[..., 3:] *= -1
    assert not torch.allclose(model(moved), answers)
    assert torch.equal(model(turned), answers) == (name in PEERS)  # peers do not see normals


@pytest.mark.parametrize("name", ["samsa", "sft", "yoso", "full"])
def test_an_invariant_model_answers_alike_for_turned_clouds(name: str) -> None:
    settings = CloudsSettings(
        models=(name,), layers=1, width=16, heads=2, sampled=4, dtype="float64", invariant=True, neighbours=5
    )
    model = build_model(name, settings).eval()
    points = sphere(3, 30, torch.Generator().manual_seed(1)).double()
    points[..., :3] *= torch.rand(3, 30, 1, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    turned = torch.cat([points[..., :3] @ turn, points[..., 3:] @ turn], dim=-1)
    torch.testing.assert_close(model(turned), model(points), rtol=1e-8, atol=1e-10)
    assert not torch.allclose(model(points * 1.5), model(points))


@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_reaches_the_weights_and_not_the_data(name: str) -> None:
    settings = CloudsSettings(models=(name,), layers=1, width=16, heads=2, sampled=4)
    model = build_model(name, settings)
    step = Pass(model, [sphere(4, 30, torch.Generator())], torch.randn(4, 40))
    step()
    assert [
        place for place, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None
    ] == []
    assert step.inputs[0].grad is None


def test_points_of_a_sphere_with_their_normals() -> None:
    drawn = sphere(2, 50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn[..., :3].norm(dim=-1), torch.ones(2, 50))
    assert torch.equal(drawn[..., :3], drawn[..., 3:])


def test_json_tables_and_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clouds(*TINY, "--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png"))
    records = json.loads((tmp_path / "a.json").read_text())
    assert [(r["pass"], r["n"], r["model"]) for r in records] == [
        (direction, n, model) for direction in ("forward", "train") for n in (8, 24) for model in MODELS
    ]
    for record in records:
        assert list(record) == FIELDS.split()
        assert record["clouds_per_s"] == pytest.approx(2 / record["median_s"])
        assert set(record["ratios"]) == set(PEERS) - {record["model"]}
        sizes = (record["layers"], record["width"], record["heads"])
        assert sizes == ((None, None, None) if record["model"] in PEERS else (1, 16, 2))
        assert record["sampled"] == (4 if record["model"] in ("samsa", "sft") else None)
        assert record["invariant"] == (None if record["model"] in PEERS else False)
        assert record["neighbours"] == (None if record["model"] in PEERS else 16)
    samsa, pointnet = records[0], next(r for r in records if r["model"] == "pointnet")
    assert samsa["ratios"]["pointnet"] == pytest.approx(samsa["clouds_per_s"] / pointnet["clouds_per_s"])
    assert {r["parameters"] for r in records if r["model"].startswith("dgcnn")} == {1_809_576}
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.png"]  # nothing half-written
    printed = capsys.readouterr().out
    for text in (
        "batch 2, float32, cpu, 1 thread",
        "clouds/s",
        "as pointnet",
        "samsa: layers 1, width 16, heads 2, k = 4",
    ):
        assert text in printed


def test_the_real_program(tmp_path: Path) -> None:
    options = ["--models", "sft,dgcnn", "--passes", "forward", "--json", str(tmp_path / "a.json")]
    done = run_program(tmp_path, ["bench", "clouds", *TINY, *options])
    assert done.returncode == 0, done.stderr
    assert "as dgcnn" in done.stdout
    assert "pointnet" not in done.stdout
    assert [r["model"] for r in json.loads((tmp_path / "a.json").read_text())] == ["sft", "dgcnn"] * 2


def test_one_of_our_models_alone_and_without_memory(capsys: pytest.CaptureFixture[str]) -> None:
    settings = CloudsSettings(
        models=("full",), points=(8,), layers=1, width=16, heads=2, repeats=1, passes=("forward",)
    )
    results = measure_clouds(settings)
    results.records[0]["peak_bytes"] = None
    (table,) = cloud_tables(results)
    assert isinstance(table, Table)
    columns = [list(column.cells) for column in table.columns]
    assert (columns[1], columns[-1], len(columns)) == (["full"], ["unknown"], 6)


def test_what_takes_too_long_is_left_out_and_has_no_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(measured: Pass) -> float:
        return 1.0 if isinstance(getattr(measured.function, "model", None), PointNet) else 0.1

    monkeypatch.setattr(Pass, "seconds", seconds)
    sizes = {"layers": 1, "width": 16, "heads": 2, "sampled": 4}
    results = measure_clouds(
        CloudsSettings(
            models=("samsa", "pointnet"), points=(8,), batch=2, repeats=2, passes=("forward",), limit_seconds=2, **sizes
        )
    )
    assert [(record["model"], record["ratios"]) for record in results.records] == [("samsa", {})]
    assert cloud_notes(results) == [
        "samsa: layers 1, width 16, heads 2, k = 4, 16 neighbours, not invariant.",
        "pointnet, forward, n = 8: left out, 4 passes would take about 4 s; --limit-seconds is 2.",
    ]


def test_nothing_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_measure, "measure_clouds", lambda *arguments: CloudResults(skipped=["all: left out"]))
    clouds(*TINY, "--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png"))
    assert capsys.readouterr().out == "all: left out.\n"
    assert json.loads((tmp_path / "a.json").read_text()) == []
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "pointnt"], r"--models: 'pointnt' is unknown; did you mean 'pointnet'\?"),
        (["--points", "1k"], "--points: '1k', expected whole numbers of points from 1 to"),
        (["--layers", "0"], "--layers: 0, expected at least 1"),
        (["--heads", "3"], "--heads: 3, expected a divisor of --width, which is 16"),
        (["--sampled", "-1"], "--sampled: -1, expected at least 1"),
        (["--neighbours", "-1"], "--neighbours: -1, expected at least 0"),
        (["--batch", "0"], "--batch: 0, expected at least 1"),
        (["--batch", "1"], "--batch: 1, expected at least 2 for training steps of pointnet, dgcnn, dgcnn-factored"),
        (["--plot", "a.jpg"], r"--plot: 'a.jpg', expected a file name that ends in \.png"),
        (["--json", "no/such/folder/a.json"], "--json: .* there is no folder .*no/such/folder"),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_measure, "measure_clouds", lambda *arguments: pytest.fail("measured"))
    with pytest.raises(InputError, match=message) as caught:
        clouds(*TINY, *options)
    assert "\n" not in str(caught.value)


def test_a_single_cloud_can_be_classified() -> None:
    settings = CloudsSettings(models=("pointnet",), points=(8,), batch=1, repeats=1, passes=("forward",))
    assert [record["batch"] for record in measure_clouds(settings).records] == [1]


def test_lower_precision() -> None:
    sizes = {"layers": 1, "width": 16, "heads": 2, "sampled": 4}
    settings = CloudsSettings(models=MODELS, points=(24,), batch=2, repeats=1, dtype="bfloat16", **sizes)
    assert len(measure_clouds(settings).records) == 2 * len(MODELS)
