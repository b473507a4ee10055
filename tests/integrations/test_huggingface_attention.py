"""The methods as `attn_implementation` of models of transformers."""

import copy
import logging
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import sampleformer.integrations.huggingface  # noqa: F401  # registers the methods
from sampleformer.attention.projected import ProjectedAttention
from sampleformer.errors import InputError

transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
TEXT = {**SMALL, "vocab_size": 50, "pad_token_id": 0, "max_position_embeddings": 64}
IMAGE = {**SMALL, "image_size": 16, "patch_size": 4}
MODERN = {**TEXT, "num_hidden_layers": 4, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
CONFIGS = {
    "bert": (transformers.BertConfig, TEXT),
    "roberta": (transformers.RobertaConfig, TEXT),
    "distilbert": (
        transformers.DistilBertConfig,
        {"vocab_size": 50, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    ),
    "modernbert": (transformers.ModernBertConfig, {**MODERN, "local_attention": 4}),
    "eurobert": (transformers.EuroBertConfig, {**TEXT, "num_key_value_heads": 2}),  # queries in groups
    "layoutlm": (transformers.LayoutLMConfig, TEXT),  # makes its mask itself, (b, 1, 1, n)
    "vit": (transformers.ViTConfig, IMAGE),
    "deit": (transformers.DeiTConfig, IMAGE),
}
LENGTHS = torch.tensor([[11], [6]])


def config_of(name: str, **settings: object) -> transformers.PreTrainedConfig:
    kind, arguments = CONFIGS[name]
    config = kind(**copy.deepcopy(arguments))
    for method, given in settings.items():
        setattr(config, method, given)
    return config


def built(name: str, method: str = "samsa", **settings: object) -> transformers.PreTrainedModel:
    config = config_of(name, **{method: settings} if settings else {})
    return transformers.AutoModel.from_config(config, attn_implementation=method).eval()


def inputs_of(name: str) -> tuple[dict[str, Tensor], Tensor]:
    """Inputs, and which of the tokens of the output are real."""
    if name in ("vit", "deit"):
        extra = 2 if name == "deit" else 1
        return {"pixel_values": torch.randn(2, 3, 16, 16)}, torch.ones(2, 16 + extra, dtype=torch.bool)
    real = torch.arange(11) < LENGTHS
    return {"input_ids": torch.randint(3, 50, (2, 11)), "attention_mask": real.long()}, real


def parts_of(model: torch.nn.Module) -> list[ProjectedAttention]:
    return [module for module in model.modules() if isinstance(module, ProjectedAttention)]


@pytest.mark.parametrize("name", CONFIGS)
def test_as_many_sampled_as_tokens_are_the_model_that_was_saved(name: str, tmp_path: Path) -> None:
    plain = transformers.AutoModel.from_config(config_of(name), attn_implementation="sdpa").eval()
    plain.save_pretrained(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path, attn_implementation="samsa").eval()
    # The layers of ModernBERT that see a window have no use for a sample.
    assert len(parts_of(model)) == 2
    inputs, real = inputs_of(name)
    expected, result = (each(**inputs).last_hidden_state for each in (plain, model))
    torch.testing.assert_close(result[real], expected[real], rtol=0, atol=1e-5)
    for parts in parts_of(model):
        parts.sampler.sampled = 2
    assert (model(**inputs).last_hidden_state - expected)[real].abs().max() > 1e-4


@pytest.mark.parametrize("method", ["samsa", "sft", "yoso"])
@pytest.mark.parametrize("name", ["bert", "distilbert", "vit"])
def test_weights_and_settings_are_saved_and_read(name: str, method: str, tmp_path: Path) -> None:
    settings = {"hashes": 3} if method == "yoso" else {"sampled": 3}
    model = built(name, method, **settings)
    inputs, _ = inputs_of(name)
    model.save_pretrained(tmp_path)
    again, report = transformers.AutoModel.from_pretrained(
        tmp_path, attn_implementation=method, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert getattr(again.config, method) == settings
    assert torch.equal(again.eval()(**inputs).last_hidden_state, model(**inputs).last_hidden_state)
    model.save_pretrained(tmp_path / "half")
    half = transformers.AutoModel.from_pretrained(tmp_path / "half", attn_implementation=method, dtype=torch.bfloat16)
    if "pixel_values" in inputs:
        inputs["pixel_values"] = inputs["pixel_values"].bfloat16()
    assert half.eval()(**inputs).last_hidden_state.dtype == torch.bfloat16


@pytest.mark.parametrize("method", ["samsa", "sft", "yoso"])
def test_weights_that_a_checkpoint_lacks_start_as_the_method_starts_them(method: str, tmp_path: Path) -> None:
    transformers.AutoModel.from_config(config_of("bert"), attn_implementation="sdpa").save_pretrained(tmp_path)
    loaded = transformers.AutoModel.from_pretrained(tmp_path, attn_implementation=method)
    for model in (loaded, built("bert", method)):
        for parts in parts_of(model):
            started = copy.deepcopy(parts)
            started.reset_parameters()
            assert {each.device.type for each in parts.state_dict().values()} <= {"cpu"}
            for name, weight in parts.state_dict().items():
                expected = started.state_dict()[name]
                if expected.numel() > 1 and expected.std() == 0:
                    assert torch.equal(weight, expected), name
                elif weight.numel() >= 32:  # fewer say little
                    assert float(weight.mean()) == pytest.approx(float(expected.mean()), abs=0.1), name
                    assert float(weight.std()) == pytest.approx(float(expected.std()), rel=0.35), name


def test_settings_are_given_where_the_model_is_read(tmp_path: Path) -> None:
    built("bert", sampled=3).save_pretrained(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path, attn_implementation="samsa", samsa={"sampled": 5})
    assert model.config.samsa == {"sampled": 5}
    assert [parts.sampler.sampled for parts in parts_of(model)] == [5, 5]
    with pytest.raises(InputError, match=r"config.samsa.num_sampled: unknown setting"):
        transformers.AutoModel.from_pretrained(tmp_path, attn_implementation="samsa", samsa={"num_sampled": 5})
    assert "yoso" not in (tmp_path / "config.json").read_text()


def test_part_of_the_weights_stays_what_was_loaded(tmp_path: Path) -> None:
    model = built("bert", sampled=3)
    state = model.state_dict()
    kept = next(name for name in state if name.endswith("samsa.sampler.scorer.score.weight"))
    dropped = kept.replace("score.weight", "mlp.0.weight")
    model.save_pretrained(tmp_path, state_dict={name: each for name, each in state.items() if name != dropped})
    again = transformers.AutoModel.from_pretrained(tmp_path, attn_implementation="samsa").state_dict()
    assert torch.equal(again[kept], state[kept])
    assert not torch.equal(again[dropped], state[dropped])


@pytest.mark.parametrize("method", ["samsa", "sft", "yoso"])
def test_padding_never_matters(method: str) -> None:
    model = built("bert", method, **({"hashes": 4} if method == "yoso" else {"sampled": 3}))
    inputs, real = inputs_of("bert")
    expected = model(**inputs).last_hidden_state
    other = {**inputs, "input_ids": inputs["input_ids"].where(real, 7)}
    torch.testing.assert_close(model(**other).last_hidden_state[real], expected[real], rtol=0, atol=1e-6)
    alone = model(input_ids=inputs["input_ids"][1:, :6]).last_hidden_state
    torch.testing.assert_close(alone[0], expected[1, :6], rtol=0, atol=1e-5)


def test_a_mask_of_pairs_is_full_attention_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model = built("roberta", sampled=2)
    plain = transformers.AutoModel.from_config(config_of("roberta"), attn_implementation="sdpa").eval()
    plain.load_state_dict(model.state_dict(), strict=False)
    pairs = torch.eye(11, dtype=torch.bool).expand(2, 1, 11, 11).clone()
    codes = torch.randint(3, 50, (2, 11))
    with caplog.at_level(logging.WARNING, "sampleformer"):
        result = model(input_ids=codes, attention_mask=pairs).last_hidden_state
    expected = plain(input_ids=codes, attention_mask=pairs).last_hidden_state
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)
    assert "RobertaSelfAttention: the mask is one of pairs" in caplog.text


@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_weight_learns_with_and_without_checkpointing(checkpointing: bool) -> None:
    config = config_of("bert", samsa={"sampled": 3})
    model = transformers.AutoModelForSequenceClassification.from_config(config, attn_implementation="samsa").train()
    if checkpointing:
        newer = getattr(model, "activation_checkpointing_enable", None)  # the older name warns where there is one
        (newer or model.gradient_checkpointing_enable)()
    inputs, _ = inputs_of("bert")
    model(**inputs, labels=torch.tensor([0, 1])).loss.backward()
    learnt = [each for parts in parts_of(model) for each in parts.parameters() if each.requires_grad]
    assert learnt
    assert all(each.grad is not None and each.grad.isfinite().all() for each in learnt)
    scores = [parts.sampler.scorer.score.weight.grad for parts in parts_of(model)]
    assert all(each.abs().sum() > 0 for each in scores)


def test_trainer_takes_two_steps(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    config = config_of("distilbert", samsa={"sampled": 3})
    model = transformers.AutoModelForSequenceClassification.from_config(config, attn_implementation="samsa")
    rows = [{"input_ids": torch.randint(3, 50, (9,)), "labels": torch.tensor(i % 2)} for i in range(8)]
    before = parts_of(model)[0].sampler.scorer.score.weight.detach().clone()
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), max_steps=2, per_device_train_batch_size=4, report_to=[], use_cpu=True
    )
    transformers.Trainer(model=model, args=arguments, train_dataset=rows).train()
    assert not torch.equal(parts_of(model)[0].sampler.scorer.score.weight, before)
    saved = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "checkpoint-2", attn_implementation="samsa"
    )
    assert saved.config.samsa == {"sampled": 3}


