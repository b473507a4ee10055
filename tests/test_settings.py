"""Settings: every mistake is one line that names the setting, what was found and what is allowed."""

from collections import Counter

import pytest
from pydantic import Field

from sampleformer.errors import InputError, nearest
from sampleformer.registry import Registry
from sampleformer.settings import Component, Settings, override, validate


class Layer:
    def __init__(self, width: int, heads: int, *, rate: float = 0.5, choice: str = "hard", part: object = None) -> None:
        if width % heads:
            raise ValueError(f"{heads} heads do not divide the width {width}")
        self.width, self.heads, self.rate, self.choice = width, heads, rate, choice


class Free:
    def __init__(self, **anything: object) -> None:
        self.anything = anything


class Model(Settings):
    width: int = Field(128, ge=1)
    attention: Component = Component(name="layer")


class Recipe(Settings):
    name: str
    model: Model = Model()


LAYERS = Registry(object, {"layer": Layer, "free": Free})


def message_of(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_valid_values_become_settings_that_cannot_change():
    recipe = validate(Recipe, {"name": "mine", "model": {"width": 64, "attention": {"name": "layer", "rate": 0.1}}})
    assert recipe.model.width == 64
    assert recipe.model.attention.arguments == {"rate": 0.1}
    with pytest.raises(ValueError, match="frozen"):
        recipe.name = "other"


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        pytest.param(
            {"name": "a", "model": {"widht": 64}},
            ["model.widht: unknown setting", "did you mean 'width'?"],
            id="misspelt",
        ),
        pytest.param(
            {"name": "a", "modle": {}}, ["modle: unknown setting", "did you mean 'model'?"], id="misspelt-top"
        ),
        pytest.param({"model": {}}, ["name: required"], id="missing"),
        pytest.param({"name": "a", "model": {"width": "wide"}}, ["model.width", "integer", "'wide'"], id="wrong-type"),
        pytest.param(
            {"name": "a", "model": {"width": 0}}, ["model.width", "greater than or equal to 1", "0"], id="range"
        ),
        pytest.param({"name": "a", "model": 3}, ["model", "3"], id="value-for-a-group"),
        pytest.param(
            {"name": "a", "model": {"attention": {}}}, ["model.attention.name: required"], id="no-component-name"
        ),
    ],
)
def test_wrong_values_are_named(values, parts):
    text = message_of(lambda: validate(Recipe, values))
    assert all(part in text for part in parts), text


def test_the_place_stands_before_the_setting():
    assert message_of(lambda: validate(Recipe, {"nmae": "x"}, "mine.yaml")).startswith("mine.yaml: ")


@pytest.mark.parametrize("values", [None, [], "text", 3], ids=repr)
def test_a_file_that_holds_no_mapping_is_refused(values):
    assert message_of(lambda: validate(Recipe, values, "mine.yaml")).startswith("mine.yaml: ")


def test_a_component_is_built_by_its_registered_name():
    layer = Component(name="layer", rate=0.25, heads=2).build(LAYERS, "model.attention", width=8)
    assert (layer.width, layer.heads, layer.rate, layer.choice) == (8, 2, 0.25, "hard")


def test_a_component_is_built_by_its_import_path():
    assert Component(name="collections.Counter", a=2).build(LAYERS, "data") == Counter(a=2)


def test_a_component_with_free_arguments_takes_all():
    assert Component(name="free", any_name=1).build(LAYERS, "x", width=8).anything == {"any_name": 1, "width": 8}


def test_whole_numbers_are_good_for_fractions():
    assert Component(name="layer", heads=2, rate=1).build(LAYERS, "x", width=8).rate == 1.0


@pytest.mark.parametrize(
    ("component", "parts"),
    [
        pytest.param(Component(name="lyaer"), ["part.name: unknown name 'lyaer'", "did you mean 'layer'?"], id="name"),
        pytest.param(Component(name="no.such.Class"), ["part.name: cannot import 'no.such.Class'"], id="module"),
        pytest.param(
            Component(name="collections.Conter"), ["part.name: cannot import 'collections.Conter'"], id="class"
        ),
        pytest.param(
            Component(name="layer", heads=2, chioce="soft"),
            ["part.chioce: unknown", "did you mean 'choice'?"],
            id="argument",
        ),
        pytest.param(Component(name="layer", heads="two"), ["part.heads", "integer", "'two'"], id="type"),
        pytest.param(Component(name="layer", heads=2.5), ["part.heads", "2.5"], id="fraction-for-a-whole-number"),
        pytest.param(Component(name="layer"), ["part.heads: required by Layer"], id="required"),
        pytest.param(
            Component(name="layer", heads=3), ["part: 3 heads do not divide the width 8"], id="refused-by-the-class"
        ),
        pytest.param(
            Component(name="layer", heads=2, width=9), ["part.width: unknown setting"], id="given-from-elsewhere"
        ),
    ],
)
def test_a_component_that_cannot_be_built_says_why(component, parts):
    text = message_of(lambda: component.build(LAYERS, "part", width=8))
    assert all(part in text for part in parts), text


def test_a_class_that_does_not_take_what_the_model_gives_is_named():
    text = message_of(lambda: Component(name="layer", heads=2).build(LAYERS, "part", widths=8))
    assert text == "part: Layer does not take 'widths'; did you mean 'width'? allowed: choice, heads, part, rate, width"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("model.width", "64", {"name": "a", "model": {"width": 64, "layers": 4}}, id="replace"),
        pytest.param(
            "model.attention.sampled",
            "8",
            {"name": "a", "model": {"width": 128, "layers": 4, "attention": {"sampled": 8}}},
            id="new-group",
        ),
        pytest.param("name", "null", {"name": None, "model": {"width": 128, "layers": 4}}, id="null"),
        pytest.param(
            "columns", "[a, b]", {"name": "a", "model": {"width": 128, "layers": 4}, "columns": ["a", "b"]}, id="list"
        ),
        pytest.param("name", "true", {"name": True, "model": {"width": 128, "layers": 4}}, id="boolean"),
        pytest.param("name", "1.5", {"name": 1.5, "model": {"width": 128, "layers": 4}}, id="fraction"),
    ],
)
def test_override_replaces_one_setting_and_leaves_the_given_ones(name, text, expected):
    given = {"name": "a", "model": {"width": 128, "layers": 4}}
    assert override(given, name, text) == expected
    assert given == {"name": "a", "model": {"width": 128, "layers": 4}}


def test_scientific_notation_becomes_a_number_in_the_end():
    component = Component(**override({"name": "layer", "heads": 2}, "rate", "1e-3"))
    assert component.build(LAYERS, "part", width=8).rate == 1e-3


def test_override_refuses_a_setting_inside_a_plain_value():
    assert "model.width.x: 'width' is the plain value 128" in message_of(
        lambda: override({"model": {"width": 128}}, "model.width.x", "1")
    )


def test_override_refuses_what_is_no_yaml():
    assert "model.width: '[1,': not valid YAML" in message_of(lambda: override({}, "model.width", "[1,"))


def test_nearest_names_what_is_close_and_all_that_is_allowed():
    assert nearest("smasa", ["samsa", "full"]) == "did you mean 'samsa'? allowed: full, samsa"
    assert nearest("zzz", ["samsa", "full"]) == "allowed: full, samsa"
