"""InvokeAI's canvas projects (6.14.0-alpha, project version 1)."""

import base64
import io
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from PIL import Image, ImageDraw

from ..draw import check_canvas, region_colour
from ..regions import Layout, Region
from .common import (
    DESCRIPTIONS,
    NEGATIVES,
    SHAPES,
    Canvas,
    Exported,
    Format,
    MissingPictureError,
    Pictures,
    drawing_of,
    logger,
    opened_picture,
    picture_named,
    png,
    region_of_mask,
    whole_prompt,
)


def write(layout: Layout, canvas: Canvas) -> Exported:
    """
    A project with a layer of regional guidance for each region: a file saved as ".invk" is loaded by the canvas's menu
    "Project".
    """
    layers = [_guidance(number, region, canvas) for number, region in enumerate(layout.regions, 1)]
    ratio = {"id": "Free", "value": canvas.width / canvas.height, "isLocked": False}
    size = {"width": canvas.width, "height": canvas.height}
    bbox = {"rect": {"x": 0, "y": 0} | size, "aspectRatio": ratio, "scaledSize": size, "scaleMethod": "auto"}
    state = {
        "rasterLayers": [], "controlLayers": [], "inpaintMasks": [], "regionalGuidance": layers,
        "bbox": bbox | {"modelBase": "sd-1"}, "selectedEntityIdentifier": None, "bookmarkedEntityIdentifier": None,
    }  # fmt: skip
    made = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = {"version": 1, "appVersion": "spacetime_attn", "createdAt": made, "name": whole_prompt(layout)[:60]}
    return Exported({"manifest.json": manifest, "canvas_state.json": state})


def read(data: dict, pictures: Pictures) -> Layout:
    """Reads a project's parts, its canvas, or the "canvas_v2_metadata" of a picture."""
    state = data.get("canvas_state.json") or data.get("canvas_v2_metadata") or data
    frame = state["bbox"]["rect"] if "bbox" in state else {"x": 0, "y": 0, "width": 512, "height": 512}
    check_canvas(frame["width"], frame["height"])
    layers = state["regionalGuidance"]
    layers = layers["entities"] if isinstance(layers, dict) else layers
    found = (_of_guidance(layer, frame, pictures) for layer in layers if layer["isEnabled"] and layer["objects"])
    return Layout([region for region in found if region is not None])


def _guidance(number: int, region: Region, canvas: Canvas) -> dict:
    red, green, blue = region_colour(number - 1)
    return {
        "id": f"regional_guidance:{number}", "name": region.phrase, "isEnabled": True, "isLocked": False,
        "type": "regional_guidance", "position": {"x": 0, "y": 0}, "opacity": 0.5,
        "objects": [{"id": f"shape:{number}"} | _shape(region, canvas)],
        "fill": {"style": "solid", "color": {"r": red, "g": green, "b": blue}},
        "positivePrompt": region.local_text, "negativePrompt": region.negative_prompt, "referenceImages": [],
        "autoNegative": False,
    }  # fmt: skip


def _shape(region: Region, canvas: Canvas) -> dict:
    """A region as an object of a layer."""
    width, height = canvas.width, canvas.height
    ink = {"color": {"r": 255, "g": 255, "b": 255, "a": 1}, "compositeOperation": "source-over"}
    if region.box is not None or region.disc is not None:
        x, y, reach = region.disc or (0, 0, 0)
        x0, y0, x1, y1 = region.box or (x - reach, y - reach, x + reach, y + reach)
        sides = {"width": max((x1 - x0) * width, 1), "height": max((y1 - y0) * height, 1)}
        kind = "oval" if region.box is None else "rect"
        return {"type": kind, "rect": {"x": x0 * width, "y": y0 * height} | sides, "clip": None} | ink
    if region.polygon is not None:
        return {"type": "polygon", "points": (np.array(region.polygon) * (width, height)).ravel().tolist()} | ink
    drawing = drawing_of(region, canvas)
    inked = Image.merge("LA", [Image.new("L", drawing.size, 255), drawing])
    url = "data:image/png;base64," + base64.b64encode(png(inked)).decode("ascii")
    return {"type": "image", "image": {"dataURL": url, "width": width, "height": height}}


