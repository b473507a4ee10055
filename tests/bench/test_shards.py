"""The verb that measures layers whose tokens several ranks share."""

import argparse
import json
from pathlib import Path

import pytest

from sampleformer.bench.shards import add_arguments, run
from sampleformer.bench.shards_plot import draw_shards
from sampleformer.errors import InputError

TINY = ["--width", "16", "--heads", "2", "--sampled", "4", "--repeats", "1", "--threads", "1"]


def shards(*options: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args([*TINY, *options]))


def test_what_a_sample_sends_does_not_depend_on_its_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / name) for name in ("shards.json", "shards.png")]
    sizes = ["--lengths", "64,256", "--ranks", "2", "--checkpoint", "32"]
    shards(*sizes, "--json", files[0], "--plot", files[1])
    records = json.loads((tmp_path / "shards.json").read_text())
    sent = {(each["pass"], each["attention"], each["n"]): each["bytes_sent"] for each in records}
    assert len(sent) == len(records) == 8
    for direction in ("forward", "train"):
        assert sent[direction, "samsa", 64] == pytest.approx(sent[direction, "samsa", 256], rel=0.01)
        assert sent[direction, "all-gather", 256] > 2 * sent[direction, "all-gather", 64]
        # Half of the keys and values of 256 tokens, float32: more than any of the messages around them.
        assert sent[direction, "all-gather", 256] >= 128 * 2 * 16 * 4
    assert (tmp_path / "shards.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    printed = capsys.readouterr().out
    for text in (
        "One layer: width 16, 2 heads, k = 4, checkpointed in blocks of 32 tokens",
        "all-gather",
        "bytes sent",
    ):
        assert text in printed


def test_a_picture_of_one_cell() -> None:
    cell = {"attention": "samsa", "pass": "train", "n": 64, "ranks": 4, "bytes_sent": 5e5, "layers": 4, "width": 16}
    cell |= {"heads": 2, "sampled": 4, "checkpoint": None, "dtype": "float32", "device": "cpu", "torch": "2.6.0"}
    assert draw_shards([cell]).startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attentions", "samsb"], "--attentions: 'samsb' is unknown"),
        (["--heads", "3"], "--heads: 3, expected a divisor of --width, which is 16"),
        (["--ranks", "65"], "--ranks"),
        (["--checkpoint", "0"], "--checkpoint: 0, expected at least 1"),
        (["--plot", "x.pdf"], "expected a file name that ends in .png"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_options_that_cannot_be(options: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        shards(*options)
