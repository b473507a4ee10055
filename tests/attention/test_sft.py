"""What SFT promises beyond the contract: its sample, and relative terms of pairs."""

import pytest
import torch
from torch import Tensor

from sampleformer.attention import SftAttention
from sampleformer.attention.relative import RELATIVES
from sampleformer.edges import Edges
from sampleformer.functional import blocks
from sampleformer.functional.scores import maxout
from sampleformer.norms import RMSNorm
from sampleformer.tokens import Tokens
from tests.attention.variations import HEADS, WIDTH, batch
from tests.naive.sft import sft as twin

EXACT = {"rtol": 1e-10, "atol": 1e-10}
ARGUMENTS = {"edges": {"features": 2}}


def attention_with(relative: str | None, **arguments: object) -> SftAttention:
    spec = None if relative is None else {"name": relative, **ARGUMENTS.get(relative, {})}
    made = SftAttention(WIDTH, HEADS, norm=RMSNorm(WIDTH), relative=spec, **{"sampled": 3, **arguments}).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return made


def tokens_with_everything(lengths: list[int], padding: int = 0) -> Tokens:
    """Tokens that lie in space and are joined: a few edges between real tokens of each set."""
    plain = batch(lengths, padding=padding)
    normals = torch.nn.functional.normalize(torch.randn(plain.batch, plain.length, 3, dtype=torch.float64), dim=-1)
    ends = torch.rand(2, plain.batch, 9) * torch.tensor(lengths)[None, :, None]
    edges = Edges(*ends.long(), torch.randn(plain.batch, 9, 2, dtype=torch.float64))
    return Tokens(
        plain.features,
        plain.mask,
        coordinates=torch.randn(plain.batch, plain.length, 3, dtype=torch.float64),
        normals=normals,
        edges=edges,
    )


def dense_terms(attention: SftAttention, tokens: Tokens) -> Tensor:
    """Terms of every pair of tokens, (2, b, h, n, n)."""
    everything = torch.arange(tokens.length).expand(tokens.batch, 1, -1)
    return torch.stack(attention.relative(tokens, tokens, everything))


