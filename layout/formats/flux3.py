"""FLUX.3, as diffusers' modular pipeline (0.42.1) takes layouts."""

import re

from ..regions import Layout, Region
from ..words import head_and_modifiers
from .common import DESCRIPTIONS, PROMPT, Canvas, Exported, Format, Pictures, turned, whole_prompt


def write(layout: Layout, canvas: Canvas) -> Exported:
    """Inputs of a call: boxes [y_min, x_min, y_max, x_max] in 0..1, each with an id."""
    boxes = []
    for number, region in enumerate(layout.regions, 1):
        noun = re.sub(r"[^a-z]+", "_", head_and_modifiers(region.phrase)[0]).strip("_") or "obj"
        x0, y0, x1, y1 = region.bounds
        boxes.append({"id": f"{noun}_{number}", "desc": region.local_text, "bbox": [y0, x0, y1, x1]})
    return Exported({"prompt": whole_prompt(layout), "boxes": boxes})


def read(data: dict, pictures: Pictures) -> Layout:
    """Of boxes of an edit, where things shall be. What has no name is called as diffusers calls it."""
    regions = []
    for number, item in enumerate(data["boxes"], 1):
        if box := item.get("bbox") or item.get("tgt_bbox"):
            regions.append(Region(item.get("desc") or item.get("id") or f"obj_{number}", box=turned(box)))
    return Layout(regions, prompt=data.get("prompt", ""))


FORMAT = Format(write, read, {DESCRIPTIONS, PROMPT})
