"""What importing the client imports."""

import subprocess
import sys

import pytest

SERVICE = ("lossgauge_service", "fastapi", "starlette", "uvicorn", "orjson", "pydantic_settings", "multipart")
HEAVY = (*SERVICE, "torch", "pandas", "PIL", "scipy", "safetensors")
STATEMENTS = (
    "import lossgauge",
    "from lossgauge import metrics, Client, AsyncClient; metrics.FocalLoss(gamma=2); AsyncClient(); Client().close()",
    "import lossgauge.wire, lossgauge.encodings, lossgauge.errors, lossgauge.results",
    "from lossgauge import *",
)


def imported_by(statement: str) -> set[str]:
    """Which of the heavy modules a fresh interpreter holds after a statement."""
    program = f"import sys; {statement}; print(*({set(HEAVY)!r} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize("statement", STATEMENTS)
def test_importing_the_client_imports_nothing_heavy(statement: str) -> None:
    """The client, its metrics and its contract need httpx, NumPy and pydantic only."""
    assert imported_by(statement) == set()


def test_a_heavy_import_would_be_seen() -> None:
    """The test above can fail."""
    assert imported_by("import lossgauge, lossgauge_service, PIL") == {"lossgauge_service", "PIL"}
