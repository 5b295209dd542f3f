"""Schemathesis over our own OpenAPI document: every answer is one that the document names."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.serving import running
from tests.reliability import schema_hooks
from tests.reliability.figure import Figure

CONFIG = Path(__file__).with_suffix(".toml")
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)
SHARES = 3000
"""A hundred examples go with one in thirty of the cases of its phase of coverage, which are up to 24,000 for an operation."""
WITHIN_S = 900.0
PLANTED, UNDECLARED = "/v1/presets/{name}", "Undocumented status code"


@dataclass(frozen=True)
class Told:
    """What schemathesis says of a run: its report, or the end of what it printed where there is none."""

    report: dict[str, Any]
    printed: str

    @property
    def is_right(self) -> bool:
        """Whether it ended by itself, asked all operations, and found nothing."""
        return self.report.get("stop_reason") == "completed" and self.report.get("exit_code") == 0

    @property
    def found(self) -> str:
        """What it asked, and how often it found something."""
        if not self.report:
            return " ".join(self.printed[-300:].split())
        operations, cases = self.report["operations"], self.report["test_cases"]
        rates = [phase for phases in self.report["valid_rates"].values() for phase in phases.values()]
        accepted = sum(phase["accepted"] for phase in rates)
        failures = [f"{one['title']} x {one['count']}" for one in self.report["failures"] + self.report["errors"]]
        return (
            f"{operations['tested']} of {operations['total']} operations, {cases['generated']} requests, {accepted} of the right ones "
            f"answered with 2xx, in {self.report['running_time']:.0f} s: {', '.join(failures) or 'nothing found'}"
        )


def run(url: str, examples: int) -> Figure:
    """So many examples for each operation, those of the document, and a share of the cases of its schemas."""
    told = _told(url, examples)
    test = f"schemathesis over our own OpenAPI document, {examples} examples an operation"
    return Figure(test, "all operations, 0 undocumented answers, 0 errors", told.found, told.is_right)


def planted(log: Path) -> Figure:
    """A service that answers with a status that its document does not name, now and then."""
    with running(log, "--kernel", "eager", module="tests.reliability.undeclared") as service:
        told = _told(service.url, 20, f"--include-path={PLANTED}")
    return Figure("schemathesis, an undeclared status planted", "is found", told.found, UNDECLARED in told.found)


def _told(url: str, examples: int, *arguments: str) -> Told:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [f"{sys.prefix}/bin/schemathesis", "--config-file", str(CONFIG), "run", f"{url}/openapi.json"]
        options = [
            f"--checks={CHECKS}",
            f"--max-examples={examples}",
            "--seed=1",
            "--no-color",
            "--continue-on-failure",
        ]
        reported = ["--report=json", f"--report-json-path={report}"]
        printed = _printed([*command, *options, *reported, *arguments], examples / SHARES)
        return Told(json.loads(report.read_text()) if report.exists() else {}, printed)


def _printed(command: list[str], share: float) -> str:
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": schema_hooks.__name__,
        schema_hooks.SHARE: str(min(1.0, share)),
    }
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        return f"not done within {WITHIN_S:g} s"
    return done.stdout + done.stderr
