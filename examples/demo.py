"""Start the service, score real image masks through the client, print a table, draw an overlay, stop the service.

    python examples/demo.py [folder for the picture and the service's log: demo-out]

Each prediction is a smoothed, rescaled intensity; each target is the segmentation that scikit-image's own tutorials
make of the image. Two predictions are bad on purpose: they come back as problems in their place in the batch.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import httpx
import numpy as np
from lossgauge import BatchResult, Client, ScoredItem
from lossgauge import metrics as m
from lossgauge.wire import Problem, Score
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from skimage import data, exposure, filters, segmentation

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

METRICS: list[str | m.MetricSpec] = ["dice", "iou", m.FocalLoss(gamma=2.0, alpha=0.25), "cross_entropy", "mean_iou"]
COLUMNS = ("dice", "iou", "focal", "bce", "mean IoU", "positive share")
WIDTHS = (8, 8, 9, 9, 10, 16)
KEYS = ("dice", "iou", "focal_loss", "cross_entropy", "mean_iou")
READY_WITHIN_S = 900.0


class Case(NamedTuple):
    """A prediction and its target, and what to call them."""

    name: str
    prediction: Floats
    target: Mask


# --------------------------------------------------------------------------------------------------------------- images


def coins() -> tuple[Grey, Floats, Mask]:
    """The coins, a probability for each pixel, and the watershed of scikit-image's tutorial "Comparing edge-based and
    region-based segmentation".
    """
    image = data.coins()
    markers = np.zeros(image.shape, np.int32)
    markers[image < 30], markers[image > 150] = 1, 2
    target = ndimage.binary_fill_holes(segmentation.watershed(filters.sobel(image), markers) - 1)
    return image, probability(image, dark=30, bright=150), target


def page() -> tuple[Floats, Mask]:
    """A page lit unevenly, and its ink by Sauvola's local threshold (tutorial "Niblack and Sauvola Thresholding")."""
    image = data.page()
    return 1 - probability(image, dark=60, bright=200, sigma=1), image < filters.threshold_sauvola(
        image, window_size=25
    )


def camera() -> tuple[Floats, Mask]:
    """The cameraman, and what is darker than Otsu's threshold (tutorial "Thresholding")."""
    image = data.camera()
    return 1 - probability(image, dark=0, bright=200), image < filters.threshold_otsu(image)


def probability(image: Grey, *, dark: float, bright: float, sigma: float = 2) -> Floats:
    """A smoothed intensity, from 0.01 at `dark` to 0.99 at `bright`."""
    smooth = filters.gaussian(image, sigma, preserve_range=True)
    scaled: Floats = exposure.rescale_intensity(smooth, in_range=(dark, bright), out_range=(0.01, 0.99)).astype(
        np.float32
    )
    return scaled


def cases() -> list[Case]:
    """Whole images, crops of several sizes, an empty one, and two bad predictions."""
    _, prediction, target = coins()
    good = [Case("coins", prediction, target)]
    good += [Case(name, prediction[crop], target[crop]) for name, crop in CROPS.items()]
    good += [Case("page", *page()), Case("camera", *camera())]
    spoilt = prediction.copy()
    spoilt[100, 200] = np.nan
    return [*good, Case("coins, NaN inside", spoilt, target), Case("coins, cut short", prediction[:-3], target)]


CROPS = {
    "coin, middle right": np.s_[148:226, 307:384],
    "coin, bottom left": np.s_[225:296, 10:83],
    "coin, top left": np.s_[22:80, 128:187],
    "no coin": np.s_[219:243, 198:222],
}


# -------------------------------------------------------------------------------------------------------------- service


@contextmanager
def service(log: Path) -> Iterator[str]:
    """The URL of a service that runs until the block ends, however it ends."""
    port = free_port()
    command = [sys.executable, "-m", "lossgauge_service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        # a session of its own: Ctrl-C reaches the demo alone, which then stops the service in order
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, url, log)
        yield url
    finally:
        stop(process)


def free_port() -> int:
    """A port of the loopback address that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when the service says that it is ready; exit when it stopped, is broken, or takes too long."""
    deadline = time.monotonic() + READY_WITHIN_S
    obstacle: str | None = "it did not answer"
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as http:
        while time.monotonic() < deadline and process.poll() is None and "broken" not in str(obstacle):
            obstacle = obstacle_to(http)
            if obstacle is None:
                return
            time.sleep(0.5)
    sys.exit(f"the service did not become ready: {obstacle}; see {log}:\n{log.read_text(errors='replace')[-2000:]}")


