"""The layer and the stack: residuals, their learned scale, stochastic depth, noise and padding."""

import copy
import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

from sampleformer.attention import ATTENTIONS, LOCALS, FullAttention, SamsaAttention
from sampleformer.encoder import NORM_POSITIONS, Encoder, EncoderLayer, FeedForward
from sampleformer.functional import blocks
from sampleformer.norms import NORMS, BatchNorm, RMSNorm
from sampleformer.tokens import Tokens
from tests.attention.variations import batch, with_padding

WIDTH, HEADS, LAYERS = 10, 2, 3
every_norm = pytest.mark.parametrize("norm", NORMS)
every_position = pytest.mark.parametrize("position", NORM_POSITIONS)


def encoder(name: str = "samsa", residual_scale: float = 0.7, **arguments: float | str) -> Encoder:
    def attention(norm: nn.Module | None) -> nn.Module:
        return ATTENTIONS[name](WIDTH, HEADS, norm=norm, **({"sampled": 3} if name == "samsa" else {}))

    sizes = {"width": WIDTH, "layers": LAYERS, "feedforward": 17, "residual_scale": residual_scale}
    return Encoder.of(attention, **sizes, **arguments).double()


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


@pytest.mark.parametrize("grad", [True, False], ids=["with-gradient", "without"])
def test_the_stack_is_its_formula(grad):
    stack, tokens = encoder().eval(), batch([13, 7])
    with torch.set_grad_enabled(grad):
        found = stack(tokens).features
    x, r = tokens.features.masked_fill(~tokens.mask[..., None], 0), stack.residual_scale
    for layer in stack.layers:
        x = x + r * layer.attention(Tokens(x, tokens.mask))
        first, _, _, second = layer.feed_forward.mlp
        x = x + r * second(gelu(first(layer.feed_forward.norm(x))))
    torch.testing.assert_close(found, stack.norm(x), rtol=1e-12, atol=1e-12)


