"""Layouts as pictures: `draw_layout` and `side_by_side`."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .regions import Layout, Region


_PAPER = (250, 249, 246)
_READABLE = 320  # pixels of width
_TINT = 0.28  # how much of its colour a region gets


def draw_layout(
    layout: Layout, image: Image.Image | None = None, width: int | None = None, height: int | None = None
) -> Image.Image:
    """
    Draws the regions of a layout: tinted, outlined and labelled, each in a colour of its own.

    Args:
        layout (`Layout`): Boxes, discs, polygons and masks alike.
        image (`PIL.Image`, *optional*): The picture to draw on (it is not changed); by default a plain canvas.
        width (`int`, *optional*): Of the drawing, in pixels. By default the picture's own, but wide enough to read
            the labels; 512 for a plain canvas.
        height (`int`, *optional*): Of a plain canvas, by default as its width. With `image` its aspect ratio decides.

    Returns:
        `PIL.Image`: RGB.
    """
    if image is None:
        width = width or 512
        canvas = Image.new("RGB", (width, height or width), _PAPER)
    else:
        width = width or max(image.width, _READABLE)
        canvas = image.convert("RGB").resize((width, round(width * image.height / image.width)))
    colours = [region_colour(index) for index in range(len(layout))]
    for region, colour in zip(layout.regions, colours):
        canvas = _tinted(canvas, region, colour)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(max(10, min(canvas.size) // 28))
    for region, colour in zip(layout.regions, colours):
        _outline(pen, region, colour, canvas.size)
    taken: list[tuple[float, float, float, float]] = []
    for region, colour in zip(layout.regions, colours):
        taken.append(_label(pen, region, colour, font, canvas.size, taken))
    return canvas


def side_by_side(*images: Image.Image, gap: int = 8) -> Image.Image:
    """Pictures in a row, brought to the height of the first: for a picture beside its layout."""
    if not images:
        raise ValueError("`side_by_side` needs at least one image.")
    height = images[0].height
    scaled = [image.convert("RGB").resize((round(image.width * height / image.height), height)) for image in images]
    row = Image.new("RGB", (sum(image.width for image in scaled) + gap * (len(scaled) - 1), height), (255, 255, 255))
    left = 0
    for image in scaled:
        row.paste(image, (left, 0))
        left += image.width + gap
    return row


def region_colour(index: int) -> tuple[int, int, int]:
    """The colour of the n-th region: hues a golden angle apart, so that neighbours differ."""
    red, green, blue = colorsys.hsv_to_rgb((0.58 + 0.381966 * index) % 1.0, 0.85, 0.8)
    return round(255 * red), round(255 * green), round(255 * blue)


def _tinted(canvas: Image.Image, region: Region, colour: tuple[int, int, int]) -> Image.Image:
    mask = region.rasterize(canvas.height, canvas.width)
    alpha = Image.fromarray((255 * _TINT * mask).astype(np.uint8))
    return Image.composite(Image.new("RGB", canvas.size, colour), canvas, alpha)


def _outline(pen: ImageDraw.ImageDraw, region: Region, colour, size: tuple[int, int]) -> None:
    width, height = size
    thickness = max(2, min(size) // 170)
    if region.disc is not None:
        x, y, radius = region.disc
        corners = ((x - radius) * width, (y - radius) * height, (x + radius) * width, (y + radius) * height)
        pen.ellipse(corners, outline=colour, width=thickness)
    elif region.box is not None:
        pen.rectangle(_pixels(region.box, size), outline=colour, width=thickness)
    elif region.polygon is not None:
        pen.polygon([(x * (width - 1), y * (height - 1)) for x, y in region.polygon], outline=colour, width=thickness)


def _pixels(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = size
    return box[0] * width, box[1] * height, box[2] * width - 1, box[3] * height - 1


def _label(pen, region: Region, colour, font, size: tuple[int, int], taken: list) -> tuple[float, float, float, float]:
    """Writes the phrase at the top of the region, below other labels that are there already; gives the place used."""
    left, top, _, _ = _pixels(region.bounds, size)
    text = _fitted(pen, region.phrase, font, size[0] - 8)
    _, _, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right + 8, bottom + 6
    left = max(0.0, min(left, size[0] - width))
    while any(left < x1 and x0 < left + width and top < y1 and y0 < top + height for x0, y0, x1, y1 in taken):
        top += height
    top = max(0.0, min(top, size[1] - height))
    pen.rectangle((left, top, left + width, top + height), fill=colour)
    pen.text((left + 4, top + 2), text, fill=(255, 255, 255), font=font)
    return left, top, left + width, top + height


def _fitted(pen, phrase: str, font, width: float) -> str:
    """The phrase on one line, shortened to a width in pixels."""
    text = " ".join(phrase.split())
    while len(text) > 2 and pen.textlength(text, font=font) > width:
        text = text[:-2].rstrip() + "…"
    return text
