"""Tensors in the place of tokens: taken where they are tokens without padding, refused with what to do where not."""

import pytest
import torch
from torch import Tensor, nn

from sampleformer.attention import ATTENTIONS, WindowAttention
from sampleformer.embed import SequenceEmbed
from sampleformer.encoder import Encoder, EncoderLayer, FeedForward
from sampleformer.errors import InputError
from sampleformer.heads import POOLINGS, PairHead, SampleHead, TokenHead
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.tokens import Tokens, as_tokens

pytestmark = pytest.mark.usefixtures("unchecked")

WIDTH, HEADS = 8, 2
BUILT = {**ATTENTIONS, "local": WindowAttention}
every_attention = pytest.mark.parametrize("name", BUILT)


@every_attention
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_tensor_stands_for_tokens_without_padding(name, training):
    attention, features = BUILT[name](WIDTH, HEADS).train(training), torch.randn(2, 9, WIDTH)
    noise = attention.draw_noise(features) if training else None
    assert torch.equal(attention(features, noise=noise), attention(Tokens(features), noise=noise))


@pytest.mark.parametrize("name", ATTENTIONS)
def test_tensor_stands_for_a_context(name):
    attention = BUILT[name](WIDTH, HEADS).eval()
    features, context = torch.randn(2, 9, WIDTH), torch.randn(2, 5, WIDTH)
    assert torch.equal(attention(features, context), attention(Tokens(features), Tokens(context)))


WRONG = {
    "unbatched": (torch.zeros(9, WIDTH), r"shape \(9, 8\), expected \(batch, tokens, width = 8\); .* features\[None\]"),
    "width": (torch.zeros(2, 9, 7), r"shape \(2, 9, 7\), expected \(batch, tokens, width = 8\)$"),
    "one-dimension": (torch.zeros(8), r"features have shape \(8,\), expected \(batch, tokens\)"),
    "four-dimensions": (torch.zeros(2, 3, 9, WIDTH), r"shape \(2, 3, 9, 8\), expected \(batch, tokens, width = 8\)$"),
    "integers": (torch.zeros(2, 9, WIDTH, dtype=torch.int64), "features of torch.int64, expected floating-point"),
    "array": (torch.zeros(2, 9, WIDTH).numpy(), "tokens is a ndarray, expected Tokens or a tensor"),
    "nothing": (None, "tokens is a NoneType, expected Tokens or a tensor"),
}


@every_attention
@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("wrapped", [False, True], ids=["tensor", "tokens"])
def test_other_tensors_are_refused_with_what_to_do(name, case, wrapped):
    given, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        BUILT[name](WIDTH, HEADS)(Tokens(given) if wrapped and isinstance(given, Tensor) else given)


@pytest.mark.parametrize("name", ATTENTIONS)
@pytest.mark.parametrize(
    ("context", "message"),
    [
        (torch.zeros(2, 5, 7), r"context have features of shape \(2, 5, 7\)"),
        (torch.zeros(3, 5, WIDTH), "context has 3 sets of tokens, expected 2"),
    ],
    ids=["width", "batch"],
)
def test_other_contexts_are_refused(name, context, message):
    with pytest.raises(InputError, match=message):
        BUILT[name](WIDTH, HEADS)(torch.zeros(2, 9, WIDTH), context)


def layer() -> EncoderLayer:
    return EncoderLayer(ATTENTIONS["full"](WIDTH, HEADS), FeedForward(WIDTH, 16))


MODULES: dict[str, tuple[nn.Module, tuple]] = {
    "encoder": (Encoder([layer()], norm=None), ()),
    "layer": (layer(), (torch.tensor(1.0),)),
    **{f"pooling-{name}": (kind(WIDTH), ()) for name, kind in POOLINGS.items()},
    "set": (SampleHead(WIDTH, 3), ()),
    "token": (TokenHead(WIDTH, 3), ()),
    "pair": (PairHead(WIDTH, 3), (torch.tensor([[[0, 1]], [[2, 3]]]),)),
}


@pytest.mark.parametrize("name", MODULES)
def test_other_modules_take_tensors_too(name):
    module, others = MODULES[name]
    features = torch.randn(2, 9, WIDTH)
    found, expected = module(features, *others), module(Tokens(features), *others)
    assert torch.equal(*(each.features if isinstance(each, Tokens) else each for each in (found, expected)))


@pytest.mark.parametrize("name", MODULES)
def test_other_modules_refuse_what_is_no_tensor(name):
    module, others = MODULES[name]
    with pytest.raises(InputError, match="tokens is a list, expected Tokens or a tensor"):
        module([1.0], *others)


def test_model_and_embedding_take_tensors_of_codes():
    codes = torch.randint(50, (2, 9))
    model = TokenModel(
        ModelSettings(width=WIDTH, layers=1, heads=HEADS, feedforward=16), inputs={"vocabulary": 50}, outputs=2
    ).eval()
    assert torch.equal(model(codes), model(Tokens(codes)))
    assert len(model.draw_noise(codes)) == 1
    assert len(model.select(codes)) == 1
    embed = SequenceEmbed(WIDTH, vocabulary=50)
    assert torch.equal(embed(codes).features, embed(Tokens(codes)).features)


def test_tokens_stay_as_they_are():
    tokens = Tokens(torch.zeros(2, 9, WIDTH), torch.ones(2, 9, dtype=torch.bool))
    assert as_tokens(tokens) is tokens
