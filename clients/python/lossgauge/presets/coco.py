"""The COCO API, and what is built on it: panopticapi and boundary-iou-api."""

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe, Unequalled

OBJECTS = (
    "COCO's matching at one threshold; where detections have scores ask with matching `ranked` and their ids in descending order "
    "as `ranking`. Its AP, over all cuts of that order, has no equal here. A detection is left out of COCO's counts where it lies "
    "in a crowd by the threshold's share; here by more than half."
)

COCO = Preset(
    name="coco",
    library="COCO API",
    distribution="pycocotools",
    versions=("2.0.11",),
    checked="library",
    recipes=(
        Recipe(
            metric="iou",
            function="mask.iou(dt, gt, [0]), of a mask and its own",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"empty": {"both": 0.0}},
            differs="Two empty masks have the IoU 0. With iscrowd it divides by the prediction's size alone.",
        ),
        Recipe(
            metric="box_iou",
            function="mask.iou(dt, gt, [0] * n), of boxes; its diagonal",
            tasks=("boxes",),
            parameters={"box_format": "xywh", "zero_union": 0.0},
            differs="With iscrowd it divides by the prediction's area alone.",
        ),
        Recipe(
            metric="instance_fbeta",
            function="cocoeval.COCOeval.evaluate, F-beta of its matches",
            tasks=("instances",),
            parameters={"threshold_side": "greater_equal", "empty": {"both": "skip"}, "pooling": "batch"},
            differs=f"{OBJECTS} The extra `recall` is COCOeval's at that threshold.",
        ),
        Recipe(
            metric="instance_precision",
            function="cocoeval.COCOeval.evaluate, TP / (TP + FP + FN) of its matches",
            tasks=("instances",),
            parameters={"threshold_side": "greater_equal", "empty": {"both": "skip"}, "pooling": "batch"},
            differs=f"{OBJECTS} The thresholds are COCO's ten.",
        ),
        Recipe(
            metric="panoptic_quality",
            function="panopticapi.evaluation.pq_compute",
            tasks=("instances",),
            parameters={"empty": {"both": "skip"}, "pooling": "batch"},
            differs=(
                "VOID is the id 0 of the target: ask with ignore_index 0. Categories are `instance_divisor`, iscrowd is `crowd`. "
                "Where a category has several crowds see the defects."
            ),
            formula_of="panopticapi",
        ),
        Recipe(
            metric="boundary_iou",
            function="boundary_iou.utils.boundary_utils.mask_to_boundary, and mask.iou of both",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"dilation_ratio": 0.02, "empty": {"both": 0.0}},
            differs="Two axes only. Its boundary AP matches by the lesser of mask and boundary IoU, of scored detections.",
            formula_of="boundary-iou-api",
        ),
    ),
    defects=(
        Defect(
            function="panopticapi.evaluation.pq_compute",
            what="Of several crowd regions of a category only the last counts as one; here all do.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="cocoeval.COCOeval: AP, AR, by area and by maxDets",
            why="They rank detections by a score, over images. Of objects without scores there are instance_fbeta and instance_precision.",
        ),
        Unequalled(
            function="cocoeval.COCOeval, of keypoints",
            why="Keypoints are no pixels, boxes or objects.",
        ),
    ),
)