def test_a_model_that_is_built_is_changed_and_changed_back() -> None:
    model = transformers.AutoModel.from_config(config_of("bert"), attn_implementation="sdpa").eval()
    inputs, real = inputs_of("bert")
    expected = model(**inputs).last_hidden_state
    model.config.samsa = {"sampled": 3}
    model.set_attn_implementation("samsa")
    assert len(parts_of(model)) == 2
    assert not any(parts.training for parts in parts_of(model))
    assert (model(**inputs).last_hidden_state - expected)[real].abs().max() > 1e-4
    model.set_attn_implementation("sdpa")
    assert torch.equal(model(**inputs).last_hidden_state, expected)
    model.config._attn_implementation = "yoso"
    with pytest.raises(InputError, match="BertSelfAttention has no weights of yoso: give attn_implementation='yoso'"):
        model(**inputs)


def test_it_exports() -> None:
    model = built("bert", sampled=3)
    inputs, _ = inputs_of("bert")
    program = torch.export.export(model, (), inputs, strict=False).module()
    torch.testing.assert_close(program(**inputs).last_hidden_state, model(**inputs).last_hidden_state)


def test_it_compiles(fresh_compiler: None) -> None:
    config = config_of("vit", samsa={"sampled": 3})
    config.num_hidden_layers = 1
    model = transformers.AutoModel.from_config(config, attn_implementation="samsa").eval()
    inputs, _ = inputs_of("vit")
    compiled = torch.compile(model, backend="aot_eager")
    torch.testing.assert_close(compiled(**inputs).last_hidden_state, model(**inputs).last_hidden_state)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("GPT2", "GPT2Attention) is causal, expected an encoder"),
        (
            "BigBird",
            "BigBirdModel: attn_implementation='samsa' cannot be used: its BigBirdAttention does not go through",
        ),
        ("Bart", "BartAttention) is causal, expected an encoder"),
        (
            "Falcon",
            "FalconModel: attn_implementation='samsa' cannot be used: it takes its attention from "
            "FALCON_ATTENTION_CLASSES, not through transformers' attention interface",
        ),
        ("FNet", "FNetModel: attn_implementation='samsa' cannot be used: it has no attention that goes through"),
    ],
)
def test_architectures_whose_attention_cannot_be_replaced_are_refused(kind: str, message: str) -> None:
    config = getattr(transformers, f"{kind}Config")(vocab_size=50, **({"n_layer": 1} if kind == "GPT2" else {}))
    for name in ("num_hidden_layers", "encoder_layers", "decoder_layers"):
        if hasattr(config, name):
            setattr(config, name, 1)
    with torch.device("meta"), pytest.raises(InputError) as caught:
        transformers.AutoModel.from_config(config, attn_implementation="samsa")
    assert message in str(caught.value)
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(config, attn_implementation="eager")
    with pytest.raises(InputError):
        model.set_attn_implementation("samsa")
    assert model.config._attn_implementation == "eager"


