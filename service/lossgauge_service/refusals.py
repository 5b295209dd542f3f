"""What a preset refuses: what its library takes too, and scores as nothing here does."""

from lossgauge.metrics import MetricSpec
from lossgauge.presets import PRESETS, Refusal
from lossgauge.presets.preset import Beside

from lossgauge_service.metrics.implementation import Misfit


def refused(spec: MetricSpec, task: str, given: Beside) -> Misfit | None:
    """Why what is given beside the masks has no score with a metric's preset, or with that of one of its terms."""
    own = _refusal(spec, task, given)
    if own is not None:
        return Misfit(f"with {given} preset {spec.preset!r} has no equal: {own.why}{_instead(own)}")
    for place, part in spec.parts():
        misfit = refused(part, task, given)
        if misfit is not None:
            return Misfit(f"{part.name}: {misfit.detail}", (*place, *misfit.at))
    return None


def _refusal(spec: MetricSpec, task: str, given: Beside) -> Refusal | None:
    recipe = None if spec.preset is None else PRESETS[spec.preset].recipe(spec.name, task)
    refuses = () if recipe is None else recipe.refuses
    return next(
        (one for one in refuses if one.given == given and task in one.tasks and not _is_lifted(one, spec)), None
    )


def _is_lifted(refusal: Refusal, spec: MetricSpec) -> bool:
    wanted = refusal.unless
    return bool(wanted) and all(getattr(spec, name) == value for name, value in wanted.items())


def _instead(refusal: Refusal) -> str:
    wanted = " and ".join(f"{name} {value!r}" for name, value in refusal.unless.items())
    return f"; give {wanted} for its number" if wanted else "; give preset null for ours"