def _of_guidance(layer: dict, frame: dict, pictures: Pictures) -> Region | None:
    """The region of a layer; None, with a warning, if nothing of it is in the picture, or its own is missing."""
    text = layer.get("positivePrompt") or layer.get("name") or "region"
    told = {"negative_prompt": layer.get("negativePrompt")}
    others = [name for name in ("referenceImages", "autoNegative") if layer.get(name)]
    if others := others + ["clip"] * any(item.get("clip") for item in layer["objects"]):
        logger.warning("Of the layer %r, %s is not read.", text, " and ".join(others))
    left, top = layer["position"]["x"] - frame["x"], layer["position"]["y"] - frame["y"]
    only, *more = layer["objects"]
    if only["type"] == "rect" and not more and not _erases(only):
        rect = only["rect"]
        corners = np.array([rect["x"], rect["y"], rect["x"] + rect["width"], rect["y"] + rect["height"]])
        box = (corners + [left, top] * 2) / ([frame["width"], frame["height"]] * 2)
        x0, y0, x1, y1 = box = np.clip(np.round(box, 4), 0, 1).tolist()
        if x0 < x1 and y0 < y1:
            return Region(text, box=box, **told)
    drawing = Image.new("L", (frame["width"], frame["height"]))
    try:
        for item in layer["objects"]:
            _draw_object(drawing, item, left, top, pictures)
    except MissingPictureError as error:
        logger.warning("The layer %r is left out: %s", text, error)
        return None
    if drawing.getbbox() is None:
        logger.warning("The layer %r shows nothing in the picture, and is left out.", text)
        return None
    return region_of_mask(text, np.asarray(drawing) / 255, **told)


def _erases(item: dict) -> bool:
    return item["type"].startswith("eraser") or item.get("compositeOperation") == "destination-out"


def _draw_object(drawing: Image.Image, item: dict, left: float, top: float, pictures: Pictures) -> None:
    """Draws an object of a layer, or takes away what it erases."""
    pen, kind = ImageDraw.Draw(drawing), item["type"]
    ink = 0 if _erases(item) else 255
    if kind in ("rect", "oval"):
        x, y = item["rect"]["x"] + left, item["rect"]["y"] + top
        shape = (x, y, x + max(item["rect"]["width"] - 1, 0), y + max(item["rect"]["height"] - 1, 0))
        (pen.rectangle if kind == "rect" else pen.ellipse)(shape, fill=ink)
    elif kind == "image":
        picture = _picture_of(item["image"], pictures).convert("RGBA")
        drawing.paste(255, (round(left), round(top)), picture.getchannel("A"))
    elif kind in ("polygon", "lasso"):
        pen.polygon(_points(item["points"], 2, left, top), fill=ink)
    elif "line" in kind:
        points, width = _points(item["points"], 3 if "pressure" in kind else 2, left, top), item["strokeWidth"]
        pen.line(points, fill=ink, width=round(width), joint="curve")
        for x, y in points:
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)
    else:
        logger.warning("A layer's %r is not read.", kind)


def _picture_of(image: dict, pictures: Pictures) -> Image.Image:
    """A picture that an object holds or names."""
    if "dataURL" in image:
        return opened_picture(io.BytesIO(base64.b64decode(image["dataURL"].partition(",")[2])))
    return picture_named(image["image_name"], pictures)


def _points(values: Sequence[float], step: int, left: float, top: float) -> list[tuple[float, float]]:
    return [(x + left, y + top) for x, y in zip(values[::step], values[1::step])]


FORMAT = Format(write, read, {DESCRIPTIONS, NEGATIVES, SHAPES}, ".invk")
