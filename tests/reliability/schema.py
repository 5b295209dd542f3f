"""Schemathesis over our own OpenAPI document: every answer is one that the document names."""

import re
import subprocess
import sys
from pathlib import Path

from tests.reliability.figure import Figure

CONFIG = Path(__file__).with_suffix(".toml")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def run(url: str, examples: int) -> Figure:
    """So many examples for each operation."""
    script = f"{sys.prefix}/bin/schemathesis"
    command = [script, "--config-file", str(CONFIG), "run", f"{url}/openapi.json", "--checks", CHECKS]
    done = subprocess.run(
        [*command, f"--max-examples={examples}", "--seed=1", "--no-color"], capture_output=True, text=True
    )
    [summary] = re.findall(r"^=+ (.*) in [\d.]+s =+$", done.stdout, re.MULTILINE)[-1:] or [
        done.stdout[-300:] + done.stderr[-300:]
    ]
    return Figure(
        f"schemathesis over our own OpenAPI document, {examples} examples an operation",
        "0 undocumented answers",
        " ".join(summary.split()),
        done.returncode == 0,
    )
