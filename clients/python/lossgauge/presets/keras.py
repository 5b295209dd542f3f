"""Keras 3."""

from typing import Any

from lossgauge.presets.preset import ONE_OR_MORE_MASKS, Defect, Preset, Recipe, Refusal, Unequalled
from lossgauge.tasks import Task

EPSILON = 1e-7
CLIP = [EPSILON, 1 - EPSILON]
ZERO: dict[str, Any] = {"both": 0.0, "target": 0.0, "prediction": 0.0}
NORMALISED = "Each pixel's probabilities are divided by their sum first; here they are taken as they are."
INTEGERS = (Refusal(given="weights", why="it cuts weights to integers"),)
OF_THE_LOSS = (Refusal(given="weights", why="they weigh the batch's one loss, by their mean, and no pixel"),)
STATEFUL = "It counts all that it is given until reset_state, in float32."


def _of_counts(metric: str, name: str) -> tuple[Recipe, ...]:
    """A metric that counts elements, whatever they are of."""
    return tuple(
        Recipe(
            metric=metric,
            function=f"metrics.{name}{arguments}",
            tasks=tasks,
            parameters={"average": "micro", "empty": ZERO, "pooling": "batch"},
            differs=f"{STATEFUL} {also}thresholds is `threshold`; class_id is one of `per_class`.",
        )
        for tasks, arguments, also in (
            (ONE_OR_MORE_MASKS, "", "Labels are counted together. "),
            (
                ("multiclass",),
                "(top_k=1)",
                "Without top_k it counts each class's p > 0.5: ask task multilabel for that. ",
            ),
        )
    )


def _f1(task: Task, function: str, also: str = "") -> Recipe:
    return Recipe(
        metric="fbeta",
        function=f"metrics.{function}",
        tasks=(task,),
        parameters={"average": "macro", "beta": 1.0, "empty": {"both": 0.0}, "pooling": "batch"},
        differs=(
            f"It takes rows, (n, C). average is None by default, a value per class, `per_class` here. {also}{STATEFUL} FBetaScore's "
            "beta is `beta`, its threshold `threshold`."
        ),
    )


