"""Samples and a plan in, sums out. Only this package knows devices, tiles and torch's compiler."""

import os
import shutil
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import lossgauge
import numpy as np
import torch
from lossgauge.wire import EngineInfo
from torch.utils._triton import has_triton

from lossgauge_service.engine.blocks import Heard
from lossgauge_service.engine.columns import shares_of, widened
from lossgauge_service.engine.gradients import check_smooth, gradient_of
from lossgauge_service.engine.kernels import Kernels
from lossgauge_service.engine.measuring import measured
from lossgauge_service.engine.passes import Passed, passes_of, run_pass, tables_of
from lossgauge_service.engine.pieces import Pieces
from lossgauge_service.engine.staging import Part, Staged, staged
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.measures import nearest
from lossgauge_service.outcomes import Group, Outcomes
from lossgauge_service.plan import Plan
from lossgauge_service.samples import Sample, check_range
from lossgauge_service.statistics import Measure, Shared, Statistic, Sum, Sums, Values


@dataclass(frozen=True)
class Engine:
    """Computes plans on one device."""

    device: torch.device
    kernels: Kernels
    info: EngineInfo

    @classmethod
    def build(
        cls,
        device: str = "auto",
        kernel: Literal["auto", "compiled", "eager"] = "auto",
        cache: Path | None = None,
        threads: int | None = None,
    ) -> "Engine":
        """An engine on `auto|cpu|cuda|cuda:N`; compiled kernels are kept in `cache`. Raises RuntimeError where it cannot be had."""
        if cache is not None:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
        if threads is not None:
            torch.set_num_threads(threads)
        chosen = _device(device)
        kind = _kernel(kernel, chosen)
        info = EngineInfo(version=lossgauge.__version__, device=str(chosen), kernel=kind)
        return cls(chosen, Kernels(kind, chosen), info)

    @property
    def threads(self) -> int:
        """How many samples it measures at a time."""
        return torch.get_num_threads()

    def telling(self, tell: Heard) -> Self:
        """The same engine, which tells of everything that did not fit the device's memory."""
        return replace(self, kernels=self.kernels.telling(tell))

    def warm_up(self) -> None:
        """Have every kernel and every loop ready."""
        nearest.warm_up()
        torch.get_num_threads()  # asked for so that this thread, whose kernels ask OpenMP alone, has the number that was set
        with torch.no_grad():
            self.kernels.warm_up()

    def run(self, plan: Plan, samples: Sequence[Sample]) -> Outcomes:
        """The sums of the samples; one bad sample never spoils another."""
        return self.launch(staged(plan, samples))

    def launch(self, batch: Staged) -> Outcomes:
        """The sums of samples that are laid out."""
        groups, errors = list[Group](), dict(batch.errors)
        with torch.no_grad():
            for part in batch.parts:
                group, bad = self._sums(part)
                groups += [group] if group else []
                errors |= bad
        return Outcomes(batch.count, tuple(groups), errors)

    def check_gradient(self, plan: Plan, sample: Sample) -> None:
        """Raises `MetricDoesNotFit` where the plan's metric has no gradient with respect to the sample's prediction."""
        check_smooth(plan.specs[0], plan.implementations[0], plan.statistics(sample.case), sample.case)

    def gradient_in_pieces(self, plan: Plan, sample: Sample) -> Pieces[Values]:
        """d score / d prediction, (classes, pixels) or (boxes, 4), of a plan of one metric and a sample that has a score.

        In float64. 0 where a pixel does not count; NaN where there is no derivative.
        """
        wide = widened(sample)
        return gradient_of(
            plan.specs[0], plan.implementations[0], plan.statistics(wide.case), wide, self.kernels.blocks
        )

    def shares(self, plan: Plan, sample: Sample) -> Iterator[tuple[slice, Sums]]:
        """Each pixel's share of a plan's sums, in float64, a row a pixel, some pixels at a time; what is measured is shared whole."""
        wide = widened(sample)
        statistics = plan.statistics(wide.case)
        passes = passes_of(wide.case, [key for key in statistics if not isinstance(key, Measure)])
        if not passes:
            records, _ = measured(
                [key for key in statistics if isinstance(key, Measure)], {0: wide}, self.kernels.blocks
            )
            yield slice(None), Sums(np.ones(1), records)
        shared = [key for key in statistics if isinstance(key, Shared)]
        for parts in zip(*(shares_of(one, wide, self.device) for one in passes), strict=True):
            place, first = parts[0]
            tables: dict[Statistic, Any] = {key: key.shares(wide, place) for key in shared}
            for one, (_, columns) in zip(passes, parts, strict=True):
                tables |= tables_of(one, columns)
            yield place, Sums(np.ones(len(first["count"])), tables)

    def _sums(self, part: Part) -> tuple[Group | None, dict[int, LossgaugeError]]:
        """The good samples' sums, and the others' errors."""
        sums, errors = self._summed(part)
        good = {place: sample for place, sample in part.samples.items() if place not in errors}
        records, unmeasured = measured(part.measures, good, self.kernels.blocks)
        errors |= unmeasured
        rows = {place: row for row, place in enumerate(part.samples) if place not in errors}
        if not rows:
            return None, errors
        kept = sums.rows(list(rows.values())) if errors else sums
        return Group(part.case, tuple(rows), Sums(kept.pixels, {**kept.tables, **records})), errors

    def _summed(self, part: Part) -> tuple[Sums, dict[int, LossgaugeError]]:
        """All samples' sums of pixels, and the errors of those whose values are not what they should be."""
        tables, errors = dict[Statistic, Sum](), dict[int, LossgaugeError]()
        for laid in part.passes:
            found = run_pass(laid, self.kernels)
            tables |= found.tables
            errors |= _out_of_range(part.samples, found)
        sums = Sums(np.array([float(_pixels(sample)) for sample in part.samples.values()]), tables)
        scales = np.array([sample.weight_scale for sample in part.samples.values()])
        return (sums.times(scales) if part.case.weighted else sums), errors


def _out_of_range(samples: Mapping[int, Sample], found: Passed) -> dict[int, LossgaugeError]:
    errors = dict[int, LossgaugeError]()
    for (place, sample), low, high in zip(samples.items(), found.low.tolist(), found.high.tolist(), strict=True):
        try:
            check_range(sample, low, high)
        except LossgaugeError as error:
            errors[place] = error
    return errors


def _pixels(sample: Sample) -> int:
    return sample.elements // (1 if sample.prediction.ndim == 1 else sample.case.classes)


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"device {wanted!r} was asked for, and torch finds no CUDA device")
    return device


def _kernel(wanted: Literal["auto", "compiled", "eager"], device: torch.device) -> Literal["compiled", "eager"]:
    compiler = _has_compiler(device)
    if wanted == "compiled" and not compiler:
        needed = "Triton" if device.type == "cuda" else "g++ or clang++, with Python's headers"
        raise RuntimeError(f"kernel 'compiled' was asked for, and there is no compiler ({needed})")
    return "compiled" if wanted != "eager" and compiler else "eager"


def _has_compiler(device: torch.device) -> bool:
    if device.type == "cuda":
        return has_triton()
    headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    return headers and any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++"))
