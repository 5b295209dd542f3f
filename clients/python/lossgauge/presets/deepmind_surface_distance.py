"""DeepMind's surface-distance."""

from lossgauge.presets.preset import Preset

DEEPMIND = Preset(
    name="deepmind-surface-distance",
    library="DeepMind surface-distance",
    distribution="surface-distance-based-measures",
    versions=("0.1",),
    checked="formula",
)
