"""What does not fit a model is refused in one line: codes, numbers, indices, shapes, for each embedding."""

import pytest
import torch
from torch import Tensor

from sampleformer.attention import SftAttention
from sampleformer.edges import Edges
from sampleformer.embed import GraphEmbed, PointCloudEmbed, SequenceEmbed
from sampleformer.errors import InputError
from sampleformer.heads import PairHead
from sampleformer.integrations.huggingface import YosoBert
from sampleformer.integrations.huggingface.config import YosoBertConfig
from sampleformer.tokens import Tokens

pytestmark = pytest.mark.usefixtures("unchecked")

WIDTH = 8
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def bert() -> YosoBert:
    return YosoBert(YosoBertConfig(vocab_size=7, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2))


def edges(source: int = 1, target: int = 0, features: int = 3) -> Edges:
    return Edges(torch.tensor([[0, source]]), torch.tensor([[1, target]]), torch.zeros(1, 2, features))


OF_CODES = {
    "plain": lambda: SequenceEmbed(WIDTH, vocabulary=7),
    "hidden": lambda: SequenceEmbed(WIDTH, vocabulary=7, hidden=16),
    "bert": bert,
    "graph": lambda: GraphEmbed(WIDTH, vocabularies=[7], edge_features=3),
    "graph-of-two": lambda: GraphEmbed(WIDTH, vocabularies=[7, 9], edge_features=3),
}


def raw(name: str, content: float, dtype: torch.dtype = torch.int64) -> Tokens:
    """Five tokens of which the third one has this in the place of its code."""
    shape = {"graph": (1, 5, 1), "graph-of-two": (1, 5, 2)}.get(name, (1, 5))
    features = torch.zeros(shape, dtype=dtype)
    features[0, 2, ...] = content
    return Tokens(features, edges=edges() if name.startswith("graph") else None)


@pytest.mark.parametrize("name", OF_CODES)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floats_are_no_codes(name, dtype):
    with pytest.raises(InputError, match=rf"codes are {dtype}, expected integers"):
        OF_CODES[name]()(raw(name, 0.9, dtype))


@pytest.mark.parametrize("name", OF_CODES)
@pytest.mark.parametrize("content", [-1, 7, 2**40, -(2**63)])
def test_code_beyond_the_vocabulary_is_named_with_its_place(name, content):
    with pytest.raises(InputError, match=rf"^code {content}( of feature 1)? at token 3 of set 1, expected 0 to 6$"):
        OF_CODES[name]()(raw(name, content))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool], ids=str)
@pytest.mark.parametrize("name", OF_CODES)
def test_integers_of_any_size_are_codes(name, dtype):
    embed = OF_CODES[name]().eval()
    found, expected = embed(raw(name, 1, dtype)), embed(raw(name, 1))
    assert torch.equal(found.features, expected.features)


def test_code_of_one_feature_is_no_code_of_the_next():
    embed = GraphEmbed(WIDTH, vocabularies=[7, 9], edge_features=3)
    features = torch.zeros(2, 5, 2, dtype=torch.int64)
    features[1, 4, 0] = 8  # its row is one of the second feature's
    ends = torch.zeros(2, 2, dtype=torch.int64)
    both = Edges(ends, ends, torch.zeros(2, 2, 3))
    with pytest.raises(InputError, match="code 8 of feature 1 at token 5 of set 2, expected 0 to 6"):
        embed(Tokens(features, edges=both))
    compiled = torch.compile(embed.node, backend="eager", fullgraph=True)
    with pytest.raises(RuntimeError, match="(?i)index"):
        compiled(features)
    torch.testing.assert_close(compiled(features.clamp(max=6)), embed.node(features.clamp(max=6)))


@pytest.mark.parametrize("name", OF_CODES)
def test_padding_may_hold_anything(name):
    tokens = raw(name, 10**9)
    mask = torch.tensor([[True, True, False, True, True]])
    embed = OF_CODES[name]().eval()
    found = embed(Tokens(tokens.features, mask, edges=tokens.edges)).features
    expected = embed(Tokens(raw(name, 0).features, mask, edges=tokens.edges)).features
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", OF_CODES)
def test_nothing_is_read_while_compiling(name, fresh_compiler):
    embed = OF_CODES[name]().eval()
    tokens = raw(name, 3)
    compiled = torch.compile(embed, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(tokens).features, embed(tokens).features)


@pytest.mark.parametrize("position", [-1, 4])
def test_position_that_was_not_learned(position):
    embed = SequenceEmbed(WIDTH, features=2, length=4)
    with pytest.raises(InputError, match=f"position {position} at token 2 of set 1, expected 0 to 3"):
        embed(Tokens(torch.zeros(1, 3, 2), positions=torch.tensor([[0, position, 1]])))


