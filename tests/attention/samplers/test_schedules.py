"""What schedules change of a sampler: how much noise, which temperature, how many tokens."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sampleformer.attention import ImportanceSampler, PairSampler, Sampler
from sampleformer.tokens import Tokens

WIDTH = 6


def importance(sampled: int = 3) -> Sampler:
    return _untouched(ImportanceSampler(WIDTH, groups=2, sampled=sampled))


def pair(sampled: int = 3, token_dropout: float = 0.5) -> Sampler:
    return _untouched(PairSampler(WIDTH, groups=2, sampled=sampled, token_dropout=token_dropout))


def _untouched(sampler: Sampler) -> Sampler:
    """In float64, with scores that differ."""
    with torch.no_grad():
        for parameter in sampler.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return sampler.double()


every_sampler = pytest.mark.parametrize("make", [importance, pair], ids=["importance", "pair"])


def tokens(masked: bool = True) -> Tokens:
    mask = torch.ones(4, 13, dtype=torch.bool)
    mask[0, 5:] = mask[1, 2:] = mask[2] = False
    return Tokens(torch.randn(4, 13, WIDTH, dtype=torch.float64), mask if masked else None).without_padding()


@every_sampler
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "no-mask"])
def test_without_noise_training_takes_the_k_best(make: Callable[..., Sampler], masked: bool) -> None:
    sampler, given = make(), tokens(masked)
    sampler.noise_scale.zero_()
    trained = sampler.train()(given, sampler.draw_noise(given)).selection(2)
    evaluated = sampler.eval()(given, None).selection(2)
    assert torch.equal(trained.indices[trained.valid], evaluated.indices[evaluated.valid])
    assert torch.equal(trained.valid, evaluated.valid)


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "no-mask"])
def test_without_noise_pairs_are_those_of_evaluation(masked: bool) -> None:
    sampler, given = pair(), tokens(masked)
    sampler.noise_scale.zero_()
    trained, evaluated = sampler.train()(given, sampler.draw_noise(given)), sampler.eval()(given, None)
    assert torch.equal(trained.indices, evaluated.indices)
    assert torch.equal(trained.shares, evaluated.shares)


@every_sampler
def test_the_scale_multiplies_the_noise(make: Callable[..., Sampler]) -> None:
    sampler, given = make().train(), tokens()
    noise = sampler.draw_noise(given)
    gumbel = noise[0] if isinstance(sampler, PairSampler) else noise  # what else there is, is uniform
    expected = sampler(given, noise).indices
    sampler.noise_scale.fill_(4.0)  # more than 1 scales the noise of the scores alone
    gumbel /= 4
    found = sampler(given, noise).indices
    assert torch.equal(found, expected)


def test_between_none_and_all_of_the_noise_partners_come_from_near() -> None:
    sampler, given = pair(sampled=6, token_dropout=0.0).train(), tokens(masked=False)
    noise = sampler.draw_noise(given)
    noise[0] = 0
    best = sampler.eval()(given, None).indices[..., :6]
    moved = []
    for scale in (0.0, 0.3, 1.0):
        sampler.train().noise_scale.fill_(scale)
        shuffled = sampler(given, noise).indices[..., :6]
        places = (shuffled[..., None] == best[..., None, :]).int().argmax(-1)
        moved.append((places - torch.arange(6)).abs().sum().item())
    assert moved[0] == 0 < moved[1] < moved[2]


@every_sampler
def test_evaluation_knows_nothing_of_a_schedule(make: Callable[..., Sampler]) -> None:
    sampler, given = make().eval(), tokens()
    expected = sampler(given, None)
    sampler.noise_scale.fill_(9.0)
    sampler.temperature_scale.fill_(9.0)
    sampler.sampled_in_training = 7
    found = sampler(given, None)
    assert torch.equal(found.indices, expected.indices)
    assert found.slots == expected.slots
    temperature = torch.tensor([2.0])
    assert sampler.annealed(temperature) is temperature


@every_sampler
@pytest.mark.parametrize("count", [1, 7, 50])
def test_training_takes_as_many_as_the_schedule_says(make: Callable[..., Sampler], count: int) -> None:
    sampler, given = make().train(), tokens()
    sampler.sampled_in_training = count
    assert sampler.count == count
    assert sampler(given, sampler.draw_noise(given)).slots == min(count, 13)
    assert sampler.eval().count == 3


def test_temperature_is_scaled_down_to_its_floor() -> None:
    sampler = importance().train()
    sampler.temperature_scale.fill_(0.1)
    sampler.temperature_floor.fill_(0.3)
    found = sampler.annealed(torch.tensor([0.2, 1.0, 5.0]))  # the first is the model's own, lower than the floor
    assert found.tolist() == pytest.approx([0.2, 0.3, 0.5])


def test_a_model_is_saved_without_the_state_of_its_schedule() -> None:
    assert not [name for name in importance().state_dict() if "scale" in name or "floor" in name]


class Chosen(nn.Module):
    """A compiled program gives tensors."""

    def __init__(self, sampler: Sampler) -> None:
        super().__init__()
        self.sampler = sampler

    def forward(self, given: Tokens, noise: Tensor) -> Tensor:
        return self.sampler(given, noise).indices


@every_sampler
def test_a_changing_schedule_compiles_nothing_anew(make: Callable[..., Sampler], fresh_compiler: None) -> None:
    compiled_graphs = []

    def count_graphs(graph: torch.fx.GraphModule, inputs: object) -> Callable[..., object]:
        compiled_graphs.append(graph)
        return graph.forward

    module, given = Chosen(make().train()), tokens()
    noise = module.sampler.draw_noise(given)
    compiled = torch.compile(module, fullgraph=True, backend=count_graphs)
    for step in range(5):
        module.sampler.noise_scale.fill_(1 - step / 4)
        module.sampler.temperature_scale.fill_(1 - step / 5)
        assert torch.equal(compiled(given, noise), module(given, noise))
    assert len(compiled_graphs) == 1
