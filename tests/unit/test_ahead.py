"""Kernels compiled ahead of time: what is kept, and when it is used."""

import ast
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lossgauge_service.engine import ahead
from lossgauge_service.engine.ahead import Ahead, Arguments
from torch import Tensor

CPU = torch.device("cpu")
ENGINE = "lossgauge_service.engine."

pytestmark = pytest.mark.skipif(os.environ.get("LOSSGAUGE_KERNEL") != "compiled", reason="these compile")


def total(x: Tensor, factor: Tensor) -> Tensor:
    """The sums of rows, times a factor."""
    return (x * factor).sum(1)


def example() -> Arguments:
    """Rows, of which there may be any number from two on."""
    x = torch.ones(8, 16)
    torch._dynamo.mark_dynamic(x, 0, min=2, max=2**20)
    return x, torch.ones(1)


def never() -> Arguments:
    """Stands where nothing may be compiled."""
    raise AssertionError("it was compiled")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ahead]:
    """Makes a kernel that is kept in a folder of its own."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    return lambda make=example, name="total": Ahead(name, total, make, CPU)


def test_a_kept_kernel_is_loaded_and_not_compiled(kernel: Callable[..., Ahead]) -> None:
    """The first compiles when it is called, for any number of rows; a second finds its file."""
    first = kernel()
    assert not first.file.exists()
    for rows in (2, 8, 100):
        assert first(torch.ones(rows, 16), torch.tensor([3.0])).tolist() == [48.0] * rows
    assert kernel(never)(torch.ones(5, 16), torch.tensor([2.0])).tolist() == [32.0] * 5


def test_a_kernel_refuses_what_it_was_not_compiled_for(kernel: Callable[..., Ahead]) -> None:
    """Tensors of another dtype or size are an error, not numbers."""
    made = kernel()
    for wrong in (torch.ones(8, 16, dtype=torch.float64), torch.ones(8, 17)):
        with pytest.raises(RuntimeError, match="GuardManager check failed"):
            made(wrong, torch.ones(1))


def test_a_file_that_cannot_be_loaded_is_made_anew(
    kernel: Callable[..., Ahead], caplog: pytest.LogCaptureFixture
) -> None:
    """Half a file is no kernel: a warning, and it is compiled and kept again."""
    whole = kernel()
    whole(torch.ones(8, 16), torch.ones(1))
    content = whole.file.read_bytes()
    whole.file.write_bytes(content[: len(content) // 2])
    assert kernel()(torch.ones(3, 16), torch.ones(1)).tolist() == [16.0] * 3
    told = [record.message for record in caplog.records if record.name == ahead.__name__]
    assert ["cannot be loaded" in message for message in told] == [True]
    assert kernel(never)(torch.ones(3, 16), torch.ones(1)).tolist() == [16.0] * 3


def test_others_run_while_a_kernel_does(kernel: Callable[..., Ahead]) -> None:
    """A thread that counts goes on while another is in kernels: they do not keep the interpreter's lock."""
    made, x, factor = kernel(), torch.ones(2**19, 16), torch.ones(1)
    made(x, factor)
    counted, over = [0], threading.Event()

    def count() -> None:
        while not over.is_set():
            counted[0] += 1
            time.sleep(0)

    during, turn = [], sys.getswitchinterval()
    counting = threading.Thread(target=count)
    counting.start()
    sys.setswitchinterval(
        60
    )  # a turn is longer than all of this: the other runs where a call lets it, and nowhere else
    try:
        for _ in range(50):
            before = counted[0]
            made(x, factor)
            during.append(counted[0] - before)
    finally:
        sys.setswitchinterval(turn)
        over.set()
        counting.join()
    assert sum(during) > 200


def test_what_a_kernel_depends_on_names_its_file(kernel: Callable[..., Ahead], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another kernel, text, torch or instruction set: another file."""
    files = [kernel().file, kernel(name="other").file]
    for owner, name, value in (
        (ahead, "TEXTS", ("softplus.py",)),
        (torch, "__version__", "0"),
        (torch.backends.cpu, "get_cpu_capability", lambda: "none"),
    ):
        with monkeypatch.context() as other:
            other.setattr(owner, name, value)
            files.append(kernel().file)
    assert len({*files}) == 5
    assert kernel().file == files[0]


def test_all_that_a_kernel_is_written_in_is_told() -> None:
    """What the expressions import of the engine is among the texts that compile anew."""
    folder = Path(ahead.__file__).parent
    for name in ("expressions.py", "softplus.py"):
        found = [
            node.module or ""
            for node in ast.walk(ast.parse((folder / name).read_text()))
            if isinstance(node, ast.ImportFrom)
        ]
        assert {f"{module.removeprefix(ENGINE)}.py" for module in found if module.startswith(ENGINE)} <= {*ahead.TEXTS}
