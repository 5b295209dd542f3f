"""Kernels compiled ahead of time, each kept in a file of its own: a process that finds the file traces nothing.

What the file's C++ was compiled to lies beside it, in the compiler's own folders; where it is missing it is compiled again.
"""

import hashlib
import logging
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor
from torch._inductor.runtime.cache_dir_utils import cache_dir

from lossgauge_service.engine.blocks import Kernel

OPTIONS: Mapping[str, str | int | bool | Callable[..., object]] = {
    "realize_reads_threshold": 10_000,
    "realize_opcount_threshold": 10_000,
    "realize_acc_reads_threshold": 10_000,
    "max_fusion_size": 10_000,
    "cpp.max_horizontal_fusion_size": 10_000,
    "cpp.enable_floating_point_contract_flag": "fast",
    "cpp.dynamic_threads": True,
    "guard_filter_fn": torch.compiler.keep_tensor_guards_unsafe,
}
"""Keep what several sums share in registers: by default the compiler writes it to memory and reads it again. Products fuse with sums.
One kernel serves any number of threads. A call checks the dtypes of its tensors and their fixed sizes, not the state of the process;
another dtype is an error."""

CALL = """
struct Unlocked {{
    PyThreadState* state = PyEval_SaveThread();
    ~Unlocked() {{ PyEval_RestoreThread(state); }}
}};
[](auto... given) {{ Unlocked unlocked; kernel(given...); }}({});
Py_RETURN_NONE;
"""
"""How Python calls a kernel of the CPU, in C++: torch's own call keeps the interpreter's lock, and nothing else would run meanwhile."""

TEXTS = ("ahead.py", "expressions.py", "kernels.py", "softplus.py")
"""What kernels are written in, and how they are compiled: a change compiles anew."""

FOLDER = "ahead"

Arguments = tuple[Tensor | None, ...]

log = logging.getLogger(__name__)


@dataclass
class Ahead:
    """A function that is loaded, or else compiled and kept, when it is first called; no other kernel is meanwhile.

    `name` tells it from the engine's other kernels and has the sizes that it is compiled for; all else that it depends on, the file's
    name has of itself. `example` makes arguments, marked where sizes vary.
    """

    name: str
    function: Kernel
    example: Callable[[], Arguments]
    device: torch.device
    _kernel: Kernel | None = field(default=None, init=False)

    def __call__(self, *arguments: Tensor | None) -> Tensor:
        """What the function returns."""
        if self._kernel is None:
            with _ONE_AT_A_TIME, _unlocked():
                self._kernel = self._kernel or self._loaded() or self._compiled()
        return self._kernel(*arguments)

    @property
    def file(self) -> Path:
        """Where the kernel is kept."""
        stamp = hashlib.sha256(f"{_origin(self.device)} {self.name}".encode()).hexdigest()
        return Path(cache_dir(), FOLDER, stamp[:32])

    def _compiled(self) -> Kernel:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        compiled: Any = torch.compile(self.function, fullgraph=True, options=dict(OPTIONS))
        kernel = compiled.aot_compile((self.example(), {}))
        kernel.save_compiled_function(str(self.file))
        loaded: Kernel = self._loaded() or kernel  # as every other process has it
        return loaded

    def _loaded(self) -> Kernel | None:
        """The kernel that is kept; None where there is none, or none that this process can use."""
        if not self.file.exists():
            return None
        try:
            with self.file.open("rb") as kept:
                kernel: Kernel = torch.compiler.load_compiled_function(kept)
                return kernel
        except Exception:
            log.warning(
                "the kernel %s cannot be loaded from %s, and is compiled anew", self.name, self.file, exc_info=True
            )
            return None


_ONE_AT_A_TIME = Lock()
"""torch's tracer is one for the process."""


@contextmanager
def _unlocked() -> Iterator[None]:
    """Have what is compiled or loaded meanwhile run without the interpreter's lock."""
    # imported here, for it takes a second, which eager kernels do without
    from torch._inductor.codecache import CppPythonBindingsCodeCache as Bindings

    before, Bindings.call_entry_function = Bindings.call_entry_function, CALL
    try:
        yield
    finally:
        Bindings.call_entry_function = before


def _origin(device: torch.device) -> str:
    """What kernels are written in, torch, Python, and what the device computes with."""
    text = b"".join(Path(__file__).with_name(name).read_bytes() for name in TEXTS)
    return " ".join([hashlib.sha256(text).hexdigest(), torch.__version__, platform.python_version(), *_chip(device)])


def _chip(device: torch.device) -> Iterator[str]:
    yield platform.machine()
    yield torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
