"""Ideogram 4's JSON caption: as in diffusers 0.42.1, and with the boxes of its own prompting guide (2026)."""

import json
import re

from ..files import shortened
from ..regions import Layout, Region
from .common import BACKGROUND, PROMPT, Box, Canvas, Exported, Format, Pictures, logger, turned, whole_prompt


_NINTHS = {
    (-1, -1): "in the upper left", (0, -1): "at the top", (1, -1): "in the upper right", (-1, 0): "on the left",
    (0, 0): "in the center", (1, 0): "on the right", (-1, 1): "in the lower left", (0, 1): "at the bottom",
    (1, 1): "in the lower right",
}  # fmt: skip


def write(layout: Layout, canvas: Canvas) -> Exported:
    """The caption, which is the model's prompt: places in words, and boxes [y_min, x_min, y_max, x_max] in 0..1000."""
    elements = []
    for region in layout.regions:
        x0, y0, x1, y1 = (round(1000 * side) for side in region.bounds)
        side = tuple((value > 2 / 3) - (value < 1 / 3) for value in region.centre)
        place = f"{region.local_text}, {_NINTHS[side]} of the picture"
        elements.append({"type": "obj", "bbox": [y0, x0, y1, x1], "desc": place})
    scene = {"background": layout.background or whole_prompt(layout), "elements": elements}
    caption = {"high_level_description": whole_prompt(layout), "compositional_deconstruction": scene}
    return Exported(json.dumps(caption, ensure_ascii=False, separators=(",", ":")))


def read(data: dict | str, pictures: Pictures) -> Layout:
    data = json.loads(data) if isinstance(data, str) else data
    scene, regions = data["compositional_deconstruction"], []
    for element in scene["elements"]:
        text = f'the words "{element["text"]}"' if element["type"] == "text" else element["desc"]
        box = turned([side / 1000 for side in element["bbox"]]) if "bbox" in element else _told_place(element["desc"])
        if box is None:
            logger.warning("%s has no place, and is left out.", shortened(text))
            continue
        regions.append(Region(text, box=box, description=element["desc"] if element["type"] == "text" else None))
    return Layout(regions, prompt=data.get("high_level_description", ""), background=scene.get("background") or None)


def _told_place(text: str) -> Box | None:
    """The ninth of the picture that a description names last."""
    words = re.findall(r"[a-z]+", text.lower())
    rows = [(-1 if word in ("top", "upper") else 1) for word in words if word in ("top", "upper", "bottom", "lower")]
    columns = [(-1 if word == "left" else 1) for word in words if word in ("left", "right")]
    if not rows and not columns and not {"center", "centre", "centered", "middle"} & set(words):
        return None
    row, column = (rows or [0])[-1], (columns or [0])[-1]
    return ((column + 1) / 3, (row + 1) / 3, (column + 2) / 3, (row + 2) / 3)


FORMAT = Format(write, read, {PROMPT, BACKGROUND})
