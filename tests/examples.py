"""How many examples of a law are tried: a share of what is thorough, which `LAW_EXAMPLES` says (0.3); 1 is all of them."""

import math
import os


def examples(thorough: int) -> int:
    """The share of so many, at least three."""
    return max(3, math.ceil(thorough * float(os.environ.get("LAW_EXAMPLES", "0.3"))))