def spread_out(stack: Encoder) -> Encoder:
    """No norm at its start, where a bias is zero and running statistics are those of standard normals."""
    with torch.no_grad():
        for module in stack.modules():
            if isinstance(module, tuple(NORMS.values())):
                for tensor in module.state_dict().values():
                    tensor.mul_(1 + 0.3 * torch.rand_like(tensor)).add_(0.2 * torch.rand_like(tensor))
    return stack


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("grad", [True, False], ids=["with-gradient", "without"])
@every_norm
def test_the_post_norm_stack_is_its_formula(norm, grad, training):
    stack = spread_out(encoder("full", norm=norm, norm_position="post")).train(training)
    tokens = batch([13, 7])
    with torch.set_grad_enabled(grad):
        found = stack(tokens).features
        x, r, mask = tokens.features.masked_fill(~tokens.mask[..., None], 0), stack.residual_scale, tokens.mask
        for layer in stack.layers:
            x = layer.attention_norm(x + r * layer.attention(Tokens(x, mask)), mask)
            first, _, _, second = layer.feed_forward.mlp
            x = layer.feed_forward_norm(x + r * second(gelu(first(x))), mask)
    assert stack.norm is None
    assert isinstance(layer.attention.norm, nn.Identity)
    assert isinstance(layer.feed_forward.norm, nn.Identity)
    torch.testing.assert_close(found[mask], x[mask], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@every_norm
def test_the_feed_forward_norms_the_real_tokens(norm, training):
    branch = FeedForward(WIDTH, 17, norm=NORMS[norm](WIDTH)).double().train(training)
    tokens = batch([13, 7])
    first, _, _, second = branch.mlp
    found = branch(tokens.features, tokens.mask)
    expected = second(gelu(first(branch.norm(tokens.features, tokens.mask))))
    torch.testing.assert_close(found[tokens.mask], expected[tokens.mask], rtol=1e-12, atol=1e-12)


@every_position
@every_norm
def test_blocks_change_nothing(norm, position, monkeypatch):
    for training in (True, False):
        stack, tokens = encoder("full", norm=norm, norm_position=position).train(training), batch([13, 7])
        expected = stack(tokens).features
        with monkeypatch.context() as smaller, torch.no_grad():
            smaller.setattr(blocks, "NUMBERS_PER_BLOCK", 1)
            found = stack(tokens).features
        torch.testing.assert_close(found[tokens.mask], expected[tokens.mask], rtol=1e-10, atol=1e-10)


@every_position
@pytest.mark.parametrize("content", [1e100, float("nan")], ids=str)
def test_padding_changes_nothing_in_a_training_pass_with_batch_norm(position, content):
    torch.manual_seed(1)
    start = encoder("full", norm="batch", norm_position=position).state_dict()
    tokens, results = batch([7, 3, 0]), []
    mask = nn.functional.pad(tokens.mask, (0, 4))
    wider = with_padding(Tokens(nn.functional.pad(tokens.features, (0, 0, 0, 4)), mask), content)
    for given in (tokens, wider):
        stack = encoder("full", norm="batch", norm_position=position).train()
        stack.load_state_dict(start)
        features = stack(given).features[given.mask]
        gradients = torch.autograd.grad(features.pow(3).sum(), list(stack.parameters()))
        statistics = [tensor for name, tensor in stack.state_dict().items() if "running" in name]
        assert len(statistics) == 2 * sum(isinstance(module, BatchNorm) for module in stack.modules()) > 0
        results.append([features, *gradients, *statistics])
    for expected, found in zip(*results, strict=True):
        assert bool(expected.isfinite().all())
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@every_position
def test_batch_norm_compiled_in_one_graph_equals_eager(position, fresh_compiler):
    stack, tokens = encoder("full", norm="batch", norm_position=position).train(), batch([13, 7])
    stack.layers = stack.layers[:1]
    start = {name: tensor.clone() for name, tensor in stack.state_dict().items()}
    results = []
    for function in (stack, torch.compile(stack, fullgraph=True, backend="aot_eager")):
        stack.load_state_dict(start)
        features = function(tokens).features[tokens.mask]
        gradients = torch.autograd.grad(features.pow(3).sum(), list(stack.parameters()))
        results.append([features, *gradients, *(tensor.clone() for tensor in stack.buffers())])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@every_position
@every_norm
def test_norms_stand_where_their_position_says(norm, position):
    names = {name.rpartition(".")[0] for name in encoder(norm=norm, norm_position=position).state_dict()}
    before = {"norm", "layers.0.attention.norm", "layers.0.feed_forward.norm"}
    after = {"layers.0.attention_norm", "layers.0.feed_forward_norm"}
    present, absent = (before, after) if position == "pre" else (after, before)
    assert present <= names
    assert not absent & names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm": "rsm"}, "norm is 'rsm'; did you mean 'rms'? allowed: batch, layer, rms"),
        ({"norm_position": "past"}, "norm_position is 'past'; did you mean 'post'? allowed: post, pre"),
    ],
)
def test_unknown_norms_and_positions_are_refused(arguments, message):
    with pytest.raises(ValueError, match="is '") as caught:
        encoder(**arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ATTENTIONS)
def test_a_stack_that_starts_at_zero_is_the_final_norm(name):
    stack, tokens = encoder(name, residual_scale=0.0), batch([7])
    torch.testing.assert_close(stack(tokens).features, stack.norm(tokens.features))
    stack(tokens).features.pow(3).sum().backward()
    assert bool(stack.residual_scale.grad.abs() > 0), "nothing would ever be learned"


def test_attention_and_feed_forward_do_not_share_a_norm():
    layer = encoder().layers[0]
    assert layer.attention.norm is not layer.feed_forward.norm


