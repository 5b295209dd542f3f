"""The tables of the documentation that come from the code, and the OpenAPI document: `scripts/docs` writes them, a test holds them to it.

A table stands between `<!-- name -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lossgauge.metrics import CATALOGUE
from lossgauge.presets import PRESETS, Preset, Recipe
from lossgauge.wire import Limits
from lossgauge_service.app import create_app
from lossgauge_service.settings import PREFIX, Settings
from lossgauge_service.statuses import every_kind, status_of
from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/errors.md", "docs/libraries.md", "docs/settings.md")
OPENAPI = ROOT / "docs/openapi.json"
MARKED = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def metrics() -> Iterator[str]:
    """Every metric of the catalogue."""
    yield from ("| metric | formula | better | range |", "|---|---|---|---|")
    for name, spec in CATALOGUE.items():
        yield f"| `{name}` | {spec.about.formula} | {spec.about.direction} | {spec.about.range} |"


def errors() -> Iterator[str]:
    """Every error that a route answers."""
    yield from ("| code | status | when |", "|---|---|---|")
    for kind in every_kind():
        yield f"| `{kind.code}` | {int(status_of(kind))} | {kind.__doc__} |"


def settings() -> Iterator[str]:
    """Every setting; a cap is described where the contract has it."""
    yield from ("| variable | default | what it is |", "|---|---|---|")
    for name, field in Settings.model_fields.items():
        described = field.description or Limits.model_fields[name].description
        yield f"| `{PREFIX}{name.upper()}` | {_default(field)} | {described} |"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "in `$XDG_CACHE_HOME` or `~/.cache`: `lossgauge/kernels`"
    return "" if field.default is None else str(field.default)


def presets() -> Iterator[str]:
    """Every preset, and how it was checked."""
    yield from ("| preset | library | checked against | metrics |", "|---|---|---|---|")
    for preset in PRESETS.values():
        metrics = ", ".join(f"`{metric}`" for metric in preset.metrics)
        yield f"| `{preset.name}` | {preset.library} | {_checked(preset)} | {metrics} |"


def _checked(preset: Preset) -> str:
    if not preset.recipes:
        return "not compared yet"
    versions = " and ".join(preset.versions)
    if preset.checked == "formula":
        return f"its formula, as of {versions}{_note(preset)}"
    formulas = [
        f"`{recipe.metric}`: the formula of {recipe.formula_of}" for recipe in preset.recipes if recipe.formula_of
    ]
    return "; ".join([f"the library, {versions}{_note(preset)}", *formulas])


def _note(preset: Preset) -> str:
    return f" ({preset.note})" if preset.note else ""


def recipes() -> Iterator[str]:
    """What every preset says of every metric, metric by metric."""
    yield from ("| metric | preset | tasks | their function | parameters | what differs |", "|---|---|---|---|---|---|")
    for metric in CATALOGUE:
        for preset in PRESETS.values():
            for recipe in preset.recipes:
                if recipe.metric == metric:
                    written = json.dumps(recipe.parameters)
                    cells = (
                        f"`{metric}`",
                        f"`{preset.name}`",
                        ", ".join(recipe.tasks),
                        f"`{recipe.function}`",
                        f"`{written}`",
                    )
                    yield f"| {' | '.join(cells)} | {' '.join(_differing(recipe))} |"


def _differing(recipe: Recipe) -> Iterator[str]:
    """What differs, and what is refused for it."""
    if recipe.differs:
        yield recipe.differs
    for one in recipe.refuses:
        unless = f" unless `{json.dumps(one.unless)}`" if one.unless else ""
        tasks = "" if len(one.tasks) > 1 else f" for task {one.tasks[0]}"
        yield f"Refused with `{one.given}`{tasks}{unless}: {one.why}."


def unequalled() -> Iterator[str]:
    """What libraries have and nothing here equals."""
    yield from ("| library | function | why |", "|---|---|---|")
    for preset in PRESETS.values():
        for one in preset.unequalled:
            yield f"| {preset.library} | `{one.function}` | {one.why} |"


def defects() -> Iterator[str]:
    """What is wrong in libraries, and not copied."""
    yield from ("| library | function | what is wrong |", "|---|---|---|")
    for preset in PRESETS.values():
        for defect in preset.defects:
            yield f"| {preset.library} | `{defect.function}` | {defect.what} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "metrics": metrics,
    "errors": errors,
    "settings": settings,
    "presets": presets,
    "recipes": recipes,
    "defects": defects,
    "unequalled": unequalled,
}


def filled(page: str) -> str:
    """A page with its tables as the code has them."""
    return MARKED.sub(lambda found: found[1] + "\n".join(TABLES[found[2]]()) + "\n" + found[3], page)


def openapi() -> str:
    """The service's description of itself, a line a member."""
    return json.dumps(create_app(Settings()).openapi(), indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    OPENAPI.write_text(openapi())
    for path in PAGES:
        page = ROOT / path
        page.write_text(filled(page.read_text()))
