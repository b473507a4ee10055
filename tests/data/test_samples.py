"""Samples and how they become batches."""

import numpy as np
import pytest
import torch

from sampleformer.data import Batch, Sample, Samples, TokenSets, collate


def sample(features: list, target: object = 0, name: str = "a") -> Sample:
    return Sample(np.array(features), None if target is None else np.array(target), name)


def three() -> Samples:
    features = np.array([1, 2, 3, 4, 5, 6], dtype=np.uint8)
    sets = TokenSets(features, np.array([0, 3, 3, 6]), ["abc", "", "def"])
    return Samples(sets, np.array([1, 0, 2]), ["x", "y", "z"])


def test_samples_are_slices_of_one_array() -> None:
    samples = three()
    assert [found.features.tolist() for found in samples] == [[1, 2, 3], [], [4, 5, 6]]
    assert samples[2].target == 2
    assert (samples[2].id, samples[2].source) == ("z", "def")
    assert samples.lengths.tolist() == [3, 0, 3]


def test_subset_of_a_subset_keeps_order() -> None:
    chosen = three().subset([2, 0, 1]).subset([1, 0])
    assert chosen.ids == ["x", "z"]
    assert chosen.targets is not None
    assert chosen.targets.tolist() == [1, 2]
    assert chosen.lengths.tolist() == [3, 3]
    assert len(chosen) == 2


def test_iteration_ends_with_the_subset() -> None:
    assert [found.id for found in three().subset([1])] == ["y"]


def test_collate_pads_codes_and_masks_padding() -> None:
    batch = collate([sample([7, 8, 9], 1), sample([5], 0)])
    assert batch.tokens.features.tolist() == [[7, 8, 9], [5, 0, 0]]
    assert batch.tokens.features.dtype == torch.int64
    assert batch.tokens.mask is not None
    assert batch.tokens.mask.tolist() == [[True, True, True], [True, False, False]]
    assert batch.targets is not None
    assert batch.targets.tolist() == [1, 0]
    assert batch.targets.dtype == torch.int64
    assert batch.target_mask is None


def test_collate_without_padding_has_no_mask() -> None:
    batch = collate([sample([[0.5], [1.0]]), sample([[2.0], [3.0]])])
    assert batch.tokens.mask is None
    assert batch.tokens.features.shape == (2, 2, 1)
    assert batch.tokens.features.dtype == torch.float32


def test_collate_of_empty_samples_has_one_masked_token() -> None:
    batch = collate([sample([], 1), sample([], 0)])
    assert batch.tokens.features.shape == (2, 1)
    assert batch.tokens.mask is not None
    assert not batch.tokens.mask.any()


def test_collate_masks_unknown_targets() -> None:
    batch = collate([sample([1], np.float32([1, np.nan])), sample([2], np.float32([0, 1]))])
    assert batch.targets is not None
    assert batch.target_mask is not None
    assert batch.targets.tolist() == [[1, 0], [0, 1]]
    assert batch.target_mask.tolist() == [[True, False], [True, True]]


def test_collate_without_targets() -> None:
    batch = collate([sample([1], None), sample([2], None)])
    assert batch.targets is None
    assert batch.target_mask is None


@pytest.mark.parametrize("target", [None, np.float32([1, np.nan])])
def test_batch_moves_with_all_its_tensors(target: object) -> None:
    batch: Batch = collate([sample([1, 2], target), sample([2], target)]).to("meta")
    tensors = [batch.tokens.features, batch.tokens.mask, batch.targets, batch.target_mask]
    assert {tensor.device.type for tensor in tensors if tensor is not None} == {"meta"}
    assert len(batch) == 2


def graph(nodes: int, ends: list[tuple[int, int]], level: str = "sample", target: object = 0, **more: object) -> Sample:
    return Sample(
        np.arange(nodes, dtype=np.uint8)[:, None],
        np.array(target),
        f"graph of {nodes}",
        level=level,
        ends=np.array(ends, dtype=np.uint16).reshape(-1, 2),
        edge_features=np.arange(len(ends), dtype=np.uint8)[:, None],
        **more,
    )


def test_undirected_edges_come_in_both_directions_one_after_the_other() -> None:
    edges = collate([graph(3, [(0, 1), (2, 2)]), graph(2, [])]).tokens.edges
    assert edges is not None
    assert edges.source.tolist() == [[0, 1, 2, 2], [0, 0, 0, 0]]
    assert edges.target.tolist() == [[1, 0, 2, 2], [0, 0, 0, 0]]
    assert edges.features.squeeze(-1).tolist() == [[0, 0, 1, 1], [0, 0, 0, 0]]
    assert edges.mask is not None
    assert edges.mask.tolist() == [[True] * 4, [False] * 4]


