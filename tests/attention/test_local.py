"""Attention to neighbours against softmax over a band, and as a second branch of a layer."""

import pytest
import torch
from torch import Tensor

from sampleformer.attention import SamsaAttention, WindowAttention
from sampleformer.attention.mixings import Keys, Queries, WindowMixing
from sampleformer.attention.mixings import window as window_module
from sampleformer.encoder import Encoder, EncoderLayer, FeedForward
from sampleformer.errors import InputError
from sampleformer.norms import RMSNorm
from sampleformer.tokens import Tokens
from tests.attention.test_contract import WithTensors
from tests.attention.variations import HEADS, WIDTH, batch, with_padding
from tests.naive.attention import attend_row, keys_and_values, real_tokens

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def local(window: int) -> WindowAttention:
    return WindowAttention(WIDTH, HEADS, window=window, norm=RMSNorm(WIDTH)).double()


def twin(module: WindowAttention, x: Tensor, mask: Tensor | None) -> Tensor:
    """One token at a time: softmax over the real tokens at most so many places away."""
    rows = []
    for b in range(len(x)):
        real = real_tokens(mask, b, x.shape[1])
        out = torch.zeros_like(x[b])
        for i in real:
            near = [j for j in real if abs(i - j) <= module.mixing.window]
            seen = [keys_and_values(module, x[b][near], h) for h in range(module.heads)]
            out = out + attend_row(module, x[b], [i], seen)
        rows.append(out)
    return torch.stack(rows)


@pytest.fixture(params=[1, 4, 64], ids=lambda size: f"blocks-of-{size}")
def _blocks(request, monkeypatch):
    """Short inputs go through one block, several, or many."""
    monkeypatch.setattr(window_module, "LEAST_BLOCK", request.param)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("window", [0, 1, 3, 5, 12, 40])
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "no-mask"])
def test_value_and_every_gradient_equal_the_twin(window, masked):
    attention, tokens = local(window), batch([13, 6, 1, 0], padding=1)
    mask = tokens.mask if masked else None
    features = tokens.features.clone().requires_grad_()
    found, expected = attention(Tokens(features, mask)), twin(attention, features, mask)
    torch.testing.assert_close(found, expected, **EXACT)
    trained, upstream = [features, *attention.parameters()], torch.randn_like(found)
    for of_found, of_expected in zip(
        *(torch.autograd.grad(out, trained, upstream) for out in (found, expected)), strict=True
    ):
        torch.testing.assert_close(of_found, of_expected, **EXACT)


def test_gaps_in_a_sequence_are_seen_across():
    """Padding may lie anywhere: places are those in the tensor."""
    attention = local(2)
    mask = torch.tensor([[True, False, True, True, False, False, False, True]])
    features = torch.randn(1, 8, WIDTH, dtype=torch.float64)
    torch.testing.assert_close(attention(Tokens(features, mask)), twin(attention, features, mask), **EXACT)


@pytest.mark.parametrize("content", [float("inf"), float("nan")], ids=str)
def test_content_of_padding_changes_nothing(content):
    attention, tokens = local(2), batch([7, 3, 0], padding=2)
    assert torch.equal(attention(with_padding(tokens, content)), attention(tokens))


def test_memory_grows_linearly():
    attention = WindowAttention(WIDTH, HEADS, window=16)

    def saved(length: int) -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            attention(batch([length], dtype=torch.float32))
        return sum(sizes)

    assert saved(1024) <= 2.05 * saved(512)


@pytest.mark.usefixtures("_blocks")
def test_compiled_and_exported_equal_eager(fresh_compiler):
    attention, tokens = local(3).eval(), batch([13, 7], padding=1)
    expected = attention(tokens)
    compiled = torch.compile(attention, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(tokens), expected, rtol=1e-12, atol=1e-12)
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.export.export(
        WithTensors(attention), (tokens.features, tokens.mask), dynamic_shapes=(any_size, any_size), strict=False
    ).module()
    for lengths in ([13, 7], [1], [4, 3, 5], [20]):
        other = batch(lengths)
        torch.testing.assert_close(program(other.features, other.mask), attention(other), rtol=1e-12, atol=1e-12)


def test_beside_a_sample_a_layer_adds_both():
    sampled = SamsaAttention(WIDTH, HEADS, sampled=3, norm=RMSNorm(WIDTH)).double().eval()
    near, tokens = local(1).eval(), batch([13, 7])
    layer = EncoderLayer(sampled, FeedForward(WIDTH, 17).double(), local=near).eval()
    scale = torch.tensor(0.7, dtype=torch.float64)
    middle = tokens.features + scale * (sampled(tokens) + near(tokens))
    expected = middle + scale * layer.feed_forward(middle)
    torch.testing.assert_close(layer(tokens, scale).features, expected, **EXACT)


def test_a_stack_makes_a_local_attention_for_each_layer():
    stack = Encoder.of(
        lambda norm: SamsaAttention(WIDTH, HEADS, sampled=3, norm=norm),
        width=WIDTH,
        layers=2,
        feedforward=17,
        local=lambda norm: WindowAttention(WIDTH, HEADS, window=2, norm=norm),
    )
    assert [layer.local.mixing.window for layer in stack.layers] == [2, 2]
    assert all(isinstance(layer.local.norm, RMSNorm) for layer in stack.layers)


def test_another_context_is_refused():
    with pytest.raises(InputError, match=r"context is given, expected None: WindowAttention \(WindowMixing\)"):
        local(2)(batch([5]), batch([5]))


@pytest.mark.parametrize("length", [0, 1, 13])
def test_a_window_beyond_all_tokens_is_all_of_them(length):
    attention, tokens = local(13), batch([length], padding=1)
    wide = local(10**12)
    wide.load_state_dict(attention.state_dict())
    torch.testing.assert_close(wide(tokens), attention(tokens), **EXACT)


def test_a_negative_window_is_refused():
    with pytest.raises(ValueError, match="window is -1, expected at least 0"):
        WindowAttention(WIDTH, HEADS, window=-1)


def test_samples_that_stand_one_after_the_other_do_not_see_each_other():
    query, key, value = torch.randn(3, 1, HEADS, 45, 5, dtype=torch.float64)
    sizes = [1, 33, 4, 7]
    places = torch.arange(45) + 100 * torch.arange(4).repeat_interleave(torch.tensor(sizes))
    found = WindowMixing(3)(Queries(query), Keys(key, value, places=places[None]))
    parts = zip(*(each.split(sizes, 2) for each in (query, key, value)), strict=True)
    expected = torch.cat([WindowMixing(3)(Queries(q), Keys(k, v)) for q, k, v in parts], 2)
    torch.testing.assert_close(found, expected, **EXACT)


def test_nothing_attends_to_nothing() -> None:
    assert local(2)(Tokens(torch.zeros(2, 0, WIDTH, dtype=torch.float64))).shape == (2, 0, WIDTH)
