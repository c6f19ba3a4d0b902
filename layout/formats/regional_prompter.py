"""hako-mikan/sd-webui-regional-prompter (June 2025, be62345), through the web UI's API."""

import colorsys
import math
import re
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from ..regions import Layout, Region
from .common import (
    DEPTH,
    DESCRIPTIONS,
    PROMPT,
    SHAPES,
    Box,
    Canvas,
    Exported,
    Format,
    Pictures,
    grid_boxes,
    logger,
    picture_named,
    region_of_mask,
    whole_prompt,
    without_key_words,
)


_TILED = 0.02  # by which boxes may miss the cells of a grid
_MOST_COLOURS = 256  # that differ
_KEYS = "ADDCOMM|ADDBASE|ADDROW|ADDCOL|ADDP|BREAK|AND"  # wherever they stand, in other words too
_KEEPS_AND, _FLIPS = "disable convert 'AND' to 'BREAK'", "Flip prompts"


def write(layout: Layout, canvas: Canvas) -> Exported:
    """
    Columns in rows, or rows in columns, where the boxes fill the picture so; else a picture in which each region has a
    colour, and those in front hide those behind. The whole prompt is the base.
    """
    texts = [without_key_words(region.local_text, _KEYS) for region in layout.regions]
    args = [True, False, "Matrix", "Columns", "Mask", "Prompt", "1", "0.2", True, False, False]
    args += ["Attention", False, "0", "0", "0", "", "0", "0", False]
    pictures, grid = {}, _grid_of(layout)
    if grid is None:
        args[2], args[16] = "Mask", canvas.mask_name(1)
        pictures[args[16]], seen = _colour_mask(layout, canvas)
        regions = " BREAK ".join(text for text, is_seen in zip(texts, seen) if is_seen)
    else:
        args[3], args[6], rows = grid
        outer, inner = ("ADDROW", "ADDCOL") if args[3] == "Columns" else ("ADDCOL", "ADDROW")
        regions = f" {outer} ".join(f" {inner} ".join(texts[index] for index in row) for row in rows)
    prompt = f"{without_key_words(whole_prompt(layout), _KEYS)} ADDBASE {regions}"
    return Exported({"prompt": prompt, "alwayson_scripts": {"Regional Prompter": {"args": args}}}, pictures)


def read(data: dict, pictures: Pictures) -> Layout:
    args = data["alwayson_scripts"]["Regional Prompter"]["args"]
    options = [_KEEPS_AND] if args[12] is True else args[12] or ()
    if _FLIPS in options:
        logger.warning("The option %r is not read.", _FLIPS)
    text, whole = data["prompt"], []
    if _KEEPS_AND not in options:
        text = text.replace("AND", "BREAK")
    has_base = "ADDBASE" in text or args[8]
    for key, used in {"ADDCOMM": args[9], "ADDBASE": has_base}.items():
        if key in text or used:
            first, _, text = text.partition(key if key in text else "BREAK")
            whole.append(first.strip(" ,\n"))
    if args[2] == "Mask":
        parts = [part.strip() for part in re.split("BREAK|ADDCOL|ADDROW", text)]
        picture = picture_named(args[16], pictures).convert("RGB")
        seen = {colour for _, colour in picture.getcolors(picture.width * picture.height)}
        colours = [colour for colour in map(_mask_colour, range(_MOST_COLOURS)) if tuple(colour.tolist()) in seen]
        masks = [(np.asarray(picture) == colour).all(-1) for colour in colours]
        if masks and not has_base:  # the first has the rest of the picture
            masks[0] = ~np.any([np.zeros_like(masks[0]), *masks[1:]], axis=0)
        regions = [region_of_mask(*pair) for pair in zip(parts, masks)]
        for part in filter(None, parts[len(masks) :]):
            logger.warning("%r has no colour in the picture, and is left out.", part)
        if masks[len(parts) :]:
            logger.warning("Only %d of the picture's %d colours have a text.", len(parts), len(masks))
    elif args[2] == "Matrix":
        ratios = args[6].translate({ord(","): ";", ord(";"): ","}) if args[19:] == [True] else args[6]
        regions = [Region(part, box=box) for part, box in _cells(text, ratios, args[3] in ("Rows", "Vertical"))]
    else:
        raise ValueError(f"regions of the mode {args[2]!r} have no place")
    return Layout(regions, prompt=", ".join(whole))


