"""The runner of transformers' tests, on a small suite of the same kind."""

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from benchmarks.transformers_suite import beside, main, outcomes

SUITE = """
import unittest

import torch
from transformers import BertConfig, BertModel

SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}


class Tester:
    attn_implementation = "eager"


class SmallTest(unittest.TestCase):
    def setUp(self):
        self.model_tester = Tester()

    def test_default(self):
        model = BertModel(BertConfig(**SMALL))
        self.assertEqual(model.config._attn_implementation, "sdpa")

    def test_asked(self):
        model = BertModel._from_config(BertConfig(**SMALL), attn_implementation="eager").eval()
        codes = torch.tensor([[1, 2, 3]])
        expected = model(codes).last_hidden_state
        model.set_attn_implementation("sdpa")
        torch.testing.assert_close(model(codes).last_hidden_state, expected, rtol=0, atol=1e-5)

    def test_eager(self):
        model = BertModel._from_config(BertConfig(**SMALL), attn_implementation="eager")
        self.assertEqual(model.config._attn_implementation, "eager")

    def test_tester(self):
        model = BertModel(BertConfig(**SMALL, attn_implementation=self.model_tester.attn_implementation))
        self.assertNotIn(model.config._attn_implementation, ("eager", "samsa"))

    def test_decoder(self):
        BertModel(BertConfig(**SMALL, is_decoder=True))

    def test_of_both(self):
        with self.subTest("first"):
            self.fail("in both")

    @unittest.skip("not now")
    def test_skipped(self):
        self.fail()
"""


def test_outcomes_are_put_beside_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_small.py").write_text(SUITE)
    main([str(tmp_path), "test_small.py", "-o", str(tmp_path / "suite.json")])
    record = json.loads((tmp_path / "suite.json").read_text())
    name = "test_small.py::SmallTest::test_"
    assert record["outcomes"] == {
        f"{name}{test}": {"sdpa": first, "samsa": second}
        for test, first, second in (
            ("asked", "passed", "passed"),
            ("decoder", "passed", "failed"),
            ("default", "passed", "failed"),
            ("eager", "passed", "passed"),
            ("of_both", "failed", "failed"),
            ("skipped", "skipped", "skipped"),
            ("tester", "passed", "failed"),
        )
    }
    assert record["counts"] == {
        "sdpa": {"passed": 5, "failed": 1, "skipped": 1},
        "samsa": {"passed": 2, "failed": 4, "skipped": 1},
    }
    assert set(record["differences"]) == {f"{name}{test}" for test in ("decoder", "default", "tester")}
    reason = record["differences"][f"{name}decoder"]["samsa"]["reason"]
    assert "is causal, expected an encoder with attn_implementation='samsa'" in reason
    assert f"{name}default\n  sdpa: passed \n  samsa: failed AssertionError" in capsys.readouterr().out


def test_a_test_that_one_run_lacks_is_in_no_comparison() -> None:
    passed = {"outcome": "passed", "reason": ""}
    record = beside({"sdpa": {"a": passed, "b": passed}, "samsa": {"b": {"outcome": "failed", "reason": "why"}}})
    assert record["counts"] == {"sdpa": {"passed": 2}, "samsa": {"failed": 1}}
    assert record["outcomes"] == {"b": {"sdpa": "passed", "samsa": "failed"}}


def test_a_folder_without_tests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no test ran"):
        outcomes(tmp_path, ["test_none.py"], "sdpa")
