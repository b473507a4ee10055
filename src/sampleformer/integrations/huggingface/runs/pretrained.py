"""What models of transformers made of runs have in common: how they are read, written and started."""

import copy
import os
from typing import Any, cast

from torch import nn
from transformers import PreTrainedModel
from typing_extensions import Self

from sampleformer.errors import InputError
from sampleformer.integrations.huggingface.attaching import start_what_was_not_loaded
from sampleformer.integrations.huggingface.runs.about import about_run, digest
from sampleformer.integrations.huggingface.runs.card import write_card
from sampleformer.integrations.huggingface.runs.configuration import SampleformerConfig
from sampleformer.integrations.huggingface.runs.loading import check_loaded
from sampleformer.models import Model


class _Checkpointing:
    """Names of transformers 5.23, whose older ones warn since then, for the versions before it."""

    def activation_checkpointing_enable(self, activation_checkpointing_kwargs: Any = None, **options: Any) -> None:
        """Computes layers again for their gradients, in place of keeping what they computed."""
        cast(Any, self).gradient_checkpointing_enable(activation_checkpointing_kwargs, **options)

    def activation_checkpointing_disable(self) -> None:
        """Keeps what layers compute for their gradients."""
        cast(Any, self).gradient_checkpointing_disable()

    @property
    def is_activation_checkpointing(self) -> bool:
        """Whether a layer computes again."""
        return bool(cast(Any, self).is_gradient_checkpointing)


class SampleformerPreTrainedModel(PreTrainedModel, _Checkpointing):  # type: ignore[misc] # the first one goes first
    """What the models have in common: how they are read, written and started."""

    config_class = SampleformerConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["CheckpointedLayer"]  # noqa: RUF012 - transformers' attribute

    config: SampleformerConfig

    def _initialize_weights(self, module: nn.Module, is_custom_code: bool = False) -> None:
        """Starts what has no weights yet as the parts of the package start themselves, not as transformers would."""
        if module is self and not getattr(self, "_is_hf_initialized", False):
            for part in self.parts():
                start_what_was_not_loaded(part)
            self._is_hf_initialized = True

    def parts(self) -> list[nn.Module]:
        """Modules of the package that the model is made of."""
        raise NotImplementedError

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any) -> Any:
        """Reads a folder that `save_pretrained` wrote, or a model of the Hub; of weights only safetensors.

        Args:
            pretrained_model_name_or_path: As of transformers, as are the arguments that are not named here.
            ignore_mismatched_sizes: Whether weights of the head may be missing or of another shape, as for other
                labels. They are started anew, and what was fitted and blended is left out. Default: False.

        Raises:
            InputError: if weights are missing, too many or of another shape, or the folder holds another kind of model.
        """
        asked = kwargs.pop("output_loading_info", False)
        anew = kwargs.pop("ignore_mismatched_sizes", False)
        kwargs = {"use_safetensors": True} | kwargs
        if anew:
            kwargs |= _without_fitted(kwargs.get("config"))
        loaded: Any = super().from_pretrained(
            pretrained_model_name_or_path,
            *model_args,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # which are refused below, with the reason
            **kwargs,
        )
        model, found = loaded
        check_loaded(str(pretrained_model_name_or_path), found, anew)
        return (model, found) if asked else model

    @classmethod
    def from_run(cls, run: str | os.PathLike[str]) -> Self:
        """The best model of a finished run on texts, in evaluation mode.

        Args:
            run: Path of the run folder.

        Raises:
            InputError: if it is not that of a finished run on texts whose model is the transformer of this package and
                answers for whole samples, or if it names classes outside this package.
        """
        from sampleformer.integrations.huggingface.runs.conversion import config_of, read_run

        trained = read_run(run)
        config = config_of(trained)
        model = cls(config)
        model.take(trained.model)
        config.about = about_run(trained.folder, digest(model)).model_dump(mode="json")
        return model.eval()

    @property
    def base(self) -> nn.Module:
        """The model without its head."""
        return cast(nn.Module, getattr(self, self.base_model_prefix, self))

    def take(self, network: Model) -> None:
        """Takes the weights of a trained model."""
        raise NotImplementedError

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:  # type: ignore[override]
        """Writes ``config.json``, ``model.safetensors`` and the model card ``README.md``.

        A card that somebody has written stays.

        Args:
            save_directory: Path of the folder. The arguments that are not named here are as of transformers.
        """
        super().save_pretrained(save_directory, **kwargs)
        if kwargs.get("is_main_process", True):
            write_card(self, save_directory)

    def _upload_modified_files(self, working_dir: Any, *further: Any, **named: Any) -> Any:
        # Transformers puts a card without content here, where the repository has none yet.
        write_card(self, working_dir)
        return super()._upload_modified_files(working_dir, *further, **named)

    def resize_token_embeddings(self, *_: Any, **__: Any) -> Any:
        """Raises InputError: the vocabulary is that of the run's tokenizer."""
        raise InputError(f"the tokenizer has {self.config.vocabulary} codes, expected no other number of them")


def _without_fitted(config: Any) -> dict[str, Any]:
    """Arguments with which a model is read without what was fitted and blended."""
    if not isinstance(config, SampleformerConfig):
        return {"fitted": []}
    config = copy.deepcopy(config)
    config.fitted = None
    return {"config": config}
