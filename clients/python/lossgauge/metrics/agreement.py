"""Agreement of two masks beyond overlap: correlation, kappa, balanced accuracy, and the difference in size."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lossgauge.metrics.overlap import Average, ClassAveraged
from lossgauge.metrics.spec import About, Constant, Probability, Thresholded
from lossgauge.tasks import Task

__all__ = ["BalancedAccuracy", "Kappa", "Mcc", "VolumeDifference"]

ZeroDivision = Annotated[Constant | Literal["undefined"], Field(union_mode="left_to_right")]
AbsentRecall = Annotated[Probability | Literal["skip", "undefined"], Field(union_mode="left_to_right")]
AGREEMENT_AVERAGE = (
    "Over classes: micro is of the whole confusion matrix (multi-class) or of the labels' summed counts (multilabel); "
    "macro, weighted and none are of each class against the rest."
)


class Agreement(ClassAveraged):
    """What correlation and kappa share: a number of the whole matrix, which is 0/0 where there is one class only."""

    average: Average = Field(default="micro", description=AGREEMENT_AVERAGE)
    zero_division: ZeroDivision = Field(
        default="undefined",
        description="What 0/0 is, after the empty rules: a constant (0 is scikit-learn's of mcc), or undefined.",
    )


class Mcc(Agreement):
    """Matthews correlation coefficient; of several classes Gorodkin's R_K, the correlation of the two label maps.

    Binary: (TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN)). Multi-class, `average` micro: the sum over
    classes of TP TN - FP FN, over sqrt(sum P (N - P) sum T (N - T)). `per_class` is each class against the rest.
    Shapes: as the request's. Range [-1, 1]. Undefined: `both_empty`, `target_empty`, `prediction_empty`, and `one_class`
    where a mask has no background or a label map one class. Source: Gorodkin, Comput Biol Chem 28 (2004) 367.
    """

    about: ClassVar[About] = About(
        formula="(TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN)); multi-class: R_K",
        direction="higher",
        range="[-1, 1]",
        source="Matthews, BBA 405 (1975) 442; Gorodkin, Comput Biol Chem 28 (2004) 367",
    )
    name: Literal["mcc"] = "mcc"


class Kappa(Agreement):
    """Cohen's kappa 1 - sum w O / sum w E: agreement beyond what the classes' sizes alone would give.

    O: the confusion matrix; E: the outer product of its margins over N; w(i, j): 1 off the diagonal, |i - j| (linear) or
    (i - j)^2 (quadratic). Each class against the rest, and binary, has two classes, where all weights are the same.
    Shapes: as the request's. Range [-1, 1]; weighted kappa of more than two classes too. Undefined: `both_empty`, and
    `one_class` where both have the same class only. Source: Cohen, Psychol Bull 70 (1968) 213.
    """

    about: ClassVar[About] = About(
        formula="1 - sum w O / sum w E",
        direction="higher",
        range="[-1, 1]",
        source="Cohen, Educ Psychol Meas 20 (1960) 37; weighted: Psychol Bull 70 (1968) 213",
    )
    name: Literal["kappa"] = "kappa"
    weights: Literal["none", "linear", "quadratic"] = Field(
        default="none", description="How much a confusion of classes i and j weighs: 1, |i - j|, or (i - j)^2."
    )


class BalancedAccuracy(Thresholded):
    """Mean of the recalls: of the foreground and the background (binary, and each label), or of the classes.

    `adjusted`: (n b - 1) / (n - 1) with n the classes in the mean, 0 for a guess. Multi-class `per_class` holds recalls,
    multilabel the labels' balanced accuracies, whose mean is the value. `counted` and `skipped` are of the recalls (multilabel:
    of the labels). Extras: `recall`, `specificity` (binary, and of each label).
    Shapes: as the request's. Range [0, 1]; adjusted [-1, 1]. Undefined: `target_empty`, `no_negatives` (by `absent`),
    `one_class` where an adjusted mean is of one class. Source: Brodersen et al., ICPR 2010.
    """

    about: ClassVar[About] = About(
        formula="mean over classes of TP / (TP + FN)",
        direction="higher",
        range="[-1, 1], and [0, 1] where it is not adjusted",
        source="Brodersen et al., The balanced accuracy and its posterior distribution, ICPR 2010",
        extras={
            "recall": "Binary, and of each label: the foreground's recall TP / (TP + FN).",
            "specificity": "Binary, and of each label: the background's recall TN / (TN + FP).",
        },
    )
    name: Literal["balanced_accuracy"] = "balanced_accuracy"
    adjusted: bool = Field(default=False, description="true: 0 is the score of a guess, (n b - 1) / (n - 1).")
    absent: AbsentRecall = Field(
        default="skip",
        description="The recall of a class that the target lacks: left out of the mean (skip), a constant, or the mean is undefined.",
    )

    def extras_of(self, task: Task) -> tuple[str, ...]:
        return () if task == "multiclass" else tuple(self.about.extras)


class VolumeDifference(ClassAveraged):
    """Difference in size (P - T) / T: above 0 where too much was predicted, and 0 for masks of one size, wherever they are.

    `mode`: relative (P - T) / T; absolute |P - T| / T; symmetric 2 |P - T| / (P + T). A ratio, which no spacing changes.
    Shapes: as the request's. Range [-1, inf); absolute [0, inf); symmetric [0, 2]. Best is 0, whatever the sign. Undefined: `both_empty`,
    `target_empty`. Source: Heimann et al., IEEE Trans Med Imaging 28 (2009) 1251.
    """

    about: ClassVar[About] = About(
        formula="(P - T) / T, |P - T| / T, or 2 |P - T| / (P + T)",
        direction="zero",
        range="[-1, inf)",
        source="Heimann et al., IEEE Trans Med Imaging 28 (2009) 1251",
    )
    name: Literal["volume_difference"] = "volume_difference"
    mode: Literal["relative", "absolute", "symmetric"] = Field(
        default="relative", description="(P - T) / T, |P - T| / T, or 2 |P - T| / (P + T)."
    )