KERAS = Preset(
    name="keras",
    library="Keras",
    distribution="keras",
    versions=("3.15.1",),
    checked="library",
    recipes=(
        Recipe(
            metric="cross_entropy",
            function="losses.BinaryCrossentropy, of probabilities",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"clip": CLIP, "weight_denominator": "count", "pooling": "batch"},
            differs="It clips probabilities only, not logits (from_logits=True): give clip null for these.",
        ),
        Recipe(
            metric="cross_entropy",
            function="losses.SparseCategoricalCrossentropy, CategoricalCrossentropy, of probabilities",
            tasks=("multiclass",),
            parameters={"clip": CLIP, "weight_denominator": "count", "pooling": "batch"},
            differs=(
                f"{NORMALISED} ignore_class is `ignore_index`; the mean of the function sparse_categorical_crossentropy counts the ignored "
                "pixels too: `ignore_denominator` all. It clips probabilities only, not logits (from_logits=True): give clip "
                "null for these."
            ),
        ),
        Recipe(
            metric="focal_loss",
            function="losses.BinaryFocalCrossentropy, of probabilities",
            tasks=ONE_OR_MORE_MASKS,
            parameters={
                "alpha": None,
                "gamma": 2.0,
                "clip": CLIP,
                "weight_denominator": "count",
                "pooling": "batch",
            },
            differs=(
                "apply_class_balancing=False is its default, so that its alpha of 0.25 says nothing; with True give alpha 0.25. "
                "Logits (from_logits=True) are clipped as well, after the sigmoid."
            ),
        ),
        Recipe(
            metric="focal_loss",
            function="losses.CategoricalFocalCrossentropy",
            tasks=("multiclass",),
            parameters={
                "alpha": 0.25,
                "alpha_mode": "constant",
                "gamma": 2.0,
                "clip": CLIP,
                "weight_denominator": "count",
                "pooling": "batch",
            },
            differs=(
                f"{NORMALISED} Logits (from_logits=True) are clipped as well, after the softmax. Its alpha weighs every class, or is a "
                "list of one a class, as here."
            ),
        ),
        Recipe(
            metric="dice_loss",
            function="losses.dice",
            parameters={
                "average": "micro",
                "smooth_numerator": 0.0,
                "smooth_denominator": EPSILON,
                "empty": {"both": "formula"},
                "pooling": "batch",
            },
            differs="It sums over the whole batch and all classes together (axis=None); both empty is a loss of 1.",
            refuses=OF_THE_LOSS,
        ),
        Recipe(
            metric="tversky_loss",
            function="losses.tversky",
            parameters={
                "average": "micro",
                "fp_weight": 0.5,
                "fn_weight": 0.5,
                "smooth_numerator": 0.0,
                "smooth_denominator": EPSILON,
                "empty": {"both": "formula"},
                "pooling": "batch",
            },
            differs="It sums over the whole batch and all classes. Its alpha is `fn_weight` and its beta `fp_weight`: see the defects.",
            refuses=OF_THE_LOSS,
        ),
        Recipe(
            metric="brier",
            function="losses.MeanSquaredError, of probabilities",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"weight_denominator": "count", "pooling": "batch"},
            differs="Its own reduction is over the batch, as here.",
        ),
        Recipe(
            metric="brier",
            function="losses.MeanSquaredError, of probabilities and one-hot targets",
            tasks=("multiclass",),
            parameters={"class_reduction": "mean", "weight_denominator": "count", "pooling": "batch"},
            differs="Its own reduction is over the batch, and over the classes as well, as here.",
        ),
        Recipe(
            metric="iou",
            function="metrics.BinaryIoU(target_class_ids=[1])",
            tasks=ONE_OR_MORE_MASKS,
            parameters={
                "average": "micro",
                "threshold_side": "greater_equal",
                "empty": {"both": 0.0},
                "pooling": "batch",
            },
            differs=f"{STATEFUL} Labels are counted together. By default it is of both classes: `mean_iou`.",
            refuses=INTEGERS,
        ),
        Recipe(
            metric="iou",
            function="metrics.MeanIoU(num_classes), or of probabilities OneHotMeanIoU(num_classes)",
            tasks=("multiclass",),
            parameters={"average": "macro", "empty": {"both": "skip"}, "pooling": "batch"},
            differs=(
                f"{STATEFUL} ignore_class is `ignore_index`. 0 where every pixel is ignored; here null. IoU and OneHotIoU with their "
                "target_class_ids are of one of `per_class`, or of the mean of some."
            ),
            refuses=INTEGERS,
        ),
        Recipe(
            metric="mean_iou",
            function="metrics.BinaryIoU",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"average": "micro", "thresholds": [0.5], "threshold_side": "greater_equal", "pooling": "batch"},
            differs=f"{STATEFUL} Labels are counted together. Its threshold is the one of `thresholds`.",
            refuses=INTEGERS,
        ),
        *_of_counts("precision", "Precision"),
        *_of_counts("recall", "Recall"),
        _f1("binary", "F1Score(average='macro', threshold=0.5), of one column"),
        _f1("multilabel", "F1Score(average='macro', threshold=0.5)"),
        _f1(
            "multiclass",
            "F1Score(average='macro')",
            "Classes that tie for the greatest are all predicted; here the first. ",
        ),
        Recipe(
            metric="accuracy",
            function="metrics.BinaryAccuracy",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"average": "micro", "pooling": "batch"},
            differs=f"{STATEFUL} Labels are counted together.",
        ),
        Recipe(
            metric="accuracy",
            function="metrics.SparseCategoricalAccuracy, CategoricalAccuracy",
            tasks=("multiclass",),
            parameters={"average": "micro", "pooling": "batch"},
            differs=f"{STATEFUL} Classes come last.",
        ),
        Recipe(
            metric="confusion",
            function="metrics.FalsePositives and FalseNegatives, their sum",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"pooling": "batch"},
            differs=f"{STATEFUL} Labels are counted together; each metric is one of tp, fp, fn, tn, and thresholds is `threshold`.",
        ),
        Recipe(
            metric="roc_auc",
            function="metrics.AUC",
            tasks=ONE_OR_MORE_MASKS,
            parameters={"average": "micro", "method": "histogram", "bins": 199, "pooling": "batch"},
            differs=(
                f"{STATEFUL} num_thresholds is `bins` + 1. A probability that is one of the thresholds is in the bin below; here in the "
                "one above. 0 where the target has one class only; here null. multi_label=True is `average` macro."
            ),
        ),
    ),
    defects=(
        Defect(
            function="losses.dice",
            what="A correct empty mask has a loss of 1: the smoothing stands below the line only. The preset says the same.",
        ),
        Defect(
            function="losses.tversky",
            what="Target and prediction are swapped within: alpha, documented as the weight of false positives, weighs what was missed.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="losses.CategoricalFocalCrossentropy(label_smoothing=..), losses.BinaryFocalCrossentropy(label_smoothing=..)",
            why="The focal loss of a smoothed target; label_smoothing here is of cross_entropy.",
        ),
        Unequalled(
            function="metrics.AUC(curve='PR' or 'PRGAIN')",
            why="An interpolation of its own, or rectangles of the lesser or greater side; average_precision has neither.",
        ),
        Unequalled(
            function="metrics.PrecisionAtRecall, RecallAtPrecision, SensitivityAtSpecificity, SpecificityAtSensitivity",
            why="A value at the best of 200 thresholds; the `curve` of roc_auc and average_precision, and a sweep, have the points.",
        ),
        Unequalled(
            function="metrics.TopKCategoricalAccuracy, metrics.SparseTopKCategoricalAccuracy",
            why="Of the k likeliest classes; accuracy is of the likeliest.",
        ),
        Unequalled(
            function="losses.kl_divergence",
            why="Of hard targets cross_entropy with its clip, to 1e-6 or so a class; of soft ones less the target's own entropy.",
        ),
        Unequalled(
            function="losses.categorical_generalized_cross_entropy",
            why="(1 - pt^q) / q, between cross-entropy and an absolute error: no loss here is.",
        ),
        Unequalled(
            function=(
                "losses.cosine_similarity, mean_absolute_error, mean_absolute_percentage_error, mean_squared_logarithmic_error, huber, "
                "log_cosh, poisson, metrics.RootMeanSquaredError, R2Score, PearsonCorrelation, ConcordanceCorrelation"
            ),
            why="Of vectors and of regressions. RootMeanSquaredError is the root of brier.",
        ),
        Unequalled(
            function="losses.hinge, squared_hinge, categorical_hinge, ctc, circle",
            why="Of margins, sequences and embeddings; lovasz_hinge ranks the errors of a mask.",
        ),
    ),
)
