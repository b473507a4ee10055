"""What the program says of a training that was stopped."""

from pathlib import Path

import pytest

from sampleformer.cli import main
from sampleformer.cli import train as verb
from sampleformer.training import RunFolder


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "interrupted; nothing was written"),
        (
            ["config.yaml", "metrics.csv"],
            "interrupted; no check was reached and nothing of the training is saved; from step 0 again with: "
            "sampleformer train --resume --output run",
        ),
        (
            ["config.yaml", "checkpoints/last.ckpt"],
            "interrupted; go on with: sampleformer train --resume --output run",
        ),
    ],
)
def test_a_stopped_training_says_what_is_saved(
    files: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(recipe: object, output: Path, **options: object) -> RunFolder:
        for name in files:
            path = tmp_path / output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "train", stopped)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "digits", "--output", "run"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == words
