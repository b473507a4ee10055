"""What is measured is what the name says."""

import dataclasses

import torch
from torch import Tensor

from sampleformer.attention import ATTENTIONS, BernoulliMixing, SamsaAttention
from sampleformer.bench.layer import TokenwiseFloor, make_layer, sampled_tokens
from sampleformer.bench.settings import SpeedSettings
from sampleformer.bench.timing import Pass

SETTINGS = SpeedSettings(attentions=("samsa", "full"), lengths=(6,), width=16, heads=4, sampled=3)


def test_the_floor_is_a_layer_without_mixing() -> None:
    layer = make_layer("floor", SETTINGS)
    attention, feed_forward = layer.layer.get_submodule("attention"), layer.layer.get_submodule("feed_forward")
    assert isinstance(attention, TokenwiseFloor)
    x = torch.randn(2, 5, 16)
    middle = x + attention.output(attention.query(attention.norm(x)))
    torch.testing.assert_close(layer(x), middle + feed_forward(middle))


def test_the_floor_has_the_modules_of_every_layer_and_no_others() -> None:
    floor, full = (dict(make_layer(name, SETTINGS).named_parameters()) for name in ("floor", "full"))
    assert {name: p.shape for name, p in floor.items()} == {
        name: p.shape for name, p in full.items() if "key_value" not in name
    }


def test_samples_are_what_was_asked_for() -> None:
    assert sampled_tokens("samsa", SETTINGS) == 3
    assert sampled_tokens("full", SETTINGS) is None
    attention = make_layer("samsa", SETTINGS).layer.get_submodule("attention")
    assert isinstance(attention, SamsaAttention)
    assert attention.sampler.sampled == 3


def test_own_arguments_go_to_their_attention() -> None:
    settings = dataclasses.replace(SETTINGS, own={"yoso": {"hashes": 5, "code_length": 3}, "samsa": {"sampled": 2}})
    mixing = make_layer("yoso", settings).layer.get_submodule("attention.mixing")
    assert isinstance(mixing, BernoulliMixing)
    assert (mixing.hashes, mixing.code_length) == (5, 3)
    assert sampled_tokens("samsa", settings) == 2
    assert sampled_tokens("sft", settings) == 3


def test_a_training_step_gives_every_gradient_and_clear_takes_them_back() -> None:
    for name in ("floor", *ATTENTIONS):
        layer = make_layer(name, SETTINGS)
        step = Pass(layer, [torch.randn(2, 9, 16)], torch.randn(2, 9, 16))
        step()
        trained = [p for p in layer.parameters() if p.requires_grad]
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in [*step.inputs, *trained]), name
        step.clear()
        assert all(p.grad is None for p in [*step.inputs, *trained])


def test_forward_is_evaluation_without_gradients() -> None:
    layer = make_layer("samsa", SETTINGS)
    forward = Pass(layer, [torch.randn(2, 9, 16)])
    first: Tensor = forward()
    assert not first.requires_grad
    assert not layer.training
    assert torch.equal(first, forward())  # no noise


def test_dtype() -> None:
    layer = make_layer("samsa", SpeedSettings(("samsa",), (6,), width=16, heads=4, sampled=3, dtype="bfloat16"))
    assert Pass(layer, [torch.zeros(1, 9, 16, dtype=torch.bfloat16)])().dtype == torch.bfloat16
