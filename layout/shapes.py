"""The shapes of regions in the unit square, y down: their checks, and what they look like on a grid."""

import base64
import io
import math
from collections.abc import Sequence
from numbers import Real

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from .files import shortened


Box = tuple[float, float, float, float]  # (x0, y0, x1, y1) in units of the picture's sides

MOST_PIXELS = 2**26  # of a drawing: 8192 x 8192
_IMAGE_SIDE = 512  # pixels: image encoders look at 224 or so

_PNG = "data:image/png;base64,"
_LARGEST_DISC = 1e6  # pictures; float32 tells no places beyond
_BIT_DEPTHS = (255, 65535)  # white, where drawings have whole numbers
_FAINTEST = 1 / 16  # of white: drawings without anything lighter are labels, or of another bit depth
_GREYEST = 8  # of 255: how far the channels of a grey may lie apart after compression


def checked_text(phrase: str, name: str, text) -> str:
    """`text` as a string that can be encoded."""
    if not isinstance(text, str):
        raise TypeError(f"`{name}` of {phrase!r} has to be a string, got {shortened(text)}.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"`{name}` of {phrase!r} holds half a character (a lone surrogate): {shortened(text)}.")
    return text


def checked_numbers(phrase: str, name: str, values, count: int) -> tuple[float, ...]:
    """`values` as so many finite numbers; `phrase` and `name` are for the error."""
    try:
        numbers = tuple(map(_as_real, values))
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"`{name}` of {phrase!r} has to be {count} numbers, got {shortened(values)}.") from None
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"`{name}` of {phrase!r} has to be {count} finite numbers, got {shortened(values)}.")
    return numbers


def checked_number(phrase: str, name: str, value, lowest: float, highest: float = math.inf) -> float:
    """`value` as a finite number in lowest..highest."""
    try:
        number = _as_real(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"`{name}` of {phrase!r} has to be a number, got {shortened(value)}.") from None
    if not math.isfinite(number):
        raise ValueError(f"`{name}` of {phrase!r} has to be a finite number, got {shortened(value)}.")
    if not lowest <= number <= highest:
        wanted = f"be a number from {lowest:g}" if highest == math.inf else f"lie in {lowest:g}..{highest:g}"
        raise ValueError(f"`{name}` of {phrase!r} has to {wanted}, got {number}.")
    return number


def _as_real(value) -> float:
    """A real number, of numpy or torch too, as a float; infinite where it is too large for one."""
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError
    try:
        return float(value)
    except OverflowError:
        return math.inf


def checked_box(phrase: str, box) -> Box:
    """A box `(x0, y0, x1, y1)` within the picture."""
    x0, y0, x1, y1 = box = checked_numbers(phrase, "box", box, 4)
    if min(box) < 0 or max(box) > 1:
        raise ValueError(f"`box` of {phrase!r} has to lie in 0..1, got {box}. Divide pixels by the picture's size.")
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"`box` of {phrase!r} has to be (x0, y0, x1, y1) with x0 < x1 and y0 < y1, got {box}.")
    return box


def checked_disc(phrase: str, disc) -> tuple[float, float, float]:
    """A disc `(x, y, radius)`, some of it within the picture."""
    x, y, radius = disc = checked_numbers(phrase, "disc", disc, 3)
    if max(map(abs, disc)) > _LARGEST_DISC:
        raise ValueError(f"`disc` of {phrase!r} has to have numbers up to {_LARGEST_DISC:g}, got {disc}.")
    if radius <= 0:
        raise ValueError(f"`disc` of {phrase!r} has to be (x, y, radius) with a radius above 0, got {disc}.")
    if math.hypot(x - min(max(x, 0), 1), y - min(max(y, 0), 1)) >= radius:
        raise ValueError(f"`disc` of {phrase!r} lies wholly outside the picture: {disc}. Move its centre into 0..1.")
    return disc


def checked_polygon(phrase: str, polygon) -> tuple[tuple[float, float], ...]:
    """A polygon of points `(x, y)` within the picture that encloses an area."""
    try:
        points = list(polygon)
    except TypeError:
        points = []
    if len(points) < 3:
        raise ValueError(f"`polygon` of {phrase!r} has to be three points (x, y) or more, got {shortened(polygon)}.")
    points = tuple(checked_numbers(phrase, "polygon", point, 2) for point in points)
    for point in points:
        if min(point) < 0 or max(point) > 1:
            raise ValueError(
                f"`polygon` of {phrase!r} has to lie in 0..1, got {point}. Divide pixels by the picture's size."
            )
    if np.linalg.matrix_rank(np.subtract(points, points[0]), tol=1e-6) < 2:
        raise ValueError(f"`polygon` of {phrase!r} is empty: its points {shortened(points)} lie on one line.")
    return points


