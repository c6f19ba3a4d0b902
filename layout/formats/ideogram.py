"""Ideogram 4's JSON caption: as in diffusers 0.42.1, and with the boxes of its own prompting guide (2026)."""

import json
import math
import re

from ..files import shortened
from ..regions import Layout, Region
from .common import (
    BACKGROUND,
    DESCRIPTIONS,
    PROMPT,
    Box,
    Canvas,
    Exported,
    Format,
    Pictures,
    logger,
    turned,
    whole_prompt,
)


_NINTHS = {
    (-1, -1): "in the upper left", (0, -1): "at the top", (1, -1): "in the upper right", (-1, 0): "on the left",
    (0, 0): "in the center", (1, 0): "on the right", (-1, 1): "in the lower left", (0, 1): "at the bottom",
    (1, 1): "in the lower right",
}  # fmt: skip
_PLACE = re.compile(rf", (?:{'|'.join(_NINTHS.values())}) of the picture\Z")
_READ = {
    "high_level_description", "compositional_deconstruction", "background", "elements", "type", "bbox", "text", "desc",
}  # fmt: skip


def write(layout: Layout, canvas: Canvas) -> Exported:
    """The caption, which is the model's prompt: places in words, and boxes [y_min, x_min, y_max, x_max] in 0..1000."""
    elements = []
    for region in layout.regions:
        (x0, x1), (y0, y1) = (_thousandths(*region.bounds[axis::2]) for axis in (0, 1))
        side = tuple((value > 2 / 3) - (value < 1 / 3) for value in region.centre)
        place = f"{region.local_text}, {_NINTHS[side]} of the picture"
        elements.append({"type": "obj", "bbox": [y0, x0, y1, x1], "desc": place})
    whole = whole_prompt(layout)
    scene = {"background": layout.background if layout.has_background else whole, "elements": elements}
    caption = {"high_level_description": whole, "compositional_deconstruction": scene}
    return Exported(json.dumps(caption, ensure_ascii=False, separators=(",", ":")))


def read(data: dict, pictures: Pictures) -> Layout:
    scene, regions = data["compositional_deconstruction"], []
    if others := sorted({*data, *scene, *(key for element in scene["elements"] for key in element)} - _READ):
        logger.warning("Of the caption, %s are not read.", ", ".join(others))
    for element in scene["elements"]:
        words = element["text"] if element["type"] == "text" else None
        text = _PLACE.sub("", element["desc"]) if words is None else f'the words "{words}"'
        box = turned([side / 1000 for side in element["bbox"]]) if "bbox" in element else _told_place(element["desc"])
        if box is None:
            logger.warning("%s has no place, and is left out.", shortened(text))
            continue
        regions.append(Region(text, box=box, description=None if words is None else element["desc"]))
    whole, background = data.get("high_level_description", ""), scene.get("background") or None
    return Layout(regions, prompt=whole, background=None if background == whole else background)


def _thousandths(low: float, high: float) -> tuple[int, int]:
    """Two sides of a box in whole numbers, which hold all of it and lie apart."""
    start = min(math.floor(round(1000 * low, 3)), 999)
    return start, max(math.ceil(round(1000 * high, 3)), start + 1)


def _told_place(text: str) -> Box | None:
    """The ninth of the picture that a description names last."""
    words = re.findall(r"[a-z]+", text.lower())
    rows = [(-1 if word in ("top", "upper") else 1) for word in words if word in ("top", "upper", "bottom", "lower")]
    columns = [(-1 if word == "left" else 1) for word in words if word in ("left", "right")]
    if not rows and not columns and not {"center", "centre", "centered", "middle"} & set(words):
        return None
    row, column = (rows or [0])[-1], (columns or [0])[-1]
    return ((column + 1) / 3, (row + 1) / 3, (column + 2) / 3, (row + 2) / 3)


FORMAT = Format(write, read, {BACKGROUND, DESCRIPTIONS, PROMPT})
