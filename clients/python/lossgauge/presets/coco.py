"""The COCO API."""

from lossgauge.presets.preset import Preset

COCO = Preset(
    name="coco",
    library="COCO API",
    distribution="pycocotools",
    versions=("2.0.11",),
    checked="formula",
)
