"""Layouts as pictures: `draw_layout`, `side_by_side` and `picture_rows`."""

import colorsys
import math
from bisect import bisect_right
from collections.abc import Sequence
from numbers import Integral

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .shapes import MOST_PIXELS, Box


_PAPER = (250, 249, 246)
_READABLE, _LARGE = 320, 512  # pixels of width
_TINT = 0.28  # how much of its colour a region gets
_DASH = 4  # times the thickness of a line


def draw_layout(
    layout, image: Image.Image | None = None, width: int | None = None, height: int | None = None, acting=None
) -> Image.Image:
    """
    Draws the regions of a layout: tinted, outlined and labelled, each in a colour of its own, and over those that are
    behind it (see [`Layout.back_to_front`]).

    Args:
        layout (`Layout`): Boxes, discs, polygons and masks alike.
        image (`PIL.Image`, *optional*): The picture to draw on (it is not changed); by default a plain canvas.
        width (`int`, *optional*): Of the drawing, in pixels. By default the picture's own, but wide enough to read
            the labels; 512 for a plain canvas.
        height (`int`, *optional*): Of a plain canvas, by default as its width. With `image` its aspect ratio decides.
        acting (`Layout`, *optional*): The regions of the same objects that control the picture, where they differ from
            the layout's: a checkpoint may scale predicted boxes. Their outlines are dashed.

    Returns:
        `PIL.Image`: RGB.

    Raises:
        ValueError: A width or height that is no whole number from 1, or both together more than 67 million pixels; or
            `acting` is of other objects.
    """
    if acting is not None and acting.phrases != layout.phrases:
        raise ValueError(f"`acting` has to be of the objects {layout.phrases}, got {acting.phrases}.")
    if width is None:
        width = _LARGE if image is None else max(image.width, _READABLE)
    if image is not None:
        height = max(round(width * image.height / image.width), 1)
    size = width, width if height is None else height
    check_canvas(*size)
    canvas = Image.new("RGB", size, _PAPER) if image is None else image.convert("RGB").resize(size)
    colours = [region_colour(index) for index in range(len(layout))]
    for index in layout.back_to_front():
        canvas = _tinted(canvas, layout.regions[index], colours[index])
        _outline(canvas, layout.regions[index], colours[index])
    for region, colour in zip(acting.regions if acting else (), colours):
        _outline(canvas, region, colour, dashed=True)
    font = ImageFont.load_default(max(10, min(size) // 28))
    taken = np.zeros((canvas.height, canvas.width), dtype=bool)  # by labels
    for region, colour in zip(layout.regions, colours):
        _label(canvas, region, colour, font, taken)
    return canvas


def side_by_side(*images: Image.Image, gap: int = 8) -> Image.Image:
    """Pictures in a row, brought to the height of the first: for a picture beside its layout."""
    if not images:
        raise ValueError("`side_by_side` needs at least one image.")
    height = images[0].height
    widths = [max(round(image.width * height / image.height), 1) for image in images]
    scaled = [image.convert("RGB").resize((width, height)) for image, width in zip(images, widths)]
    row = Image.new("RGB", (sum(image.width for image in scaled) + gap * (len(scaled) - 1), height), (255, 255, 255))
    left = 0
    for image in scaled:
        row.paste(image, (left, 0))
        left += image.width + gap
    return row


def picture_rows(images: Sequence[Image.Image], layouts: Sequence) -> Image.Image:
    """Pictures of one size below each other, each beside its layout drawn on it."""
    width = min(max(images[0].width, _READABLE), _LARGE)
    drawn = [draw_layout(layout, image, width) for image, layout in zip(images, layouts)]
    rows = [side_by_side(image.resize(drawing.size), drawing) for image, drawing in zip(images, drawn)]
    turn = Image.Transpose.TRANSPOSE
    return side_by_side(*(row.transpose(turn) for row in rows)).transpose(turn)


def region_colour(index: int) -> tuple[int, int, int]:
    """The colour of the n-th region: hues a golden angle apart, so that neighbours differ."""
    red, green, blue = colorsys.hsv_to_rgb((0.58 + 0.381966 * index) % 1.0, 0.85, 0.8)
    return round(255 * red), round(255 * green), round(255 * blue)


def check_canvas(width: int, height: int) -> None:
    """Raises a ValueError unless a drawing can have so many pixels."""
    for name, pixels in {"width": width, "height": height}.items():
        if not isinstance(pixels, Integral) or isinstance(pixels, bool) or pixels < 1:
            raise ValueError(f"`{name}` of a drawing has to be a whole number of pixels from 1, got {pixels!r}.")
    if width * height > MOST_PIXELS:
        raise ValueError(f"A drawing of {width} x {height} pixels is too large: pass a smaller `width`.")


def _tinted(canvas: Image.Image, region, colour: tuple[int, int, int]) -> Image.Image:
    mask = region.rasterize(canvas.height, canvas.width)
    alpha = Image.fromarray((255 * _TINT * mask).astype(np.uint8))
    return Image.composite(Image.new("RGB", canvas.size, colour), canvas, alpha)


def _outline(canvas: Image.Image, region, colour, dashed: bool = False) -> None:
    width, height = canvas.size
    thickness = max(2, min(canvas.size) // 170)
    edge = Image.new("1", canvas.size)
    pen = ImageDraw.Draw(edge)
    if region.disc is not None:
        edge = Image.fromarray(_ring(region.disc, thickness, width, height))
    elif region.box is not None:
        pen.rectangle(_pixels(region.box, canvas.size), outline=1, width=thickness)
    elif region.polygon is not None:
        pen.polygon([(x * (width - 1), y * (height - 1)) for x, y in region.polygon], outline=1, width=thickness)
    if dashed:
        stripes = np.add.outer(np.arange(height), np.arange(width)) // (_DASH * thickness) % 2 == 0
        edge = Image.fromarray(np.array(edge) & stripes)
    canvas.paste(colour, mask=edge)


def _ring(disc: tuple[float, float, float], thickness: int, width: int, height: int) -> np.ndarray:
    """
    The outline of a disc, so many pixels wide: bool of shape (height, width). Pillow takes the longer for it, the
    larger the radius is, however little of the disc is in the picture.
    """
    x, y, radius = disc
    columns, rows = np.arange(width) + 0.5 - x * width, np.arange(height)[:, None] + 0.5 - y * height

    def inside(inset: int) -> np.ndarray:
        radii = (max(radius * size - inset, 1e-9) for size in (width, height))
        return np.hypot(*(offsets / length for offsets, length in zip((columns, rows), radii))) <= 1

    return inside(0) & ~inside(thickness)


def _pixels(box: Box, size: tuple[int, int]) -> Box:
    """The first and the last column and row, at least one of each."""
    (x0, y0, x1, y1), (width, height) = box, size
    left, top = min(x0 * width, width - 1), min(y0 * height, height - 1)
    return left, top, max(x1 * width - 1, left), max(y1 * height - 1, top)


def _label(canvas: Image.Image, region, colour, font, taken: np.ndarray) -> None:
    """Writes the phrase at the top of the region, below other labels that are there already."""
    pen = ImageDraw.Draw(canvas)
    text = _fitted(pen, region.phrase, font, canvas.width - 8)
    _, _, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = math.ceil(right) + 8, math.ceil(bottom) + 6
    left, top = map(int, _pixels(region.bounds, canvas.size)[:2])
    left = max(0, min(left, canvas.width - width))
    while taken[top : top + height, left : left + width].any():
        top += height
    top = max(0, min(top, canvas.height - height))
    taken[top : top + height, left : left + width] = True
    pen.rectangle((left, top, left + width, top + height), fill=colour)
    pen.text((left + 4, top + 2), text, fill=(255, 255, 255), font=font)


def _fitted(pen: ImageDraw.ImageDraw, phrase: str, font, width: int) -> str:
    """The phrase on one line, shortened to a width in pixels."""
    text = " ".join(phrase.split())
    if len(text) <= width and pen.textlength(text, font=font) <= width:  # no letter is narrower than a pixel
        return text
    lengths = range(1, max(width, 1))
    fitting = bisect_right(lengths, width, key=lambda length: pen.textlength(text[:length] + "…", font=font))
    return text[: max(fitting, 1)].rstrip() + "…"
