"""Presets: what makes our metrics equal other libraries', a library a file. `PRESETS` maps each name to its preset."""

from lossgauge.presets.coco import COCO
from lossgauge.presets.deepmind_surface_distance import DEEPMIND
from lossgauge.presets.keras import KERAS
from lossgauge.presets.kornia import KORNIA
from lossgauge.presets.monai import MONAI
from lossgauge.presets.nnunet import NNUNET
from lossgauge.presets.preset import Defect as Defect
from lossgauge.presets.preset import Preset as Preset
from lossgauge.presets.preset import PresetName as PresetName
from lossgauge.presets.preset import Recipe as Recipe
from lossgauge.presets.preset import Refusal as Refusal
from lossgauge.presets.preset import Unequalled as Unequalled
from lossgauge.presets.segmentation_models_pytorch import SMP
from lossgauge.presets.sklearn import SKLEARN
from lossgauge.presets.torch import TORCH
from lossgauge.presets.torchmetrics import TORCHMETRICS
from lossgauge.presets.torchvision import TORCHVISION

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        COCO,
        DEEPMIND,
        KERAS,
        KORNIA,
        MONAI,
        NNUNET,
        SKLEARN,
        SMP,
        TORCH,
        TORCHMETRICS,
        TORCHVISION,
    )
}