def checked_mask(phrase: str, mask) -> np.ndarray:
    """
    A drawing as a float32 array in 0..1 that cannot be written to.

    In arrays, and in pictures that are not of 8 bits, what is drawn decides, not the type that holds it: numbers in
    0..1 are taken as they are, whole numbers above 1 in parts of 255 or, where one is larger, of 65535. 8-bit pictures
    are always in parts of 255. For pictures see [`Region`].
    """
    if isinstance(mask, str):
        mask = _decoded_png(phrase, "mask", mask)
    if isinstance(mask, Image.Image):
        mask = _read_picture(phrase, mask)
    if hasattr(mask, "detach"):
        mask = mask.detach().cpu()
        mask = mask.float() if mask.is_floating_point() else mask  # numpy has no bfloat16
    try:
        mask = np.asarray(mask)
    except ValueError:
        raise ValueError(f"`mask` of {phrase!r} has rows of different lengths.") from None
    if mask.ndim != 2 or mask.dtype.kind not in "biuf" or mask.size == 0:
        raise ValueError(
            f"`mask` of {phrase!r} has to be real numbers of shape (rows, columns), got {mask.dtype}, {mask.shape}."
        )
    _check_pixels(phrase, "mask", mask.shape[1], mask.shape[0])
    mask = mask.astype(np.float32)
    mask /= _white(mask)
    if not np.isfinite(mask).all() or mask.min() < 0 or mask.max() > 1:
        raise ValueError(
            f"`mask` of {phrase!r} has to lie in 0..1, or to be whole numbers up to about 255 or 65535, got"
            f" {mask.min()}..{mask.max()}. Of a map of labels pass `map == label`."
        )
    if not mask.any():
        raise ValueError(f"`mask` of {phrase!r} is empty: every value is 0.")
    mask.setflags(write=False)
    return mask


def _white(drawing: np.ndarray) -> np.float32:
    """The number that stands for white, by what is drawn."""
    lightest = drawing.max()
    white = next((white for white in _BIT_DEPTHS if _FAINTEST * white <= lightest <= white), 1)
    return np.float32(white if np.array_equal(drawing, np.rint(drawing)) else 1)