def nodes(features: Tensor, **fields: object) -> Tokens:
    return Tokens(features, **{"edges": edges(), **fields})


CLOUD = {"coordinates": torch.randn(1, 5, 3)}
WRONG_NUMBERS = {
    "sequence-count": (
        SequenceEmbed,
        {"features": 3},
        Tokens(torch.zeros(1, 5, 2)),
        r"features have shape \(1, 5, 2\)",
    ),
    "sequence-no-dimension": (
        SequenceEmbed,
        {"features": 1},
        Tokens(torch.zeros(1, 5)),
        r"features have shape \(1, 5\)",
    ),
    "sequence-codes": (
        SequenceEmbed,
        {"features": 3},
        Tokens(torch.zeros(1, 5, 3, dtype=torch.int64)),
        "features are torch.int64, expected floating",
    ),
    "codes-with-dimension": (
        SequenceEmbed,
        {"vocabulary": 3},
        Tokens(torch.zeros(1, 5, 2, dtype=torch.int64)),
        r"codes have shape \(1, 5, 2\)",
    ),
    "node-codes": (
        GraphEmbed,
        {"vocabularies": [3, 4]},
        nodes(torch.zeros(1, 5, 3, dtype=torch.int64)),
        "codes have shape",
    ),
    "node-numbers": (GraphEmbed, {"features": 3}, nodes(torch.zeros(1, 5, 2)), "features have shape"),
    "edge-numbers": (
        GraphEmbed,
        {"features": 2, "edge_features": 4},
        nodes(torch.zeros(1, 5, 2)),
        r"features of edges have shape \(1, 2, 3\)",
    ),
    "encodings": (
        GraphEmbed,
        {"features": 2, "encodings": 4},
        nodes(torch.zeros(1, 5, 2), encodings=torch.zeros(1, 5, 3)),
        "encodings have shape",
    ),
    "identifiers": (
        GraphEmbed,
        {"features": 2, "identifiers": 4},
        nodes(torch.zeros(1, 5, 2), identifiers=torch.zeros(1, 5, 3)),
        "identifiers have shape",
    ),
    "cloud-features": (PointCloudEmbed, {"features": 2}, Tokens(torch.zeros(1, 5, 3), **CLOUD), "features have shape"),
    "cloud-plane": (
        PointCloudEmbed,
        {},
        Tokens(torch.zeros(1, 5, 0), coordinates=torch.randn(1, 5, 2)),
        "coordinates have shape",
    ),
    "graph-tensor": (GraphEmbed, {"features": 2}, torch.zeros(1, 5, 2), "the tokens have no edges"),
    "cloud-tensor": (PointCloudEmbed, {}, torch.zeros(1, 5, 3), "the tokens have no coordinates"),
    "list": (SequenceEmbed, {"vocabulary": 3}, [1, 2], "tokens is a list, expected Tokens or a tensor"),
}


@pytest.mark.parametrize("case", WRONG_NUMBERS)
def test_numbers_that_the_model_was_not_made_for(case):
    kind, arguments, tokens, message = WRONG_NUMBERS[case]
    with pytest.raises(InputError, match=message):
        kind(WIDTH, **arguments)(tokens)


@pytest.mark.parametrize("index", [-1, 5, 99])
@pytest.mark.parametrize("end", ["source", "target"])
def test_edge_to_a_node_that_is_not_there(end, index):
    embed = GraphEmbed(WIDTH, features=2, edge_features=3)
    with pytest.raises(InputError, match=f"the {end} of an edge has index {index}, expected 0 to 4: there"):
        embed(Tokens(torch.zeros(1, 5, 2), edges=edges(**{end: index})))


@pytest.mark.parametrize("index", [-1, 5])
def test_pair_with_a_token_that_is_not_there(index):
    with pytest.raises(InputError, match=f"a pair has index {index}, expected 0 to 4"):
        PairHead(WIDTH, 2)(Tokens(torch.zeros(2, 5, WIDTH)), torch.tensor([[[0, 1]], [[index, 2]]]))


@pytest.mark.parametrize("index", [-1, 5, 99])
@pytest.mark.parametrize("end", ["source", "target"])
def test_relative_terms_of_a_token_that_is_not_there(end, index):
    attention = SftAttention(WIDTH, 2, relative={"name": "edges", "features": 3})
    with pytest.raises(InputError, match=f"the {end} of an edge has index {index}, expected 0 to 4"):
        attention(Tokens(torch.zeros(2, 5, WIDTH), edges=torch.utils._pytree.tree_map(doubled, edges(**{end: index}))))


def doubled(of_set: Tensor | None) -> Tensor | None:
    return None if of_set is None else torch.cat([of_set, of_set])
