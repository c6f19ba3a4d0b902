"""asagi4/comfyui-prompt-control (3.0.0-beta.9): text with functions for masks and areas."""

import re

from ..regions import Layout, Region
from .comfyui import channel
from .common import (
    PROMPT,
    SHAPES,
    SOFT_EDGES,
    STRENGTHS,
    Canvas,
    Exported,
    Format,
    Pictures,
    drawing_of,
    logger,
    one_line,
    region_of_mask,
    whole_prompt,
)


def write(layout: Layout, canvas: Canvas) -> Exported:
    """
    `AND` between the whole prompt and each region with its `MASK(x0 x1, y0 y1, weight)`; shapes other than boxes are
    `IMASK(number, weight)` of the attached masks.
    """
    parts, pictures = [one_line(whole_prompt(layout))], {}
    for region in layout.regions:
        if region.box is not None and not region.softness:
            parts.append(f"{one_line(region.local_text)} MASK({_ranges(region)})")
        else:
            parts.append(f"{one_line(region.local_text)} IMASK({len(pictures)}, {region.strength:g})")
            pictures[canvas.mask_name(len(pictures) + 1)] = drawing_of(region, canvas)
    return Exported(" AND ".join(parts), pictures)


def write_areas(layout: Layout, canvas: Canvas) -> Exported:
    """The same with `AREA(x0 x1, y0 y1, weight)`: each region is drawn by itself, on its part of the picture."""
    parts = [f"{one_line(region.local_text)} AREA({_ranges(region)})" for region in layout.regions]
    return Exported(" AND ".join([one_line(whole_prompt(layout)), *parts]))


def read(data: str, pictures: Pictures) -> Layout:
    """Reads what is parted by `AND` or `COUPLE`. Masks are counted in the order in which `pictures` has them."""
    whole, regions = "", []
    width, height = map(float, re.findall(r"\d+", (re.findall(r"MASK_SIZE\((.*?)\)", data) or ["512, 512"])[-1]))
    for part in re.split(r"\bAND\b|(?=\bCOUPLE\b)", re.sub(r"MASK_SIZE\(.*?\)", "", data)):
        part = re.sub(r"\bCOUPLE\(", "MASK(", part)
        calls = re.findall(r"\b(I?MASK|AREA)\((.*?)\)", part)
        others = re.findall(r"\b(FEATHER|MASKW|FILL)\((?!\))", part)
        if others or len(calls) > 1:
            logger.warning("%r is read as its first mask alone.", part.strip())
        text = re.sub(r"\bCOUPLE\b|\b[A-Z]+\(.*?\)|:\s*[\d.]+\s*\Z", "", part).strip()
        if not calls:
            whole = whole or text
            continue
        name, values = calls[0][0], [value.strip() for value in calls[0][1].split(",")]
        if name == "IMASK":
            drawing = channel(list(pictures.values())[int(values[0])], "red")
            regions.append(region_of_mask(text, drawing, strength=float((values[1:] or ["1"])[0])))
        else:
            x0, x1 = _range(values[0], width)
            y0, y1 = _range((values[1:] or [""])[0], height)
            regions.append(Region(text, box=(x0, y0, x1, y1), strength=float((values[2:] or ["1"])[0] or 1)))
    return Layout(regions, prompt=whole)


def _ranges(region: Region) -> str:
    x0, y0, x1, y1 = region.bounds
    return f"{x0:.4g} {x1:.4g}, {y0:.4g} {y1:.4g}, {region.strength:g}"


def _range(text: str, size: float) -> tuple[float, float]:
    """The ends of "0.2 0.5" or, in pixels of such a size, of "100 256"; what is not told is the picture's."""
    start, end = (text.split() + ["", ""])[:2]
    low, high = float(start or 0), float(end or 1)
    return (low / size, high / size) if max(low, high) > 1 else (low, high)


FORMAT = Format(write, read, {PROMPT, SHAPES, SOFT_EDGES, STRENGTHS}, ".txt")
AREAS = Format(write_areas, read, {PROMPT, STRENGTHS}, ".txt")