def _check_pixels(phrase: str, name: str, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ValueError(f"`{name}` of {phrase!r} has {width} x {height} pixels, which is too many: make it smaller.")


def _read_picture(phrase: str, picture: Image.Image) -> np.ndarray:
    """The opacity of a picture that is transparent anywhere, otherwise its greys; in 0..1 where these have 8 bits."""
    _check_pixels(phrase, "mask", *picture.size)
    try:
        if picture.has_transparency_data:
            alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
            if (alpha < 255).any():
                return alpha / np.float32(255)
        if picture.mode not in ("L", "P") and len(picture.getbands()) == 1:
            return np.asarray(picture)
        channels = np.asarray(picture.convert("RGB"))
        greys = np.asarray(picture.convert("L"))
    except Exception as error:  # Pillow has many kinds for broken files
        raise ValueError(f"`mask` of {phrase!r} is a picture that cannot be read ({error}).") from None
    if (channels.max(2) - channels.min(2) > _GREYEST).any():
        raise ValueError(
            f"`mask` of {phrase!r} is a picture in colours. Draw the region in white on black, or in any colour on"
            " transparent paper."
        )
    return greys / np.float32(255)


SHAPE_CHECKS = {"box": checked_box, "disc": checked_disc, "polygon": checked_polygon, "mask": checked_mask}


def encoded_mask(mask: np.ndarray) -> str | list[list[float]]:
    """A drawing for JSON: a grey PNG as a data URL where 8 bits hold every value, otherwise rows of numbers."""
    bits = np.rint(mask * 255).astype(np.uint8)
    if not np.array_equal(bits.astype(np.float32) / np.float32(255), mask):
        return mask.tolist()
    return encoded_picture(Image.fromarray(bits))


def checked_image(phrase: str, image) -> Image.Image:
    """A picture in RGB, no longer than what image encoders can use of it."""
    if isinstance(image, str):
        image = _decoded_png(phrase, "image", image)
    if not isinstance(image, Image.Image):
        raise TypeError(f"`image` of {phrase!r} has to be a PIL.Image, got {shortened(image)}.")
    _check_pixels(phrase, "image", *image.size)
    if 0 in image.size:
        raise ValueError(f"`image` of {phrase!r} is empty: it has {image.width} x {image.height} pixels.")
    try:
        image = image.convert("RGB")
    except Exception as error:  # Pillow has many kinds for broken files
        raise ValueError(f"`image` of {phrase!r} is a picture that cannot be read ({error}).") from None
    image.thumbnail((_IMAGE_SIDE, _IMAGE_SIDE))
    return image


def encoded_picture(picture: Image.Image) -> str:
    """A picture for JSON: a PNG as a data URL."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return _PNG + base64.b64encode(file.getvalue()).decode()


def _decoded_png(phrase: str, name: str, text: str) -> Image.Image:
    try:
        if not text.startswith(_PNG):
            raise ValueError("it has to begin with " + _PNG)
        return PngImageFile(io.BytesIO(base64.b64decode(text.removeprefix(_PNG), validate=True)))
    except Exception as error:  # Pillow has many kinds for broken files
        raise ValueError(f"`{name}` of {phrase!r} is text that holds no PNG ({error}): {shortened(text)}.") from None


def disc_grid(disc: tuple[float, float, float], height: int, width: int) -> np.ndarray:
    """
    `(c / w - x)^2 + (r / h - y)^2 < radius^2` at the pixels' corners, in float32, as in the official code. A disc that
    holds no pixel's corner keeps the pixel of its centre, or the one closest to that.
    """
    x, y, _ = (np.float32(value) for value in disc)
    columns = np.arange(width, dtype=np.float32) / np.float32(width)
    rows = np.arange(height, dtype=np.float32) / np.float32(height)
    inside = (columns[None, :] - x) ** 2 + (rows[:, None] - y) ** 2 < np.float32(disc[2] ** 2)
    if not inside.any():
        inside[_cell(disc[1], height), _cell(disc[0], width)] = True
    return inside.astype(np.float32)


def box_grid(box: Box, softness: float, height: int, width: int) -> np.ndarray:
    """Pixels whose centre lies in the box; a soft edge rises from 0 to 1 over `softness`, 1/2 at the box's side."""
    x0, y0, x1, y1 = box
    return np.outer(interval(y0, y1, height, softness), interval(x0, x1, width, softness)).astype(np.float32)


def interval(start: float, stop: float, size: int, softness: float = 0.0) -> np.ndarray:
    """The part start..stop of 0..1 on `size` cells, by their middles; of a part without any the cell it lies in."""
    centers = (np.arange(size) + 0.5) / size
    inside = (start <= centers) & (centers < stop)
    if not inside.any():
        cell = _cell((start + stop) / 2, size)
        centers[cell], inside[cell] = (start + stop) / 2, True
    if softness:
        return np.minimum(centers - start, stop - centers).clip(-softness / 2, softness / 2) / softness + 0.5
    return inside.astype(np.float64)


def _cell(place: float, size: int) -> int:
    """Which of `size` cells over 0..1 a place lies in, or is closest to."""
    return min(max(int(place * size), 0), size - 1)


def polygon_grid(polygon: Sequence[tuple[float, float]], height: int, width: int) -> np.ndarray:
    """
    Pixels from whose centre a ray crosses the outline an odd number of times, so that what is enclosed twice is out.
    A polygon that holds no pixel's centre keeps the pixels of its points.
    """
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    inside = np.zeros((height, width), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]]):
        crossed = (y0 <= y) != (y1 <= y)
        side = x0 + (y[crossed] - y0) * (x1 - x0) / (y1 - y0)
        inside[crossed] ^= x < side[:, None]
    if not inside.any():
        for px, py in polygon:
            inside[_cell(py, height), _cell(px, width)] = True
    return inside.astype(np.float32)


def mask_grid(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """
    A drawing in another size: area averages when shrinking, bilinear when growing. A drawing that fills less than one
    pixel keeps the one that it fills most.
    """
    shrinking = height <= mask.shape[0] and width <= mask.shape[1]
    resample = Image.Resampling.BOX if shrinking else Image.Resampling.BILINEAR
    grid = np.asarray(Image.fromarray(np.array(mask)).resize((width, height), resample)).clip(0, 1)
    if grid.sum() < mask.max():
        grid.flat[grid.argmax()] = mask.max()
    return grid


def cropped_box(box: Box, part: Box) -> tuple[float, ...]:
    """What a part of the picture shows of a box, in units of that part; without an area where that is nothing."""
    x0, y0, x1, y1 = part
    return tuple(
        min(max((side - start) / (stop - start), 0.0), 1.0)
        for side, start, stop in zip(box, (x0, y0) * 2, (x1, y1) * 2)
    )


def cropped_mask(mask: np.ndarray, part: Box) -> np.ndarray:
    """A part of a drawing on as many pixels as the whole; what lies outside the drawing is empty."""
    height, width = mask.shape
    extent = tuple(side * length for side, length in zip(part, (width, height) * 2))
    return np.asarray(Image.fromarray(np.array(mask)).transform((width, height), Image.Transform.EXTENT, extent))


def mask_bounds(mask: np.ndarray) -> Box:
    """The smallest box around what is drawn."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    corners = (columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)
    return tuple((np.array(corners) / mask.shape[::-1]).flatten().tolist())
