"""The contract of a model: from raw tokens to outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn
from typing_extensions import Self

from sampleformer.attention import Selection
from sampleformer.distributed.streams import in_turn
from sampleformer.documents import read_json
from sampleformer.errors import InputError, nearest, shown
from sampleformer.files import write_json, written_whole
from sampleformer.heads import HEADS
from sampleformer.modules import Module
from sampleformer.reading import reading
from sampleformer.registry import Registry, trusted_code
from sampleformer.settings import Settings, validate
from sampleformer.tokens import Tokens
from sampleformer.weights import build_fitting, load_weights, read_header, sha256


class AnyModelSettings(Settings):
    """Settings of some model.

    Args:
        name: Name in `MODELS`, or the import path of the class.
    """

    name: str


class Model(Module):
    """Raw tokens in, outputs out.

    A model of one's own is a class that derives from this one and has `build` and `forward`; recipes name it by its
    import path.

    Args:
        settings: Settings of the model, of the class's `Settings`.
        inputs: What the data says of its tokens: ``{"vocabulary": 256}``, ``{"features": 3}``.
        outputs: Number of outputs.
        level: What outputs are for. One of the class's `levels`.
        hides: Whether tokens may be hidden, as masked pretraining does.

    Raises:
        InputError: if the level, the inputs or hiding are not for this model.

    Attributes:
        Settings: Class of its settings, derived from `AnyModelSettings`.
        levels: Levels that it has outputs for.
        needs: Names of inputs, of which at least one must be there. Empty: any will do.
        example: Inputs to check settings with before the data is read.
        takes_descriptors: Whether it makes something of descriptors of whole samples.
        can_hide: Whether it has a vector for hidden tokens, if it is made with `hides`.
        trained: Whether it learns in steps. False: it is made of what has been learnt already.
        name: Name in recipes, the import path of a class that is not registered.
    """

    Settings: ClassVar[type[AnyModelSettings]]
    levels: ClassVar[tuple[str, ...]] = ("sample",)
    needs: ClassVar[tuple[str, ...]] = ()
    example: ClassVar[dict[str, Any]] = {"features": 1}
    takes_descriptors: ClassVar[bool] = False
    can_hide: ClassVar[bool] = False
    trained: ClassVar[bool] = True
    name: ClassVar[str]

    def __init__(
        self,
        settings: AnyModelSettings,
        inputs: Mapping[str, Any],
        outputs: int,
        *,
        level: str = "sample",
        hides: bool = False,
    ) -> None:
        super().__init__()
        if level not in HEADS:
            raise ValueError(f"level is {level!r}; {nearest(level, HEADS)}")
        if level not in self.levels:
            raise InputError(
                f"model.name: {self.name!r} has outputs for each {' or '.join(self.levels)}, but the labels are for "
                f"each {level}"
            )
        if hides and not self.can_hide:
            raise InputError(f"model.name: {self.name!r} cannot hide tokens, expected another task than masked tokens")
        if "descriptors" in inputs and not self.takes_descriptors:
            raise InputError(
                f"model.name: {self.name!r} sees tokens alone, but there are descriptors of whole samples; expected "
                "another model, or descriptors=[]"
            )
        if self.needs and not any(inputs.get(name) is not None for name in self.needs):
            raise InputError(
                f"model.name: {self.name!r} is for tokens with {' or '.join(self.needs)}, but these have "
                f"{', '.join(inputs)}"
            )
        self.settings: Any = settings
        self.inputs = dict(inputs)
        self.outputs = outputs
        self.level = level
        self.hides = hides
        self.build(settings)
        self._reset_own_parameters()

    def build(self, settings: Any) -> None:
        """Makes the parts of the model, when it knows its `inputs`, `outputs`, `level` and `hides`.

        Args:
            settings: Settings of the model.

        Raises:
            InputError: if a setting cannot be.
        """

    @classmethod
    def example_inputs(cls, settings: Any) -> dict[str, Any] | None:
        """Inputs to check settings with before the data is read; None: only the data can tell."""
        return cls.example

    @classmethod
    def inputs_of(cls, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What this model is told of the data: of descriptors of whole samples only if it takes them."""
        return {name: value for name, value in inputs.items() if name != "descriptors" or cls.takes_descriptors}

    @classmethod
    def resolved(cls, settings: Any, length: int, device: str) -> tuple[Any, str]:
        """Settings for data whose typical sample has so many tokens, and a sentence on what was decided, or none."""
        return settings, ""

    def forward(self, tokens: Tokens | Tensor, **questions: Tensor) -> Float[Tensor, "b ..."]:
        """Outputs ``(b, outputs)``, or ``(b, m, outputs)`` for tokens or pairs.

        Args:
            tokens: Raw tokens.
            questions: What is asked about, for models of tokens and pairs: ``asked``, tokens ``(b, m)``, or ``pairs``,
                ``(b, p, 2)``.
        """
        raise NotImplementedError

    def with_penalty(self, tokens: Tokens, **questions: Tensor) -> tuple[Tensor, Tensor | None]:
        """The outputs, and what training adds to the loss for each sample, ``(b,)``; None: nothing."""
        return self(tokens, **questions), None

    def with_selections(self, tokens: Tokens, **questions: Tensor) -> tuple[Tensor, list[Selection]]:
        """The outputs, and what the heads of each layer chose, with their scores; none where no layer chooses."""
        return self(tokens, **questions), []

    def check_weights(self) -> None:
        """Raises ValueError if weights that were read hold what cannot be, such as places that are not there."""

    @property
    def main(self) -> Model:
        """The model that is trained; of a blend its first part."""
        return self

    def of_descriptors(self, tokens: Tokens) -> Tensor | None:
        """What the descriptors of samples alone add to the outputs, ``(b, outputs)``; None: that cannot be told."""
        return None

    @property
    def sharded_layers(self) -> Sequence[nn.Module]:
        """Parts whose weights are put together one after the other where processes share the weights out.

        Each is called as a module in every pass. Those of no part are put together for the whole pass.
        """
        return ()

    @property
    def attends(self) -> bool:
        """Whether some layer has an attention, so that there is a choice to show."""
        return False

    @property
    def shares_tokens(self) -> bool:
        """Whether processes that have some tokens each give what one gives that has all, see `token_parallel`."""
        return False

    @property
    def runs_together(self) -> bool:
        """Whether `together` gives what the batch gives in one piece, whatever looks at the whole of it."""
        return False

    def together(
        self, chunks: Sequence[Tokens], questions: Sequence[Mapping[str, Tensor]]
    ) -> list[tuple[Tensor, Tensor | None]]:
        """`with_penalty` for each chunk of a batch, where batch norms see all chunks.

        Args:
            chunks: Raw tokens of some samples each, padded to a length of their own.
            questions: Further arguments of `forward`, for each chunk.
        """
        return [self.with_penalty(tokens, **asked) for tokens, asked in in_turn(zip(chunks, questions, strict=True))]

    def save_pretrained(
        self, folder: str | os.PathLike[str], *, state_dict: Mapping[str, Tensor] | None = None
    ) -> None:
        """Writes ``config.json`` and ``model.safetensors``; each file appears whole or not at all.

        Args:
            folder: Folder, which need not exist.
            state_dict: Weights of a model of which this process holds a share only. None: the model's own.
        """
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        config = {
            "settings": self.settings.model_dump(),
            "inputs": self.inputs,
            "outputs": self.outputs,
            "level": self.level,
            "hides": self.hides,
        }
        with written_whole(path / "model.safetensors") as part:
            weights = self.state_dict() if state_dict is None else state_dict
            save_file({name: tensor.contiguous() for name, tensor in weights.items()}, part)
            config["sha256"] = sha256(part)
        write_json(path / "config.json", config)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], *, trust_code: bool = False) -> Self:
        """Reads a model that `save_pretrained` wrote, in evaluation mode.

        Args:
            folder: Folder of the model, or a run folder that holds one in ``model/``.
            trust_code: Whether ``config.json`` may name classes by their import path, which are then imported and
                called: the folder's writer can run any code. False: only registered names are built.

        Raises:
            InputError: if a file is missing, cut short or does not fit, names code that is not trusted, or holds a
                model of another class.
        """
        path = Path(folder)
        if not (path / "config.json").exists() and (path / "model" / "config.json").exists():
            path = path / "model"
        config, weights = path / "config.json", path / "model.safetensors"
        saved = validate(_Saved, read_json(config, "the settings of a saved model"), str(config))
        found = read_header(weights)
        with trusted_code(trust_code):
            name = str(saved.settings.get("name", ""))
            made = MODELS.resolve(name, f"{config}: settings.name")
            if not issubclass(made, cls):
                raise InputError(
                    f"{config}: found the model {shown(name)}, expected {cls.name!r}; Model.from_pretrained reads any"
                )
            settings = validate(made.Settings, saved.settings, str(config), at="settings.")
            model = build_fitting(
                lambda: made(settings, saved.inputs, saved.outputs, level=saved.level, hides=saved.hides),
                found,
                weights,
                config,
            )
        model.load_state_dict(load_weights(weights, saved.sha256))
        with reading(weights, "the weights of a model"):
            model.check_weights()
        return model.eval()


class _Saved(Settings):
    """What ``config.json`` holds."""

    settings: dict[str, Any]
    inputs: dict[str, Any]
    outputs: int
    level: str
    hides: bool = False
    sha256: str | None = None  # of the weights; who writes the file by hand may leave it out


MODELS: Registry[Model] = Registry(Model, {})
"""Models by name; `sampleformer.models` fills it."""
