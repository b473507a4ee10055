"""Sequences into tokens of the model's width: codes, numbers, positions and padding."""

import math

import pytest
import torch
import torch.nn.functional as F

from sampleformer.embed import EMBEDS, SequenceEmbed
from sampleformer.embed.sequence import sinusoidal_positions
from sampleformer.tokens import Tokens

WIDTH = 10


def codes(lengths: list[int], vocabulary: int = 7) -> Tokens:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return Tokens(torch.randint(vocabulary, mask.shape), mask)


@pytest.mark.parametrize("width", [1, 2, 7, 10])
def test_positions_equal_the_formula(width):
    found = sinusoidal_positions(torch.tensor([[0, 1, 5, 1000]]), width)[0]
    half = (width + 1) // 2
    for row, position in enumerate([0, 1, 5, 1000]):
        angles = [position / 10_000 ** (2 * i / width) for i in range(half)]
        expected = ([math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles])[:width]
        torch.testing.assert_close(found[row], torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_codes_are_one_hot_vectors_through_two_layers():
    embed = SequenceEmbed(WIDTH, vocabulary=7, hidden=16, positions="none").double()
    tokens = codes([5, 3])
    one_hot = F.one_hot(tokens.features, 7).double()
    expected = F.gelu(one_hot @ embed.enter.weight) @ embed.project.weight.T + embed.project.bias
    found = embed(tokens).features
    torch.testing.assert_close(found[tokens.mask], expected[tokens.mask], rtol=1e-12, atol=1e-12)


def test_without_a_layer_between_codes_have_vectors_of_their_own():
    embed = SequenceEmbed(WIDTH, vocabulary=7, hidden=None, positions="learned", length=5)
    tokens = codes([5, 3])
    expected = embed.enter.weight[tokens.features] + embed.places.weight
    torch.testing.assert_close(embed(tokens).features[tokens.mask], expected[tokens.mask])
    large = SequenceEmbed(64, vocabulary=999, hidden=None, positions="learned", length=999)
    for table in (large.enter, large.places):
        assert float(table.weight.detach().std()) == pytest.approx(0.02, rel=0.02)


def test_without_a_layer_between_numbers_go_through_one_map():
    embed = SequenceEmbed(WIDTH, features=3, hidden=None, positions="none")
    raw = torch.randn(2, 5, 3)
    torch.testing.assert_close(embed(Tokens(raw)).features, raw @ embed.enter.weight.T + embed.enter.bias)


def test_a_gap_counts_as_zero_beside_the_vector_of_its_place():
    embed = SequenceEmbed(WIDTH, features=1, length=4, hidden=6, gaps=True)
    raw = torch.randn(2, 4, 1)
    missing = torch.tensor([[True, False, False, True], [False, False, True, False]])[..., None]
    given = raw.masked_fill(missing, torch.nan)
    as_zero = embed(Tokens(raw.masked_fill(missing, 0.0))).features
    torch.testing.assert_close(embed(Tokens(given)).features, as_zero)  # nothing is learnt yet
    with torch.no_grad():
        embed.gaps.weight.normal_()
    torch.testing.assert_close(embed(Tokens(given)).features, as_zero + missing * embed.gaps.weight)
    embed(Tokens(given)).features.sum().backward()
    assert all(bool(each.grad.isfinite().all()) for each in embed.parameters())
    places = torch.tensor([[3, 1, 2, 0], [0, 1, 2, 3]])
    moved = embed(Tokens(torch.stack([given[0, places[0]], given[1]]), positions=places)).features
    torch.testing.assert_close(moved[0], embed(Tokens(given)).features[0, places[0]])


@pytest.mark.parametrize("given", [{"features": 2, "length": 3}, {"features": 1}, {"vocabulary": 7, "length": 3}])
def test_gaps_need_one_number_a_token_and_a_length(given):
    with pytest.raises(ValueError, match="gaps is True"):
        SequenceEmbed(WIDTH, gaps=True, **given)


def test_sinusoids_are_as_large_as_the_vectors_of_codes_beside_them():
    plain, hidden, numbers = (
        SequenceEmbed(64, positions="sinusoidal", **given)
        for given in ({"vocabulary": 999}, {"vocabulary": 999, "hidden": 16}, {"features": 1})
    )
    words = float(plain.enter.weight.detach().square().mean().sqrt())
    places = Tokens(torch.zeros(1, 200, dtype=torch.int64))
    sizes = [float(embed._positions(places).square().mean().sqrt()) for embed in (plain, hidden, numbers)]
    assert sizes == pytest.approx([words, math.sqrt(0.5), math.sqrt(0.5)], rel=0.02)
    plain.enter.weight.data.zero_()
    torch.testing.assert_close(
        plain(places).features, sinusoidal_positions(torch.arange(200)[None], 64) * math.sqrt(2) * 0.02
    )


def test_more_tokens_than_learned_positions_are_refused():
    embed = SequenceEmbed(WIDTH, vocabulary=7, length=4)
    with pytest.raises(ValueError, match="there are 5 tokens, but the model learned 4 positions"):
        embed(codes([5, 3]))


def test_numbers_go_through_two_layers():
    embed = SequenceEmbed(WIDTH, features=3, hidden=16, positions="none").double()
    raw = torch.randn(2, 5, 3, dtype=torch.float64)
    expected = F.gelu(raw @ embed.enter.weight.T + embed.enter.bias) @ embed.project.weight.T + embed.project.bias
    torch.testing.assert_close(embed(Tokens(raw)).features, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64], ids=str)
