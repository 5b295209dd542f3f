"""How much memory a process has, and how it grows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

MIB = 2**20


def resident(process: int) -> int:
    """Bytes of a process that are in memory."""
    [line] = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def slope(counts: Sequence[float], bytes: Sequence[float]) -> float:
    """Bytes per request: of the line through the second half of what was seen; until then caches fill."""
    half = len(counts) // 2
    return float(np.polyfit(counts[half:], bytes[half:], 1)[0])
