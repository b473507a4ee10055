"""The whole model: settings in, answers out, saved and read again, compiled and exported."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sampleformer.attention import ATTENTIONS
from sampleformer.encoder import NORM_POSITIONS
from sampleformer.errors import InputError
from sampleformer.heads import POOLINGS
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.norms import NORMS
from sampleformer.tokens import Tokens

VOCABULARY, OUTPUTS = 11, 3
EXACT = {"rtol": 1e-10, "atol": 1e-10}
ATTENTION_SETTINGS = {name: [{"name": name}] for name in ATTENTIONS}
ATTENTION_SETTINGS["samsa"] = [
    {"name": "samsa", "sampled": 3},
    {"name": "samsa", "sampled": 3, "choice": "soft", "learned_temperature": True, "extra": 2},
]
ATTENTION_SETTINGS["sft"] = [{"name": "sft", "sampled": 3, "relative": "offsets"}]
ATTENTION_SETTINGS["yoso"] = [{"name": "yoso", "hashes": 4, "code_length": 3}, {"name": "yoso", "hashes": None}]
MODELS = {
    "-".join(str(value) for value in settings.values()): settings
    for several in ATTENTION_SETTINGS.values()
    for settings in several
}
every_model = pytest.mark.parametrize("name", MODELS)
# Compiling takes seconds, and the contract suite compiles every variation of an attention by itself.
a_model_of_each = pytest.mark.parametrize(
    "name", ["-".join(str(value) for value in several[-1].values()) for several in ATTENTION_SETTINGS.values()]
)


def model(name: str = "full", level: str = "sample", inputs: dict | None = None, **settings: object) -> TokenModel:
    """A small model in float64 whose layers count: the residual scale does not start at zero."""
    sizes = {"width": 10, "layers": 2, "heads": 2, "feedforward": 17, "residual_scale": 0.7}
    values = {**sizes, "attention": MODELS[name], "embed": {"name": "sequence", "hidden": 16}, **settings}
    made = TokenModel(ModelSettings(**values), inputs or {"vocabulary": VOCABULARY}, OUTPUTS, level=level)
    return made.double()


def texts(lengths: list[int], padding: int = 0) -> Tokens:
    mask = torch.arange(max(lengths) + padding) < torch.tensor(lengths)[:, None]
    return Tokens(torch.randint(VOCABULARY, mask.shape), mask)


def one_line(caught: pytest.ExceptionInfo) -> str:
    text = str(caught.value)
    assert "\n" not in text
    return text


@every_model
@pytest.mark.parametrize("level", ["sample", "token"])
@pytest.mark.parametrize("content", [0, -1, 10**6])
def test_padding_changes_nothing(name, level, content):
    made, lengths = model(name, level).eval(), [13, 1, 7]
    tokens = texts(lengths, padding=3)
    tokens = tokens.with_features(tokens.features.masked_fill(~tokens.mask, content))
    out = made(tokens)
    for row, length in enumerate(lengths):
        alone = made(Tokens(tokens.features[row : row + 1, :length]))[0]
        torch.testing.assert_close(out[row, :length] if level == "token" else out[row], alone, **EXACT)
    if level == "token":
        assert not out[~tokens.mask].any()


@pytest.mark.parametrize("pooling", POOLINGS)
@every_model
def test_an_empty_sample_has_a_finite_answer_of_its_own(name, pooling):
    made, tokens = model(name, pooling=pooling).train(), texts([7, 0, 3])
    out = made(tokens)
    torch.testing.assert_close(out[1], made.head.output.bias)
    out.square().sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in made.parameters() if p.requires_grad)


@every_model
def test_a_batch_of_empty_samples_alone(name):
    made = model(name).train()
    out = made(Tokens(torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, 1, dtype=torch.bool)))
    torch.testing.assert_close(out, made.head.output.bias.expand(2, OUTPUTS))
    out.sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in made.parameters() if p.requires_grad and p.grad is not None)


@every_model
def test_gradients_reach_every_parameter(name):
    made = model(name).train()
    made(texts([13] * 16)).square().sum().backward()
    missing = [name for name, p in made.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert missing == []


@every_model
def test_evaluation_is_bit_for_bit_the_same(name):
    made, tokens = model(name, dropout=0.3, stochastic_depth=0.3).float().eval(), texts([63, 7])
    assert torch.equal(made(tokens), made(tokens))


@every_model
def test_training_is_fixed_by_the_noise_given(name):
    made, tokens = model(name).train(), texts([13, 7])
    noise, again = (made.draw_noise(tokens, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(made(tokens, noise=noise), made(tokens, noise=again))


def test_models_made_with_one_seed_are_the_same():
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(model("samsa-3").state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_numbers_as_inputs():
    made = model(inputs={"features": 2}).eval()
    assert made(Tokens(torch.randn(3, 7, 2, dtype=torch.float64))).shape == (3, OUTPUTS)


@every_model
def test_select_tells_one_choice_a_layer_as_in_evaluation(name):
    made, tokens = model(name).train(), texts([13, 7])
    selections, again = made.select(tokens), made.select(tokens)
    assert made.training
    assert len(selections) == 2
    for first, second in zip(selections, again, strict=True):
        assert torch.equal(first.indices, second.indices)
        assert first.indices.shape[:2] == (2, 2)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
@every_model
def test_one_step_of_training_in_lower_precision(name, precision):
    made, tokens = model(name, dropout=0.1, stochastic_depth=0.2).float().train(), texts([13, 7, 0])
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-3)
    with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
        loss = nn.functional.cross_entropy(made(tokens).float(), torch.tensor([0, 1, 2]))
    loss.backward()
    optimizer.step()
    assert all(bool(parameter.isfinite().all()) for parameter in made.parameters())


# Saved and read again


@every_model
@pytest.mark.parametrize("level", ["sample", "token"])
def test_saved_and_read_again_it_gives_the_same_bits(name, level, tmp_path):
    made, tokens = model(name, level).float().eval(), texts([13, 7, 0])
    made.save_pretrained(tmp_path / "model")
    again = TokenModel.from_pretrained(tmp_path / "model")
    assert not again.training
    assert again.settings == made.settings
    assert torch.equal(again(tokens), made(tokens))
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


def test_a_run_folder_is_read_by_its_name(tmp_path):
    made = model("samsa-3").float().eval()
    made.save_pretrained(tmp_path / "run" / "model")
    tokens = texts([5])
    assert torch.equal(TokenModel.from_pretrained(tmp_path / "run")(tokens), made(tokens))


def test_saving_again_replaces_what_was_there(tmp_path):
    model("full").save_pretrained(tmp_path)
    second = model("samsa-3").float().eval()
    second.save_pretrained(tmp_path)
    tokens = texts([5])
    assert torch.equal(TokenModel.from_pretrained(tmp_path)(tokens), second(tokens))


@pytest.mark.parametrize("position", NORM_POSITIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_in_every_position_learns_and_is_saved(norm, position, tmp_path):
    made = model("samsa-3", norm=norm, norm_position=position).float().train()
    tokens, targets = texts([13, 7, 0]), torch.tensor([0, 1, 2])
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-3)
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    nn.functional.cross_entropy(made(tokens), targets).backward()
    optimizer.step()
    after = made.state_dict()
    assert all(bool(tensor.isfinite().all()) for tensor in after.values())
    of_norms = [name for name in after if "norm" in name and "sampler" not in name and "scorer" not in name]
    assert of_norms
    assert [name for name in of_norms if torch.equal(after[name], before[name])] == []
    made.eval().save_pretrained(tmp_path / "model")
    again = TokenModel.from_pretrained(tmp_path / "model")
    assert (again.settings.norm, again.settings.norm_position) == (norm, position)
    assert torch.equal(again(tokens), made(tokens))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    model("samsa-3").float().save_pretrained(folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_weights_cut_short_are_one_line(copy, kept):
    weights = copy / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match="not a whole safetensors file") as caught:
        TokenModel.from_pretrained(copy)
    assert one_line(caught).startswith(str(weights))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_missing_file_is_one_line(copy, name):
    (copy / name).unlink()
    with pytest.raises(InputError, match="no such file") as caught:
        TokenModel.from_pretrained(copy)
    assert one_line(caught).startswith(str(copy / name))


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such file") as caught:
        TokenModel.from_pretrained(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in one_line(caught)


def test_weights_of_another_model_are_one_line(copy):
    model("samsa-3", width=12).float().save_pretrained(copy / "other")
    shutil.copy(copy / "other" / "model.safetensors", copy / "model.safetensors")
    with pytest.raises(InputError, match="does not fit") as caught:
        TokenModel.from_pretrained(copy)
    assert "has shape (12,), expected (10,)" in one_line(caught)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda text: text[: len(text) // 2], "not valid JSON", id="cut-short"),
        pytest.param(lambda text: "[1, 2]", r"config.json: found \[1, 2\]", id="no-mapping"),
        pytest.param(lambda text: '{"settings": {}}', "config.json: inputs: required", id="keys-missing"),
        pytest.param(
            lambda text: text.replace('"width"', '"widht"'),
            "widht: unknown setting; did you mean 'width'",
            id="misspelt",
        ),
        pytest.param(lambda text: text.replace('"samsa"', '"smasa"'), "did you mean 'samsa'", id="unknown-attention"),
        pytest.param(
            lambda text: text.replace('"vocabulary"', '"vocabulry"'),
            "does not take 'vocabulry'; did you mean 'vocabulary'",
            id="unknown-input",
        ),
        pytest.param(lambda text: text.replace('"outputs": 3', '"outputs": 0'), "outputs is 0", id="no-outputs"),
        pytest.param(
            lambda text: text.replace('"outputs": 3', '"outputs": "x"'),
            "outputs: .*integer.*got 'x'",
            id="outputs-no-number",
        ),
    ],
)
def test_a_configuration_that_cannot_be_is_one_line(copy, change, message):
    config = copy / "config.json"
    config.write_text(change(config.read_text()))
    with pytest.raises(InputError, match=message) as caught:
        TokenModel.from_pretrained(copy)
    one_line(caught)


def test_a_configuration_from_before_there_were_norms_to_choose_is_read(copy):
    config = json.loads((copy / "config.json").read_text())
    assert (config["settings"].pop("norm"), config["settings"].pop("norm_position")) == ("rms", "pre")
    expected = TokenModel.from_pretrained(copy)
    (copy / "config.json").write_text(json.dumps(config))
    tokens = texts([5])
    assert torch.equal(TokenModel.from_pretrained(copy)(tokens), expected(tokens))


def test_the_configuration_is_plain_json(saved):
    config = json.loads((saved / "config.json").read_text())
    assert config["settings"]["attention"] == {"name": "samsa", "sampled": 3}
    assert config["inputs"] == {"vocabulary": VOCABULARY}


def test_model_of_which_some_layers_attend_is_saved_and_says_what_they_chose(tmp_path):
    settings = {"attention": {"name": "samsa", "sampled": 3, "layers": [2]}, "local": {"name": "window", "window": 2}}
    made, tokens = model(**settings).eval(), texts([13, 7])
    made.save_pretrained(tmp_path)
    loaded = TokenModel.from_pretrained(tmp_path).double()
    assert torch.equal(loaded(tokens), made(tokens))
    assert [each.indices.shape[2] for each in made.select(tokens)] == [0, 3]


# Settings that cannot be


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"heads": 3}, "model.attention: heads is 3, expected a divisor of width = 10", id="heads"),
        pytest.param({"width": 0}, "model.width", id="width"),
        pytest.param({"layers": 0}, "model.layers", id="layers"),
        pytest.param({"feedforward": -1}, "model.feedforward", id="feedforward"),
        pytest.param({"dropout": 1.5}, "model: .*dropout .*1.5", id="dropout"),
        pytest.param({"stochastic_depth": -0.1}, "model: stochastic_depth is -0.1", id="stochastic-depth"),
        pytest.param({"norm": "bacth"}, "model: norm is 'bacth'; did you mean 'batch'", id="norm"),
        pytest.param({"norm_position": "pots"}, "norm_position is 'pots'; did you mean 'post'", id="norm-position"),
        pytest.param({"pooling": "maen"}, "pooling is 'maen'; did you mean 'mean'", id="pooling"),
        pytest.param(
            {"attention": {"name": "fll"}},
            "model.attention.name: unknown name 'fll'; did you mean 'full'",
            id="attention",
        ),
        pytest.param(
            {"attention": {"name": "samsa", "smapled": 3}},
            "model.attention.smapled: unknown setting; did you mean 'sampled'",
            id="attention-argument",
        ),
        pytest.param(
            {"attention": {"name": "samsa", "layers": [1]}},
            r"model.attention.layers is \[1\], expected all 2 layers, or a local part such as \{name: window\}",
            id="layers-that-look-at-nothing",
        ),
        pytest.param(
            {"attention": {"name": "samsa", "layers": [0, 3]}, "local": {"name": "window"}},
            r"model.attention.layers is \[0, 3\], expected 'every second', or a list of layers that attend, each once",
            id="layers-that-are-not-there",
        ),
        pytest.param({"attention": {"name": "samsa", "sampled": 0}}, "model.attention: sampled is 0", id="sampled"),
        pytest.param(
            {"attention": {"name": "samsa", "choice": "sotf"}}, "model.attention: choice is 'sotf'", id="choice"
        ),
        pytest.param(
            {"embed": {"name": "sequense"}},
            "model.embed.name: unknown name 'sequense'; did you mean 'sequence'",
            id="embed",
        ),
        pytest.param(
            {"embed": {"name": "sequence", "positions": "sinus"}}, "model.embed: positions is 'sinus'", id="positions"
        ),
    ],
)
def test_impossible_settings_are_one_line_that_names_them(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        model(**settings)
    one_line(caught)


# Compiled and exported


@a_model_of_each
def test_compiled_in_one_graph_trains_as_eager(name, fresh_compiler):
    made, tokens = model(name).train(), texts([13, 7, 0])
    noise = made.draw_noise(tokens)
    compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
    results = []
    for function in (made, compiled):
        out = function(tokens, noise=noise)
        trained = [parameter for parameter in made.parameters() if parameter.requires_grad]
        results.append((out, *torch.autograd.grad(out.square().sum(), trained, materialize_grads=True)))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


class WithTensors(nn.Module):
    """An exported program takes tensors: the codes and the mask."""

    def __init__(self, made: TokenModel) -> None:
        super().__init__()
        self.made = made

    def forward(self, codes: Tensor, mask: Tensor) -> Tensor:
        return self.made(Tokens(codes, mask))


@a_model_of_each
@pytest.mark.parametrize("level", ["sample", "token"])
def test_exported_with_any_batch_and_length_equals_eager(name, level):
    made, tokens = model(name, level).eval(), texts([13, 7])
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.export.export(
        WithTensors(made), (tokens.features, tokens.mask), dynamic_shapes=(any_size, any_size), strict=False
    ).module()
    for lengths in ([13, 7], [1], [2, 0, 1], [63, 60, 5, 4]):
        tokens = texts(lengths)
        torch.testing.assert_close(program(tokens.features, tokens.mask), made(tokens), rtol=1e-12, atol=1e-12)


def test_exported_and_saved_it_is_the_same_program(tmp_path):
    made, tokens = model("samsa-3").eval(), texts([13, 7])
    program = torch.export.export(WithTensors(made), (tokens.features, tokens.mask), strict=False)
    torch.export.save(program, tmp_path / "model.pt2")
    again = torch.export.load(tmp_path / "model.pt2").module()
    torch.testing.assert_close(again(tokens.features, tokens.mask), made(tokens), rtol=1e-12, atol=1e-12)
