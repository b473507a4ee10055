"""Settings of a `TokenModel` as a configuration of transformers."""

import os
from typing import Any

from transformers import PreTrainedConfig
from typing_extensions import Self

from sampleformer.errors import InputError, shown
from sampleformer.integrations.huggingface.runs.about import About
from sampleformer.models import ModelSettings
from sampleformer.settings import validate

BYTES = 256


class SampleformerConfig(PreTrainedConfig):
    """Configuration of a transformer of this package for texts.

    Args:
        settings: Settings of the model, see `ModelSettings`. None: the defaults.
        fitted: Names and settings of the models that are blended with it, see `models.Blend`. None: there are none.
        vocabulary: Number of codes of the tokenizer. The code after the last one is padding. Positive.
        columns: Target columns of a regression. None: the model answers otherwise.
        means, deviations: Mean and deviation of each of these columns in the training part, in the column's unit.
        about: What is known of the training, for the model card, see `About`. None: nothing.

    Raises:
        InputError: if a setting is unknown or wrong.

    Example:
        >>> config = SampleformerConfig(settings={"width": 16, "layers": 1, "heads": 2}, num_labels=3)
        >>> config.hidden_size, config.vocab_size, config.num_labels
        (16, 257, 3)
    """

    model_type = "sampleformer"

    settings: dict[str, Any] | None = None
    fitted: list[dict[str, Any]] | None = None
    vocabulary: int = BYTES
    columns: list[str] | None = None
    means: list[float] | None = None
    deviations: list[float] | None = None
    about: dict[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        self.settings = self.model_settings().model_dump(mode="json")
        if not isinstance(self.vocabulary, int) or self.vocabulary < 1:
            raise InputError(f"vocabulary is {shown(self.vocabulary)}, expected a positive number of codes")
        self.about_run()
        numbers = [len(each) for each in (self.columns, self.means, self.deviations) if each is not None]
        if len(numbers) not in (0, 3) or len(set(numbers)) > 1:
            raise InputError("columns, means and deviations are of unequal length, expected one of each a column")
        for name, value in (("vocab_size", self.vocabulary + 1), ("pad_token_id", self.vocabulary)):
            if kwargs.pop(name, value) != value:
                raise InputError(f"{name} is not {value}, as it follows from vocabulary={self.vocabulary}")
        self.pad_token_id = self.vocabulary
        super().__post_init__(**kwargs)

    def model_settings(self) -> ModelSettings:
        """The settings of the model, checked."""
        return validate(ModelSettings, self.settings or {}, at="settings.")

    def about_run(self) -> About | None:
        """What is known of the training, checked."""
        return None if self.about is None else validate(About, self.about, at="about.")

    @property
    def vocab_size(self) -> int:
        """Number of codes, padding among them."""
        return self.vocabulary + 1

    @property
    def hidden_size(self) -> int:
        """d, width of the model."""
        return self.model_settings().width

    @property
    def num_hidden_layers(self) -> int:
        """Number of layers."""
        return self.model_settings().layers

    @property
    def num_attention_heads(self) -> int:
        """Number of heads of a layer."""
        return self.model_settings().heads

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Self:
        """Configuration of the values that ``config.json`` holds.

        Raises:
            InputError: if they are those of another kind of model.
        """
        found = config_dict.get("model_type")
        if found != cls.model_type:
            raise InputError(f"model_type is {shown(found)}, expected {cls.model_type!r}{_hint(config_dict)}")
        made: Self = super().from_dict(config_dict, **kwargs)
        return made

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The values of a folder's ``config.json``; a run folder is refused with the way to read it."""
        path = pretrained_model_name_or_path
        if os.path.isfile(os.path.join(path, "config.yaml")):
            raise InputError(f"{path}: a run folder, expected from_run in place of from_pretrained")
        found: tuple[dict[str, Any], dict[str, Any]] = super().get_config_dict(path, **kwargs)
        return found


def _hint(values: dict[str, Any]) -> str:
    """What to do with the ``config.json`` of a run."""
    return "; this is the model of a run: give the run folder to from_run" if "inputs" in values else ""