def test_a_method_that_would_change_nothing_is_refused() -> None:
    config = config_of("modernbert")
    config.layer_types = ["sliding_attention"] * config.num_hidden_layers
    with pytest.raises(InputError, match="'samsa' would change nothing: each of its layers sees a sliding window"):
        transformers.AutoModel.from_config(config, attn_implementation="samsa")


def test_biases_of_pairs_and_causal_texts_are_refused() -> None:
    config = transformers.T5Config(num_layers=1)
    config._attn_implementation = "samsa"
    with torch.device("meta"), pytest.raises(InputError, match=r"T5Attention\) adds biases to pairs"):
        transformers.T5EncoderModel(config)
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
    clip = transformers.CLIPTextConfig(vocab_size=50, max_position_embeddings=20, **small)
    model = transformers.AutoModel.from_config(clip, attn_implementation="samsa")
    with pytest.raises(InputError, match="CLIPAttention is causal, expected an encoder"):
        model(torch.randint(3, 50, (1, 9)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_sampled": 3}, "config.samsa.num_sampled: unknown setting; did you mean 'sampled'?"),
        ({"sampled": 0}, "config.samsa: sampled is 0, expected at least 1"),
        ({"sampled": "many"}, "config.samsa.sampled: "),
        ({"relative": "offsets"}, "config.samsa.relative: unknown setting"),
        (7, "config.samsa is 7, expected settings by name"),
    ],
    ids=str,
)
def test_settings_that_do_not_exist_are_refused(settings: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        transformers.AutoModel.from_config(config_of("bert", samsa=settings), attn_implementation="samsa")
    assert message in str(caught.value)


def test_what_a_call_cannot_have_is_refused() -> None:
    model = built("bert", sampled=3)
    inputs, _ = inputs_of("bert")
    with pytest.raises(InputError, match="output_attentions is given, expected none with attn_implementation='samsa'"):
        model(**inputs, output_attentions=True)
    layer = model.encoder.layer[0].attention.self
    function = transformers.AttentionInterface()["samsa"]
    vectors = torch.randn(3, 1, 4, 5, 8)
    for further, message in (({"position_bias": torch.zeros(5)}, "position_bias"), ({"is_causal": True}, "is causal")):
        with pytest.raises(InputError, match=message):
            function(layer, *vectors, None, **further)
    with pytest.raises(InputError, match="has 2 heads and a width of 16, expected 4 and 32"):
        function(layer, *vectors[:, :, :2], None)


def test_scaling_and_dropout_are_the_models() -> None:
    layer = built("bert", sampled=9).encoder.layer[0].attention.self
    function = transformers.AttentionInterface()["samsa"]
    query, key, value = torch.randn(3, 2, 4, 5, 8)
    expected = F.scaled_dot_product_attention(query, key, value, scale=2.0).transpose(1, 2)
    torch.testing.assert_close(function(layer, query, key, value, None, scaling=2.0)[0], expected, rtol=0, atol=1e-5)
    layer.train()
    dropped = function(layer, query, key, torch.ones_like(value), None, dropout=0.5)[0]
    assert dropped.std() > 0.1
