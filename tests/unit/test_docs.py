"""The documentation says what the code says."""

import ast
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from lossgauge import __version__
from lossgauge.encodings import BY_NAME
from lossgauge.encodings.base import Caps
from lossgauge.encodings.part import READERS
from lossgauge.wire import Question
from lossgauge_service.app import create_app
from lossgauge_service.settings import Settings
from pydantic import TypeAdapter

from docs.tables import OPENAPI, PAGES, ROOT, filled, openapi

PROSE = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text()
ENCODINGS = (ROOT / "docs/encodings.md").read_text()


def blocks(page: Path, language: str) -> list[str]:
    """The code of a language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_those_of_the_code(page: str) -> None:
    """Every metric, error and setting stands in its table; `scripts/docs` writes them."""
    text = (ROOT / page).read_text()
    assert text == filled(text)
    assert "<!-- end -->" in text


def test_the_openapi_document_is_that_of_the_code() -> None:
    """What the service says of itself stands in docs/openapi.json; `scripts/docs` writes it."""
    assert OPENAPI.read_text() == openapi()


def test_the_python_on_every_page_parses() -> None:
    """No snippet has a syntax error."""
    snippets = [snippet for page in PROSE for snippet in blocks(page, "python")]
    assert len(snippets) >= 4
    for snippet in snippets:
        assert ast.parse(snippet).body


def test_the_json_on_every_page_parses() -> None:
    """No document has a syntax error."""
    documents = [document for page in PROSE for document in blocks(page, "json")]
    assert len(documents) >= 2
    for document in documents:
        assert isinstance(json.loads(document), dict)


def test_every_route_is_in_the_readme() -> None:
    """A route without documentation fails here."""
    paths: dict[str, dict[str, Any]] = create_app(Settings()).openapi()["paths"]
    routes = {f"`{method.upper()} {path}`" for path, methods in paths.items() for method in methods}
    assert {route for route in routes if route not in README} == set()
    assert "`POST /v1/score`" in routes


def test_every_encoding_is_documented() -> None:
    """An encoding is in the README and in docs/encodings.md, a part's media type in the latter."""
    assert [name for name in BY_NAME if f"| `{name}` |" not in README] == []
    assert [name for name in BY_NAME if f"| `{name}` |" not in ENCODINGS] == []
    assert [media_type for media_type in READERS if f"`{media_type}" not in ENCODINGS] == []


def test_the_examples_of_encodings_decode() -> None:
    """Each whole example of docs/encodings.md is an array of two by two."""
    documents = [json.loads(text) for text in re.findall(r"\| `(\{.*?\})` \|", ENCODINGS) if '.."' not in text]
    arrays = [
        TypeAdapter(BY_NAME[document["encoding"]]).validate_python(document).decode({}, Caps())
        for document in documents
        if "name" not in document
    ]
    assert [array.shape for array in arrays] == [(2, 2)] * 7


def test_every_script_is_in_the_readme_and_can_be_run() -> None:
    """A script without a line in the README fails here."""
    scripts = sorted((ROOT / "scripts").iterdir())
    assert [script.name for script in scripts if f"`scripts/{script.name}" not in README] == []
    assert [script.name for script in scripts if not os.access(script, os.X_OK)] == []


def test_every_link_leads_somewhere() -> None:
    """A relative link names a file that is there."""
    links = [(page, link) for page in PROSE for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text())]
    assert len(links) > 5
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_every_field_of_a_question_is_in_the_semantics() -> None:
    """What a request says about its arrays has a line in docs/semantics.md."""
    text = (ROOT / "docs/semantics.md").read_text()
    assert [name for name in Question.model_fields if name != "metrics" and f"| `{name}` |" not in text] == []


def test_the_layers_are_those_of_the_contract() -> None:
    """The table of docs/architecture.md has the layers that import-linter holds."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    text = (ROOT / "docs/architecture.md").read_text()
    table = re.search(r"^\| layer \|.*?\n\n", text, re.DOTALL | re.MULTILINE)
    assert table is not None
    first = [line.split("|")[1] for line in table[0].strip().splitlines()[2:]]
    assert [re.findall(r"`(\w+)/?`", cell) for cell in first] == [
        re.findall(r"\w+", layer) for layer in contract["layers"]
    ]


def test_the_changelog_has_the_version() -> None:
    """The version that is built is the newest of the changelog."""
    headings = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == __version__
