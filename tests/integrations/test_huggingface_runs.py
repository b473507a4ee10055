"""Runs on texts as models of transformers."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from sampleformer import InputError, ModelSettings, Predictor, TokenModel, Tokens
from sampleformer.files import write_json
from sampleformer.models import Blend, NGrams
from sampleformer.models.fitted.columns import Columns
from sampleformer.training import Recipe, RunFolder
from tests.serve.untrained import untrained
from tests.training.small import (
    number_recipe,
    text_recipe,
    write_csv,
    write_described,
    write_numbers,
    write_texts,
)

transformers = pytest.importorskip("transformers")
# The older name warns where there is a newer one.
NAMES = ("activation_checkpointing", "gradient_checkpointing")
CHECKPOINTING = next(name for name in NAMES if name in transformers.TrainingArguments.__dataclass_fields__)

from huggingface_hub import ModelCard  # noqa: E402
from huggingface_hub.errors import LocalEntryNotFoundError  # noqa: E402
from transformers import (  # noqa: E402
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    pipeline,
)

from sampleformer.integrations.huggingface import (  # noqa: E402
    SampleformerConfig,
    SampleformerForSequenceClassification,
    SampleformerModel,
    SampleformerTokenizer,
)
from sampleformer.integrations.huggingface.runs.card import MARK  # noqa: E402

TEXTS = ["abba", "cdcdxxab", "", "<the padding>", "é�", "a  b\tc", "x" * 30]
SMALL = {"width": 16, "layers": 2, "heads": 2, "feedforward": 32, "residual_scale": 0.7}
SMALL |= {"attention": {"name": "samsa", "sampled": 3}}
RESULTS = {
    "samples": {"train": 48, "valid": 6, "test": 6},
    "selected_by": "accuracy",
    "majority_share": 0.5,
    "train_seconds": 12.5,
    "best": {"valid": {"accuracy": 0.75, "loss": 0.4}, "test": {"accuracy": 0.875, "auroc": None}},
}


def finished(recipe: Recipe, folder: Path) -> RunFolder:
    """A run folder with random weights and the scores of a finished training."""
    run = untrained(recipe, folder)
    write_json(run.run_file, {"versions": {"torch": "2.13.0"}})
    write_json(run.results, RESULTS)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("texts")
    torch.manual_seed(0)
    return finished(text_recipe(write_texts(folder / "texts.csv")), folder / "run")


@pytest.fixture
def saved(run: RunFolder, tmp_path: Path) -> Path:
    """A folder that transformers can read."""
    SampleformerForSequenceClassification.from_run(run.path).save_pretrained(tmp_path / "saved")
    SampleformerTokenizer.from_run(run.path).save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def model(**settings: Any) -> SampleformerForSequenceClassification:
    """A small model for bytes with random weights."""
    return SampleformerForSequenceClassification(SampleformerConfig(settings=SMALL | settings, num_labels=3))


def codes(rows: int = 2, length: int = 11) -> dict[str, Tensor]:
    """Inputs of which the last row is shorter."""
    mask = torch.ones(rows, length, dtype=torch.int64)
    mask[-1, length // 2 :] = 0
    return {"input_ids": torch.randint(256, (rows, length)), "attention_mask": mask}


def test_answers_are_those_of_the_run(run: RunFolder, saved: Path) -> None:
    expected = Predictor.load(run.path)(TEXTS)
    classify = pipeline("text-classification", model=str(saved))
    for answers in (classify(TEXTS, top_k=None), classify(TEXTS, top_k=None, batch_size=3)):
        for number, answer in enumerate(answers):
            scores = {each["label"]: each["score"] for each in answer}
            assert scores["ab"] == pytest.approx(expected["probability_ab"][number], abs=1e-6)
            assert answer[0]["label"] == expected["prediction"][number]


@pytest.mark.parametrize("tokens", ["bytes", "characters", "words", "whitespace"])
def test_a_tokenizer_makes_the_codes_of_the_run(tokens: str, tmp_path: Path) -> None:
    rows = [[text, label] for text in ("ab � cd", "it's <the padding> ab", "ab cd") for label in "xy"] * 4
    data = {"tokens": tokens, "max_length": 9, "min_count": 1}
    recipe = text_recipe(write_csv(tmp_path / "texts.csv", ["review", "sentiment"], rows))
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=data)})
    run = finished(recipe, tmp_path / "run")
    SampleformerTokenizer.from_run(run.path).save_pretrained(tmp_path / "saved")
    write_json(tmp_path / "saved" / "config.json", {"model_type": "sampleformer"})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    inputs = run.read_encoding().inputs
    texts = [*TEXTS, "ab � cd unseen �", "it's <the padding>"]
    expected = [inputs.tokenizer.encode(text)[:9].tolist() for text in texts]  # type: ignore[attr-defined]
    found = tokenizer(texts, padding=True, return_tensors="pt")
    assert [row[mask.bool()].tolist() for row, mask in zip(*found.values(), strict=True)] == expected
    assert tokenizer.pad_token_id == inputs.tokenizer.vocabulary  # type: ignore[attr-defined]
    assert len(tokenizer) >= tokenizer.vocab_size
    for text, wanted in zip(texts, expected, strict=True):
        assert tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)) == wanted
    assert tokenizer(texts[0], truncation=True, max_length=2)["input_ids"] == expected[0][:2]
    with pytest.raises(InputError, match="text_pair is given, expected one text a sample"):
        tokenizer("ab", "cd")


def test_automatic_classes_know_it(saved: Path) -> None:
    config = AutoConfig.from_pretrained(saved)
    assert isinstance(config, SampleformerConfig)
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (8, 2, 2)
    assert (config.vocab_size, config.pad_token_id, config.num_labels) == (257, 256, 2)
    whole = AutoModelForSequenceClassification.from_pretrained(saved)
    base = AutoModel.from_pretrained(saved)
    assert isinstance(whole, SampleformerForSequenceClassification)
    assert isinstance(base, SampleformerModel)
    inputs = codes()
    expected = whole(**inputs, output_hidden_states=True)
    found = base(**inputs)
    assert torch.equal(found.last_hidden_state, whole.model(**inputs).last_hidden_state)
    assert len(expected.hidden_states) == 3
    assert isinstance(whole(**inputs, return_dict=False), tuple)
    assert whole.get_input_embeddings().weight.shape[0] == 256


def test_weights_and_configuration_survive(tmp_path: Path) -> None:
    made = model(local={"name": "window", "window": 2}, beside=[{"name": "bag"}]).eval()
    made.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert again.config.settings == made.config.settings
    assert not again.training
    inputs = codes()
    assert torch.equal(again(**inputs).logits, made(**inputs).logits)


def test_new_weights_start_as_those_of_the_package() -> None:
    config = SampleformerConfig(settings=SMALL | {"width": 64, "residual_scale": 0.0}, num_labels=3)
    started = TokenModel(ModelSettings(**config.settings), {"vocabulary": 256}, 3).state_dict()
    for made in (AutoModelForSequenceClassification.from_config(config), SampleformerForSequenceClassification(config)):
        found = {name.removeprefix("model."): each for name, each in made.state_dict().items()}
        assert found.keys() == started.keys()
        assert float(found["encoder.residual_scale"]) == 0
        for name, weight in started.items():
            if weight.numel() >= 64:
                assert float(found[name].std()) == pytest.approx(float(weight.std()), rel=0.4, abs=1e-6), name


def test_padding_on_either_side_changes_nothing() -> None:
    made = model().eval()
    text = torch.randint(256, (1, 7))
    expected = made(text).logits
    for padding in ((0, 4), (4, 0)):
        inputs = torch.nn.functional.pad(text, padding, value=256)
        torch.testing.assert_close(made(inputs).logits, expected, rtol=0, atol=1e-6)
        mask = (inputs != 256).long()
        other = inputs.masked_fill(mask == 0, 9)
        torch.testing.assert_close(made(other, mask).logits, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_layers_give_the_same_gradients(reentrant: bool) -> None:
    made = model(dropout=0.1).train()
    inputs = codes() | {"labels": torch.tensor([0, 2])}

    def gradients() -> dict[str, Tensor]:
        made.zero_grad()
        torch.manual_seed(1)
        made(**inputs).loss.backward()
        return {name: each.grad.clone() for name, each in made.named_parameters() if each.grad is not None}

    expected = gradients()
    assert all(float(each.abs().sum()) > 0 for name, each in expected.items() if "score" in name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        made.activation_checkpointing_enable({"use_reentrant": reentrant})
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    hook = made.model.encoder.layers[0].feed_forward.register_forward_hook(count)
    found = gradients()
    hook.remove()
    assert calls == 2  # once more for the gradients
    assert found.keys() == expected.keys()
    for name, each in found.items():
        torch.testing.assert_close(each, expected[name], msg=name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        made.activation_checkpointing_disable()
        assert not made.is_activation_checkpointing


def test_bfloat16(saved: Path) -> None:
    inputs = codes()
    half = AutoModelForSequenceClassification.from_pretrained(saved, dtype=torch.bfloat16)
    single = AutoModelForSequenceClassification.from_pretrained(saved)
    assert {each.dtype for each in half.parameters()} == {torch.bfloat16}
    torch.testing.assert_close(half(**inputs).logits.float(), single(**inputs).logits, rtol=0.1, atol=0.1)


def test_numbers_are_in_their_unit(tmp_path: Path) -> None:
    rows = [["ab" * (1 + row % 5), 50_000 + 1000 * (row % 5), -row % 5] for row in range(40)]
    recipe = text_recipe(write_csv(tmp_path / "texts.csv", ["review", "price", "age"], rows))
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"label": ["price", "age"]})})
    run = finished(recipe, tmp_path / "run")
    SampleformerForSequenceClassification.from_run(run.path).save_pretrained(tmp_path / "saved")
    made = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    tokenizer = SampleformerTokenizer.from_run(run.path)
    logits = made(**tokenizer(["abab", "x"], padding=True, return_tensors="pt")).logits
    expected = Predictor.load(run.path)(["abab", "x"])
    wanted = torch.tensor([expected["price"], expected["age"]]).double()
    torch.testing.assert_close(logits.T.double(), wanted, rtol=1e-5, atol=1e-5)
    labels = torch.tensor([[51_000.0, 1.0], [50_000.0, 3.0]])
    deviations = torch.tensor(made.config.deviations)
    loss = made(**tokenizer(["abab", "x"], padding=True, return_tensors="pt"), labels=labels).loss
    torch.testing.assert_close(loss, ((logits - labels) / deviations).square().mean())


def test_several_labels(tmp_path: Path) -> None:
    rows = [["ab" * (1 + row % 5), row % 2, int(row % 3 == 0)] for row in range(40)]
    recipe = text_recipe(write_csv(tmp_path / "texts.csv", ["review", "red", "blue"], rows))
    data = recipe.data.model_copy(update={"label": ["red", "blue"], "task": "multilabel"})
    run = finished(recipe.model_copy(update={"data": data}), tmp_path / "run")
    SampleformerForSequenceClassification.from_run(run.path).save_pretrained(tmp_path / "saved")
    SampleformerTokenizer.from_run(run.path).save_pretrained(tmp_path / "saved")
    expected = Predictor.load(run.path)("abab")
    for each in pipeline("text-classification", model=str(tmp_path / "saved"))("abab", top_k=None):
        assert each["score"] == pytest.approx(expected[f"probability_{each['label']}"], abs=1e-6)


def test_what_a_run_blended_is_part_of_it(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    run = finished(text_recipe(write_texts(tmp_path / "texts.csv")), tmp_path / "run")
    main = run.read_model()
    texts = Tokens(torch.tensor([list(b"abab"), list(b"cdcd"), list(b"bbba"), list(b"dccd")]))
    targets = Columns("classes", np.array([[0.0], [1], [0], [1]]), 2)
    fitted = next(NGrams.candidates(NGrams.Settings(), main.inputs, [texts], targets, seed=0))
    Blend.of([main, fitted], torch.tensor([0.25, 0.75]), main.inputs).save_pretrained(run.model)
    made = SampleformerForSequenceClassification.from_run(run.path)
    made.save_pretrained(tmp_path / "saved")
    SampleformerTokenizer.from_run(run.path).save_pretrained(tmp_path / "saved")
    expected = Predictor.load(run.path)(TEXTS)
    answers = pipeline("text-classification", model=str(tmp_path / "saved"))(TEXTS)
    assert [each["label"] for each in answers] == expected["prediction"]
    for number, each in enumerate(answers):
        assert each["score"] == pytest.approx(expected[f"probability_{each['label']}"][number], abs=1e-6)
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "0.25 × the transformer, 0.75 × `ngrams`." in card
    assert "others" not in card
    assert not any(each.requires_grad for name, each in made.named_parameters() if name.startswith("fitted"))
    base, inputs = AutoModel.from_pretrained(tmp_path / "saved"), codes()
    assert torch.equal(base(**inputs).last_hidden_state, made.model(**inputs).last_hidden_state)
    three = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "saved", num_labels=3, ignore_mismatched_sizes=True
    )
    assert three(**codes()).logits.shape == (2, 3)
    assert three.factors is None
    state = state_of(tmp_path / "saved")
    write_state(tmp_path / "saved", {name: each for name, each in state.items() if name != "factors"})
    with pytest.raises(InputError, match="weights are missing: factors"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")


def test_the_card_says_what_the_run_says(saved: Path) -> None:
    card = ModelCard.load(saved / "README.md")
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.tags == ["sampleformer", "samsa"]
    (result,) = card.data.eval_results  # the one that is not defined is left out
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("accuracy", 0.875, "texts.csv")
    assert "answers one of 2 classes: ab, cd" in card.text
    assert "| accuracy | 0.7500 | 0.8750 |" in card.text
    assert "| AUROC |  | – |" in card.text
    assert "Rows: 48 train, 6 valid, 6 test." in card.text
    assert "others" not in card.text
    assert str(saved.parent.parent) not in card.content
    recipe = yaml.safe_load(card.text.split("## Recipe\n\n```yaml\n")[1].split("```")[0])
    assert recipe["model"]["attention"] == {"name": "samsa", "sampled": 3}
    assert recipe["training"]["steps"] == 8


def test_scores_of_other_weights_are_not_claimed(saved: Path, tmp_path: Path) -> None:
    trained = AutoModelForSequenceClassification.from_pretrained(saved)
    trained.save_pretrained(tmp_path / "same")
    assert (tmp_path / "same" / "README.md").read_text() == (saved / "README.md").read_text()
    with torch.no_grad():
        trained.head.output.bias.add_(1)
    trained.save_pretrained(tmp_path / "other")
    card = ModelCard.load(tmp_path / "other" / "README.md")
    assert card.data.eval_results is None
    assert "**The weights here are others: trained further, converted, or without their head.**" in card.text
    model().save_pretrained(tmp_path / "new")
    assert "## Scores" not in (tmp_path / "new" / "README.md").read_text()


def test_a_card_that_somebody_has_written_stays(saved: Path) -> None:
    made = AutoModelForSequenceClassification.from_pretrained(saved)
    (saved / "README.md").write_text((saved / "README.md").read_text().replace(MARK, "Our words."))
    made.save_pretrained(saved)
    assert "Our words." in (saved / "README.md").read_text()


@pytest.mark.parametrize("by", ["push_to_hub", "save_pretrained"])
def test_the_card_is_what_is_uploaded(by: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploaded: dict[str, str] = {}

    class Hub:
        """As much of huggingface_hub's interface as an upload uses."""

        def create_repo(self, repo_id: str, **_: object) -> Any:
            return type("Url", (), {"repo_id": f"me/{repo_id}"})

        def create_commit(self, operations: Any, **_: object) -> None:
            uploaded.update({each.path_in_repo: Path(each.path_or_fileobj).read_bytes() for each in operations})

    def no_card(*_: object, **__: object) -> None:
        raise LocalEntryNotFoundError("none")

    hub = transformers.utils.hub
    monkeypatch.setattr(hub, "hf_api", lambda: Hub())
    monkeypatch.setattr(transformers.modeling_utils, "hf_api", lambda: Hub(), raising=False)
    monkeypatch.setattr(hub.ModelCard, "load", no_card)
    made = AutoModelForSequenceClassification.from_pretrained(saved)
    if by == "push_to_hub":
        made.push_to_hub("reviews")
    else:
        made.save_pretrained(tmp_path / "pushed", push_to_hub=True, repo_id="reviews")
    assert {"README.md", "config.json", "model.safetensors"} <= uploaded.keys()
    assert MARK in uploaded["README.md"].decode()


