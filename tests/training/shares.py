"""A step of training, as one of several processes takes it."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from sampleformer.attention import WindowAttention
from sampleformer.data.batch import Batch
from sampleformer.models import MODELS, AnyModelSettings, Model
from sampleformer.training import Recipe
from sampleformer.training.batches import SIDE_BY_SIDE, Cut
from sampleformer.training.data_module import TrainingData
from sampleformer.training.module import TrainingModule
from sampleformer.training.optimizers import optimizer_of
from sampleformer.training.processes import Processes, join
from sampleformer.training.random_state import WEIGHTS, seed_everything
from sampleformer.training.recipe import make_source
from sampleformer.training.shared_tokens import share_tokens
from sampleformer.training.shares import own_share, whole
from sampleformer.training.trainer import cut_for


class FickleModel(Model):
    """A mean of vectors, of which some parameters are for long samples only, and some for nothing."""

    name = "tests.training.shares.FickleModel"
    Settings = AnyModelSettings

    def build(self, settings: Any) -> None:
        self.embed = nn.Embedding(self.inputs["vocabulary"], 3)
        self.of_long, self.of_none = nn.Linear(3, 3), nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.ones(()))
        self.head = nn.Linear(3, self.outputs)

    def forward(self, tokens: Any, **questions: Any) -> Tensor:
        features = tokens.with_features(self.embed(tokens.features)).without_padding().features.sum(1)
        if tokens.length > 7:
            features = features + self.scale * self.of_long(features)
        return self.head(features)


class NormedWindow(WindowAttention):
    """A window attention with a batch norm of torch's."""

    def __init__(self, width: int, heads: int, *, norm: nn.Module | None = None) -> None:
        super().__init__(width, heads, window=1, norm=nn.BatchNorm1d(width))


def step(values: dict[str, Any], number: int = 0, cut: Cut | None = None) -> dict[str, Tensor]:
    """Loss, gradients and buffers after one step in float64, and how many samples this process had."""
    module, data = _ready(values, cut)
    groups = [[_double(chunk) for chunk in group] for group in data.chunks[number]]
    sums = module._add_gradients(groups)
    found = {name: whole(each.grad) for name, each in module.model.named_parameters() if each.grad is not None}
    found |= {f"sum of {name}": value for name, value in sums.items()}
    found |= {name: buffer.clone() for name, buffer in module.model.named_buffers()}
    own = sum(len(chunk) for group in groups for chunk in group if chunk.counts)
    return found | {"samples": torch.tensor(own)}


def steps(values: dict[str, Any], count: int, cut: Cut | None = None) -> dict[str, Tensor]:
    """Losses and norms of gradients of some steps in float64, the weights after them, and how many numbers it held."""
    module, data = _ready(values, cut)
    optimizer = optimizer_of(module._settings, module.model)
    losses, norms = [], []
    torch.set_default_dtype(torch.float64)  # of the sums of the losses
    for number in range(count):
        optimizer.zero_grad()
        sums = module._add_gradients([[_double(chunk) for chunk in group] for group in data.chunks[number]])
        norms.append(module._gradients.norm())
        module._gradients.clip(module._settings.gradient_clip)
        optimizer.step()
        losses.append(sums["loss"])
    torch.set_default_dtype(torch.float32)
    weights = {name: whole(each.detach()).clone() for name, each in module.model.named_parameters()}
    state = [value for of_one in optimizer.state.values() for value in of_one.values()]
    held = sum(own_share(each).numel() for each in [*module.model.parameters(), *module._gradients.known, *state])
    return weights | {"losses": torch.stack(losses), "norms": torch.stack(norms), "held": torch.tensor(held)}


def _ready(values: dict[str, Any], cut: Cut | None) -> tuple[TrainingModule, TrainingData]:
    """What trains in this process, with its share of the weights or of the tokens."""
    recipe = Recipe.model_validate(values)
    processes = join(recipe.training, "cpu")
    module, data = parts_of(recipe, processes, cut)
    if processes.tokens is not None:
        share_tokens(module.model.float(), module._splits.train, recipe.training, processes.tokens, "cpu")
        module.model.double()  # it was tried with a sample as the data has it
    if processes.in_step:
        module.shard_weights(torch.device("cpu"))
    module.manual_backward = Tensor.backward  # type: ignore[method-assign]
    return module, data


def parts_of(recipe: Recipe, processes: Processes, cut: Cut | None = None) -> tuple[TrainingModule, TrainingData]:
    """The module in float64 and the data of a recipe; batches are cut as its strategy has it if nobody says how."""
    splits = make_source(recipe).load()
    task, kind = splits.encoding.task, MODELS.resolve(recipe.model.name, "model.name")
    seed_everything(recipe.seed, WEIGHTS)
    model = kind(recipe.model, splits.encoding.model_inputs, task.outputs, level=task.level).double().train()
    cut = cut or cut_for(model, recipe.training, processes)
    data = TrainingData(splits, recipe.training, recipe.seed, cut, processes)
    together = cut in SIDE_BY_SIDE
    return TrainingModule(model, splits, recipe.training, data.batches_per_pass, processes, together=together), data


def _double(chunk: Batch) -> Batch:
    return replace(chunk, tokens=tree_map(_wide, chunk.tokens), targets=_wide(chunk.targets))


def _wide(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