@pytest.mark.parametrize("name", ATTENTIONS)
@pytest.mark.parametrize("content", [1e100, float("inf"), float("nan")], ids=str)
def test_content_of_padding_changes_neither_value_nor_gradient(name, content):
    stack, tokens = encoder(name).train(), batch([7, 3, 0], padding=2)
    noise = stack.draw_noise(tokens)
    results = []
    for given in (with_padding(tokens, 0.0), with_padding(tokens, content)):
        features = stack(given, noise=noise).features[tokens.mask]
        trained = [parameter for parameter in stack.parameters() if parameter.requires_grad]
        results.append((features, *torch.autograd.grad(features.pow(3).sum(), trained)))
    for expected, found in zip(*results, strict=True):
        assert bool(expected.isfinite().all())
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_a_padded_batch_is_each_sample_alone(name):
    stack, lengths = encoder(name).eval(), [13, 1, 7]
    tokens = batch(lengths, padding=3)
    out = stack(tokens).features
    for row, length in enumerate(lengths):
        alone = stack(Tokens(tokens.features[row : row + 1, :length])).features
        torch.testing.assert_close(out[row, :length], alone[0], rtol=1e-10, atol=1e-10)


def test_noise_is_one_entry_a_layer_and_fixes_the_training_pass():
    stack, tokens = encoder().train(), batch([13, 7])
    noise, again, other = (
        stack.draw_noise(tokens, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert len(noise) == LAYERS
    assert not torch.equal(noise[0][0], noise[1][0])
    assert torch.equal(stack(tokens, noise=noise).features, stack(tokens, noise=again).features)
    assert not torch.equal(stack(tokens, noise=noise).features, stack(tokens, noise=other).features)


def test_full_attention_needs_no_noise():
    assert encoder("full").draw_noise(batch([7])) == [None] * LAYERS


def test_selections_are_one_entry_a_layer():
    stack, tokens = encoder().eval(), batch([13, 7])
    out, selections = stack(tokens, return_selections=True)
    assert torch.equal(out.features, stack(tokens).features)
    assert [selection.indices.shape for selection in selections] == [(2, HEADS, 3)] * LAYERS


def test_gradients_reach_every_parameter():
    stack = encoder().train()
    stack(batch([13] * 16)).features.pow(3).sum().backward()
    missing = [name for name, p in stack.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert missing == []


@pytest.mark.parametrize("arguments", [{}, {"dropout": 0.5}, {"stochastic_depth": 0.5}], ids=str)
def test_evaluation_is_deterministic(arguments):
    stack, tokens = encoder(**arguments).eval(), batch([13, 7])
    plain = encoder().eval()
    plain.load_state_dict(stack.state_dict())
    assert torch.equal(stack(tokens).features, stack(tokens).features)
    assert torch.equal(stack(tokens).features, plain(tokens).features)


def test_dropout_drops_in_training():
    stack, tokens = encoder("full", dropout=0.5).train(), batch([13])
    assert not torch.equal(stack(tokens).features, stack(tokens).features)


def test_stochastic_depth_skips_a_whole_branch_of_a_sample_and_keeps_the_mean():
    samples, keep = 4000, 0.75
    layer = EncoderLayer(
        FullAttention(WIDTH, HEADS), nn.Linear(WIDTH, WIDTH, bias=False), stochastic_depth=1 - keep
    ).double()
    nn.init.zeros_(layer.feed_forward.weight)
    features = torch.randn(1, 3, WIDTH, dtype=torch.float64)
    tokens = Tokens(features.expand(samples, 3, WIDTH))
    one = torch.tensor(1.0, dtype=torch.float64)
    branch = layer.train()(tokens, one).features - features
    full = layer.eval()(Tokens(features), one).features - features
    kept = branch.abs().sum((1, 2)) > 0
    assert abs(kept.double().mean() - keep) < 4 * (keep * (1 - keep) / samples) ** 0.5
    torch.testing.assert_close(branch[kept], (full / keep).expand(int(kept.sum()), 3, WIDTH))


@pytest.mark.parametrize("grad", [True, False], ids=["with-gradient", "without"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_the_precision_of_the_weights_stays(dtype, training, grad):
    stack = encoder(dropout=0.1, stochastic_depth=0.3).to(dtype).train(training)
    with torch.set_grad_enabled(grad):
        out = stack(batch([13, 7], dtype=dtype)).features
    assert out.dtype == dtype
    assert bool(out.isfinite().all())


@pytest.mark.parametrize("grad", [True, False], ids=["with-gradient", "without"])
def test_the_residual_stream_stays_float32_under_autocast(grad):
    layer = EncoderLayer(FullAttention(WIDTH, HEADS), FeedForward(WIDTH, 17)).eval()
    tokens = batch([13, 7], dtype=torch.float32)
    with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(tokens, torch.tensor(0.5))
    assert out.features.dtype == torch.float32


@pytest.mark.parametrize("grad", [True, False], ids=["with-gradient", "without"])
def test_a_branch_that_returns_its_input_is_not_written_over(grad):
    layer = EncoderLayer(FullAttention(WIDTH, HEADS), nn.Identity()).double().eval()
    tokens = batch([7])
    before = tokens.features.clone()
    with torch.set_grad_enabled(grad):
        out = layer(tokens, torch.tensor(0.5, dtype=torch.float64))
    attended = before + 0.5 * layer.attention(Tokens(before))
    torch.testing.assert_close(out.features, 1.5 * attended)
    assert torch.equal(tokens.features, before)


@pytest.mark.parametrize("name", ["dropout", "stochastic_depth"])
@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5])
def test_impossible_probabilities_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}, expected at least 0 and less than 1"):
        EncoderLayer(SamsaAttention(WIDTH, HEADS), FeedForward(WIDTH, 17), **{name: value})


def test_any_norm_can_be_used():
    stack = Encoder([EncoderLayer(FullAttention(WIDTH, HEADS), FeedForward(WIDTH, 17))], norm=nn.LayerNorm(WIDTH))
    assert stack(batch([5], dtype=torch.float32)).features.shape == (1, 5, WIDTH)
    assert isinstance(encoder().norm, RMSNorm)


@pytest.mark.parametrize("norm", ["rms", "batch"])
@pytest.mark.parametrize("part", ["", ".attention", ".feed_forward", ".feed_forward.mlp", ".feed_forward.norm"])
def test_wrapped_part_draws_its_noise_and_sees_the_mask(norm, part):
    attention = functools.partial(SamsaAttention, 8, 2, sampled=3)
    plain = Encoder.of(attention, width=8, layers=2, feedforward=16, norm=norm, residual_scale=0.7).double()
    wrapped = copy.deepcopy(plain)
    for number in range(2):
        name = f"layers.{number}{part}"
        wrapped.set_submodule(name, checkpoint_wrapper(wrapped.get_submodule(name)))
    tokens = Tokens(torch.randn(3, 9, 8, dtype=torch.float64), torch.arange(9) < torch.tensor([9, 4, 6])[:, None])
    noise = wrapped.draw_noise(tokens)
    assert len(noise) == 2
    expected = plain(tokens, noise=noise).features
    torch.testing.assert_close(wrapped(tokens, noise=noise).features, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("gradients", [True, False], ids=["gradients", "no-gradients"])
def test_what_a_hook_keeps_of_a_branch_stays_as_it_was(gradients):
    encoder = Encoder.of(functools.partial(SamsaAttention, 8, 2, sampled=3), width=8, layers=2, feedforward=16)
    kept: list[tuple[Tensor, Tensor]] = []
    for module in encoder.modules():
        module.register_forward_hook(
            lambda _module, _inputs, output: (
                kept.append((output, output.clone())) if isinstance(output, Tensor) else None
            )
        )
    with torch.set_grad_enabled(gradients):
        encoder.eval()(Tokens(torch.randn(2, 9, 8)))
    assert len(kept) > 20
    assert all(torch.equal(output, copied) for output, copied in kept)


# Layers without an attention


def near(norm: nn.Module | None) -> nn.Module:
    return ATTENTIONS["yoso"](WIDTH, HEADS, hashes=None, convolution=3, norm=norm)


def some(attending: list[int] | None, name: str = "samsa", local: Callable[..., nn.Module] = near) -> Encoder:
    return Encoder.of(
        functools.partial(ATTENTIONS[name], WIDTH, HEADS, **({"sampled": 2} if name == "samsa" else {})),
        width=WIDTH,
        layers=LAYERS,
        feedforward=17,
        residual_scale=0.7,
        local=local,
        attention_layers=attending,
    ).double()


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_layers_without_an_attention_have_their_local_part_alone(training):
    stack, tokens = some([2]).train(training), batch([13, 7])
    assert [layer.attention is None for layer in stack.layers] == [True, False, True]
    noise = stack.draw_noise(tokens)
    assert [each is None for each in noise] == [True, False, True]
    found = stack(tokens, noise=noise).features
    x, r = tokens.features.masked_fill(~tokens.mask[..., None], 0), stack.residual_scale
    for layer, of_layer in zip(stack.layers, noise, strict=True):
        x_tokens = Tokens(x, tokens.mask)
        branch = layer.local(x_tokens)
        if layer.attention is not None:
            branch = branch + layer.attention(x_tokens, noise=of_layer)
        x = x + r * branch
        x = x + r * layer.feed_forward(x)
    torch.testing.assert_close(found, stack.norm(x), rtol=1e-12, atol=1e-12)


def test_without_an_attention_nothing_passes_what_is_near():
    """One place a layer."""
    stack, tokens = some([], local=functools.partial(LOCALS["window"], WIDTH, HEADS, window=1)).eval(), batch([13])
    assert all(layer.attention is None for layer in stack.layers)
    found, selections = stack(tokens, return_selections=True)
    assert selections == []
    changed = tokens.with_features(tokens.features.index_fill(1, torch.tensor([0]), 9.0))
    moved = (stack(changed).features - found.features).abs().amax(dim=(0, 2)) > 0
    assert moved.tolist() == [True] * (1 + LAYERS) + [False] * (12 - LAYERS)


def test_layers_without_an_attention_chose_nothing():
    _, selections = some([2]).eval()(batch([13, 7]), return_selections=True)
    assert [each.indices.shape for each in selections] == [(2, HEADS, 0), (2, HEADS, 2), (2, HEADS, 0)]
    assert [each.valid.shape for each in selections] == [(2, HEADS, 0), (2, HEADS, 2), (2, HEADS, 0)]


@pytest.mark.parametrize("attending", [None, [1, 2, 3], [3, 1, 2]], ids=str)
def test_all_layers_attend_where_all_are_named_or_none_is(attending):
    stacks = []
    for given in (attending, None):
        torch.manual_seed(1)
        stacks.append(some(given).eval())
    tokens = batch([13, 7])
    assert torch.equal(*(stack(tokens).features for stack in stacks))


@pytest.mark.parametrize("attending", [[0], [4], [1, 1], [True], ["1"], "1", 2, [1.0], {1: 2}], ids=str)
def test_layers_that_are_not_there_are_refused(attending):
    with pytest.raises(
        ValueError, match=r"attention_layers is .*, expected 'every second', or a list of layers that attend"
    ):
        some(attending)


def test_layers_with_nothing_to_look_at_are_refused():
    with pytest.raises(ValueError, match=r"attention_layers is \[1\], expected all 3 layers, or a local part"):
        encoder(attention_layers=[1])
    with pytest.raises(ValueError, match=r"attention_layers is \[\], expected all 3 layers, or a local part"):
        encoder(attention_layers=[])
    with pytest.raises(ValueError, match="attention and local are None, expected at least one of them"):
        EncoderLayer(None, FeedForward(WIDTH, 17))
