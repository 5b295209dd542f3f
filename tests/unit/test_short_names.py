"""What the field's short names of metrics are here."""

import pytest
from lossgauge.metrics import CATALOGUE
from lossgauge.short_names import SHORT_NAMES


@pytest.mark.parametrize("short", SHORT_NAMES)
def test_a_short_name_is_a_metric_s(short: str) -> None:
    """It is in small letters and none of the catalogue's own; its metric is, and takes the parameters."""
    meant = SHORT_NAMES[short]
    assert short == short.lower()
    assert short not in CATALOGUE
    spec = CATALOGUE[meant["name"]].model_validate(dict(meant))
    assert spec.model_fields_set == set(meant)
