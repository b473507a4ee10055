"""When a kernel can run, what is said when it cannot, and what is refused."""

import logging

import pytest
import torch

from sampleformer.kernels import KERNELS, availability, check_kernel, unavailable, use_triton
from tests.forked import run_python

REASON = "the moon is full"


@pytest.fixture
def no_interpreter(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "0")


@pytest.fixture
def interpreter(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")


@pytest.fixture
def nothing_said(monkeypatch):
    monkeypatch.setattr(availability, "_said", set())


@pytest.fixture
def gpu(monkeypatch, no_interpreter):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index=None: (9, 0))


def test_the_interpreter_runs_on_cpu_tensors(interpreter):
    assert unavailable(torch.zeros(2, 8), torch.zeros(2, dtype=torch.int64), widths=(8, 128)) is None


def test_without_triton_the_line_that_installs_it_is_named(monkeypatch, interpreter):
    monkeypatch.setattr(availability, "_installed", False)
    assert unavailable(torch.zeros(2)) == 'Triton is not installed: pip install "sampleformer[kernels]"'


@pytest.mark.parametrize("where", [torch.zeros(2), torch.device("cpu")], ids=["tensor", "device"])
def test_the_cpu_is_no_place_without_the_interpreter(where, no_interpreter):
    assert unavailable(where) == "the tensors are on cpu, expected cuda"


@pytest.mark.parametrize(
    ("version", "reason"),
    [("13.0", "no CUDA device was found"), (None, f"torch {torch.__version__} is built without CUDA")],
)
def test_what_a_machine_without_cuda_lacks(version, reason, monkeypatch, no_interpreter):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", version)
    assert unavailable(torch.device("cuda")) == reason


def test_one_tensor_on_another_device_is_enough(gpu):
    assert unavailable(torch.device("cuda", 0), torch.zeros(2)) == "the tensors are on cpu, expected cuda"


def test_a_gpu_can(gpu):
    assert unavailable(torch.device("cuda", 0)) is None
    assert use_triton("auto", None)


def test_old_gpus_cannot(monkeypatch, gpu):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index=None: (7, 5))
    found = unavailable(torch.device("cuda", 0))
    assert found == "the GPU has compute capability 7.5, expected at least 8.0"


def test_double_precision_cannot(interpreter):
    found = unavailable(torch.zeros(2), torch.zeros(2, dtype=torch.float64))
    assert found == "the dtype is float64, expected float32, bfloat16, float16"


@pytest.mark.parametrize("width", [5, 129])
def test_head_widths_have_bounds(width, interpreter):
    assert unavailable(torch.zeros(2), widths=(16, width)) == f"the head width is {width}, expected 8 to 128"


def test_an_exported_program_needs_no_triton():
    class Reason(torch.nn.Module):
        def forward(self, x):
            found = unavailable(x)
            return x + (0 if found is None else len(found))

    exported = torch.export.export(Reason(), (torch.zeros(2),)).module()
    length = len("a program is being exported, and shall run without Triton")
    assert torch.equal(exported(torch.zeros(2)), torch.full((2,), float(length)))


@pytest.mark.parametrize("kernel", ["plain", "auto"])
def test_what_falls_back(kernel, no_interpreter):
    assert not use_triton(kernel, REASON)


def test_auto_leaves_the_interpreter_to_checks(interpreter):
    assert not use_triton("auto", None)
    assert use_triton("triton", None)


def test_what_was_named_and_cannot_run_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="moon") as raised:
        use_triton("triton", REASON)
    assert str(raised.value) == "kernel is 'triton', which cannot run: the moon is full; allowed: 'auto', 'plain'"


@pytest.mark.parametrize("kernel", KERNELS)
def test_known_kernels_pass(kernel):
    check_kernel(kernel)


def test_unknown_kernels_are_refused():
    with pytest.raises(ValueError, match="kernel is 'cuda'; .*allowed: auto, plain, triton"):
        check_kernel("cuda")


def test_each_reason_is_said_once(caplog, nothing_said, gpu):
    with caplog.at_level(logging.INFO, logger="sampleformer"):
        for reason in (REASON, REASON, "the moon is new", REASON):
            use_triton("auto", reason)
        use_triton("plain", "of no interest")
    assert [record.getMessage() for record in caplog.records] == [
        "plain functions in place of Triton kernels: the moon is full",
        "plain functions in place of Triton kernels: the moon is new",
    ]


def said(reason: str, caplog: pytest.LogCaptureFixture) -> list[int]:
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="sampleformer"):
        use_triton("auto", reason)
    return [record.levelno for record in caplog.records]


def test_without_a_gpu_nothing_is_said(monkeypatch, caplog, nothing_said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert said(REASON, caplog) == []


def test_with_a_gpu_it_is_a_warning_unless_the_tensors_are_elsewhere(caplog, nothing_said, gpu):
    assert said(REASON, caplog) == [logging.WARNING]
    assert said("the tensors are on cpu, expected cuda", caplog) == []


@pytest.mark.parametrize("kernel", ["auto", "triton"])
def test_the_compiler_looks_through(kernel, fresh_compiler, no_interpreter, monkeypatch):
    if kernel == "triton":
        monkeypatch.setenv("TRITON_INTERPRET", "1")

    @torch.compile(fullgraph=True, backend="eager")
    def function(x):
        return x + int(use_triton(kernel, unavailable(x, widths=(x.shape[1],))))

    assert torch.equal(function(torch.zeros(2, 8)), torch.full((2, 8), float(kernel == "triton")))


def test_the_package_works_without_triton(interpreter, tmp_path):
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import torch, sampleformer.attention as a, sampleformer.kernels as k\n"
        "from sampleformer import Tokens\n"
        "print(k.unavailable(torch.zeros(2)))\n"
        "print(a.SftAttention(16, 2)(Tokens(torch.zeros(1, 5, 16))).shape)\n"
        "print([name for name in sys.modules if name.startswith('sampleformer') and name.endswith('_triton')])"
    )
    finished = run_python(["-c", code], tmp_path, imported="torch")
    assert finished.stdout.splitlines() == [
        'Triton is not installed: pip install "sampleformer[kernels]"',
        "torch.Size([1, 5, 16])",
        "[]",
    ]
