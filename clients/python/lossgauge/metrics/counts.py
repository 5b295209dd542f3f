"""What follows from the counts of true and false positives and negatives."""

from typing import ClassVar, Literal

from pydantic import Field

from lossgauge.metrics.overlap import Average, ClassAveraged
from lossgauge.metrics.spec import About, Empty, EmptyRule, Thresholded
from lossgauge.tasks import Task

__all__ = ["Accuracy", "Confusion", "FBeta", "Precision", "Recall", "Specificity"]


class Confusion(Thresholded):
    """Confusion counts. The value is the number (or weight) of misclassified pixels.

    Extras: `tp`, `fp`, `fn`, `tn` (a list per class where there are classes); multi-class also `matrix`, rows the target's
    class and columns the prediction's. Shapes: as the request's. Range [0, inf), unit pixels. Source: textbook.
    """

    about: ClassVar[About] = About(
        formula="FP + FN; multi-class: the matrix off its diagonal",
        direction="lower",
        range="[0, inf)",
        source="textbook",
        extras={
            "tp": "True positives; a list per class where there are classes, and so the next three.",
            "fp": "False positives.",
            "fn": "False negatives.",
            "tn": "True negatives.",
            "matrix": "Multi-class: rows the target's class, columns the prediction's.",
        },
    )
    name: Literal["confusion"] = "confusion"

    def extras_of(self, task: Task) -> tuple[str, ...]:
        return tuple(name for name in self.about.extras if name != "matrix" or task == "multiclass")


class Accuracy(ClassAveraged):
    """Share of correctly classified pixels, (TP + TN) / N.

    Multi-class: micro is the diagonal's share of all pixels; macro the mean of the classes' recalls (balanced accuracy), which
    `per_class` gives. Multilabel: (TP + TN) / N per label. Range [0, 1]. Undefined: `no_valid_pixels`. Source: textbook.
    """

    about: ClassVar[About] = About(formula="(TP + TN) / N", direction="higher", range="[0, 1]", source="textbook")
    name: Literal["accuracy"] = "accuracy"
    average: Average = Field(
        default="micro", description="Over classes: as in `dice`; micro is the share of all pixels."
    )
    empty: Empty = Field(
        default=Empty(both="formula"), description="What the value is when a class has no pixel in one mask or both."
    )


class Precision(ClassAveraged):
    """Precision TP / (TP + FP): how much of what was predicted is right.

    Range [0, 1]. Undefined: `both_empty`, `prediction_empty`. Source: textbook.
    """

    about: ClassVar[About] = About(formula="TP / (TP + FP)", direction="higher", range="[0, 1]", source="textbook")
    name: Literal["precision"] = "precision"


class Recall(ClassAveraged):
    """Recall, sensitivity TP / (TP + FN): how much of what is there was found.

    Range [0, 1]. Undefined: `both_empty`, `target_empty`. Source: textbook.
    """

    about: ClassVar[About] = About(formula="TP / (TP + FN)", direction="higher", range="[0, 1]", source="textbook")
    name: Literal["recall"] = "recall"


class Specificity(ClassAveraged):
    """Specificity TN / (TN + FP): how much of what is not there was left alone.

    Range [0, 1]. Undefined: `no_negatives`. The empty rules apply as everywhere; by default only 0/0 is undefined.
    `no_negatives` says what the value is of a target without negatives.
    Source: textbook.
    """

    about: ClassVar[About] = About(formula="TN / (TN + FP)", direction="higher", range="[0, 1]", source="textbook")
    name: Literal["specificity"] = "specificity"
    no_negatives: EmptyRule = Field(
        default="undefined", description="What the value is where the target has no negative: 0/0."
    )
    empty: Empty = Field(
        default=Empty(both="formula"), description="What the value is when a class has no pixel in one mask or both."
    )


class FBeta(ClassAveraged):
    """F-beta (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP): recall weighs beta times as much as precision.

    beta = 1 is dice of the masks. Range [0, 1]. Undefined: `both_empty`. Source: van Rijsbergen, 1979.
    """

    about: ClassVar[About] = About(
        formula="(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)",
        direction="higher",
        range="[0, 1]",
        source="van Rijsbergen, Information Retrieval, 1979",
    )
    name: Literal["fbeta"] = "fbeta"
    beta: float = Field(default=1.0, gt=0, le=1000, description="How much more recall weighs than precision.")
