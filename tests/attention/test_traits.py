"""The traits that each attention declares, against what it does: a wrong one is noticed, whichever way it is wrong."""

from collections.abc import Mapping

import pytest
import torch

from sampleformer.attention import Attention, SftAttention, WindowAttention, YosoAttention
from sampleformer.attention.relative import RELATIVES
from sampleformer.errors import InputError
from sampleformer.tokens import Tokens
from tests.attention.variations import CASES, HEADS, WIDTH, batch, build
from tests.naive.twins import TESTED

LONGEST = 13
every_case = pytest.mark.parametrize("case", CASES)


def permuted(tokens: Tokens, order: torch.Tensor) -> Tokens:
    return Tokens(tokens.features[:, order], tokens.mask[:, order])


def check_order(attention: Attention) -> None:
    """Fails if permuted tokens give the permuted result though the order matters, or not though it does not."""
    tokens = batch([LONGEST, 7], padding=1)
    order = torch.randperm(tokens.length)
    found, expected = attention(permuted(tokens, order)), attention(tokens)[:, order]
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-10) != attention.order_sensitive


def check_context(attention: Attention) -> None:
    """Fails if another context is taken though it must not be, or is not looked at as a set though it should be."""
    tokens, context = batch([5, 4], padding=9), batch([LONGEST, 7], padding=1)
    if attention.self_only:
        with pytest.raises(InputError, match="context is given, expected None"):
            attention(tokens, context)
        return
    found = attention(tokens, context)
    assert not torch.allclose(found, attention(tokens))
    if not attention.order_sensitive:
        order = torch.randperm(context.length)
        torch.testing.assert_close(attention(tokens, permuted(context, order)), found, rtol=1e-10, atol=1e-10)


def selected(attention: Attention) -> int:
    """Tokens of the longest set that a head attends to at most."""
    _, selection = attention(batch([LONGEST]), return_selection=True)
    return int((selection.valid & (selection.indices < LONGEST)).sum(-1).max())


def without_a_real_sample(cases: Mapping[str, tuple[str, dict[str, object]]]) -> list[str]:
    """Attentions that select, but in no variation fewer tokens than there are."""
    selecting = [name for name, made in TESTED.items() if made(WIDTH, HEADS).selects]
    sampling = {name for case, (name, _) in cases.items() if selected(build(case).eval()) < LONGEST}
    return [name for name in selecting if name not in sampling]


@every_case
def test_order_of_the_tokens_matters_where_it_is_declared_to(case):
    check_order(build(case).eval())


@every_case
def test_another_context_is_a_set_or_refused_as_declared(case):
    check_context(build(case).eval())


@every_case
def test_attention_that_does_not_select_attends_to_every_token(case):
    attention = build(case).eval()
    if not attention.selects:
        assert selected(attention) == LONGEST


def test_every_attention_that_selects_is_tried_where_it_really_samples():
    assert without_a_real_sample(CASES) == [], "add a variation with fewer sampled than 13 in tests/naive"


def test_convolution_makes_yoso_sensitive_to_the_order_of_its_own_tokens():
    plain, convolved = YosoAttention(WIDTH, HEADS), YosoAttention(WIDTH, HEADS, convolution=3)
    assert not any((plain.order_sensitive, plain.self_only, plain.selects))
    assert convolved.order_sensitive
    assert convolved.self_only


def test_window_is_of_an_order_and_of_its_own_tokens():
    attention = WindowAttention(WIDTH, HEADS, window=1).double().eval()
    check_order(attention)
    check_context(attention)
    assert attention.order_sensitive
    assert attention.self_only


@pytest.mark.parametrize("relative", [name for name, made in RELATIVES.items() if not made.needs])
def test_places_in_a_sequence_are_an_order(relative):
    attention = SftAttention(WIDTH, HEADS, sampled=3, relative=relative).double().eval()
    assert attention.order_sensitive
    check_order(attention)


@pytest.mark.parametrize(("case", "declared"), [("yoso-convolution", False), ("full-defaults", True)])
def test_wrong_word_on_the_order_is_noticed(case, declared):
    attention = build(case).eval()
    attention.mixing.order_sensitive = declared
    with pytest.raises(AssertionError):
        check_order(attention)


def test_context_of_an_attention_to_its_own_tokens_is_noticed():
    attention = build("yoso-convolution").eval()
    attention.mixing.self_only = attention.mixing.order_sensitive = False
    with pytest.raises(AssertionError):
        check_context(attention)


def test_missing_variation_that_samples_is_noticed():
    given = {case: CASES[case] for case in ("samsa-defaults", "sft-leaky-relu", "full-defaults")}
    assert without_a_real_sample(given) == ["samsa"]
