"""The scripts in examples/ run, and what they show is so."""

import ast
import re
import runpy
from pathlib import Path

import pytest
import torch

from examples.own_attention import NystromAttention
from sampleformer.attention import FullAttention
from sampleformer.errors import InputError
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.tokens import Tokens
from tests.attention.variations import HEADS, WIDTH, batch
from tests.serve.untrained import text_run

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_own_attention_comes_closer_to_full_attention_the_more_landmarks_it_has(capsys):
    runpy.run_path(str(EXAMPLES / "own_attention.py"), run_name="__main__")
    errors = [float(each) for each in re.findall(r"landmarks: ([\d.]+)% from full attention", capsys.readouterr().out)]
    assert len(errors) == 3
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < 100


def test_as_many_landmarks_as_tokens_are_full_attention():
    attention = NystromAttention(WIDTH, HEADS, landmarks=13, iterations=60).double()
    full = FullAttention(WIDTH, HEADS).double()
    with torch.no_grad():
        for parameter in full.parameters():
            parameter.normal_()  # keys that differ, so that the inverse is no close call
    attention.load_state_dict(full.state_dict())
    tokens = batch([13, 7, 1, 0], padding=2)
    torch.testing.assert_close(attention(tokens), full(tokens), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("arguments", [{"landmarks": 0}, {"iterations": 0}], ids=str)
def test_impossible_arguments_of_own_attention_are_refused(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name} is 0, expected at least 1"):
        NystromAttention(WIDTH, HEADS, **arguments)


def test_settings_name_own_attention_by_its_import_path_and_a_stranger_s_folder_does_not_run_it(tmp_path):
    name = "examples.own_attention.NystromAttention"
    settings = ModelSettings(
        width=8, layers=2, heads=2, feedforward=16, residual_scale=0.7, attention={"name": name, "landmarks": 3}
    )
    model = TokenModel(settings, {"vocabulary": 9}, outputs=2).eval()
    assert model.encoder.layers[0].attention.mixing.landmarks == 3
    model.save_pretrained(tmp_path)
    texts = Tokens(torch.randint(9, (2, 7)))
    assert torch.equal(TokenModel.from_pretrained(tmp_path, trust_code=True)(texts), model(texts))
    with pytest.raises(InputError, match="code from outside this package"):
        TokenModel.from_pretrained(tmp_path)


def test_plain_torch_learns_with_one_line_changed(capsys):
    runpy.run_path(str(EXAMPLES / "plain_torch.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "1 attention replaced" in printed
    assert int(re.search(r"right: (\d+)%", printed)[1]) >= 90


def test_a_model_of_transformers_learns_with_one_line_changed(capsys):
    runpy.run_path(str(EXAMPLES / "hugging_face.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "settings: {'sampled': 32}" in printed
    assert int(re.search(r"right: (\d+)%", printed)[1]) >= 85


def test_a_run_is_asked_by_a_pipeline_of_transformers(capsys):
    runpy.run_path(str(EXAMPLES / "hugging_face_run.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert int(re.search(r"right: (\d+)%", printed)[1]) >= 80
    assert int(re.search(r"card: (\d+) lines", printed)[1]) > 50


def test_graph_gps_learns_with_two_lines_changed(capsys):
    runpy.run_path(str(EXAMPLES / "geometric.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "2 attentions replaced" in printed
    assert int(re.search(r"right: (\d+)%", printed)[1]) >= 85


def test_a_data_frame_is_learnt_with_three_lines_changed(capsys):
    pytest.importorskip("pandas")
    runpy.run_path(str(EXAMPLES / "data_frame.py"), run_name="__main__")
    assert int(re.search(r"right: (\d+)%", capsys.readouterr().out)[1]) >= 85


def test_a_service_of_one_s_own_answers(tmp_path):
    pytest.importorskip("uvicorn")
    from fastapi.testclient import TestClient

    application = runpy.run_path(str(EXAMPLES / "service.py"))["application"]
    with TestClient(application(str(text_run(tmp_path).path))) as client:
        assert client.post("/predict", json={"sample": "abba"}).json()["answer"]["prediction"] in ("ab", "cd")
        assert len(client.post("/predict", json={"samples": ["a", "cd"]}).json()["answers"]) == 2


LINES = {"hugging_face": (1, 1), "plain_torch": (1, 1), "geometric": (1, 1), "data_frame": (1, 1), "service": (2, 1)}
"""Imports of this package in a script, and other lines that use it."""


@pytest.mark.parametrize("name", LINES)
def test_a_script_differs_from_one_without_this_package_by_few_lines(name):
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text())
    imports = [
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.Import | ast.ImportFrom) and "sampleformer" in named(each)
    ]
    ours = {alias.name for each in imports for alias in each.names}
    uses = [each for each in ast.walk(tree) if isinstance(each, ast.Name) and each.id in ours]
    uses += [each for each in ast.walk(tree) if isinstance(each, ast.keyword) and each.arg == "attn_implementation"]
    assert (len(imports), len({each.lineno for each in uses})) == LINES[name]


def named(statement: ast.Import | ast.ImportFrom) -> str:
    """What an import begins with."""
    name = statement.module if isinstance(statement, ast.ImportFrom) else statement.names[0].name
    return str(name).partition(".")[0]
