"""Haoming02/sd-forge-couple (7.0.7), through the web UI's API."""

import base64
import io

import numpy as np

from ..regions import Layout, Region
from .common import (
    DESCRIPTIONS,
    PROMPT,
    SHAPES,
    SOFT_EDGES,
    STRENGTHS,
    Canvas,
    Exported,
    Format,
    Pictures,
    drawing_of,
    grid_boxes,
    one_line,
    opened_picture,
    png,
    region_of_mask,
    whole_prompt,
)


_BASE_WEIGHT = 0.5  # of the whole prompt beside the regions


def write(layout: Layout, canvas: Canvas) -> Exported:
    """
    A line of the prompt for each region, after one for the whole picture. Boxes are the "Advanced" mode, [x0, x1, y0,
    y1, weight]; other shapes ask for "Mask".
    """
    lines = [one_line(text) for text in (whole_prompt(layout), *(region.local_text for region in layout.regions))]
    weights = [region.strength for region in layout.regions]
    if all(region.box is not None and not region.softness for region in layout.regions):
        boxes = [(0.0, 0.0, 1.0, 1.0), *(region.box for region in layout.regions)]
        mapping = [[x0, x1, y0, y1, w] for (x0, y0, x1, y1), w in zip(boxes, [_BASE_WEIGHT, *weights])]
        args = [True, True, "Advanced", "", None, None, None, mapping]
    else:
        masks = (base64.b64encode(png(drawing_of(region, canvas))).decode("ascii") for region in layout.regions)
        mapping = [{"mask": mask, "weight": weight} for mask, weight in zip(masks, weights)]
        args = [True, True, "Mask", "", None, "First Line", _BASE_WEIGHT, mapping]
    return Exported({"prompt": "\n".join(lines), "alwayson_scripts": {"forge couple": {"args": args}}})


def read(data: dict, pictures: Pictures) -> Layout:
    _, _, mode, separator, direction, background, _, mapping, *_ = data["alwayson_scripts"]["forge couple"]["args"]
    separator = separator.replace("\\n", "\n") if separator and separator.strip() else "\n"
    lines = [line.strip() for line in data["prompt"].split(separator)]
    whole = ""
    if mode != "Advanced" and background in ("First Line", "Last Line"):
        whole = lines.pop(0 if background == "First Line" else -1)
    if mode == "Basic":
        sizes = [(1.0, [1.0] * len(lines))]
        return Layout([Region(*pair) for pair in zip(lines, grid_boxes(sizes, direction == "Vertical"))], prompt=whole)
    regions = []
    for line, item in zip(lines, mapping, strict=True):
        if mode == "Mask":
            mask = opened_picture(io.BytesIO(base64.b64decode(item["mask"]))).convert("L")
            regions.append(region_of_mask(line, np.asarray(mask) / 255, strength=float(item["weight"])))
        else:
            x0, x1, y0, y1, weight = map(float, item)
            if (x0, y0, x1, y1) == (0, 0, 1, 1) and not whole:
                whole = line
            else:
                regions.append(Region(line, box=(x0, y0, x1, y1), strength=weight))
    return Layout(regions, prompt=whole)


FORMAT = Format(write, read, {DESCRIPTIONS, PROMPT, SHAPES, SOFT_EDGES, STRENGTHS})