@pytest.mark.parametrize("relative", RELATIVES)
@pytest.mark.parametrize("probability", ["leaky_relu", "leaky_softmax", "softmax"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_relative_terms_enter_the_scores_as_the_twin_says(relative, probability, training):
    attention = attention_with(relative, probability=probability).train(training)
    tokens = tokens_with_everything([11, 7, 2], padding=1)
    noise = attention.draw_noise(tokens) if training else None
    features = tokens.features.clone().requires_grad_()
    found = attention(tokens.with_features(features), noise=noise)
    expected = twin(
        attention, features, tokens.mask, noise=noise, pair_terms=dense_terms(attention, tokens.without_padding())
    )
    torch.testing.assert_close(found, expected, **EXACT)
    trained = {"features": features, **dict(attention.named_parameters())}
    upstream = torch.randn_like(found)
    for name, of_found, of_expected in zip(
        trained,
        torch.autograd.grad(found, list(trained.values()), upstream, materialize_grads=True),
        torch.autograd.grad(expected, list(trained.values()), upstream, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(of_found, of_expected, **EXACT, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("relative", RELATIVES)
def test_blocks_of_queries_give_the_same(relative, monkeypatch):
    attention, tokens = attention_with(relative).eval(), tokens_with_everything([11, 7, 2], padding=1)
    expected = attention(tokens)
    monkeypatch.setattr(blocks, "NUMBERS_PER_BLOCK", 3 * 4 * WIDTH)
    with torch.no_grad():
        torch.testing.assert_close(attention(tokens), expected, **EXACT)


@pytest.mark.parametrize("relative", RELATIVES)
def test_compiled_in_one_graph_trains_as_eager(relative, fresh_compiler):
    attention, tokens = attention_with(relative).train(), tokens_with_everything([11, 7, 2], padding=1)
    noise, parameters = attention.draw_noise(tokens), list(attention.parameters())
    results = []
    for made in (attention, torch.compile(attention, fullgraph=True, backend="aot_eager")):
        out = made(tokens, noise=noise)
        results.append([out, *torch.autograd.grad(out.square().sum(), parameters, materialize_grads=True)])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, **EXACT)


@pytest.mark.parametrize("relative", RELATIVES)
def test_a_padded_batch_is_each_sample_alone(relative):
    attention, lengths = attention_with(relative).eval(), [11, 1, 7]
    tokens = tokens_with_everything(lengths, padding=2)
    out = attention(tokens)
    for row, length in enumerate(lengths):
        one = slice(row, row + 1)
        alone = Tokens(
            tokens.features[one, :length],
            coordinates=tokens.coordinates[one, :length],
            normals=tokens.normals[one, :length],
            edges=Edges(tokens.edges.source[one], tokens.edges.target[one], tokens.edges.features[one]),
        )
        torch.testing.assert_close(out[row, :length], attention(alone)[0], **EXACT)


@pytest.mark.parametrize("relative", [name for name, made in RELATIVES.items() if made.invariant and name != "edges"])
def test_rotating_a_cloud_changes_nothing(relative):
    attention, tokens = attention_with(relative).eval(), tokens_with_everything([13, 7])
    expected = attention(tokens)
    for _ in range(20):
        rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
        rotated = Tokens(
            tokens.features,
            tokens.mask,
            coordinates=tokens.coordinates @ rotation,
            normals=tokens.normals @ rotation,
        )
        torch.testing.assert_close(attention(rotated), expected, rtol=1e-8, atol=1e-10)


def test_scores_start_with_mean_0_and_variance_1():
    """As the constants of the score intend: relu then passes half of them, and all that it passes learns."""
    scores = []
    for seed in range(10):
        torch.manual_seed(seed)
        attention, tokens = SftAttention(64, 2, sampled=50), torch.randn(1, 50, 64)
        query, key = attention.query(tokens), attention.key_value(tokens)[..., :64]
        scores.append(maxout(*(part.unflatten(-1, (2, 32)).transpose(1, 2) for part in (query, key))))
    scores = torch.stack(scores)
    assert scores.mean().abs() < 0.1
    assert (scores.std() - 1).abs() < 0.1
    assert ((scores > 0).float().mean() - 0.5).abs() < 0.05


def test_all_heads_see_one_choice():
    attention = attention_with(None).eval()
    _, selection = attention(batch([13, 7]), return_selection=True)
    assert torch.equal(selection.indices[:, 0], selection.indices[:, 1])


def test_dropped_tokens_are_not_chosen_and_a_set_is_never_left_without_any():
    attention = attention_with(None, token_dropout=0.5, sampled=13).train()
    tokens = batch([13, 13])
    gumbel, dropout, pairing = attention.draw_noise(tokens)[0]
    dropout = torch.stack([torch.linspace(0, 0.999, 13).double()[None], torch.zeros(1, 13).double()])
    _, selection = attention(tokens, noise=(torch.stack([gumbel, dropout, pairing]), None), return_selection=True)
    assert sorted(selection.indices[0, 0][selection.valid[0, 0]].tolist()) == list(range(7, 13))
    assert bool(selection.valid[1].all())


def test_pairs_are_drawn_at_random_in_training():
    attention, tokens = attention_with(None, sampled=2).train(), batch([4])
    gumbel = torch.tensor([300.0, 200.0, 100.0, 0.0]).double()
    seen = set()
    for first in (0.1, 0.9):
        pairing = torch.tensor([first, 0.5, 0.0, 0.0]).double()
        noise = torch.stack([gumbel, torch.ones(4).double(), pairing])[:, None, None]
        _, selection = attention(tokens, noise=(noise, None), return_selection=True)
        seen.add(tuple(selection.indices[0, 0].tolist()))
    assert seen == {(0, 1), (1, 0)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"sampled": 0}, "sampled is 0, expected at least 1", id="sampled"),
        pytest.param(
            {"token_dropout": 1.0}, r"token_dropout is 1.0, expected at least 0 and less than 1", id="dropout"
        ),
        pytest.param({"score": "maxuot"}, "score is 'maxuot'; did you mean 'maxout'.*allowed:", id="score"),
        pytest.param({"probability": "leaky"}, "probability is 'leaky'; did you mean 'leaky_", id="probability"),
        pytest.param(
            {"relative": "offset"}, "relative.name: unknown name 'offset'; did you mean 'offsets'", id="relative"
        ),
        pytest.param({"relative": {"name": "edges"}}, "relative.features: required by EdgeRelative", id="edges"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SftAttention(WIDTH, HEADS, **arguments)


@pytest.mark.parametrize(
    ("relative", "field"), [("distance", "coordinates"), ("distance_normals", "coordinates"), ("edges", "edges")]
)
def test_tokens_without_what_relative_terms_need_are_refused(relative, field):
    with pytest.raises(ValueError, match=f"needs {field}.*, but the query set has none"):
        attention_with(relative)(batch([5]))


@pytest.mark.parametrize("relative", [None, "sinusoidal_product"], ids=["alone", "related"])
def test_the_kernel_gives_what_the_plain_functions_give(relative):
    pytest.importorskip("triton", reason="Triton is not installed")
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[0, 6:] = mask[1] = False
    device = "cuda" if torch.cuda.is_available() else "cpu"  # with a GPU, nothing is interpreted
    positions = torch.arange(9, device=device).expand(2, 9)
    tokens = Tokens(torch.randn(2, 9, 16, device=device), mask=mask.to(device), positions=positions)
    made = {
        kernel: SftAttention(16, 2, sampled=3, relative=relative, kernel=kernel).train().to(device)
        for kernel in ("triton", "plain")
    }
    made["triton"].load_state_dict(made["plain"].state_dict())
    noise = made["plain"].draw_noise(tokens)
    outs, gradients = [], []
    for attention in made.values():
        outs.append(attention(tokens, noise=noise))
        outs[-1].square().sum().backward()
        gradients.append({name: parameter.grad for name, parameter in attention.named_parameters()})
    torch.testing.assert_close(*outs, rtol=1e-5, atol=1e-6)
    for name, expected in gradients[1].items():
        torch.testing.assert_close(
            gradients[0][name], expected, rtol=1e-4, atol=1e-5, msg=lambda text, n=name: n + text
        )


def test_unknown_kernels_are_refused_when_it_is_made():
    with pytest.raises(ValueError, match="kernel is 'cuda'; .*allowed: auto, plain, triton"):
        SftAttention(16, 2, kernel="cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU, CPU tensors are refused for that")
@pytest.mark.parametrize(
    ("width", "score", "reason"),
    [(8, "maxout", "the head width is 4, expected 8 to 128"), (16, "scaled_dot", "the score is 'scaled_dot'")],
)
def test_a_kernel_that_cannot_run_is_refused_when_it_is_called(width, score, reason):
    pytest.importorskip("triton", reason="Triton is not installed")
    attention = SftAttention(width, 2, score=score, kernel="triton")
    with pytest.raises(ValueError, match=f"kernel is 'triton', which cannot run: {reason}"):
        attention(Tokens(torch.zeros(1, 3, width)))