def test_codes_of_any_integer_type(dtype):
    embed = SequenceEmbed(WIDTH, vocabulary=7, hidden=16)
    tokens = codes([5, 3])
    assert torch.equal(embed(Tokens(tokens.features.to(dtype))).features, embed(Tokens(tokens.features)).features)


def test_places_in_the_sequence_matter_and_default_to_counting():
    embed = SequenceEmbed(WIDTH, vocabulary=7, hidden=16)
    same = Tokens(torch.zeros(1, 5, dtype=torch.int64))
    counted = Tokens(same.features, None, torch.arange(5)[None])
    reversed_places = Tokens(same.features, None, torch.arange(4, -1, -1)[None])
    assert torch.equal(embed(same).features, embed(counted).features)
    torch.testing.assert_close(embed(reversed_places).features, embed(same).features.flip(1))
    assert not torch.allclose(embed(same).features[:, 0], embed(same).features[:, 1])
    without = SequenceEmbed(WIDTH, vocabulary=7, hidden=16, positions="none")
    assert torch.equal(without(same).features, without(same).features[:, :1].expand(1, 5, WIDTH))


def test_padding_holds_zeros_and_the_mask_stays():
    embed, tokens = SequenceEmbed(WIDTH, vocabulary=7, hidden=16), codes([5, 3, 0])
    out = embed(tokens)
    assert not out.features[~tokens.mask].any()
    assert out.mask is tokens.mask


@pytest.mark.parametrize("content", [float("nan"), float("inf"), 1e30], ids=str)
def test_numbers_in_padding_change_neither_value_nor_gradient(content):
    embed = SequenceEmbed(WIDTH, features=3, hidden=16).double()
    mask = torch.arange(5) < torch.tensor([[5], [2]])
    clean = torch.randn(2, 5, 3, dtype=torch.float64).masked_fill(~mask[..., None], 0)
    results = []
    for raw in (clean, clean.masked_fill(~mask[..., None], content)):
        out = embed(Tokens(raw, mask)).features
        results.append((out, *torch.autograd.grad(out.square().sum(), list(embed.parameters()))))
    for expected, found in zip(*results, strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("content", [-100, -1, 7, 10**6])
def test_codes_in_padding_need_not_be_in_the_vocabulary(content):
    embed, tokens = SequenceEmbed(WIDTH, vocabulary=7, hidden=16), codes([5, 3])
    spoilt = Tokens(tokens.features.masked_fill(~tokens.mask, content), tokens.mask)
    assert torch.equal(embed(spoilt).features, embed(tokens).features)


@pytest.mark.parametrize("inputs", [{"vocabulary": 7}, {"features": 3}], ids=["codes", "numbers"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_output_has_the_dtype_of_the_weights(inputs, dtype):
    embed = SequenceEmbed(WIDTH, hidden=16, **inputs).to(dtype)
    raw = torch.zeros(1, 5, dtype=torch.int64) if "vocabulary" in inputs else torch.zeros(1, 5, 3, dtype=dtype)
    assert embed(Tokens(raw)).features.dtype == dtype


def test_gradients_reach_every_parameter_of_the_words_seen():
    embed = SequenceEmbed(WIDTH, vocabulary=7, hidden=16)
    embed(Tokens(torch.tensor([[1, 2, 2]]))).features.square().sum().backward()
    assert embed.enter.weight.grad.abs().sum(1).gt(0).tolist() == [False, True, True, False, False, False, False]
    assert bool(embed.project.weight.grad.any())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({}, "vocabulary is None and features is None, expected exactly one", id="neither"),
        pytest.param({"vocabulary": 3, "features": 3}, "expected exactly one of them", id="both"),
        pytest.param({"vocabulary": 0}, "expected at least 1 each", id="no-words"),
        pytest.param({"features": 0}, "expected at least 1 each", id="no-features"),
        pytest.param({"features": 3, "hidden": 0}, "expected at least 1 each", id="no-hidden"),
        pytest.param(
            {"features": 3, "positions": "sinus"}, "positions is 'sinus'; did you mean 'sinusoidal'", id="positions"
        ),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SequenceEmbed(WIDTH, **arguments)


def test_it_is_registered_and_tells_its_size():
    assert EMBEDS["sequence"] is SequenceEmbed
    assert "width=10, vocabulary=7" in repr(SequenceEmbed(WIDTH, vocabulary=7))


def test_learned_positions_are_one_vector_a_place():
    embed = SequenceEmbed(WIDTH, features=1, length=4, hidden=16)
    values = torch.randn(2, 4, 1)
    plain = F.gelu(values @ embed.enter.weight.T + embed.enter.bias) @ embed.project.weight.T + embed.project.bias
    torch.testing.assert_close(embed(Tokens(values)).features, plain + embed.places.weight)
    places = torch.tensor([[3, 2, 1, 0]] * 2)
    moved = embed(Tokens(values, positions=places)).features
    torch.testing.assert_close(moved, plain + embed.places.weight.flip(0))


def test_learned_positions_need_a_length():
    with pytest.raises(ValueError, match="positions is 'learned' and length is None, expected a length of at least 1"):
        SequenceEmbed(WIDTH, vocabulary=7, positions="learned")
    assert SequenceEmbed(WIDTH, vocabulary=7).places is None