def test_trainer_takes_two_steps(saved: Path, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="accelerate is not installed, which transformers' Trainer needs")
    made = AutoModelForSequenceClassification.from_pretrained(saved)
    tokenizer = AutoTokenizer.from_pretrained(saved)
    rows = [{**tokenizer("ab" * (1 + row)), "labels": row % 2} for row in range(8)]
    before = made.head.output.weight.detach().clone()
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=2,
        per_device_train_batch_size=4,
        report_to=[],
        use_cpu=True,
        **{CHECKPOINTING: True},
    )
    transformers.Trainer(model=made, args=arguments, train_dataset=rows, processing_class=tokenizer).train()
    assert not torch.equal(made.head.output.weight, before)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out" / "checkpoint-2")
    assert torch.equal(again.head.output.weight, made.head.output.weight)
    assert "The weights here are others" in (tmp_path / "out" / "checkpoint-2" / "README.md").read_text()
    assert len(pipeline("text-classification", model=str(tmp_path / "out" / "checkpoint-2"))(["ab", "cd"])) == 2


def test_adapters_learn(saved: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    made = AutoModelForSequenceClassification.from_pretrained(saved)
    before = {name: each.detach().clone() for name, each in made.named_parameters()}
    # Not task_type="SEQ_CLS": PEFT then takes every layer called score for a head.
    settings = peft.LoraConfig(target_modules=["query", "key_value", "output", "score"], r=2, init_lora_weights=False)
    adapted = peft.get_peft_model(made, settings)
    assert {name.split(".")[-4] for name, _ in adapted.named_parameters() if "lora_A" in name} == {
        *("query", "key_value", "output", "score")
    }
    adapted.train()
    optimizer = torch.optim.SGD([each for each in adapted.parameters() if each.requires_grad], lr=0.1)
    inputs = codes()
    for _ in range(2):
        optimizer.zero_grad()
        adapted(**inputs, labels=torch.tensor([0, 1])).loss.backward()
        assert all(each.grad is not None for name, each in adapted.named_parameters() if "lora_" in name)
        optimizer.step()
    kept = {name.replace(".base_layer", ""): each for name, each in adapted.base_model.model.named_parameters()}
    assert all(torch.equal(kept[name], each) for name, each in before.items())
    adapted.eval().save_pretrained(tmp_path / "adapter")
    plain = AutoModelForSequenceClassification.from_pretrained(saved)
    without = plain(**inputs).logits
    again = peft.PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    torch.testing.assert_close(again(**inputs).logits, adapted(**inputs).logits)
    assert (again(**inputs).logits - without).abs().max() > 1e-3


def test_it_exports() -> None:
    made, inputs = model().eval(), codes()
    program = torch.export.export(made, (), inputs, strict=False).module()
    torch.testing.assert_close(program(**inputs).logits, made(**inputs).logits)


def test_it_compiles(fresh_compiler: None) -> None:
    made, inputs = model(layers=1).eval(), codes()
    compiled = torch.compile(made, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(**inputs).logits, made(**inputs).logits)


# What is refused.


def state_of(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def write_state(folder: Path, state: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    save_file({name: each.contiguous() for name, each in state.items()}, folder / "model.safetensors")


def test_weights_that_do_not_fit_are_refused(saved: Path) -> None:
    whole = state_of(saved)
    name = "model.encoder.layers.0.attention.sampler.scorer.score.weight"
    assert name in whole
    cases = {
        f"weights are missing: {name}": {key: each for key, each in whole.items() if key != name},
        "there is no place for model.other": whole | {"model.other": torch.zeros(2)},
        f"{name} has shape": whole | {name: torch.zeros(7, 3)},
        "weights are missing: head.output.bias; for other labels": {
            key: each for key, each in whole.items() if key != "head.output.bias"
        },
    }
    for message, state in cases.items():
        write_state(saved, state)
        with pytest.raises(InputError) as caught:
            AutoModelForSequenceClassification.from_pretrained(saved)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_head_for_other_labels_starts_anew_where_that_is_asked_for(saved: Path) -> None:
    with pytest.raises(InputError, match=r"head.output.\w+ has shape .* give ignore_mismatched_sizes=True"):
        AutoModelForSequenceClassification.from_pretrained(saved, num_labels=5)
    made = AutoModelForSequenceClassification.from_pretrained(saved, num_labels=5, ignore_mismatched_sizes=True)
    assert made(**codes()).logits.shape == (2, 5)
    assert torch.isfinite(made.head.output.weight).all()
    assert torch.equal(made.model.embed.enter.weight, state_of(saved)["model.embed.enter.weight"])
    write_state(saved, {key: each for key, each in state_of(saved).items() if "embed.enter" not in key})
    with pytest.raises(InputError, match="weights are missing: model.embed.enter"):
        AutoModelForSequenceClassification.from_pretrained(saved, num_labels=5, ignore_mismatched_sizes=True)


def test_pickled_weights_are_refused(saved: Path) -> None:
    torch.save(state_of(saved), saved / "pytorch_model.bin")
    (saved / "model.safetensors").unlink()
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        AutoModelForSequenceClassification.from_pretrained(saved)


def changed(folder: Path, **values: Any) -> Path:
    """The folder with other values in its configuration."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "bert"}, "model_type is 'bert', expected 'sampleformer'"),
        ({"settings": {"widht": 8}}, "settings.widht: unknown setting; did you mean 'width'?"),
        ({"settings": {"attention": {"name": "os.system"}}}, "'os.system' is code from outside this package"),
        ({"settings": {"layers": 10**9}}, "settings.layers is 1000000000, expected at most 1000"),
        ({"fitted": [{"name": "os.system"}]}, "'os.system' is code from outside this package"),
        ({"fitted": [{"name": "ngrams"}]}, "ngrams: has not been fitted"),
        ({"vocabulary": 0}, "vocabulary is 0, expected a positive number of codes"),
        ({"pad_token_id": 3}, "pad_token_id is not 256, as it follows from vocabulary=256"),
        ({"means": [1.0]}, "columns, means and deviations are of unequal length"),
        ({"about": {"name": 5}}, "about."),
    ],
    ids=str,
)
def test_configurations_of_others_are_refused(values: dict[str, Any], message: str, saved: Path) -> None:
    with pytest.raises(InputError) as caught:
        SampleformerForSequenceClassification.from_pretrained(changed(saved, **values))
    assert message in str(caught.value)


def test_run_folders_are_for_from_run(run: RunFolder) -> None:
    with pytest.raises(InputError, match="a run folder, expected from_run in place of from_pretrained"):
        SampleformerModel.from_pretrained(run.path)
    with pytest.raises(InputError, match="this is the model of a run: give the run folder to from_run"):
        SampleformerModel.from_pretrained(run.model)


def test_runs_that_transformers_cannot_know_are_refused(run: RunFolder, tmp_path: Path) -> None:
    numbers = finished(number_recipe(write_numbers(tmp_path / "numbers.csv")), tmp_path / "numbers")
    with pytest.raises(InputError, match="found a run on numbers data, expected texts"):
        SampleformerForSequenceClassification.from_run(numbers.path)
    recipe = text_recipe(write_described(tmp_path / "texts.csv"))
    data = recipe.data.model_copy(update={"label": "kind"})
    described = recipe.model_copy(update={"data": data, "descriptors": ({"name": "columns", "columns": ["age"]},)})
    described = Recipe.model_validate(described.model_dump())
    with pytest.raises(InputError, match="other columns describe the texts"):
        SampleformerTokenizer.from_run(finished(described, tmp_path / "described").path)
    shutil.copytree(run.path, tmp_path / "unfinished")
    (tmp_path / "unfinished" / "results.json").unlink()
    with pytest.raises(InputError, match="the training is not finished"):
        SampleformerForSequenceClassification.from_run(tmp_path / "unfinished")


def test_what_a_call_cannot_have_is_refused() -> None:
    made = model().eval()
    with pytest.raises(InputError, match="output_attentions is True, expected False"):
        made(**codes(), output_attentions=True)
    with pytest.raises(InputError, match="attention_mask has shape"):
        made(torch.zeros(1, 3, dtype=torch.int64), torch.ones(1, 1, 3, 3))
    with pytest.raises(InputError, match="expected no other number of them"):
        made.resize_token_embeddings(300)
    with pytest.raises(InputError, match="its SamsaAttention does not go through"):
        AutoModel.from_config(SampleformerConfig(settings=SMALL), attn_implementation="samsa")