def _grid_of(layout: Layout) -> tuple[str, str, list[list[int]]] | None:
    """The mode, its ratios and the objects of each row (or column), if the boxes fill the picture in such a way."""
    boxes = np.array([region.bounds for region in layout.regions])
    if not len(boxes) or any(region.box is None or region.softness for region in layout.regions):
        return None
    for mode, axis, (outer, inner) in (("Columns", 1, ";,"), ("Rows", 0, ",;")):
        groups = [_in_groups(row, boxes, 1 - axis) for row in _in_groups(range(len(boxes)), boxes, axis)]
        rows = [[index for cell in row for index in cell] for row in groups]
        sizes = boxes[:, 2:] - boxes[:, :2]
        ratios = [[sizes[row, axis].max(), *sizes[row, 1 - axis]] for row in rows]
        cells = grid_boxes([(row[0], row[1:]) for row in ratios], mode == "Rows")
        if np.abs(cells - boxes[[index for row in rows for index in row]]).max() <= _TILED:
            told = outer.join(inner.join(f"{value:.4g}" for value in row) for row in ratios)
            return mode, told.partition(inner)[2] if len(rows) == 1 else told, rows  # of one row, its cells alone
    return None


def _in_groups(indices: Sequence[int], boxes: np.ndarray, axis: int) -> list[list[int]]:
    """Boxes in order along an axis, those together that share a part of it."""
    groups: list[list[int]] = []
    end = -math.inf
    for index in sorted(indices, key=lambda index: boxes[index, axis]):
        if boxes[index, axis] >= end - _TILED:
            groups.append([])
        groups[-1].append(index)
        end = max(end, boxes[index, axis + 2])
    return groups


def _cells(text: str, ratios: str, by_columns: bool) -> Iterator[tuple[str, Box]]:
    """The text and the box of each region of a grid."""
    outer, inner = ("ADDCOL", "ADDROW") if by_columns else ("ADDROW", "ADDCOL")
    values = [[float(value) for value in re.split("[,;]", row)] for row in ratios.split("," if by_columns else ";")]
    if ";" not in ratios:  # one row, whichever way the numbers are parted
        values = [[1.0, *(float(value) for value in ratios.split(","))]]
        if outer in text and inner not in text:
            values = [[value, 1.0] for value in values[0][1:]]
    sizes = [(row[0], row[1:] or row) for row in values]
    if outer in text or inner in text:
        rows = [row.split(inner) for row in text.split(outer)]
        if list(map(len, rows)) != [len(row) for _, row in sizes]:
            sizes = [(1.0, [1.0] * len(row)) for row in rows]
    parts = [part.strip() for part in re.split("BREAK|ADDCOL|ADDROW", text)]
    return zip(parts, grid_boxes(sizes, by_columns), strict=True)


def _colour_mask(layout: Layout, canvas: Canvas) -> tuple[Image.Image, list[bool]]:
    """All regions in one picture, each in its colour, the rest white; and which of them are seen."""
    owners = np.full((canvas.height, canvas.width), -1)
    if len(layout) > _MOST_COLOURS:
        logger.warning("Regional Prompter takes %d regions; the others are left out.", _MOST_COLOURS)
    for index in (index for index in layout.back_to_front() if index < _MOST_COLOURS):
        owners[layout.regions[index].rasterize(canvas.height, canvas.width) >= 0.5] = index
    seen = [index in owners for index in range(len(layout))]
    for region, is_seen in zip(layout.regions[:_MOST_COLOURS], seen):
        if not is_seen:
            logger.warning(
                "No pixel is left to %r, of those that its mask fills to half: it is left out.", region.phrase
            )
    colours = np.array([*map(_mask_colour, range(len(layout))), (255, 255, 255)], dtype=np.uint8)
    return Image.fromarray(colours[owners]), seen


def _mask_colour(number: int) -> np.ndarray:
    """The tool's colour of a region: hues at 0, 1/2, 1/4, 3/4, 1/8, ..., half saturated and half bright."""
    level = math.ceil(math.log2(number + 1))
    hue = (2 * (number - 2 ** (level - 1)) + 1) / 2**level if number else 0.0
    return (np.array(colorsys.hsv_to_rgb(hue, 0.5, 0.5)) * 256).astype(np.uint8)


FORMAT = Format(write, read, {DEPTH, DESCRIPTIONS, PROMPT, SHAPES})
