"""Registries: names, import paths, and code that is not trusted."""

from collections import Counter, OrderedDict

import pytest

from sampleformer.errors import InputError
from sampleformer.registry import Registry, check_trusted, is_trusted, trusted_code

MAPPINGS: Registry[dict] = Registry(dict, {"counter": Counter})


def test_registered_names_and_import_paths():
    assert MAPPINGS.resolve("counter", "data") is Counter
    assert MAPPINGS.resolve("collections.OrderedDict", "data") is OrderedDict


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conter", "data.name: unknown name 'conter'; did you mean 'counter'?"),
        ("no.such.Class", "data.name: cannot import 'no.such.Class'"),
        ("collections.Conter", "data.name: cannot import 'collections.Conter'"),
        (".relative", "data.name: unknown name '.relative'"),
        ("..relative.Class", "data.name: cannot import '..relative.Class'"),
        ("subprocess.Popen", "expected a class derived from builtins.dict"),
        ("torch.hub.load", "expected a class derived from builtins.dict"),
        ("os.environ", "expected a class derived from builtins.dict"),
        ("x" * 10_000, "data.name: unknown name 'xxx"),
        ("a\nb", "data.name: unknown name 'a\\nb'"),
    ],
)
def test_what_is_no_class_of_the_kind(name: str, message: str):
    with pytest.raises(InputError) as raised:
        MAPPINGS.resolve(name, "data.name")
    text = str(raised.value)
    assert message in text
    assert "\n" not in text
    assert len(text) < 1000


@pytest.mark.parametrize("name", ["collections.OrderedDict", "subprocess.Popen", "this.s", "no.such.Class"])
def test_code_that_is_not_trusted_is_not_even_imported(name: str, capsys: pytest.CaptureFixture[str]):
    with trusted_code(False), pytest.raises(InputError, match=r"is code from outside .*--trust-code"):
        MAPPINGS.resolve(name, "data.name")
    assert capsys.readouterr().out == ""  # the module `this` prints a poem
    with trusted_code(False):
        assert MAPPINGS.resolve("counter", "data") is Counter


def test_trust_ends_with_its_context_and_an_inner_one_gives_no_more():
    assert is_trusted()
    with trusted_code(False):
        with trusted_code(True):
            assert not is_trusted()
        with pytest.raises(InputError, match=r"^data: 'a.B' is code from outside"):
            check_trusted("data", "a.B")
    assert is_trusted()
    with trusted_code(True):
        assert is_trusted()
