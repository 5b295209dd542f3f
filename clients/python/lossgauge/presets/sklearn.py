"""scikit-learn."""

from typing import Any

from lossgauge.presets.preset import Defect, Preset, Recipe, Unequalled
from lossgauge.tasks import Task

ZERO: dict[str, Any] = {"both": 0.0, "target": 0.0, "prediction": 0.0}
ABSENT: dict[str, Any] = {"both": "skip", "target": 0.0, "prediction": 0.0}
EPSILON = 2.220446049250313e-16


def _prf(metric: str, function: str, **more: Any) -> tuple[Recipe, ...]:
    empties: dict[Task, dict[str, Any]] = {"binary": ZERO, "multiclass": ABSENT, "multilabel": ZERO}
    return tuple(
        Recipe(
            metric=metric,
            function=f"metrics.{function}" + ("" if task == "binary" else "(average='macro')"),
            tasks=(task,),
            parameters={"average": "macro", "empty": empty, "pooling": "batch", **more},
            differs="0/0 is 0 with a warning (zero_division='warn'). Pixels are flattened, and the ignored ones left out, before it.",
        )
        for task, empty in empties.items()
    )


SKLEARN = Preset(
    name="scikit-learn",
    library="scikit-learn",
    distribution="scikit-learn",
    versions=("1.9.1",),
    checked="library",
    recipes=(
        *_prf("precision", "precision_score"),
        *_prf("recall", "recall_score"),
        *_prf("fbeta", "f1_score", beta=1.0),
        *_prf("iou", "jaccard_score"),
        Recipe(
            metric="accuracy",
            function="metrics.accuracy_score",
            tasks=("binary", "multiclass"),
            parameters={"average": "micro", "pooling": "batch"},
            differs="Of labels (multilabel) it asks that all of a pixel's labels are right.",
        ),
        Recipe(
            metric="mcc",
            function="metrics.matthews_corrcoef",
            tasks=("binary", "multiclass"),
            parameters={"average": "micro", "empty": {"both": "formula"}, "zero_division": 0.0, "pooling": "batch"},
            differs="0/0 is 0.",
        ),
        Recipe(
            metric="kappa",
            function="metrics.cohen_kappa_score",
            tasks=("binary", "multiclass"),
            parameters={"average": "micro", "empty": {"both": "formula"}, "pooling": "batch"},
            differs="0/0 is NaN; here null. weights is `weights`.",
        ),
        Recipe(
            metric="balanced_accuracy",
            function="metrics.balanced_accuracy_score",
            tasks=("binary", "multiclass"),
            parameters={"absent": "skip", "pooling": "batch"},
            differs=(
                "A class that is predicted and not in the target leaves the mean with a warning, as here without. adjusted=True is "
                "`adjusted`."
            ),
        ),
        Recipe(
            metric="brier",
            function="metrics.brier_score_loss",
            tasks=("binary",),
            parameters={"pooling": "batch"},
            differs="It takes probabilities.",
        ),
        Recipe(
            metric="brier",
            function="metrics.brier_score_loss(scale_by_half=False)",
            tasks=("multiclass",),
            parameters={"class_reduction": "sum", "pooling": "batch"},
            differs="scale_by_half='auto', its default, halves it for two classes only: `class_reduction` half_sum.",
        ),
        Recipe(
            metric="brier",
            function="metrics.mean_squared_error, of labels' probabilities",
            tasks=("multilabel",),
            parameters={"pooling": "batch"},
            differs="brier_score_loss takes no labels.",
        ),
        Recipe(
            metric="specificity",
            function="metrics.recall_score(pos_label=0)",
            tasks=("binary",),
            parameters={"no_negatives": 0.0, "pooling": "batch"},
            differs="0/0 is 0 with a warning (zero_division='warn'). It has no specificity of classes or labels.",
        ),
        Recipe(
            metric="roc_auc",
            function="metrics.roc_auc_score",
            tasks=("binary",),
            parameters={"pooling": "batch"},
            differs="One class only in the target is NaN with a warning; here null with its reason.",
        ),
        Recipe(
            metric="roc_auc",
            function="metrics.roc_auc_score(multi_class='ovr'), or of labels",
            tasks=("multiclass", "multilabel"),
            parameters={"average": "macro", "pooling": "batch"},
            differs="A class that the target has not makes the mean NaN; here it leaves the mean.",
        ),
        Recipe(
            metric="average_precision",
            function="metrics.average_precision_score",
            parameters={"average": "macro", "empty": {"target": 0.0}, "pooling": "batch"},
            differs="0 with a warning where the target has no positive, in the mean of classes too.",
        ),
        Recipe(
            metric="cross_entropy",
            function="metrics.log_loss",
            tasks=("binary",),
            parameters={"clip": [EPSILON, 1 - EPSILON], "pooling": "batch"},
            differs="It takes probabilities and clips them by the epsilon of their dtype, float64's here.",
        ),
        Recipe(
            metric="cross_entropy",
            function="metrics.log_loss(labels=[0, 1, ..])",
            tasks=("multiclass",),
            parameters={"clip": [EPSILON, 1 - EPSILON], "pooling": "batch"},
            differs=(
                "It takes probabilities and clips them by the epsilon of their dtype, float64's here; that they add up to 1 it asks with a "
                "warning. Of labels it is refused, or of one label a pixel."
            ),
        ),
        Recipe(
            metric="confusion",
            function="metrics.confusion_matrix",
            tasks=("binary", "multiclass"),
            parameters={"pooling": "batch"},
            differs="Its matrix is `matrix` (classes), or tn, fp, fn, tn; the value is ours.",
        ),
        Recipe(
            metric="confusion",
            function="metrics.multilabel_confusion_matrix",
            tasks=("multilabel",),
            parameters={"pooling": "batch"},
            differs="Its matrices are the lists tn, fp, fn, tn; the value is ours.",
        ),
    ),
    defects=(
        Defect(
            function="metrics.f1_score, metrics.jaccard_score",
            what="A correct empty mask scores 0, with a warning.",
        ),
        Defect(
            function="metrics.average_precision_score",
            what="A class that the target has not counts as 0 in the mean, as if all of it were ranked last.",
        ),
    ),
    unequalled=(
        Unequalled(
            function="metrics.zero_one_loss, hamming_loss, accuracy_score of labels, class_likelihood_ratios",
            why="1 - accuracy, that of whole rows of labels, and ratios of recall and specificity: no names of their own here.",
        ),
        Unequalled(
            function="metrics.roc_curve, precision_recall_curve, det_curve, calibration.calibration_curve",
            why="Curves, no score: those of roc_auc and average_precision are their `curve`, without points that add no"
            " area; the last is in calibration_error's extras.",
        ),
        Unequalled(
            function="metrics.top_k_accuracy_score, label_ranking_*, coverage_error, ndcg_score, hinge_loss",
            why="Of a pixel's classes in their order, or their margin; scores here are of the likeliest class.",
        ),
        Unequalled(
            function="metrics.d2_brier_score, d2_log_loss_score",
            why="1 less brier or cross_entropy over that of a guess by the shares of the classes.",
        ),
    ),
)
