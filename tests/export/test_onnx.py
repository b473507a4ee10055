"""A model as an ONNX file: onnxruntime gives its answers, and what cannot be exact is refused and leaves nothing."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from sampleformer.edges import Edges
from sampleformer.errors import InputError
from sampleformer.export import ExportedFile, export_onnx, export_program, onnx_translations, program_inputs
from sampleformer.export.agreement import largest_difference, longest
from sampleformer.export.inputs import answer
from sampleformer.functional.neighbours import nearest_neighbours
from sampleformer.models import Blend, DescriptorKernel, Forest, Model, ModelSettings, NGrams, TokenModel
from sampleformer.models.fitted.columns import Columns
from sampleformer.tokens import Tokens

CODES = {"vocabulary": 11}
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
ATTENTIONS = {
    "full": {"name": "full"},
    "samsa-hard": {"name": "samsa", "sampled": 3},
    "samsa-soft": {"name": "samsa", "sampled": 3, "choice": "soft", "learned_temperature": True, "extra": 2},
    "sft-offsets": {"name": "sft", "sampled": 3, "relative": "offsets"},
    "yoso-expectation": {"name": "yoso", "hashes": None, "code_length": 5},
}
BATCHES = ([1], [2], [0, 3, 1], [7, 4], [5, 33, 12, 6, 1])


def model(name: str, inputs: dict | None = None, level: str = "sample", window: int | None = None) -> TokenModel:
    """A small model whose layer counts: the residual scale does not start at zero."""
    settings = ModelSettings(
        width=8,
        layers=1,
        heads=2,
        feedforward=16,
        residual_scale=0.7,
        attention=ATTENTIONS.get(name, {"name": name}),
        embed={"name": "sequence", "hidden": 8},
        local=None if window is None else {"name": "window", "window": window},
    )
    return TokenModel(settings, inputs or CODES, 3, level=level).eval()


def batch(made: TokenModel, lengths: list[int]) -> Tokens:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    if "vocabulary" in made.inputs:
        return Tokens(torch.randint(made.inputs["vocabulary"], mask.shape), mask)
    return Tokens(torch.randn(*mask.shape, made.inputs["features"]), mask)


def answers(path: Path, tokens: Tokens) -> Tensor:
    """What onnxruntime says, on its own terms."""
    return ran(path, {"tokens": tokens.features, "mask": tokens.mask})


def ran(path: Path, given: dict[str, Tensor]) -> Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["output"], {name: each.numpy() for name, each in given.items()})[0])


def same_answers(made: TokenModel, path: Path, longest: int = 33) -> ExportedFile:
    written = export_onnx(made, path)
    content = path.read_bytes()
    assert [word for word in (b".py", b"sampleformer", str(Path.home()).encode() + b"/") if word in content] == []
    for lengths in BATCHES:
        tokens = batch(made, [min(length, longest) for length in lengths])
        with torch.no_grad():
            torch.testing.assert_close(answers(path, tokens), made(tokens), **CLOSE)
    return written


@pytest.mark.parametrize("name", ATTENTIONS)
def test_onnxruntime_gives_the_models_answers_for_any_batch_and_length(name: str, tmp_path: Path) -> None:
    written = same_answers(model(name), tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert written.inputs == ["tokens: int64 (batch, length)", "mask: bool (batch, length)"]
    assert written.outputs == ["output: float (batch, 3)"]
    assert written.bytes == (tmp_path / "model.onnx").stat().st_size
    assert 0 <= written.difference < 1e-4


def test_numbers_of_a_fixed_length_with_neighbours_and_an_answer_for_each_token(tmp_path: Path) -> None:
    made = model("samsa-hard", {"features": 2, "length": 20}, level="token", window=2)
    written = same_answers(made, tmp_path / "model.onnx", longest=20)
    assert written.inputs[0] == "tokens: float (batch, length, 2)"
    assert written.outputs == ["output: float (batch, length, 3)"]


def test_a_blend_with_ngrams_and_trees(tmp_path: Path) -> None:
    inputs = CODES | {"descriptors": [3, 0]}
    settings = model("samsa-hard").settings
    parts: list[Model] = [TokenModel(settings, inputs, 2).eval()]
    texts = torch.randint(CODES["vocabulary"], (20, 6))
    samples = Tokens(texts, descriptors=torch.rand(20, 2) * 3)
    columns = Columns("classes", np.arange(20.0)[:, None] % 2, 2)
    for kind, given in ((NGrams, CODES), (Forest, inputs), (DescriptorKernel, inputs)):
        asked = kind.Settings(trees=5) if kind is Forest else kind.Settings()
        parts.append(next(kind.candidates(asked, given, [samples], columns, seed=0)))
    made = Blend.of(parts, torch.tensor([0.4, 0.2, 0.2, 0.2]), inputs).eval()
    written = export_onnx(made, tmp_path / "model.onnx")  # which compares the answers
    assert [each.partition(":")[0] for each in written.inputs] == ["tokens", "mask", "descriptors"]


@pytest.mark.parametrize("name", ["full", "samsa-hard"])
def test_a_program_of_torch_is_for_any_batch_and_length(name: str, tmp_path: Path) -> None:
    made = model(name)
    torch.export.save(export_program(made), tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    for lengths in ([1], [7, 4], [1100, 1000]):  # the last fill more than 16 384 numbers
        tokens = batch(made, lengths)
        with torch.no_grad():
            given = {"tokens": tokens.features, "mask": tokens.mask}
            torch.testing.assert_close(program(given), made(tokens), **CLOSE)


# Graphs and clouds

NODES = {"edge_features": 2, "directed": False, "encodings": 3, "identifiers": 2}
GRAPHS = {
    "codes": ({"edge_tokens": "pair"}, NODES | {"vocabularies": [3, 4]}, "sample", {}),
    "directed": ({"edge_tokens": "each"}, NODES | {"features": 2, "directed": True}, "sample", {"name": "edges"}),
    "nodes": ({"edge_tokens": "none"}, NODES | {"features": 2}, "token", {"name": "edges", "kind": "attention"}),
    "links": ({"edge_tokens": "none"}, NODES | {"features": 2}, "pair", {"name": "edges"}),
}


SIZES_OF_GRAPHS = (([1], [0]), ([2], [1]), ([4, 1, 9], [3, 0, 17]), ([12, 30], [40, 2]))


def graph_or_cloud(embed: dict, inputs: dict, level: str, **settings: object) -> TokenModel:
    """A small model whose parts count."""
    small = {"width": 8, "layers": 1, "heads": 2, "feedforward": 16, "residual_scale": 0.7}
    sampled = {"attention": {"name": "samsa", "sampled": 3}}
    return TokenModel(
        ModelSettings.model_validate(small | sampled | {"embed": embed} | settings), inputs, 3, level=level
    )


def graphs(inputs: dict, nodes: list[int], edges: list[int]) -> Tokens:
    """Random graphs with so many nodes, and edges in as many directions as the model wants."""
    features, source, target = [], [], []
    for number, count in zip(nodes, edges, strict=True):
        first, second = torch.randint(max(1, number), (2, count))
        ends = [(first, second)] if inputs["directed"] else [(first, second), (second, first)]
        source.append(torch.stack([pair[0] for pair in ends], 1).flatten())
        target.append(torch.stack([pair[1] for pair in ends], 1).flatten())
        carried = torch.randn(count, inputs["edge_features"])
        features.append(carried.repeat_interleave(len(ends), 0))
    padded = {"batch_first": True}
    joined = Edges(
        pad_sequence(source, **padded),
        pad_sequence(target, **padded),
        pad_sequence(features, **padded),
        pad_sequence([torch.ones(len(each), dtype=torch.bool) for each in source], **padded),
    )
    mask = torch.arange(max(nodes)) < torch.tensor(nodes)[:, None]
    if "vocabularies" in inputs:
        carried = torch.stack([torch.randint(size, mask.shape) for size in inputs["vocabularies"]], dim=-1)
    else:
        carried = torch.randn(*mask.shape, inputs["features"])
    places = {name: torch.rand(*mask.shape, inputs[name]) for name in ("encodings", "identifiers")}
    return Tokens(carried, mask, **places, edges=joined)


def of_graphs(tokens: Tokens) -> dict[str, Tensor]:
    """What a program takes of graphs."""
    return {
        "tokens": tokens.features,
        "mask": tokens.mask,
        "encodings": tokens.encodings,
        "identifiers": tokens.identifiers,
        "source": tokens.edges.source,
        "target": tokens.edges.target,
        "edge_features": tokens.edges.features,
        "edge_mask": tokens.edges.mask,
    }


@pytest.mark.parametrize("kind", GRAPHS)
def test_graphs_with_any_number_of_nodes_and_edges(kind: str, tmp_path: Path) -> None:
    embed, inputs, level, local = GRAPHS[kind]
    made = graph_or_cloud({"name": "graph"} | embed, inputs, level, local=local or None).eval()
    export_onnx(made, tmp_path / "model.onnx")
    for nodes, edges in SIZES_OF_GRAPHS:
        tokens = graphs(inputs, nodes, edges)
        asked = {"pairs": torch.randint(min(nodes), (len(nodes), 2, 2))} if level == "pair" else {}
        with torch.no_grad():
            expected = made(tokens, **asked)
        torch.testing.assert_close(ran(tmp_path / "model.onnx", of_graphs(tokens) | asked), expected, **CLOSE)


def test_a_program_of_torch_is_for_graphs_without_edges_too(tmp_path: Path) -> None:
    embed, inputs, level, _ = GRAPHS["codes"]
    made = graph_or_cloud({"name": "graph"} | embed, inputs, level).eval()
    torch.export.save(export_program(made), tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    for nodes, edges in SIZES_OF_GRAPHS:
        tokens = graphs(inputs, nodes, edges)
        with torch.no_grad():
            torch.testing.assert_close(program(of_graphs(tokens)), made(tokens), **CLOSE)


CLOUDS = {
    "points": ({"neighbours": 4}, {"features": 0, "normals": False}, "token", {"local": {"name": "edges"}}),
    "invariant": (
        {"neighbours": 4, "invariant": True},
        {"features": 2, "normals": True},
        "sample",
        {"attention": {"name": "sft", "sampled": 3, "relative": "distance_normals"}, "pooling": "max"},
    ),
}


@pytest.mark.parametrize("kind", CLOUDS)
def test_clouds_of_any_size(kind: str, tmp_path: Path) -> None:
    embed, inputs, level, settings = CLOUDS[kind]
    made = graph_or_cloud({"name": "point_cloud"} | embed, inputs | {"identifiers": 0}, level, **settings).eval()
    export_onnx(made, tmp_path / "model.onnx")
    for lengths in ([1], [3], [2, 0, 7], [40, 25]):
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        points, carried = torch.randn(*mask.shape, 3), torch.randn(*mask.shape, inputs["features"])
        normals = normalize(torch.randn(points.shape), dim=-1) if inputs["normals"] else None
        given = {"tokens": carried, "normals": normals} if inputs["normals"] else {}
        with torch.no_grad():
            expected = made(Tokens(carried, mask, coordinates=points, normals=normals))
        found = ran(tmp_path / "model.onnx", {"mask": mask, "coordinates": points} | given)
        torch.testing.assert_close(found, expected, **CLOSE)


class Neighbours(torch.nn.Module):
    def forward(self, points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return nearest_neighbours(points, 3, mask)


def test_points_at_equal_distances_are_taken_in_their_order(tmp_path: Path) -> None:
    mask = torch.arange(6) < torch.tensor([6, 4])[:, None]
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    given = (torch.zeros(2, 6, 3), mask)
    program = torch.export.export(Neighbours(), given, dynamic_shapes=(sizes, sizes), strict=False)
    file = tmp_path / "neighbours.onnx"
    table = onnx_translations()
    torch.onnx.export(program, dynamo=True, custom_translation_table=table, verbose=False).save(file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for lengths in ([1], [3, 0, 2], [40, 30]):
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        points = torch.randint(-1, 2, (*mask.shape, 3)).float()
        found = session.run(None, {"points": points.numpy(), "mask": mask.numpy()})
        for ours, expected in zip(found, nearest_neighbours(points, 3, mask), strict=True):
            np.testing.assert_array_equal(ours, expected.numpy())


def test_what_a_program_takes_of_a_batch() -> None:
    edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 0))
    tokens = Tokens(torch.zeros(1, 2, 0), coordinates=torch.zeros(1, 2, 3), edges=edges)
    found = program_inputs(tokens, pairs=torch.tensor([[[0, 1]]]))
    assert list(found) == ["mask", "coordinates", "source", "target", "edge_mask", "pairs"]
    assert found["mask"].tolist() == found["edge_mask"].tolist() == [[True, True]]


def test_numbers_with_gaps(tmp_path: Path) -> None:
    made = model("full", {"features": 1, "length": 5, "gaps": True})
    torch.nn.init.normal_(made.embed.gaps.weight)
    export_onnx(made, tmp_path / "model.onnx")
    tokens = Tokens(torch.tensor([[[0.5], [torch.nan], [1], [0], [torch.nan]]]), torch.ones(1, 5, dtype=torch.bool))
    with torch.no_grad():
        expected, of_zeros = made(tokens), made(Tokens(tokens.features.nan_to_num(), tokens.mask))
    torch.testing.assert_close(answers(tmp_path / "model.onnx", tokens), expected, **CLOSE)
    assert not torch.allclose(of_zeros, expected, atol=0.01)


def test_a_blend_for_a_table_of_fewer_numbers_than_are_chosen(tmp_path: Path) -> None:
    inputs = {"features": 1, "length": 5}
    made = Blend.of([model("samsa-hard", inputs), model("full", inputs)], torch.tensor([0.5, 0.5]), inputs).eval()
    assert longest(made) == 5
    export_onnx(made, tmp_path / "model.onnx")


def test_equal_scores_are_taken_in_the_order_of_the_tokens(tmp_path: Path) -> None:
    made = model("samsa-hard").train()
    with torch.no_grad():
        made.encoder.layers[0].attention.sampler.scorer.score.weight.zero_()
    export_onnx(made, tmp_path / "model.onnx")
    assert made.training
    assert made.head.output.weight.requires_grad, "the model that was given must stay as it was"
    made.eval()
    tokens = batch(made, [33, 12, 2])
    with torch.no_grad():
        assert made.select(tokens)[0].indices[0].tolist() == [[0, 1, 2]] * 2
        torch.testing.assert_close(answers(tmp_path / "model.onnx", tokens), made(tokens), **CLOSE)
        backwards = Tokens(tokens.features.flip(1), tokens.mask)
        assert not torch.allclose(made(backwards)[0], made(tokens)[0], **CLOSE)


def refused(made: TokenModel, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        export_onnx(made, folder / "model.onnx")
    assert list(folder.iterdir()) == []
    (line,) = str(caught.value).splitlines()
    return line


def test_sampled_hashes_are_refused(tmp_path: Path) -> None:
    message = refused(model("yoso"), tmp_path)
    assert "yoso with hashes cannot be exported exactly" in message
    assert message.endswith("--set model.attention.hashes=null")


def test_a_file_with_other_answers_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = onnx_translations()

    def worst(scores: object, k: object) -> object:
        from onnxscript import opset18 as op

        return op.TopK(scores, op.Reshape(k, op.Constant(value_ints=[-1])), largest=0)[1]

    wrong = known | {torch.ops.sampleformer.ordered_topk.default: worst}
    monkeypatch.setattr("sampleformer.export.onnx_file.onnx_translations", lambda: wrong)
    assert "model.onnx: not written: the answers differ from the model's by" in refused(model("samsa-hard"), tmp_path)


def test_an_operator_without_a_translation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampleformer.export.onnx_file.onnx_translations", dict)
    message = refused(model("samsa-hard"), tmp_path)
    assert message == "the model uses the operator sampleformer::ordered_topk, which cannot be written in ONNX yet"


def test_what_torch_cannot_export_is_one_line(tmp_path: Path) -> None:
    made = model("sft-offsets")
    made.encoder.layers[0].feed_forward.forward = lambda features, mask: features if features.sum() > 0 else -features
    assert refused(made, tmp_path).startswith("the model cannot be exported: ")


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert refused(model("full"), tmp_path) == f'exporting needs {package}: pip install "sampleformer[onnx]"'


def test_other_precisions_are_refused(tmp_path: Path) -> None:
    message = refused(model("full").to(torch.bfloat16), tmp_path)
    assert message == "the model is in torch.bfloat16, expected torch.float32"


# The comparison


def test_the_same_program_agrees() -> None:
    made = model("samsa-hard")
    assert largest_difference(made, lambda given: answer(made, given)) == 0
    assert largest_difference(made, lambda given: answer(made, given) * (1 + 1e-5)) > 0


WRONG = [lambda out: out * 1.01, lambda out: out * torch.nan, lambda out: out + 1]


@pytest.mark.parametrize("wrong", WRONG, ids=["one-percent-off", "nan", "shifted"])
def test_other_answers_do_not(wrong) -> None:
    made = model("samsa-hard")
    with pytest.raises(InputError, match="the answers differ from the model's by (nan|inf|[0-9.e-]+), where"):
        largest_difference(made, lambda given: wrong(answer(made, given)))


def test_one_wrong_size_is_enough() -> None:
    made = model("samsa-hard")
    with pytest.raises(InputError, match="for 4 sets of up to 17 tokens"):
        largest_difference(made, lambda given: answer(made, given) + (given["mask"].shape[1] == 17))


def test_another_shape_is_refused() -> None:
    made = model("full")
    with pytest.raises(InputError, match=r"the answers have the shape \(1, 2\) in place of \(1, 3\)"):
        largest_difference(made, lambda given: answer(made, given)[:, :2])


def test_a_model_whose_answers_turn_on_rounding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampleformer.export.agreement.TOLERANCE", 1e-12)
    made = model("full")
    with pytest.raises(InputError, match="change with rounding"):
        largest_difference(made, lambda given: answer(made, given))
