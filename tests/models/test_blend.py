"""Several models as one."""

from pathlib import Path

import pytest
import torch

from sampleformer.errors import InputError
from sampleformer.models import BagOfEmbeddings, Blend, DescriptorMLP, Model, ModelSettings, TokenModel
from sampleformer.settings import validate
from sampleformer.tokens import Tokens

INPUTS = {"vocabulary": 9, "descriptors": [2, 1]}
WORDS = Tokens(torch.tensor([[1, 2, 3], [4, 0, 0]]), descriptors=torch.tensor([[1.5, 0.0], [0.5, 1.0]]))


def parts() -> list[Model]:
    torch.manual_seed(0)
    settings = ModelSettings(width=8, layers=1, heads=2, feedforward=8, attention={"name": "samsa", "sampled": 2})
    return [
        TokenModel(settings, INPUTS, 3),
        BagOfEmbeddings(BagOfEmbeddings.Settings(width=4), {"vocabulary": 9}, 3),
        DescriptorMLP(DescriptorMLP.Settings(hidden=4), INPUTS, 3),
    ]


def blend() -> Blend:
    return Blend.of(parts(), torch.tensor([0.5, 2.0, 0.25]), INPUTS).eval()


def test_outputs_are_a_weighted_sum_whoever_asks() -> None:
    model = blend()
    own = [part.eval()(WORDS) for part in parts()]
    expected = 0.5 * own[0] + 2 * own[1] + 0.25 * own[2]
    torch.testing.assert_close(model(WORDS), expected)
    outputs, selections = model.with_selections(WORDS)
    torch.testing.assert_close(outputs, expected)
    assert len(selections) == 1
    assert model.main is model.parts[0]


def test_what_descriptors_add_is_the_sum_of_what_they_add_to_each_part() -> None:
    model = blend()
    beside = 0.5 * model.parts[0].beside[0](WORDS) + 0.25 * model.parts[2](WORDS)
    torch.testing.assert_close(model.of_descriptors(WORDS), beside)
    alone = Blend.of([parts()[1]], torch.ones(1), {"vocabulary": 9})
    assert alone.of_descriptors(WORDS) is None


def test_a_saved_one_answers_the_same(tmp_path: Path) -> None:
    model = blend()
    model.save_pretrained(tmp_path)
    again = Model.from_pretrained(tmp_path)
    assert isinstance(again, Blend)
    assert [type(part) for part in again.parts] == [TokenModel, BagOfEmbeddings, DescriptorMLP]
    torch.testing.assert_close(again(WORDS), model(WORDS), rtol=0, atol=0)


def test_what_cannot_be() -> None:
    with pytest.raises(InputError, match=r"model\.parts: empty"):
        Blend(Blend.Settings(), INPUTS, 3)
    with pytest.raises(InputError, match="a blend of blends"):
        Blend(Blend.Settings(parts=(Blend.Settings(),)), INPUTS, 3)
    with pytest.raises(InputError, match=r"model\.parts: found 3"):
        validate(Blend.Settings, {"parts": [3]})
