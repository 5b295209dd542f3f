"""Measuring whole samples: each on its own, several at a time."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch

from lossgauge_service.engine.blocks import Blocks
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.samples import Sample
from lossgauge_service.statistics import Derived, Measure, Statistic

Records = dict[Statistic, Any]


def measured(
    keys: Sequence[Measure[Any]], samples: Mapping[int, Sample], blocks: Blocks
) -> tuple[Records, dict[int, LossgaugeError]]:
    """The stacked records of the samples that have all of them, in their order, and the errors of the others, by place."""
    if not keys or not samples:
        return {}, {}
    found = dict(zip(samples, _each(partial(_records, keys, blocks), list(samples.values())), strict=True))
    errors = {place: outcome for place, outcome in found.items() if isinstance(outcome, LossgaugeError)}
    good = [outcome for outcome in found.values() if not isinstance(outcome, LossgaugeError)]
    return {key: _stacked([records[key] for records in good]) for key in keys if good}, errors


def _each(
    measure: Callable[[Sample], Records | LossgaugeError], samples: Sequence[Sample]
) -> list[Records | LossgaugeError]:
    if len(samples) == 1:
        return [measure(samples[0])]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(measure, samples))


def _records(keys: Sequence[Measure[Any]], blocks: Blocks, sample: Sample) -> Records | LossgaugeError:
    try:
        return blocks.or_on_cpu(partial(_found, keys, sample))
    except LossgaugeError as error:
        return error


def _found(keys: Sequence[Measure[Any]], sample: Sample, device: torch.device) -> Records:
    found = {basis: basis.measure(sample, device) for basis in dict.fromkeys(map(_basis, keys))}
    return {key: key.derive(found[key.basis]) if isinstance(key, Derived) else found[key] for key in keys}


def _basis(key: Measure[Any]) -> Measure[Any]:
    """What is measured for a key: itself, where it is not derived."""
    return key.basis if isinstance(key, Derived) else key


def _stacked(records: Sequence[Any]) -> Any:
    return type(records[0])(*(np.stack(values) for values in zip(*records, strict=True)))
