"""A perceptron over descriptors, alone and beside the transformer."""

import pytest
import torch

from sampleformer.errors import InputError
from sampleformer.models import DescriptorMLP, ModelSettings, TokenModel
from sampleformer.models.descriptors import ThermometerCode
from sampleformer.models.mlp import MLPSettings
from sampleformer.tokens import Tokens

SMALL = {"width": 8, "layers": 1, "heads": 2, "feedforward": 8, "attention": "full"}


def tokens(descriptors: torch.Tensor | None, batch: int = 3) -> Tokens:
    return Tokens(torch.arange(batch * 4).reshape(batch, 4) % 5, descriptors=descriptors)


def test_codes_become_one_number_a_bin() -> None:
    bins = [1, 0, 3, 8]
    codes = torch.tensor([[0.25, -1.5, 2.5, 8.0], [1.0, 4.0, 0.0, 0.5]], dtype=torch.float64)
    expected = [
        [0.25, -1.5, 1, 1, 0.5, *[1] * 8],
        [1, 4, 0, 0, 0, 0.5, *[0] * 7],
    ]
    assert torch.equal(ThermometerCode(bins)(codes), torch.tensor(expected, dtype=torch.float64))
    assert ThermometerCode([])(torch.zeros(2, 0)).shape == (2, 0)
    with pytest.raises(ValueError, match="bins has -1, expected at least 0"):
        ThermometerCode([2, -1])
    with pytest.raises(ValueError, match="bins has 1,000,000,000,001 in all, expected at most 1,000,000"):
        ThermometerCode([10**12, 0])


def test_values_and_gradients_are_those_of_the_formula() -> None:
    torch.manual_seed(0)
    model = DescriptorMLP(MLPSettings(hidden=5), {"descriptors": [3, 0, 1]}, 2).double().eval()
    with torch.no_grad():
        model.linear.weight.normal_()
    codes = torch.tensor([[1.5, -0.2, 1.0], [3.0, 2.0, 0.0], [0.3, 0.0, 0.4]], dtype=torch.float64, requires_grad=True)
    columns = [(codes[:, 0] - bin).clamp(0, 1) for bin in range(3)] + [codes[:, 1], codes[:, 2].clamp(0, 1)]
    numbers = torch.stack(columns, dim=1)
    hidden = numbers @ model.input.weight.T + model.input.bias
    hidden = 0.5 * hidden * (1 + torch.erf(hidden / 2**0.5))
    expected = hidden @ model.output.weight.T + model.output.bias + numbers @ model.linear.weight.T
    found = model(tokens(codes))
    torch.testing.assert_close(found, expected)
    weights = list(model.parameters())
    seed = torch.randn_like(found)
    for one, other in zip(
        torch.autograd.grad(found, [codes, *weights], seed),
        torch.autograd.grad(expected, [codes, *weights], seed),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_outputs_are_added_to_those_of_the_transformer() -> None:
    torch.manual_seed(0)
    settings = ModelSettings(**SMALL, beside=[{"name": "bag", "ngrams": 1}, {"name": "mlp", "hidden": 4}])
    model = TokenModel(settings, {"vocabulary": 5, "descriptors": [2]}, outputs=2).eval()
    codes = torch.tensor([[0.5], [2.0], [1.0]])
    alone = model.head(model.encoder(model.embedded(tokens(codes))))
    bag, mlp = model.beside
    torch.testing.assert_close(model(tokens(codes)), alone + bag(tokens(None)) + mlp(tokens(codes)))


def test_where_there_are_descriptors_something_takes_them() -> None:
    model = TokenModel(ModelSettings(**SMALL), {"vocabulary": 5, "descriptors": [2]}, outputs=1)
    assert [type(each) for each in model.beside] == [DescriptorMLP]
    of_tokens = TokenModel(ModelSettings(**SMALL), {"vocabulary": 5, "descriptors": [2]}, outputs=1, level="token")
    assert len(of_tokens.beside) == 0


@pytest.mark.parametrize(("beside", "expected"), [([], []), ([{"name": "bag"}], ["bag"])])
def test_what_is_said_to_stand_beside_is_all_that_does(beside: list[dict[str, str]], expected: list[str]) -> None:
    inputs = {"vocabulary": 5, "descriptors": [2]}
    model = TokenModel(ModelSettings(**SMALL, beside=beside), inputs, outputs=2).eval()
    assert [each.name for each in model.beside] == expected
    assert model.of_descriptors(tokens(torch.ones(3, 1))) is None


@pytest.mark.parametrize(
    ("beside", "inputs", "words"),
    [
        ("mlp", {"vocabulary": 5}, "'mlp' is for tokens with descriptors"),
        ("bag", {"features": 2}, "'bag' is for tokens with vocabulary"),
        ("transformer", {"vocabulary": 5}, "'transformer' is this model itself, expected a simple one"),
        ("bog", {"vocabulary": 5}, "did you mean 'bag'"),
        ({"name": "bag", "ngrams": 9}, {"vocabulary": 5}, r"model\.beside\.ngrams: .*less than or equal to 5"),
    ],
)
def test_what_cannot_stand_beside_is_refused(beside: object, inputs: dict[str, int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        TokenModel(ModelSettings(**SMALL, beside=[beside]), inputs, outputs=1)


def test_tokens_must_have_the_descriptors_that_the_model_was_made_for(unchecked: None) -> None:
    model = DescriptorMLP(MLPSettings(), {"descriptors": [3, 0]}, 1)
    with pytest.raises(InputError, match="the tokens have no descriptors, expected 2"):
        model(tokens(None))
    with pytest.raises(InputError, match="the tokens have 3 descriptors, expected 2"):
        model(tokens(torch.zeros(3, 3)))
    with pytest.raises(ValueError, match=r"descriptors have shape \(2, 1\), expected \(3, numbers\)"):
        tokens(torch.zeros(2, 1))
