"""The controlled task: its answers are right, its samples those of the seed, and it can be learned."""

import pytest
import torch

from sampleformer.attention import SamsaAttention
from sampleformer.attention.samplers.estimators import ESTIMATORS
from sampleformer.bench.estimator_task import train_task, training_loss
from sampleformer.bench.estimator_variants import Variant, default_variants
from sampleformer.bench.needle_model import NeedleModel
from sampleformer.bench.needles import Needles, found_share
from sampleformer.functional.collapse import score_entropy, score_load


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_answer_is_what_most_informative_tokens_carry() -> None:
    batch = Needles(40).batch(200, generator())
    assert batch.values.shape == batch.places.shape == (200, 4)
    for label, values in zip(batch.labels.tolist(), batch.values.tolist(), strict=True):
        counts = sorted(values.count(value) for value in set(values))
        assert counts == [1, 1, 2]
        assert values.count(label) == 2
    assert sorted(set(batch.labels.tolist())) == [0, 1, 2, 3]
    assert all(len(set(places)) == 4 for places in batch.places.tolist())


def test_the_tokens_carry_what_the_places_say() -> None:
    task = Needles(40, noise=1e-3, other_noise=1e-3)
    batch = task.batch(50, generator())
    parts = (batch.features @ task.directions.T / task.strength).round().long()
    marked = parts[..., task.classes] == 1
    assert marked.sum(1).tolist() == [4] * 50
    for row in range(50):
        assert set(marked[row].nonzero()[:, 0].tolist()) == set(batch.places[row].tolist())
        carried = parts[row, batch.places[row], : task.classes]
        assert carried.argmax(1).tolist() == batch.values[row].tolist()
        assert carried.sum(1).tolist() == [1] * 4
    coded = parts[..., : task.classes].sum(-1)
    assert coded.sum(1).tolist() == [8] * 50  # as many decoys, without the mark


def test_samples_follow_from_the_seed() -> None:
    first, same, other = (Needles(30).batch(3, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.features, same.features)
    assert torch.equal(first.labels, same.labels)
    assert not torch.equal(first.features, other.features)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"length": 7}, "length is 7, expected at least 8"),
        ({"length": 20, "informative": 2}, "informative is 2, expected at least 3"),
        ({"length": 20, "classes": 2}, "classes is 2, expected at least 3"),
        ({"length": 20, "features": 4}, "features is 4, expected at least 5"),
    ],
)
def test_numbers_that_do_not_go_together(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Needles(**sizes)  # type: ignore[arg-type]


def test_found_share() -> None:
    chosen = torch.tensor([[[0, 1], [1, 2]], [[5, 6], [7, 8]]])
    assert found_share(chosen, torch.tensor([[2, 9], [9, 4]])) == 0.25


def test_all_variants_of_a_seed_start_alike() -> None:
    def weights(variant: Variant) -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        state = NeedleModel(variant, 12, 4).state_dict()
        return {name: value for name, value in state.items() if not name.startswith("attention.")}

    first, *others = [weights(variant) for variant in default_variants()]
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)


def test_what_no_head_chose_has_no_part_in_the_answer() -> None:
    model = NeedleModel(Variant.read("hard"), 12, 4).eval()
    features = Needles(64).batch(2, generator()).features
    logits, selection = model(features)
    chosen = torch.zeros(2, 64, dtype=torch.bool).scatter_(1, selection.indices.flatten(1), True)
    assert not chosen.all(1).any()
    again, same = model(torch.where(chosen[..., None], features, 0.0))
    assert torch.equal(same.indices, selection.indices)
    torch.testing.assert_close(again, logits)


@pytest.mark.parametrize("variant", [variant.name for variant in default_variants()])
def test_every_variant_trains_and_is_the_same_again(variant: str) -> None:
    first, again = (train_task(Variant.read(variant), 40, 1, 4) for _ in range(2))
    assert first | {"seconds": 0} == again | {"seconds": 0}
    assert [point["step"] for point in first["curve"]] == [1, 2, 3, 4]
    for point in first["curve"]:
        assert all(0 <= point[name] <= 1 for name in ("accuracy", "noisy_accuracy", "found"))  # type: ignore[literal-required]
    if Variant.read(variant).addition == "off" or variant == "full":
        assert all(point["accuracy"] == point["noisy_accuracy"] for point in first["curve"])


def test_the_task_is_learned() -> None:
    last = train_task(Variant.read("full"), 64, 0, 120)["curve"][-1]
    assert last["accuracy"] > 0.6  # 0.25 by chance, 0.5 by a single informative token
    assert last["found"] == 1


@pytest.mark.parametrize("choice", [*(name for name, each in ESTIMATORS.items() if each.learns), "detached+mass"])
def test_the_scores_learn(choice: str) -> None:
    torch.manual_seed(0)
    variant = Variant.read(choice)
    model = NeedleModel(variant, 12, 4)
    training_loss(model, Needles(64).batch(8, generator()), variant).backward()
    assert isinstance(model.attention, SamsaAttention)
    gradient = model.attention.sampler.scorer.score.weight.grad  # type: ignore[union-attr]
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_schedules_reach_the_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, temperatures = [], []
    forward = NeedleModel.forward

    def watched(self: NeedleModel, *given: torch.Tensor):
        if self.training and torch.is_grad_enabled():
            sampler = self.attention.sampler
            temperatures.append(round(sampler.temperature_scale.item(), 6))
            seen.append((round(sampler.noise_scale.item(), 6), sampler.count))
        return forward(self, *given)

    monkeypatch.setattr(NeedleModel, "forward", watched)
    for addition in ("annealed", "off", "widened", "cooled"):
        train_task(Variant.read(f"hard+{addition}"), 100, 0, 4)
    annealed, off, widened = seen[:4], seen[4:8], seen[8:12]
    assert annealed == [(1.0, 16), (0.666667, 16), (0.333333, 16), (0.0, 16)]
    assert off == [(0.0, 16)] * 4
    assert widened == [(1.0, 100), (1.0, 25), (1.0, 16), (1.0, 16)]
    assert temperatures == [1.0] * 12 + [1.0, 0.464159, 0.215443, 0.1]


def test_terms_of_the_scores_enter_the_loss() -> None:
    task = Needles(40)
    model = NeedleModel(Variant.read("hard"), task.features, task.classes)
    batch = task.batch(3, torch.Generator().manual_seed(0))
    losses = {}
    for name in ("hard", "hard+entropy", "hard+load"):
        torch.manual_seed(1)
        losses[name] = training_loss(model, batch, Variant.read(name)).item()
    scores = model.attention.sampler.scorer(model.embed(batch.features)).detach()
    assert losses["hard+entropy"] == pytest.approx(losses["hard"] - 0.1 * score_entropy(scores).mean().item())
    assert losses["hard+load"] == pytest.approx(losses["hard"] + 0.01 * score_load(scores).mean().item())
