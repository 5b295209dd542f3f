"""The demo runs as the README shows it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]


def test_the_demo_prints_the_table_of_the_readme_and_draws_the_overlay(tmp_path: Path) -> None:
    """`examples/demo.py` scores, prints, draws, and leaves no service behind."""
    command = [sys.executable, str(ROOT / "examples/demo.py"), str(tmp_path)]
    demo = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=900, check=False)
    assert (demo.returncode, demo.stdout) == (0, table_of_the_readme()), demo.stderr
    with Image.open(tmp_path / "overlay.png") as overlay:
        assert overlay.size == (384 * 3, 303 * 3 + 64)
    assert "Finished server process" in (tmp_path / "service.log").read_text()


def table_of_the_readme() -> str:
    """The block of text that the README shows."""
    found = re.search(r"^```text\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]
