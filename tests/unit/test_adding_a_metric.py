"""A metric is added as docs/adding-a-metric.md says: three files by hand, the generated ones by their commands, and no more."""

import ast
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from lossgauge import metrics
from lossgauge.metrics import CATALOGUE

from tests.contract.frozen import GOLDEN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/adding-a-metric.md").read_text()
COPIED = ("clients", "service", "tests", "docs", "README.md", "pyproject.toml")
CACHES = ("__pycache__", ".hypothesis", ".pytest_cache")
MORE = re.compile(r"^    # \.\.\.\n", re.MULTILINE)
SECTION = re.compile(r"^## \d\. The \w+: `(.*?)`\n.*?^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
EDITED = dict(SECTION.findall(PAGE))
GENERATING = (["docs/tables.py"], ["-m", "tests.contract.frozen"])
GENERATED = {
    "README.md",
    "docs/openapi.json",
    *(f"tests/contract/golden/{file.name}" for file in GOLDEN.glob("*.json")),
}
SHOWING = {"README.md", "docs/openapi.json", "tests/contract/golden/catalogue.json"}
HELD = (
    "tests/unit/test_laws.py",
    "tests/unit/test_laws_inputs.py",
    "tests/unit/test_scores.py",
    "tests/unit/test_docs.py::test_tables_are_those_of_the_code",
    "tests/contract/test_catalogue.py",
)
SLOW = "test_what_does_not_fit_is_refused"

# ---------------------------------------------------------------------------------------------------- snippets into files


def edited(text: str, block: str) -> str:
    """A file with a block of the page in it: statements with `# ...` gain entries, the others are put before the next of these."""
    anchor: ast.stmt | None = None
    for statement in reversed(ast.parse(block).body):
        code = ast.get_source_segment(block, statement) or ""
        if MORE.search(code):
            anchor = _like(statement, text)
            text = _replaced(text, anchor, _extended(ast.get_source_segment(text, anchor) or "", _entries(code)))
        else:
            text = _put_before(text, anchor, code)
    return text


def _entries(code: str) -> str:
    return MORE.split(code)[1].rpartition("\n")[0]


def _like(statement: ast.stmt, text: str) -> ast.stmt:
    [found] = [other for other in ast.parse(text).body if _head(other) == _head(statement)]
    return found


def _head(statement: ast.stmt) -> str | None:
    """What is imported from, or the name that is assigned."""
    if isinstance(statement, ast.ImportFrom):
        return f"from {statement.module}"
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return targets[0].id if isinstance(targets[0], ast.Name) else None


def _extended(code: str, entries: str) -> str:
    if code[-1] not in ")]}":  # the names of an import in one line
        return f"{code}, {entries.strip().rstrip(',')}"
    return f"{code[:-1].rstrip().rstrip(',')},\n{entries}\n{code[-1]}"


def _replaced(text: str, statement: ast.stmt, code: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[: statement.lineno - 1], code + "\n", *lines[statement.end_lineno :]])


def _put_before(text: str, anchor: ast.stmt | None, code: str) -> str:
    lines = text.splitlines(keepends=True)
    place = len(lines) if anchor is None else anchor.lineno - 1
    before, after = "".join(lines[:place]).rstrip("\n"), "".join(lines[place:])
    return f"{before}\n\n\n{code}\n" + (f"\n\n{after}" if after else "")


# --------------------------------------------------------------------------------------------------------- in a copy of it


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file, by its path, without caches."""
    found = (path for path in folder.rglob("*") if path.is_file() and not set(path.parts) & set(CACHES))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def run(folder: Path, *arguments: str) -> str:
    """What Python says in a copy of the repository, of the code that is there."""
    places = [folder, folder / "clients/python", folder / "service"]
    here = {
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
        "LOSSGAUGE_KERNEL": "eager",
        "LOSSGAUGE_DEVICE": "cpu",
        "LAW_EXAMPLES": "0.1",
    }
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | here, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository."""
    folder = tmp_path_factory.mktemp("adding") / "repository"
    folder.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*CACHES))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def test_a_metric_is_three_files(repository: Path) -> None:
    """With the page's blocks in its three files and the generated files written again, all tests hold, and no other file differs."""
    before = files(repository)
    for path, block in EDITED.items():
        (repository / path).write_text(edited((repository / path).read_text(), block))
    for command in GENERATING:
        run(repository, *command)
    after = files(repository)
    changed = {path for path in after if after[path] != before.get(path)}
    assert len(EDITED) == 3
    assert before.keys() == after.keys()
    assert EDITED.keys() | SHOWING <= changed <= EDITED.keys() | GENERATED

    told = run(repository, "-m", "pytest", "-v", *HELD, "-k", f"not {SLOW}")
    assert "test_no_metric_scores_what_is_not_finite[volume_similarity] PASSED" in told
    assert " passed" in told


def test_every_file_of_specs_is_in_the_catalogue() -> None:
    """A file of specs that lossgauge.metrics does not import is found here."""
    modules = [import_module(f"{metrics.__name__}.{file.name}") for file in pkgutil.iter_modules(metrics.__path__)]
    listed = [getattr(module, name) for module in modules for name in getattr(module, "__all__", ())]
    specs = {spec for spec in listed if issubclass(spec, metrics.MetricSpec)}
    assert specs == set(CATALOGUE.values())
