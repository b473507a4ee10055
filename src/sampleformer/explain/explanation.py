"""Runs a model over one sample and keeps what a page shows of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from sampleformer.data.collate import collate
from sampleformer.explain.choices import Choices
from sampleformer.explain.faithfulness import Deletions, Faithfulness, faithfulness
from sampleformer.explain.influences import Influence, influences, run_influences
from sampleformer.explain.outcome import Outcome, outcome_of
from sampleformer.explain.token_outcomes import TokenOutcomes
from sampleformer.heads import AttentionPooling
from sampleformer.sample import Sample
from sampleformer.tasks import Predictions, Task
from sampleformer.tokens import Tokens
from sampleformer.training.outputs import answer_model

if TYPE_CHECKING:
    from sampleformer.data.encoding import Encoding
    from sampleformer.models import Model, TokenModel


@dataclass(frozen=True)
class Explanation:
    """One sample, what each head chose of it, and what came out.

    Args:
        id: of the sample.
        pieces: what each token shows.
        names: of each token, as the user's data calls or counts it.
        values: a number for each token, shape ``(n, channels)``; None: tokens are not numbers.
        source: the text the tokens were cut from; None: they were not cut from a text.
        layout: rows and columns of an image; None: not an image.
        choices: of every layer and head.
        pooling: weight of each token in the answer, shape ``(n,)``; None: the model pools without weights.
        outcome: prediction and truth, of the sample or of its tokens or pairs.
        molecule: SMILES whose atoms, as RDKit reads it, are the nodes of the graph; None: not a molecule.
        coordinates: of the points of a cloud, shape ``(n, 3)``; None: not a cloud.
        ends: places of the two nodes of each edge of a graph, shape ``(E, 2)``; None: not a graph.
        influences: Of the descriptors of the whole sample, the strongest first.
        runs: Of words and runs of words, the strongest first.
        outputs: Names of the raw outputs that they moved.
        faithfulness: Drop of the score without the chosen tokens. None: not measured, or nothing to measure.

    In a graph, `choices` and `pooling` cover the ``n`` nodes and then, if the model reads edges as tokens, the ``E``
    edges; `pieces` and `names` the nodes alone.
    """

    id: str
    pieces: Sequence[str]
    names: Sequence[str]
    values: Float[np.ndarray, "n channels"] | None
    source: str | None
    layout: tuple[int, int] | None
    choices: Choices
    pooling: Float[np.ndarray, " n"] | None
    outcome: Outcome | TokenOutcomes
    molecule: str | None = None
    coordinates: Float[np.ndarray, "n 3"] | None = None
    ends: Int[np.ndarray, "edges 2"] | None = None
    influences: Sequence[Influence] = ()
    runs: Sequence[Influence] = ()
    outputs: Sequence[str] = ()
    faithfulness: Faithfulness | None = None

    @property
    def has_edge_tokens(self) -> bool:
        """Whether the model reads the edges of a graph as tokens behind those of its nodes."""
        return self.ends is not None and self.choices.length > len(self.pieces)


@torch.inference_mode()
def explain(model: "Model", encoding: "Encoding", sample: Sample, *, deletions: Deletions | None = None) -> Explanation:
    """Predicts one sample and records the tokens that each head of each layer chose.

    The sample is a batch of its own, so that what is shown does not depend on the samples beside it.

    Args:
        model: A `TokenModel`, or a blend whose main part is one; in evaluation mode afterwards.
        encoding: the model's own.
        sample: read by the encoding.
        deletions: How chosen tokens are deleted to see what that costs. None: they are not.
    """
    model.eval()
    device = next(chain(model.parameters(), model.buffers())).device
    batch = collate([sample]).to(device)
    tokens = batch.tokens
    main: TokenModel = model.main  # type: ignore[assignment]
    encoded, selections = main.encoder(main.embedded(tokens), return_selections=True)
    pooling = getattr(main.head, "pooling", None)
    weights = pooling.weights(encoded)[0].float().cpu().numpy() if isinstance(pooling, AttentionPooling) else None
    answers = answer_model(model, batch)
    outcome = _outcome(encoding, sample, answers.float().cpu().numpy())
    length = len(sample) + (encoded.length - tokens.length)  # an embedding may add tokens: the edges of a graph
    choices = Choices.from_selections(selections, length, encoded.length)
    weights = None if weights is None else weights[:length]
    if sample.ends is not None and length == len(sample) + 2 * len(sample.ends) and not sample.directed:
        choices, weights = _directions_joined(choices, weights, len(sample))
    measured = None if deletions is None else faithfulness(main, encoding.task, sample, choices, deletions)
    return Explanation(
        id=sample.id,
        pieces=encoding.pieces(sample),
        names=_names(sample).tolist(),
        values=_values(sample),
        source=sample.source,
        layout=encoding.layout,
        choices=choices,
        pooling=weights,
        outcome=outcome,
        molecule=sample.source if sample.ends is not None else None,
        coordinates=sample.coordinates,
        ends=None if sample.ends is None else sample.ends.astype(np.int64),
        runs=run_influences(model, tokens, encoding.pieces(sample)),
        influences=_influences(model, encoding, tokens, sample.source),
        outputs=[str(label) for label in encoding.task.labels],
        faithfulness=measured,
    )


def _influences(model: "Model", encoding: "Encoding", tokens: Tokens, source: str | None) -> list[Influence]:
    if encoding.descriptors is None or tokens.descriptors is None:
        return []
    return influences(model, encoding.descriptors, tokens.descriptors, source)


def _directions_joined(choices: Choices, weights: np.ndarray | None, nodes: int) -> tuple[Choices, np.ndarray | None]:
    """The two directions of each edge, one after the other behind the nodes, as one: chosen if either was."""
    both = choices.chosen[..., nodes:]
    chosen = np.concatenate([choices.chosen[..., :nodes], both[..., ::2] | both[..., 1::2]], axis=-1)
    if weights is not None:
        weights = np.concatenate([weights[:nodes], weights[nodes::2] + weights[nodes + 1 :: 2]])
    return Choices(chosen, choices.extra), weights


def _outcome(encoding: "Encoding", sample: Sample, answers: np.ndarray) -> Outcome | TokenOutcomes:
    """What the answers ``(1, o)`` say of a sample, or those ``(1, m, o)`` of its tokens or pairs."""
    task = encoding.task
    if not task.of_tokens:
        return outcome_of(task, answers, sample.target)
    names = _names(sample)
    names = names if sample.asked is None else names[sample.asked]
    shown = names.tolist() if sample.pairs is None else [f"{names[a]}–{names[b]}" for a, b in sample.pairs]
    targets = [None] * len(shown) if sample.target is None else list(sample.target)
    outcomes = [
        outcome_of(task, answer[None], target)
        for answer, target in zip(_as_predicted(task, sample, answers[0, : len(shown)]), targets, strict=True)
    ]
    return TokenOutcomes(encoding.unit if sample.pairs is None else "pair", shown, outcomes)


def _as_predicted(task: Task, sample: Sample, outputs: np.ndarray) -> np.ndarray:
    """Outputs for tokens as predictions are written: a shape has parts of its own category alone."""
    return task.restrict(Predictions(outputs, sample.target, [sample.id], np.zeros(len(outputs), np.int64))).outputs


def _names(sample: Sample) -> np.ndarray:
    """Name of each token, or its place from 0 where the user's data has no names."""
    return (sample.places if sample.names is None else sample.names).astype(str)


def _values(sample: Sample) -> np.ndarray | None:
    if sample.source is not None:
        return None
    return np.asarray(sample.features, dtype=np.float64).reshape(len(sample.features), -1)
