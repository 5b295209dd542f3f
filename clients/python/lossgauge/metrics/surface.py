"""How far the surfaces of two masks are apart, in the unit of the request's `spacing`, and how well they and centrelines meet."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lossgauge.metrics.overlap import Average, ClassAveraged
from lossgauge.metrics.spec import About, Constant, Each, Empty, Forbidden, NonNegative

__all__ = ["AverageSurfaceDistance", "BoundaryIou", "CentrelineDice", "DistanceEmpty", "Hausdorff", "SurfaceDice"]

DistanceRule = Annotated[
    Constant | Literal["formula", "undefined", "skip", "image_diagonal"], Field(union_mode="left_to_right")
]


class DistanceEmpty(Empty):
    """What a distance is when a mask has no positive: as in `empty` of a score, or `image_diagonal`, the most that there can be.

    The diagonal is sqrt(sum (n_i s_i)^2) of the image's sides and spacing. `formula`: infinite where one mask is empty. Where
    samples or classes are put together, the surface of a mask whose other mask is empty has the same distance everywhere,
    by the same rule: a missed object does not leave a pooled distance, unless by `skip`. Two masks that have no pixel in common
    are some way apart, which is what a distance tells: `no_match` has no other rule.
    """

    both: DistanceRule = "undefined"  # type: ignore[assignment] # a rule more than scores have
    target: DistanceRule = "image_diagonal"  # type: ignore[assignment]
    prediction: DistanceRule = "image_diagonal"  # type: ignore[assignment]
    no_match: Literal["formula"] = "formula"


class Surfaced(ClassAveraged):
    """What the surface of a mask is."""

    average: Average = Field(
        default="macro",
        description="Over classes: the mean, the value of all surfaces together, the mean weighted by the target's pixels, or none.",
    )
    border: Literal["faces", "full"] = Field(
        default="faces",
        description="What makes a pixel a border: an outside neighbour among 4 or 6, by faces, or 8 or 26. Surfels ask neither.",
    )
    edge_is_border: bool = Field(
        default=True, description="Whether a mask that reaches the image's edge has its border there."
    )


class Distance(Surfaced):
    """A distance between surfaces."""

    empty: DistanceEmpty = Field(
        default=DistanceEmpty(), description="What the value is when a class has no pixel in one mask or both."
    )


class Hausdorff(Distance):
    """Hausdorff distance: the largest distance from a point of one surface to the other surface, or a percentile of them.

    hd_mode, of the distances from P's border to T's and from T's to P's: `max_of_directed`, the larger of the two
    percentiles (linear); `pooled`, the percentile of all of them; `area_weighted`, the larger of the two percentiles by surface
    area, of half-pixel surfels (marching squares, marching cubes). directed: only from the prediction to the target. 2-D and
    3-D. Range [0, inf), unit of the spacing. Undefined: `both_empty`; `zero_denominator`, where no mask has a border; `infinite`. Sources:
    Huttenlocher et al., IEEE TPAMI 15 (1993) 850; surfels: Nikolov et al., arXiv:1809.04430.
    """

    about: ClassVar[About] = About(
        formula="max(percentile of d(P, T), percentile of d(T, P))",
        direction="lower",
        range="[0, inf)",
        source="Huttenlocher et al., IEEE TPAMI 15 (1993) 850; surfels: Nikolov et al., arXiv:1809.04430",
    )
    name: Literal["hausdorff"] = "hausdorff"
    percentile: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="95 for HD95; null is the maximum."
    )
    hd_mode: Literal["max_of_directed", "pooled", "area_weighted"] = Field(
        default="max_of_directed",
        description="The larger of both directions' percentiles, the percentile of all distances, or the larger of those by surface area.",
    )
    directed: bool = Field(default=False, description="true: only the distances from the prediction to the target.")


class AverageSurfaceDistance(Distance):
    """Average surface distance, of the distances from P's border to T's and from T's to P's.

    symmetric: `assd`, the mean of all of them; `masd`, the mean of the two directions' means; `directed`, the mean from the
    prediction to the target. 2-D and 3-D. Range [0, inf), unit of the spacing. Undefined: `both_empty`; `zero_denominator`, where no mask
    has a border; `infinite`. Source: Yeghiazaryan and Voiculescu, Journal of Medical Imaging 5 (2018) 015006.
    """

    about: ClassVar[About] = About(
        formula="(sum d(P, T) + sum d(T, P)) / (|border P| + |border T|)",
        direction="lower",
        range="[0, inf)",
        source="Yeghiazaryan and Voiculescu, Journal of Medical Imaging 5 (2018) 015006",
    )
    name: Literal["average_surface_distance"] = "average_surface_distance"
    symmetric: Literal["assd", "masd", "directed"] = Field(
        default="assd",
        description="The mean of all distances, the mean of both directions' means, or the mean from prediction to target.",
    )


class SurfaceDice(Surfaced):
    """Surface dice, normalised surface distance: how much of both surfaces is within a tolerance of the other.

    nsd_mode: `pooled_counts`, border pixels of both masks together; `pooled_areas`, the areas of their half-pixel surfels
    together; `mean_of_fractions`, the mean of the two masks' shares of border pixels. A distance that is the tolerance to 1e-6
    of it is within. 2-D and 3-D. Range [0, 1]. Undefined: `both_empty`; `zero_denominator`, where no mask has a border. Source:
    Nikolov et al., arXiv:1809.04430.
    """

    about: ClassVar[About] = About(
        formula="(|d(P, T) <= tolerance| + |d(T, P) <= tolerance|) / (|border P| + |border T|)",
        direction="higher",
        range="[0, 1]",
        source="Nikolov et al., arXiv:1809.04430",
    )
    name: Literal["surface_dice"] = "surface_dice"
    tolerance: NonNegative | Each[NonNegative] = Field(
        default=1.0, description="How far is near, in the unit of the spacing; a list has one for each class."
    )
    nsd_mode: Literal["pooled_counts", "pooled_areas", "mean_of_fractions"] = Field(
        default="pooled_counts",
        description="The share of both borders' pixels, of both surfaces' area, or the mean of the two borders' shares.",
    )

    @model_validator(mode="after")
    def _micro_has_one_tolerance(self) -> Self:
        if self.average == "micro" and isinstance(self.tolerance, list):
            raise Forbidden("average 'micro' takes one tolerance for all classes; found a list", "tolerance")
        return self


class BoundaryIou(ClassAveraged):
    """Boundary IoU: the IoU of what of each mask lies within d pixels of its border.

    d = max(1, round(dilation_ratio * the image's diagonal in pixels)); what lies outside of the image is outside of the mask. Within d:
    along every axis, whatever the spacing. 2-D and 3-D. Range [0, 1]. Undefined: `both_empty`. Source: Cheng et al., arXiv:2103.16562.
    """

    about: ClassVar[About] = About(
        formula="|P_d and T_d| / |P_d or T_d|, P_d the pixels of P within d of its border",
        direction="higher",
        range="[0, 1]",
        source="Cheng et al., arXiv:2103.16562",
    )
    name: Literal["boundary_iou"] = "boundary_iou"
    dilation_ratio: float = Field(default=0.02, gt=0, le=1, description="d as a share of the image's diagonal.")


class CentrelineDice(ClassAveraged):
    """Centreline dice (clDice): the harmonic mean of the share of P's skeleton in T and the share of T's skeleton in P.

    Skeletons are hard, by scikit-image: Zhang and Suen's thinning in 2-D, Lee's in 3-D. 2-D and 3-D. Range [0, 1]. Undefined:
    `both_empty`; `zero_denominator`, where the thinning leaves nothing of a mask (in 3-D a block of even sides). Source:
    Shit et al., arXiv:2003.07311.
    """

    about: ClassVar[About] = About(
        formula="2 a b / (a + b), a = |skeleton(P) and T| / |skeleton(P)|, b = |skeleton(T) and P| / |skeleton(T)|",
        direction="higher",
        range="[0, 1]",
        source="Shit et al., clDice, arXiv:2003.07311",
    )
    name: Literal["centreline_dice"] = "centreline_dice"
