"""The shapes of regions in the unit square, y down: their checks, and what they look like on a grid."""

import base64
import binascii
import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError


_PNG = "data:image/png;base64,"


def checked_numbers(phrase: str, name: str, values, count: int) -> tuple[float, ...]:
    """`values` as so many finite numbers; `phrase` and `name` are for the error."""
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` of {phrase!r} has to be {count} numbers, got {shortened(values)}.") from None
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"`{name}` of {phrase!r} has to be {count} finite numbers, got {shortened(values)}.")
    return numbers


def checked_number(phrase: str, name: str, value, highest: float = math.inf) -> float:
    """`value` as a number in 0..highest."""
    (number,) = checked_numbers(phrase, name, (value,), 1)
    if not 0 <= number <= highest:
        wanted = "be a number from 0" if highest == math.inf else f"lie in 0..{highest:g}"
        raise ValueError(f"`{name}` of {phrase!r} has to {wanted}, got {number}.")
    return number


def checked_box(phrase: str, box) -> tuple[float, float, float, float]:
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
    """A drawing as a float32 array in 0..1 that cannot be written to."""
    if isinstance(mask, str):
        mask = _decoded_png(phrase, mask)
    if isinstance(mask, Image.Image):
        mask = mask.convert("L")
    if hasattr(mask, "detach"):
        mask = mask.detach().cpu()
        mask = mask.float() if mask.is_floating_point() else mask  # numpy has no bfloat16
    try:
        mask = np.asarray(mask)
    except ValueError:
        raise ValueError(f"`mask` of {phrase!r} has rows of different lengths.") from None
    if mask.ndim != 2 or mask.dtype.kind not in "biuf" or mask.size == 0:
        raise ValueError(f"`mask` of {phrase!r} has to be numbers of shape (rows, columns), got {mask.shape}.")
    mask = mask.astype(np.float32) / np.float32(255 if mask.dtype == np.uint8 and mask.max() > 1 else 1)
    if not np.isfinite(mask).all() or mask.min() < 0 or mask.max() > 1:
        raise ValueError(f"`mask` of {phrase!r} has to lie in 0..1, got {mask.min()}..{mask.max()}.")
    if not mask.any():
        raise ValueError(f"`mask` of {phrase!r} is empty: every value is 0.")
    mask.setflags(write=False)
    return mask


SHAPE_CHECKS = {"box": checked_box, "disc": checked_disc, "polygon": checked_polygon, "mask": checked_mask}


def encoded_mask(mask: np.ndarray) -> str | list[list[float]]:
    """A drawing for JSON: a grey PNG as a data URL where 8 bits hold every value, otherwise rows of numbers."""
    bits = np.rint(mask * 255).astype(np.uint8)
    if bits.max() == 1 or not np.array_equal(bits.astype(np.float32) / np.float32(255), mask):
        return mask.tolist()
    file = io.BytesIO()
    Image.fromarray(bits).save(file, "PNG")
    return _PNG + base64.b64encode(file.getvalue()).decode()


def _decoded_png(phrase: str, text: str) -> Image.Image:
    try:
        if not text.startswith(_PNG):
            raise ValueError("it has to begin with " + _PNG)
        image = Image.open(io.BytesIO(base64.b64decode(text.removeprefix(_PNG), validate=True)), formats=["PNG"])
        image.load()
    except (ValueError, binascii.Error, UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"`mask` of {phrase!r} is text that holds no PNG ({error}): {shortened(text)}.") from None
    return image


def disc_grid(disc: tuple[float, float, float], height: int, width: int) -> np.ndarray:
    """`(c / w - x)^2 + (r / h - y)^2 < radius^2` at the pixels' corners, in float32, as in the official code."""
    x, y, _ = (np.float32(value) for value in disc)
    columns = np.arange(width, dtype=np.float32) / np.float32(width)
    rows = np.arange(height, dtype=np.float32) / np.float32(height)
    inside = (columns[None, :] - x) ** 2 + (rows[:, None] - y) ** 2 < np.float32(disc[2] ** 2)
    return inside.astype(np.float32)


def box_grid(box: tuple[float, float, float, float], softness: float, height: int, width: int) -> np.ndarray:
    """Pixels whose centre lies in the box; a soft edge rises from 0 to 1 over `softness`, 1/2 at the box's side."""
    x0, y0, x1, y1 = box
    return np.outer(interval(y0, y1, height, softness), interval(x0, x1, width, softness)).astype(np.float32)


def interval(start: float, stop: float, size: int, softness: float = 0.0) -> np.ndarray:
    """The part start..stop of 0..1 on `size` cells, by their middles; of a part without any the cell it lies in."""
    centers = (np.arange(size) + 0.5) / size
    if softness:
        return np.clip(np.minimum(centers - start, stop - centers) / softness + 0.5, 0, 1)
    inside = (start <= centers) & (centers < stop)
    if not inside.any():
        inside[min(int((start + stop) / 2 * size), size - 1)] = True
    return inside.astype(np.float64)


def polygon_grid(polygon: Sequence[tuple[float, float]], height: int, width: int) -> np.ndarray:
    """
    Pixels from whose centre a ray crosses the outline an odd number of times, so that what is enclosed twice is out.
    A polygon that holds no pixel's centre keeps the pixels of its points.
    """
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    inside = np.zeros((height, width), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]]):
        if y0 != y1:
            inside ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    if not inside.any():
        for px, py in polygon:
            inside[min(int(py * height), height - 1), min(int(px * width), width - 1)] = True
    return inside.astype(np.float32)


def mask_grid(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A drawing in another size: area averages when shrinking, bilinear when growing."""
    shrinking = height <= mask.shape[0] and width <= mask.shape[1]
    resample = Image.Resampling.BOX if shrinking else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.array(mask)).resize((width, height), resample)).clip(0, 1)


def mask_bounds(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The smallest box around what is drawn."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    corners = (columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)
    return tuple((np.array(corners) / mask.shape[::-1]).flatten().tolist())


def shortened(value) -> str:
    """What an error shows of a value."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
