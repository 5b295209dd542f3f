"""Maps as PNG images for people: what is right and wrong in colours, losses and gradients beside their scale."""

import io
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
from lossgauge.mapping import ErrorMap, GradientMap
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from lossgauge_service.errors import NotAcceptable
from lossgauge_service.maps import Mapped
from lossgauge_service.maps.mistakes import FALSE_NEGATIVE, FALSE_POSITIVE, IGNORED, TRUE_NEGATIVE, TRUE_POSITIVE
from lossgauge_service.samples import AnyArray, Sample

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]

DARK, GREEN, ORANGE, BLUE, GREY = (45, 45, 45), (0, 158, 115), (230, 120, 0), (0, 114, 178), (190, 190, 190)
YELLOW = (240, 228, 66)
MISTAKES = {
    TRUE_NEGATIVE: ("true negative", DARK),
    TRUE_POSITIVE: ("true positive", GREEN),
    FALSE_POSITIVE: ("false positive", ORANGE),
    FALSE_NEGATIVE: ("false negative", BLUE),
    IGNORED: ("ignored", GREY),
}
CLASS_MISTAKES = {TRUE_POSITIVE: ("right", GREEN), FALSE_POSITIVE: ("wrong", ORANGE), IGNORED: ("ignored", GREY)}
HEAT: tuple[Colour, ...] = ((0, 0, 0), (80, 18, 123), (182, 54, 121), (251, 136, 97), (252, 253, 191))
BOTH_WAYS: tuple[Colour, ...] = ((33, 102, 172), (146, 197, 222), (255, 255, 255), (244, 165, 130), (178, 24, 43))
PAPER, BLACK = (228, 228, 222), (0, 0, 0)
SIDE, SHEET, ASPECT = 480, 960, 4 / 3
"""A small map has larger pixels: its shorter side is up to SIDE then, and all maps together, in rows of about this aspect, up to SHEET."""
FONT, LINE, GAP, MARGIN = ImageFont.load_default(14), 22, 4, 8


def picture(one: Mapped, sample: Sample) -> bytes:
    """A PNG file of a map of two axes (classes in rows), over a legend, which its text `Description` repeats."""
    if one.array is None:
        raise NotAcceptable(f"the map has no array to show: {one.undefined}")
    panels = _panels(one.array, sample)
    noun = "class" if sample.case.task == "multiclass" else "label"
    if isinstance(one.asked, ErrorMap):
        return _with_names(panels, CLASS_MISTAKES if noun == "class" else MISTAKES, noun)
    ignored = np.broadcast_to((sample.target < 0).reshape(-1, *sample.shape), (len(panels), *sample.shape))
    assert one.spec is not None
    if isinstance(one.asked, GradientMap):
        return _with_scale(panels, ignored, noun, _of_gradient(one.array, one.spec.name, sample.case.kind))
    return _with_scale(panels, ignored, noun, _of_loss(one.array, one.spec.name))


def _panels(array: AnyArray, sample: Sample) -> list[AnyArray]:
    if sample.case.task == "boxes":
        raise NotAcceptable("image/png shows pixels in two axes; boxes have none")
    if sample.case.axes != 2:
        raise NotAcceptable(f"image/png shows pixels in two axes; these have {sample.case.axes}")
    return [array] if array.ndim == 2 else [*np.moveaxis(array, sample.channel_axis, 0)]


def _with_names(panels: list[AnyArray], names: dict[int, tuple[str, Colour]], noun: str) -> bytes:
    table = np.zeros((256, 3), np.uint8)
    for value, (_, colour) in names.items():
        table[value] = colour
    image = _canvas([table[panel] for panel in panels], noun, len(names), 0)
    draw, top = ImageDraw.Draw(image), image.height - LINE * len(names) - MARGIN
    for line, (name, colour) in enumerate(names.values()):
        left, y = MARGIN, top + LINE * line
        draw.rectangle((left, y + 3, left + LINE - 6, y + LINE - 3), fill=colour)
        _write(draw, left + LINE + GAP, y, name)
    return _file(image, ", ".join(f"{name}: rgb{colour}" for name, colour in names.values()))


@dataclass(frozen=True)
class Scale:
    """The colours of values from low to high, and what is told of them."""

    low: float
    high: float
    stops: tuple[Colour, ...]
    told: str

    def coloured(self, values: AnyArray) -> Pixels:
        """Colours between the stops; what has none is marked afterwards."""
        finite = np.nan_to_num(values.astype(np.float64), posinf=self.high, neginf=self.low)
        share = np.clip((finite - self.low) / (self.high - self.low), 0, 1) * (len(self.stops) - 1)
        channels = [np.interp(share, range(len(self.stops)), channel) for channel in zip(*self.stops, strict=True)]
        return np.stack(channels, -1).round().astype(np.uint8)

    def ramp(self, width: int) -> Pixels:
        """All its colours, from low to high, a line high."""
        return self.coloured(np.linspace(self.low, self.high, width)[None].repeat(LINE - GAP, 0))