def obstacle_to(http: httpx.Client) -> str | None:
    """Why the service cannot score yet, or None."""
    try:
        reason: str | None = http.get("/health/ready").json()["reason"]
    except httpx.TransportError:
        return "it did not answer"
    return reason


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the service to stop; end it, and a compiler that it may have started, when it does not."""
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# ---------------------------------------------------------------------------------------------------------------- table


def table(names: Sequence[str], answer: BatchResult) -> Iterator[str]:
    """The lines of the table: an item a line, its scores or its problem, then the mean."""
    yield line("item", COLUMNS)
    for name, item in zip(names, answer, strict=True):
        yield line(name, cells(item.scores)) if isinstance(item, ScoredItem) else problem_line(name, item.problem)
    means = [number(answer.summary[key].mean) for key in KEYS]
    yield line(f"mean ({len(answer.problems)} left out)", [*means, ""])


def cells(scores: Mapping[str, Score]) -> list[str]:
    """Every score of an item, and the share of the focal loss that the positives carry."""
    share = (scores["focal_loss"].model_extra or {}).get("positive_share")
    return [*(number(scores[key].value) for key in KEYS), number(share)]


def number(value: float | None) -> str:
    """Four decimals, or a dash for what is undefined."""
    return "-" if value is None else f"{value:.4f}"


def line(name: str, texts: Sequence[str]) -> str:
    """One line of at most 80 characters."""
    return (f"{name:<20}" + "".join(f"{text:>{width}}" for text, width in zip(texts, WIDTHS, strict=True))).rstrip()


def problem_line(name: str, problem: Problem | None) -> str:
    """What is wrong with an item, cut to the width of the table."""
    told = f"{problem.code}: {problem.detail}" if problem else "could not be sent"
    return f"{name:<20}  {shorten(told, 58, placeholder=' ..')}"


# -------------------------------------------------------------------------------------------------------------- picture

SCALE = 3
TARGET_COLOUR, PREDICTION_COLOUR = (64, 196, 255), (255, 171, 64)
INK, PAPER = (236, 239, 241), (24, 28, 32)


def draw_overlay(path: Path, caption: str) -> None:
    """The coins with the outlines of target and prediction, shaded where only one of them is, and a legend."""
    image, prediction, target = coins()
    picture = (
        Image.fromarray(image)
        .resize((image.shape[1] * SCALE, image.shape[0] * SCALE), Image.Resampling.BICUBIC)
        .convert("RGB")
    )
    found, true = enlarged(prediction), enlarged(target.astype(np.float32))
    for inside, other, colour in ((true, found, TARGET_COLOUR), (found, true, PREDICTION_COLOUR)):
        picture.paste(colour, mask=stencil(np.where(inside & ~other, 56, 0), picture.size))
        picture.paste(colour, mask=stencil(np.where(inside & ~eroded(inside), 255, 0), picture.size))
    framed(picture, caption).save(path)


def enlarged(values: Floats) -> Mask:
    """Where values exceed one half, with smooth borders, at twice the picture's resolution."""
    size = (values.shape[1] * SCALE * 2, values.shape[0] * SCALE * 2)
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)) > 0.5


def eroded(inside: Mask) -> Mask:
    """A mask less its border."""
    return np.asarray(ndimage.binary_erosion(inside, iterations=4, border_value=1), bool)


def stencil(opacity: NDArray[np.int64], size: tuple[int, int]) -> Image.Image:
    """How opaque a colour lies on each pixel of the picture."""
    return Image.fromarray(opacity.astype(np.uint8)).resize(size, Image.Resampling.LANCZOS)


def framed(picture: Image.Image, caption: str) -> Image.Image:
    """The picture over a strip with the legend on the left and the caption on the right."""
    strip = 64
    canvas = Image.new("RGB", (picture.width, picture.height + strip), PAPER)
    canvas.paste(picture)
    draw, font, middle = ImageDraw.Draw(canvas), ImageFont.load_default(22), picture.height + strip // 2
    x = 24.0
    for colour, text in ((TARGET_COLOUR, "target"), (PREDICTION_COLOUR, "prediction p > 0.5")):
        draw.rounded_rectangle((x, middle - 4, x + 36, middle + 4), radius=4, fill=colour)
        draw.text((x + 48, middle), text, fill=INK, font=font, anchor="lm")
        x += 48 + draw.textlength(text, font) + 36
    draw.text((canvas.width - 24, middle), caption, fill=INK, font=font, anchor="rm")
    return canvas


# ----------------------------------------------------------------------------------------------------------------- main


def main(folder: Path) -> None:
    """Do all of it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    folder.mkdir(parents=True, exist_ok=True)
    print("starting the service (a first start compiles its kernel) ..", file=sys.stderr, flush=True)
    with service(folder / "service.log") as url, Client(url) as client:
        batch = cases()
        items = [{"id": case.name, "prediction": case.prediction, "target": case.target} for case in batch]
        answer = client.score_batch(items, metrics=METRICS, task="binary", prediction_kind="probabilities")
        print("\n".join(table([case.name for case in batch], answer)))
        scores = answer[0].scores
        draw_overlay(folder / "overlay.png", f"dice {scores['dice'].value:.4f}   IoU {scores['iou'].value:.4f}")
    print(f"overlay: {folder / 'overlay.png'}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out"))
    except KeyboardInterrupt:
        sys.exit(130)
