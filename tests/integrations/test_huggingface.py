"""The YOSO of transformers and ours: the same weights, the same numbers, each from the other's files."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import YosoConfig, YosoForMaskedLM, YosoForSequenceClassification, YosoModel

from sampleformer.errors import InputError
from sampleformer.integrations.huggingface import YosoBert, YosoBertConfig
from sampleformer.integrations.huggingface.layout import names, to_theirs
from sampleformer.tokens import Tokens

VOCABULARY, LONGEST = 50, 24
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": LONGEST,
    "type_vocab_size": 3,
    "hash_code_len": 5,
    # Not the default, so that it shows whether it is read.
    "layer_norm_eps": 1e-3,
    "initializer_range": 0.3,
}
CLOSE = {"rtol": 0, "atol": 1e-5}
windows = pytest.mark.parametrize("window", [None, 5], ids=["plain", "convolution"])


def theirs(window: int | None = None, kind: type = YosoModel, **settings: object):
    """A model of transformers whose every weight is random, biases and norms too."""
    torch.manual_seed(1)
    model = kind(YosoConfig(**{**SIZES, "conv_window": window, **settings})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.3)
    return model


def ours(window: int | None = None, **settings: object) -> YosoBert:
    torch.manual_seed(2)
    model = YosoBert(YosoBertConfig(**{**SIZES, "conv_window": window, **settings})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def read_from(model: torch.nn.Module, folder: Path, **options: object) -> YosoBert:
    model.save_pretrained(folder)
    return YosoBert.from_huggingface(folder, **options)


def texts(lengths: list[int], padding: int = 0) -> Tokens:
    mask = torch.arange(max(lengths) + padding) < torch.tensor(lengths)[:, None]
    return Tokens(torch.randint(VOCABULARY, mask.shape), mask)


def states(model: YosoBert, *inputs: object) -> list[Tensor]:
    """What the embedding and each layer give."""
    seen: list[Tensor] = []
    hooks = [model.embed.register_forward_hook(lambda _module, _inputs, out: seen.append(out.features))]
    hooks += [
        layer.register_forward_hook(lambda _module, _inputs, out: seen.append(out.features))
        for layer in model.encoder.layers
    ]
    out = model(*inputs)
    for hook in hooks:
        hook.remove()
    assert torch.equal(out.features, seen[-1])
    return seen


def one_line(caught: pytest.ExceptionInfo) -> str:
    text = str(caught.value)
    assert "\n" not in text
    return text


# Theirs, read by us


@windows
@pytest.mark.parametrize("typed", [False, True], ids=["one-type", "three-types"])
@torch.no_grad()
def test_every_hidden_state_is_theirs(window, typed, tmp_path):
    peer = theirs(window)
    codes = torch.randint(VOCABULARY, (3, 13))
    types = torch.randint(3, (3, 13)) if typed else None
    expected = peer(codes, token_type_ids=types, output_hidden_states=True).hidden_states
    found = states(read_from(peer, tmp_path), Tokens(codes), types)
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@torch.no_grad()
def test_every_position_has_its_row(tmp_path):
    peer = theirs()
    model = read_from(peer, tmp_path)
    codes, places = torch.randint(VOCABULARY, (2, LONGEST)), torch.randint(LONGEST, (2, LONGEST))
    torch.testing.assert_close(model(Tokens(codes)).features, peer(codes)[0], **CLOSE)
    placed = model(Tokens(codes, positions=places)).features
    torch.testing.assert_close(placed, peer(codes, position_ids=places + 2)[0], **CLOSE)


@windows
def test_gradients_of_every_weight_are_theirs(window, tmp_path):
    peer = theirs(window)
    model, codes = read_from(peer, tmp_path), torch.randint(VOCABULARY, (2, 7))
    weights = torch.randn(2, 7, 32)
    (peer(codes)[0] * weights).sum().backward()
    (model(Tokens(codes)).features * weights).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    expected = dict(peer.named_parameters())
    found = to_theirs(gradients, names(2, convolution=window is not None))
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient.isfinite().all()
        torch.testing.assert_close(gradient, expected[name].grad, rtol=1e-4, atol=1e-4)


@windows
@pytest.mark.parametrize("content", [0, -1, 10**6])
@torch.no_grad()
def test_padding_changes_nothing_where_theirs_is_given_each_sample_alone(window, content, tmp_path):
    peer = theirs(window)
    model, lengths = read_from(peer, tmp_path), [11, 1, 6]
    tokens = texts(lengths, padding=2)
    tokens = tokens.with_features(tokens.features.masked_fill(~tokens.mask, content))
    out = model(tokens).features
    for row, length in enumerate(lengths):
        codes = tokens.features[row : row + 1, :length]
        torch.testing.assert_close(out[row, :length], peer(codes)[0][0], **CLOSE)
        torch.testing.assert_close(out[row, :length], model(Tokens(codes)).features[0], **CLOSE)
    assert not out[~tokens.mask].any()


@pytest.mark.parametrize("kind", [YosoForMaskedLM, YosoForSequenceClassification], ids=lambda kind: kind.__name__)
@torch.no_grad()
def test_heads_of_tasks_are_left_out_and_named(kind, tmp_path, caplog):
    peer = theirs(kind=kind)
    with caplog.at_level(logging.WARNING, "sampleformer"):
        model = read_from(peer, tmp_path)
    codes = torch.randint(VOCABULARY, (2, 5))
    torch.testing.assert_close(model(Tokens(codes)).features, peer.yoso(codes)[0], **CLOSE)
    (record,) = caplog.records
    heads = [name for name in load_file(tmp_path / "model.safetensors") if not name.startswith("yoso.")]
    assert heads
    assert all(name in record.getMessage() for name in heads)


def test_a_bare_model_leaves_nothing_out(tmp_path, caplog):
    read_from(theirs(), tmp_path)
    assert caplog.records == []


@torch.no_grad()
def test_weights_of_older_releases_are_read(tmp_path):
    """Pickled, in half precision, with their constants beside the weights."""
    peer = theirs()
    peer.config.save_pretrained(tmp_path)
    weights = {f"yoso.{name}": tensor.half() for name, tensor in peer.state_dict().items()}
    constants = {"yoso.embeddings.position_ids": torch.arange(LONGEST)[None] + 2}
    torch.save({**weights, **constants}, tmp_path / "pytorch_model.bin")
    model, codes = YosoBert.from_huggingface(tmp_path), torch.randint(VOCABULARY, (2, 5))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    torch.testing.assert_close(model(Tokens(codes)).features, peer.half().float()(codes)[0], **CLOSE)


# Ours, read by them


@windows
@torch.no_grad()
def test_theirs_loads_what_we_save_with_no_weight_missing_or_left_over(window, tmp_path):
    model = ours(window)
    model.save_huggingface(tmp_path)
    peer, report = YosoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert {key: list(value) for key, value in report.items() if key in ("missing_keys", "unexpected_keys")} == {
        "missing_keys": [],
        "unexpected_keys": [],
    }
    assert not report["mismatched_keys"]
    assert (peer.config.architectures, peer.dtype) == (["YosoModel"], torch.float32)
    codes = torch.randint(VOCABULARY, (2, 9))
    torch.testing.assert_close(model(Tokens(codes)).features, peer(codes)[0], **CLOSE)


@windows
def test_read_and_saved_again_it_is_the_same_file(window, tmp_path):
    model = read_from(theirs(window, id2label={0: "no", 1: "yes"}, bos_token_id=7), tmp_path / "first")
    model.save_huggingface(tmp_path / "second")
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("first", "second"))
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    first, second = (YosoConfig.from_pretrained(tmp_path / name).to_dict() for name in ("first", "second"))
    changed = {name for name in first if first[name] != second.get(name)}
    assert changed <= {"transformers_version", "dtype"}
    assert sorted(path.name for path in (tmp_path / "second").iterdir()) == ["config.json", "model.safetensors"]


def test_the_defaults_are_theirs():
    given, expected = YosoBertConfig().as_json(), YosoConfig().to_dict()
    given.pop("architectures")
    assert given == {name: expected[name] for name in given}


# The sampled attention


@torch.no_grad()
def test_hashes_can_replace_the_expectation_and_come_near_it(tmp_path):
    peer = theirs()
    model, tokens = read_from(peer, tmp_path, hashes=4096), texts([9, 4])
    expected = YosoBert.from_huggingface(tmp_path)(tokens).features
    assert (model.config.use_expectation, model.config.num_hash) == (False, 4096)
    fewer = YosoBert.from_huggingface(tmp_path, hashes=4)
    errors = [(each(tokens).features - expected).square().mean() for each in (fewer, model)]
    assert errors[1] < errors[0] / 16  # the mean square falls as one over the number of hashes, here 1024-fold


@torch.no_grad()
def test_a_sampled_configuration_is_followed_and_can_be_overruled(tmp_path):
    settings = {"use_expectation": False, "num_hash": 6, "use_fast_hash": False, "lsh_backward": False}
    ours(**settings).save_huggingface(tmp_path)
    mixing = YosoBert.from_huggingface(tmp_path).encoder.layers[1].attention.mixing
    assert (mixing.hashes, mixing.code_length, mixing.hashing, mixing.gradient) == (6, 5, "gaussian", "exact")
    exact = YosoBert.from_huggingface(tmp_path, hashes=None)
    assert exact.encoder.layers[1].attention.mixing.hashes is None
    assert exact.config.use_expectation


@torch.no_grad()
def test_a_sampled_model_read_twice_answers_the_same(tmp_path):
    ours().save_huggingface(tmp_path)
    tokens = texts([9, 4])
    one, other = (YosoBert.from_huggingface(tmp_path, hashes=3) for _ in range(2))
    assert torch.equal(one(tokens).features, other(tokens).features)
    planes = [layer.attention.mixing.random for layer in one.encoder.layers]
    assert not torch.equal(*planes)


def test_a_sampled_model_learns_and_its_training_is_fixed_by_the_noise():
    model, tokens = ours(use_expectation=False, num_hash=4, hidden_dropout_prob=0.0).train(), texts([9, 4])
    noise, again = (model.draw_noise(tokens, torch.Generator().manual_seed(5)) for _ in range(2))
    out = model(tokens, noise=noise).features
    assert torch.equal(out, model(tokens, noise=again).features)
    out.square().sum().backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert without == []
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["encoder.residual_scale"]


# What cannot be


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    theirs().save_pretrained(folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refused(folder: Path, message: str) -> str:
    with pytest.raises(InputError, match=message) as caught:
        YosoBert.from_huggingface(folder)
    return one_line(caught)


def change_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def test_a_missing_folder_is_one_line(tmp_path):
    assert str(tmp_path / "nowhere") in refused(
        tmp_path / "nowhere", "no such file, expected the settings of a saved YosoModel"
    )


def test_missing_weights_are_one_line(copy):
    (copy / "model.safetensors").unlink()
    refused(copy, "no model.safetensors and no pytorch_model.bin")


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.9])
def test_weights_cut_short_are_one_line(copy, kept):
    content = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(content[: int(kept * len(content))])
    refused(copy, "model.safetensors: not a whole safetensors file")


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04"])
def test_pickled_weights_that_are_none_are_one_line(copy, content):
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(content)
    refused(copy, "pytorch_model.bin: not weights of PyTorch")


def test_pickled_code_is_not_run(copy):
    (copy / "model.safetensors").unlink()
    torch.save({"embeddings": Path("code")}, copy / "pytorch_model.bin")
    refused(copy, "pytorch_model.bin: not weights of PyTorch")
    torch.save({"embeddings": [1.0]}, copy / "pytorch_model.bin")
    refused(copy, "pytorch_model.bin: expected tensors by name")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda weights: weights.pop("encoder.layer.1.attention.self.key.bias"),
            "weights are missing: encoder.layer.1.attention.self.key.bias",
            id="missing",
        ),
        pytest.param(
            lambda weights: weights.update(pooler=torch.ones(2)), "there is no place for pooler", id="left-over"
        ),
        pytest.param(
            lambda weights: weights.update({"encoder.layer.0.attention.self.key.bias": torch.ones(31)}),
            r"encoder.layer.0.attention.self.key.bias has shape \(31,\), expected \(32,\)",
            id="shape",
        ),
        pytest.param(
            lambda weights: weights.update({"embeddings.LayerNorm.bias": torch.ones(32, dtype=torch.int8)}),
            "embeddings.LayerNorm.bias has dtype torch.int8",
            id="whole-numbers",
        ),
    ],
)
def test_weights_that_do_not_fit_are_one_line(copy, change, message):
    weights = load_file(copy / "model.safetensors")
    change(weights)
    save_file(weights, copy / "model.safetensors")
    assert "model.safetensors: " in refused(copy, message)


def test_a_convolution_that_the_configuration_does_not_know_is_not_dropped(tmp_path):
    theirs(5).save_pretrained(tmp_path)
    change_config(tmp_path, conv_window=None)
    refused(tmp_path, "no place for encoder.layer.0.attention.self.conv.weight")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden_act": "relu"}, "hidden_act: only 'gelu' is built here.*got 'relu'"),
        ({"hidden_act": "gelu_new"}, "hidden_act: only 'gelu'.*got 'gelu_new'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type: only 'absolute'.*got 'relative_key'"),
        ({"model_type": "bert"}, "model_type: only 'yoso' is read here.*got 'bert'"),
        ({"num_attention_heads": 5}, "num_attention_heads: expected a divisor of hidden_size = 32, got 5"),
        ({"conv_window": 4}, "conv_window: expected an odd window.*got 4"),
        ({"hash_code_len": 17}, "hash_code_len: .*16, got 17"),
        ({"num_hidden_layers": 0}, "num_hidden_layers: .*got 0"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob: .*less than 1"),
        ({"pad_token_id": 50}, "pad_token_id: expected a code below vocab_size = 50, or null, got 50"),
        ({"vocab_size": "many"}, "vocab_size: .*got 'many'"),
        ({"vocab_size": 49}, "embeddings.word_embeddings.weight has shape"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_cannot_be_built_is_refused_with_the_reason(copy, values, message):
    change_config(copy, **values)
    refused(copy, f"config.json: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ("[1]", r"found \[1\], expected a JSON object"), ("{}", "model_type: required")],
)
def test_a_configuration_that_is_none_is_one_line(copy, text, message):
    (copy / "config.json").write_text(text)
    refused(copy, f"config.json: {message}")


def test_more_tokens_than_positions_are_refused():
    with pytest.raises(InputError, match="25 tokens, but the model has 24 positions"):
        ours()(texts([LONGEST + 1]))


@pytest.mark.parametrize("hashes", [0, -3])
def test_a_number_of_hashes_that_cannot_be_is_refused(saved, hashes):
    with pytest.raises(ValueError, match=f"hashes is {hashes}, expected at least 1"):
        YosoBert.from_huggingface(saved, hashes=hashes)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written") as caught:
        ours().save_huggingface(tmp_path / "file" / "model")
    one_line(caught)


# Compiled and exported


def test_compiled_in_one_graph_equals_eager(fresh_compiler):
    model, tokens = ours(5, num_hidden_layers=1), texts([9, 4])
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(tokens).features, model(tokens).features, **CLOSE)


class WithTensors(torch.nn.Module):
    """An exported program takes tensors: the codes and the mask."""

    def __init__(self, model: YosoBert) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor, mask: Tensor) -> Tensor:
        return self.model(Tokens(codes, mask)).features


def test_exported_it_takes_any_batch_and_length_that_has_positions():
    model, tokens = ours(5, num_hidden_layers=1), texts([9, 4])
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.export.export(
        WithTensors(model), (tokens.features, tokens.mask), dynamic_shapes=(sizes, sizes), strict=False
    ).module()
    for lengths in ([2], [LONGEST, 7, 0]):
        tokens = texts(lengths)
        torch.testing.assert_close(program(tokens.features, tokens.mask), model(tokens).features, **CLOSE)