def test_directed_edges_come_as_they_are() -> None:
    edges = collate([graph(3, [(0, 1), (2, 0)], directed=True)]).tokens.edges
    assert edges is not None
    assert (edges.source.tolist(), edges.target.tolist(), edges.mask) == ([[0, 2]], [[1, 0]], None)


def test_graphs_without_any_edge_are_a_batch() -> None:
    edges = collate([graph(2, []), graph(1, [])]).tokens.edges
    assert edges is not None
    assert (edges.batch, edges.number) == (2, 0)


def test_targets_of_tokens_are_padded_and_unknown_ones_masked() -> None:
    batch = collate([graph(3, [], "token", [1, -1, 0]), graph(1, [], "token", [2])])
    assert batch.targets is not None
    assert batch.target_mask is not None
    assert batch.answered is not None
    assert batch.targets.tolist() == [[1, 0, 0], [2, 0, 0]]
    assert batch.target_mask.tolist() == [[True, False, True], [True, False, False]]
    assert batch.rows(batch.targets).tolist() == [1, 0, 0, 2]
    assert batch.rows(batch.target_mask).tolist() == [True, False, True, True]


def test_pairs_are_padded_too() -> None:
    first = graph(3, [(0, 1)], "pair", [1, 0], pairs=np.array([[0, 1], [1, 2]]))
    batch = collate([first, graph(2, [], "pair", [1], pairs=np.array([[1, 0]]))])
    assert batch.pairs is not None
    assert batch.answered is not None
    assert batch.pairs.tolist() == [[[0, 1], [1, 2]], [[1, 0], [0, 0]]]
    assert batch.answered.tolist() == [[True, True], [True, False]]
    assert batch.to("meta").pairs.device.type == "meta"  # type: ignore[union-attr]


def test_packed_sets_give_back_what_they_were_made_of() -> None:
    given = [graph(3, [(0, 1), (2, 2)]), graph(2, []), graph(1, [(0, 0)])]
    sets = TokenSets.of(given)
    samples = Samples(sets, None, [each.id for each in given])
    for found, expected in zip(samples, given, strict=True):
        assert found.features.tolist() == expected.features.tolist()
        assert found.ends.tolist() == expected.ends.tolist()  # type: ignore[union-attr]
        assert found.edge_features.tolist() == expected.edge_features.tolist()  # type: ignore[union-attr]
    assert samples.lengths.tolist() == [3, 2, 1]
    assert samples.sizes.tolist() == [5, 2, 2]
    with pytest.raises(ValueError, match="1 of 2 samples have ends, expected all or none"):
        TokenSets.of([given[0], sample([[1]])])


def test_evaluation_prepares_by_the_content_and_training_by_what_it_draws() -> None:
    def prepare(sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        return Sample(sample.features + training, sample.target, str(random.integers(1 << 30)))

    sets = TokenSets(np.array([7, 8, 7, 8, 9]), np.array([0, 2, 4, 5]))
    samples = Samples(sets, None, ["a", "b", "c"], prepare=prepare)
    assert samples[0].id == samples[0].id == samples[1].id != samples[2].id
    assert samples[0].features.tolist() == [7, 8]
    drawn = [samples.drawn(0, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert drawn[0].features.tolist() == [8, 9]
    assert drawn[0].id == drawn[1].id != drawn[2].id


def test_taken_tokens_keep_their_places_names_and_targets() -> None:
    cloud = Sample(
        np.zeros((3, 1), np.float32),
        np.array([5, 6, 7]),
        "a",
        level="token",
        coordinates=np.eye(3, dtype=np.float32),
        names=np.array(["x", "y", "z"]),
    )
    taken = cloud.take(np.array([2, 0])).take(np.array([0]))
    assert (taken.target.tolist(), taken.places.tolist(), taken.names.tolist()) == ([7], [2], ["z"])  # type: ignore[union-attr]
    assert taken.coordinates.tolist() == [[0, 0, 1]]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="the sample has edges or pairs"):
        graph(2, [(0, 1)]).take(np.array([0]))


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.int64])
def test_what_a_graph_holds_does_not_depend_on_the_type_that_its_ends_are_kept_in(kind: type) -> None:
    ends = np.array([[0, 1]], dtype=kind)  # int64 if another graph of the file has more nodes than uint16 counts
    graph = Sample(np.zeros((3, 1), np.float32), None, "a", ends=ends)
    other = Sample(np.zeros((3, 1), np.float32), None, "a", ends=np.array([[0, 2]], np.uint16))
    assert graph.digest() == Sample(graph.features, None, "b", ends=ends.astype(np.uint16)).digest()
    assert graph.digest() != other.digest()
