"""What one process makes of all tokens, and ranks of their shares; tests run it in `tests.training.ranks`."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sampleformer import InputError, ModelSettings, TokenModel
from sampleformer.attention import Attention, LocalEdges, Noise, SftAttention, WindowAttention
from sampleformer.attention.projected import ProjectedAttention
from sampleformer.distributed import shard_edges, token_parallel
from sampleformer.edges import Edges
from sampleformer.tokens import Tokens
from tests.attention.variations import CASES, WIDTH, build

LENGTH = 12
HEADS = 2
OTHERS: dict[str, Any] = {
    "window": lambda: WindowAttention(WIDTH, HEADS, window=2),
    "window-of-all": lambda: WindowAttention(WIDTH, HEADS, window=30),
    "sft-offsets": lambda: SftAttention(WIDTH, HEADS, sampled=3, relative="offsets"),
    "sft-distances": lambda: SftAttention(WIDTH, HEADS, sampled=3, relative="distance_normals"),
}


@dataclass(frozen=True)
class Case:
    """An attention, and tokens for it.

    Args:
        attention: Name in `variations.CASES` or `OTHERS`.
        training: Whether it trains, with noise.
        padded: Whether some tokens are padding.
        tied: Whether many scores are equal.
    """

    attention: str
    training: bool = True
    padded: bool = True
    tied: bool = False


@dataclass
class Found:
    """What a case gave.

    Args:
        of_tokens: What this rank's tokens have, tokens in the second dimension.
        of_all: What is the same on each rank.
        of_weights: Gradients of parameters.
    """

    of_tokens: dict[str, Tensor]
    of_all: dict[str, Tensor] = field(default_factory=dict)
    of_weights: dict[str, Tensor] = field(default_factory=dict)


def join_group() -> None:
    """Makes the process group, once."""
    if not dist.is_initialized():
        dist.init_process_group("gloo", timeout=timedelta(minutes=1))  # a rank that fails leaves the others waiting


def in_ranks(function: Any, cases: Sequence[Any], cuts: Sequence[Sequence[int]]) -> list[list[Found]]:
    """What this rank finds, for each case and each way to cut the tokens."""
    join_group()
    torch.set_num_threads(1)
    return [[function(case, cut) for cut in cuts] for case in cases]


def attended(case: Case, cut: Sequence[int] | None) -> Found:
    """Result and gradients of an attention.

    Args:
        case: Case.
        cut: Number of tokens of each rank. None: this process has all.
    """
    torch.manual_seed(7)
    attention = _attention(case.attention).train(case.training)
    if case.tied:
        _tie(attention)
    tokens = _tokens(case)
    noise = attention.draw_noise(tokens)
    weight = torch.randn(2, LENGTH, WIDTH, dtype=torch.float64)
    own, ranks = _own(cut)
    mine = _share(tokens, own)
    mine.features.requires_grad_()
    extra = attention.sampler.extra
    with nullcontext() if cut is None else token_parallel(dist.group.WORLD, mine.length):
        result, selection = attention(mine, noise=_share_of(noise, own, extra), return_selection=True)
    loss = (result * weight[:, own]).sum()
    scores = selection.scores
    if scores is not None and scores.log_probability is not None:
        loss = loss + (scores.log_probability * torch.tensor([0.3, -0.7])).sum() / ranks
    loss.backward()
    # How many slots there are beyond the tokens is open.
    chosen = selection.indices.masked_fill(~selection.valid, -1)[..., : LENGTH + extra]
    of_all = {"chosen": chosen} if attention.sampler.selects else {}
    return Found({"result": result.detach(), "features": mine.features.grad}, of_all, _gradients(attention))


MODELS_TRIED: dict[str, dict[str, Any]] = {
    "samsa, attention": {"attention": {"name": "samsa", "sampled": 3, "extra": 1}, "pooling": "attention"},
    "straight-through, window, max": {
        "attention": {"name": "samsa", "sampled": 3, "choice": "straight_through"},
        "local": {"name": "window", "window": 2},
        "pooling": "max",
    },
    "sft, batch norm, learned places, mean": {
        "attention": {"name": "sft", "sampled": 3},
        "embed": {"name": "sequence", "positions": "learned", "length": LENGTH},
        "norm": "batch",
        "pooling": "mean",
    },
    "yoso, post-norm": {"attention": {"name": "yoso", "hashes": 4, "code_length": 3}, "norm_position": "post"},
}


def answered(name: str, cut: Sequence[int] | None) -> Found:
    """Answers and gradients of a whole model; arguments as of `attended`."""
    torch.manual_seed(7)
    settings = ModelSettings(width=8, layers=2, heads=2, feedforward=16, residual_scale=1.0, **MODELS_TRIED[name])
    model = TokenModel(settings, {"vocabulary": 20}, outputs=3).double().train()
    codes = torch.randint(0, 20, (3, LENGTH))
    mask = torch.arange(LENGTH) < torch.tensor([LENGTH, 5, 9])[:, None]
    noise = model.draw_noise(Tokens(codes, mask))
    extra = settings.attention.arguments.get("extra", 0)
    weight = torch.randn(3, 3, dtype=torch.float64)
    own, ranks = _own(cut)
    mine = Tokens(codes[:, own], mask[:, own])
    with nullcontext() if cut is None else token_parallel(dist.group.WORLD, mine.length):
        answers = model(mine, noise=[_share_of(each, own, extra) for each in noise])
    ((answers * weight).sum() / ranks).backward()
    state = {key: value for key, value in model.state_dict().items() if "running" in key}
    return Found({}, {"answers": answers.detach(), **state}, _gradients(model))


@dataclass(frozen=True)
class Graph:
    """Graphs of two samples, and what goes along their edges.

    Args:
        kind: ``"messages"`` or ``"attention"`` along the edges.
        edges: Number of edges of each sample, drawn at random; tokens that none joins are left alone.
        features: Numbers that an edge carries.
        far: Whether all edges lead to the last token, which some rank holds.
    """

    kind: str
    edges: tuple[int, int]
    features: int = 2
    far: bool = False

    def tokens(self) -> Tokens:
        """Graphs; of the second sample the last tokens are padding."""
        counts = torch.tensor(self.edges)[:, None]
        mask = torch.arange(LENGTH) < torch.tensor([LENGTH, 9])[:, None]
        most = max(self.edges)
        source, target = (torch.randint(0, 9, (2, most)) for _ in range(2))
        target = torch.full_like(target, 8) if self.far else target
        features = torch.randn(2, most, self.features, dtype=torch.float64)
        edges = Edges(source, target, features, torch.arange(most) < counts)
        return Tokens(torch.randn(2, LENGTH, WIDTH, dtype=torch.float64), mask, edges=edges)


def along_edges(graph: Graph, cut: Sequence[int] | None) -> Found:
    """What two layers along edges give, and all gradients; arguments as of `attended`."""
    torch.manual_seed(7)
    layers = [LocalEdges(WIDTH, HEADS, edge_features=graph.features, kind=graph.kind).double() for _ in range(2)]
    tokens, weight = graph.tokens(), torch.randn(2, LENGTH, WIDTH, dtype=torch.float64)
    own, _ = _own(cut)
    assert tokens.edges is not None
    edges = tokens.edges if cut is None else shard_edges(tokens.edges, None, cut)
    mine = _share(tokens, own).with_edges(edges)
    mine.features.requires_grad_()
    with nullcontext() if cut is None else token_parallel(dist.group.WORLD, mine.length):
        between = mine.with_features(mine.features + layers[0](mine))
        result = layers[1](between)
    (result * weight[:, own]).sum().backward()
    return Found({"result": result.detach(), "features": mine.features.grad}, {}, _gradients(nn.ModuleList(layers)))


def answered_graphs(norm: str, cut: Sequence[int] | None) -> Found:
    """Answers and gradients of a model of graphs; arguments as of `attended`."""
    torch.manual_seed(7)
    settings = ModelSettings(
        width=8,
        layers=2,
        heads=2,
        feedforward=16,
        residual_scale=1.0,
        attention={"name": "samsa", "sampled": 3, "layers": [2]},
        local={"name": "edges"},
        embed={"name": "graph", "edge_tokens": "none"},
        norm=norm,
    )
    model = TokenModel(settings, {"features": WIDTH, "edge_features": 2}, outputs=3).double().train()
    tokens, weight = Graph("messages", (14, 9)).tokens(), torch.randn(2, 3, dtype=torch.float64)
    assert tokens.edges is not None
    own, ranks = _own(cut)
    mine = _share(tokens, own)
    mine = mine.with_edges(tokens.edges if cut is None else shard_edges(tokens.edges, None, cut))
    torch.manual_seed(3)
    with nullcontext() if cut is None else token_parallel(dist.group.WORLD, mine.length):
        answers = model(mine)
    ((answers * weight).sum() / ranks).backward()
    state = {key: value for key, value in model.state_dict().items() if "running" in key}
    return Found({}, {"answers": answers.detach(), **state}, _gradients(model))


@dataclass(frozen=True)
class Cloud:
    """Clouds of two samples and the embedding of their points.

    Args:
        invariant, neighbours: Settings of the embedding.
        normals: Whether points have normals.
        padded: Whether the last points of the second cloud are padding.
    """

    invariant: bool = False
    normals: bool = True
    neighbours: int = 4
    padded: bool = True


def answered_clouds(cloud: Cloud, cut: Sequence[int] | None) -> Found:
    """Answers and gradients of a model of clouds with messages to the neighbours; arguments as of `attended`."""
    torch.manual_seed(7)
    settings = ModelSettings(
        width=8,
        layers=1,
        heads=2,
        feedforward=16,
        residual_scale=1.0,
        attention={"name": "samsa", "sampled": 3},
        local={"name": "edges"},
        embed={"name": "point_cloud", "neighbours": cloud.neighbours, "invariant": cloud.invariant, "hidden": 8},
    )
    model = TokenModel(settings, {"features": 1, "normals": cloud.normals}, outputs=3).double().train()
    tokens = _tokens(Case("", padded=cloud.padded))
    normals = torch.nn.functional.normalize(tokens.normals, dim=-1) if cloud.normals else None
    tokens = Tokens(tokens.features[..., :1], tokens.mask, coordinates=tokens.coordinates, normals=normals)
    weight = torch.randn(2, 3, dtype=torch.float64)
    own, ranks = _own(cut)
    mine = _share(tokens, own)
    mine.coordinates.requires_grad_()
    torch.manual_seed(3)
    with nullcontext() if cut is None else token_parallel(dist.group.WORLD, mine.length):
        answers = model(mine)
    ((answers * weight).sum() / ranks).backward()
    return Found({"coordinates": mine.coordinates.grad}, {"answers": answers.detach()}, _gradients(model))


def refusals(length: int) -> list[str]:
    """Messages of what ranks cannot share, from each of several calls."""
    join_group()
    tokens = Tokens(torch.zeros(1, length, WIDTH, dtype=torch.float64))
    cases = ["nystrom-three-landmarks", "yoso-expectation", "yoso-exact-gradient"]
    said = []
    with token_parallel(dist.group.WORLD, length):
        for case in cases:
            said.append(_message(lambda case=case: build(case).eval()(tokens)))
        said.append(_message(lambda: build("samsa-hard").eval()(Tokens(tokens.features[:, 1:]))))
        edges = Edges(torch.tensor([[0, 1]]), torch.tensor([[1, 0]]), torch.zeros(1, 2, 0))
        said.append(_message(lambda: LocalEdges(WIDTH, HEADS, edge_features=0).double()(tokens.with_edges(edges))))
        said.append(_message(lambda: ProjectedAttention(build("samsa-hard")).choose(tokens)))
        attention = build("samsa-hard").eval()
        spoilt = tokens.features + (torch.nan if dist.get_rank() == 0 else 0)
        said.append(_message(lambda: attention(spoilt)))
    said.append(_message(lambda: token_parallel(dist.group.WORLD, -1).__enter__()))
    return said


def _message(work: Any) -> str:
    try:
        work()
    except InputError as error:
        return str(error)
    return ""


def _attention(name: str) -> Attention:
    if name in CASES:
        return build(name)
    made = OTHERS[name]().double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return made


@torch.no_grad()
def _tie(attention: Attention) -> None:
    """Makes scores of whole numbers, which no order of additions can tell apart; for SFT all are equal."""
    scorer = getattr(attention.sampler, "scorer", None)
    if scorer is None:
        attention.sampler.score.weight.zero_()
        return
    scorer.score.weight.mul_(2).round_()
    for parameter in scorer.mlp[2].parameters():
        parameter.zero_()


def _tokens(case: Case) -> Tokens:
    features = torch.randn(2, LENGTH, WIDTH, dtype=torch.float64)
    if case.tied:
        features = features.round()
    mask = torch.arange(LENGTH) < torch.tensor([LENGTH, 5])[:, None] if case.padded else None
    coordinates, normals = torch.randn(2, 2, LENGTH, 3, dtype=torch.float64)
    return Tokens(features, mask, coordinates=coordinates, normals=normals)


def _own(cut: Sequence[int] | None) -> tuple[slice, int]:
    if cut is None:
        return slice(0, LENGTH), 1
    rank = dist.get_rank()
    return slice(sum(cut[:rank]), sum(cut[: rank + 1])), len(cut)


def _share(tokens: Tokens, own: slice) -> Tokens:
    names = ("features", "mask", "coordinates", "normals")
    values = {name: getattr(tokens, name) for name in names}
    return Tokens(**{name: None if v is None else v[:, own].clone() for name, v in values.items()})


def _share_of(noise: Noise | None, own: slice, extra: int) -> Noise | None:
    if noise is None:
        return None
    of_sampler, of_mixing = noise
    if of_sampler is not None:
        of_tokens = of_sampler[..., : of_sampler.shape[-1] - extra][..., own]
        of_sampler = torch.cat([of_tokens, of_sampler[..., of_sampler.shape[-1] - extra :]], dim=-1)
    return of_sampler, of_mixing


def _gradients(module: nn.Module) -> dict[str, Tensor]:
    found = {name: each.grad for name, each in module.named_parameters() if each.requires_grad}
    return {name: torch.zeros(()) if each is None else each for name, each in found.items()}