def _of_gradient(values: AnyArray, name: str, kind: str) -> Scale:
    most = _most(np.abs(values))
    return Scale(-most, most, BOTH_WAYS, f"d {name} / d {kind}: {-most:.4g} to {most:.4g}")


def _of_loss(values: AnyArray, name: str) -> Scale:
    most = _most(values)
    return Scale(0.0, most, HEAT, f"{name} of each pixel: 0 to {most:.4g}")


def _most(values: AnyArray) -> float:
    """The largest finite value, where the scale ends; 1 where all are 0."""
    return float(values.max(where=np.isfinite(values), initial=0.0)) or 1.0


def _unscaled(panels: NDArray[Any], ignored: NDArray[np.bool_]) -> dict[str, tuple[Colour, NDArray[np.bool_]]]:
    """What has no colour of the scale: its name in the legend, its own colour and where it is."""
    marks = {
        "grey: ignored": (GREY, ignored),
        "green: infinite": (GREEN, np.isinf(panels) & ~ignored),
        "yellow: no number": (YELLOW, np.isnan(panels) & ~ignored),
    }
    return {name: mark for name, mark in marks.items() if mark[1].any()}


def _with_scale(panels: list[AnyArray], ignored: NDArray[np.bool_], noun: str, scale: Scale) -> bytes:
    coloured, marks = [scale.coloured(panel) for panel in panels], _unscaled(np.stack(panels), ignored)
    for colour, places in marks.values():
        for panel, out in zip(coloured, places, strict=True):
            panel[out] = colour
    told = "; ".join([scale.told, *marks])
    image = _canvas(coloured, noun, 2, _width(told))
    draw, top = ImageDraw.Draw(image), image.height - 2 * LINE - MARGIN
    width = image.width - 2 * MARGIN
    image.paste(Image.fromarray(scale.ramp(width)), (MARGIN, top))
    draw.rectangle((MARGIN - 1, top - 1, MARGIN + width, top + LINE - GAP), outline=BLACK)
    _write(draw, MARGIN, top + LINE, told)
    return _file(image, told)


@dataclass(frozen=True)
class Sheet:
    """How panels of one shape stand in rows: how many in a row, how large a pixel is, and the room that each takes with its title."""

    columns: int
    rows: int
    times: int
    step: tuple[int, int]

    @classmethod
    def of(cls, panels: list[Pixels], titles: list[str]) -> "Sheet":
        """As near to the aspect as whole rows allow, and as large as the sheet does."""
        (height, width), count = panels[0].shape[:2], len(panels)
        columns = min(count, ceil(sqrt(count * ASPECT * height / width)))
        rows = ceil(count / columns)
        times = max(1, min(SHEET // (width * columns), SHEET // (height * rows), SIDE // min(height, width)))
        wide, line = max([width * times, *(_width(title) + 2 * GAP for title in titles)]), LINE if titles else 0
        return cls(columns, rows, times, (wide + GAP, height * times + line + GAP))

    @property
    def size(self) -> tuple[int, int]:
        """Of all rows, in pixels."""
        return self.columns * self.step[0] - GAP, self.rows * self.step[1] - GAP

    def corner(self, place: int) -> tuple[int, int]:
        """Where a panel starts."""
        return place % self.columns * self.step[0], place // self.columns * self.step[1]


def _canvas(panels: list[Pixels], noun: str, lines: int, words: int) -> Image.Image:
    """The panels in rows, enlarged where they are small, each over its number, over room for a legend of so many lines and so wide."""
    titles = [f"{noun} {place}" for place in range(len(panels))] if len(panels) > 1 else []
    sheet = Sheet.of(panels, titles)
    width, height = sheet.size
    size = max(SIDE, width, words + 2 * MARGIN), height + LINE * lines + 2 * MARGIN
    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    for place, panel in enumerate(panels):
        left, top = sheet.corner(place)
        image.paste(Image.fromarray(panel.repeat(sheet.times, 0).repeat(sheet.times, 1)), (left, top))
        if titles:
            _write(draw, left + GAP, top + sheet.times * len(panel), titles[place])
    return image


def _width(words: str) -> int:
    return ceil(FONT.getlength(words))


def _write(draw: ImageDraw.ImageDraw, left: int, top: int, words: str) -> None:
    """Words in the middle of a line."""
    draw.text((left, top + LINE / 2), words, fill=BLACK, font=FONT, anchor="lm")


def _file(image: Image.Image, description: str) -> bytes:
    file, told = io.BytesIO(), PngInfo()
    told.add_text("Description", description)
    image.save(file, "PNG", pnginfo=told)
    return file.getvalue()
