"""
Layouts as other tools take them, both ways: `export_layout` and `import_layout`, of the formats in `FORMATS`.

What a format cannot hold is left out, and a warning says so. None holds relations, which have done their work once the
boxes stand. Each writer names the version that it follows.
"""

import base64
import colorsys
import io
import json
import logging
import math
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from .draw import region_colour
from .files import MOST_BYTES, check_size, read_json, shortened, write_whole
from .noun_phrases import head_and_modifiers
from .regions import Layout, Region
from .words import singular


Box = tuple[float, float, float, float]
Pictures = Mapping[str, Image.Image] | Path  # the masks that data names: themselves, or the folder they lie in

_MOST_OF_GLIGEN = 30  # objects
_BASE_WEIGHT = 0.5  # of the whole prompt beside the regions of forge-couple
_TILED = 0.02  # by which boxes may miss the cells of a grid
_MOST_COLOURS = 360  # regions that sd-webui-regional-prompter tells apart
_NINTHS = {
    (-1, -1): "in the upper left", (0, -1): "at the top", (1, -1): "in the upper right", (-1, 0): "on the left",
    (0, 0): "in the center", (1, 0): "on the right", (-1, 1): "in the lower left", (0, 1): "at the bottom",
    (1, 1): "in the lower right",
}  # fmt: skip
_SHAPES, _SOFT, _STRENGTHS, _TIMES = "shapes other than boxes", "soft edges", "strengths", "times"
_NEGATIVES, _DEPTH, _BACKGROUND, _PROMPT = "negative prompts", "an order in depth", "a background", "the whole prompt"
_LOSSES: dict[str, Callable[[Layout], bool]] = {  # what a format may lack, and whether a layout has it
    _SHAPES: lambda layout: any(region.box is None for region in layout),
    _SOFT: lambda layout: any(region.softness for region in layout),
    _STRENGTHS: lambda layout: any(region.strength != 1 for region in layout),
    _TIMES: lambda layout: any((region.start, region.end) != (0, 1) for region in layout),
    _NEGATIVES: lambda layout: any(region.negative_prompt for region in layout),
    _DEPTH: lambda layout: any(region.order is not None for region in layout),
    "adapters": lambda layout: any(region.adapters for region in layout),
    _BACKGROUND: lambda layout: bool(layout.background),
    _PROMPT: lambda layout: bool(layout.prompt),
}
_formats_logger = logging.getLogger(__name__)


class Canvas(NamedTuple):
    """The picture that a layout is written for, in pixels, and the stem of the files that hold its masks."""

    width: int = 512
    height: int = 512
    stem: str = "layout"

    def mask_name(self, number: int) -> str:
        return f"{self.stem}.mask-{number}.png"


class Exported(NamedTuple):
    """What a tool takes: text or JSON-ready data, and the pictures that it names."""

    data: dict | list | str
    pictures: dict[str, Image.Image] = {}

    @property
    def text(self) -> str:
        """The data as a file holds it."""
        return self.data if isinstance(self.data, str) else json.dumps(self.data, indent=1, ensure_ascii=False)

    def save(self, path: str | os.PathLike) -> None:
        """
        Writes the data to a file and its pictures beside it, each whole or not at all. With the ending ".invk", an
        archive of the data's parts, as InvokeAI loads it.
        """
        path = Path(path)
        if path.suffix == ".invk":
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                for name, part in self.data.items():
                    file.writestr(name, json.dumps(part, ensure_ascii=False))
            write_whole(path, archive.getvalue())
        else:
            write_whole(path, (self.text + "\n").encode("utf-8"))
        for name, picture in self.pictures.items():
            write_whole(path.with_name(name), _png(picture))


class Format(NamedTuple):
    """How a format is written and read, and what it holds beside boxes."""

    write: Callable[[Layout, Canvas], Exported]
    read: Callable[..., Layout]  # of data and pictures
    holds: frozenset[str]  # of `_LOSSES`
    suffix: str = ".json"  # of its files


def export_layout(layout: Layout, name: str, width: int = 512, height: int = 512, stem: str = "layout") -> Exported:
    """
    A layout in the format of another tool. What the format cannot hold is told in a warning.

    Args:
        layout (`Layout`): Any.
        name (`str`): A key of `FORMATS`.
        width, height (`int`): Of the picture, for formats that count in pixels and for masks.
        stem (`str`): What the names of masks begin with.

    Raises:
        ValueError: There is no such format.
    """
    kind = find_format(name)
    if lost := [loss for loss, is_in in _LOSSES.items() if loss not in kind.holds and is_in(layout)]:
        listed = ", ".join(lost)
        _formats_logger.warning("The format %r does not hold %s (of shapes, it holds the bounds).", name, listed)
    return kind.write(layout, Canvas(width, height, stem))


def import_layout(source, name: str, pictures: Pictures | None = None) -> Layout:
    """
    A layout from the data of another tool.

    Args:
        source (`dict`, `list`, `str` or `Path`): The data, or the file that holds it; masks lie beside the file.
        name (`str`): A key of `FORMATS`.
        pictures (`dict[str, PIL.Image]` or `Path`, *optional*): The masks that data names, or their folder.

    Raises:
        ValueError: There is no such format; or the source is not of it, which is told.
    """
    kind = find_format(name)
    if isinstance(source, os.PathLike):
        pictures = Path(source).parent if pictures is None else pictures
        source = _loaded(Path(source))
    try:
        return kind.read(source, {} if pictures is None else pictures)
    except (LookupError, TypeError, AttributeError, ValueError, OSError, zipfile.BadZipFile) as error:
        problem = f"it lacks {error}" if isinstance(error, LookupError) else error
        raise ValueError(f"This is not of the format {name!r} ({problem}): {shortened(source)}") from error


def find_format(name: str) -> Format:
    """The format of a name; a ValueError tells which there are."""
    if name not in FORMATS:
        raise ValueError(f"There is no format {name!r}; known are {', '.join(FORMATS)}.")
    return FORMATS[name]


def _loaded(path: Path):
    """Of an archive its JSON by name, of JSON its data, of another file its text."""
    if path.suffix == ".invk":
        with zipfile.ZipFile(path) as archive:
            parts = [part for part in archive.infolist() if part.filename.endswith(".json")]
            check_size(sum(part.file_size for part in parts))
            return {part.filename: json.loads(archive.read(part)) for part in parts}
    if path.suffix == ".json":
        return read_json(path)
    with path.open("rb") as file:
        return file.read(MOST_BYTES).decode("utf-8")


# --- GLIGEN and BoxDiff -----------------------------------------------------------------------------------------


def write_gligen(layout: Layout, canvas: Canvas) -> Exported:
    """Arguments of diffusers' `StableDiffusionGLIGENPipeline` (0.42.1): boxes [x0, y0, x1, y1] in 0..1, 30 at most."""
    regions = layout.regions[:_MOST_OF_GLIGEN]
    if len(layout) > _MOST_OF_GLIGEN:
        _formats_logger.warning("GLIGEN takes %d objects; the others are left out.", _MOST_OF_GLIGEN)
    phrases, boxes = [region.local_text for region in regions], [list(region.bounds) for region in regions]
    return Exported({"prompt": _whole(layout), "gligen_phrases": phrases, "gligen_boxes": boxes})


def read_gligen(data: dict, pictures: Pictures) -> Layout:
    return _boxed(data["prompt"], data["gligen_phrases"], data["gligen_boxes"])


def write_boxdiff(layout: Layout, canvas: Canvas) -> Exported:
    """
    Arguments of diffusers' community pipeline `pipeline_stable_diffusion_boxdiff` (August 2026): boxes as in GLIGEN;
    each phrase is one token of the prompt, the first that reads so.
    """
    prompt = _whole(layout)
    told = [_noun_in(prompt, region.phrase) for region in layout.regions]
    for number, (region, word) in enumerate(zip(layout.regions, told)):
        if word is None or word in told[:number]:
            _formats_logger.warning(
                "BoxDiff finds objects by single words: %r has none of its own in the prompt, and is left out.",
                region.phrase,
            )
            told[number] = None
    kept = [(word, list(region.bounds)) for word, region in zip(told, layout.regions) if word]
    words, boxes = ([pair[part] for pair in kept] for part in (0, 1))
    return Exported({"prompt": prompt, "boxdiff_phrases": words, "boxdiff_boxes": boxes})


def read_boxdiff(data: dict, pictures: Pictures) -> Layout:
    return _boxed(data.get("prompt", ""), data["boxdiff_phrases"], data["boxdiff_boxes"])


def _noun_in(prompt: str, phrase: str) -> str | None:
    """The prompt's word for a thing: its noun, or that one's plural."""
    noun = head_and_modifiers(phrase)[0]
    return next((word for word in re.findall(r"[\w'-]+", prompt.lower()) if noun in (word, singular(word))), None)


# --- sd-webui-regional-prompter ---------------------------------------------------------------------------------


def write_regional_prompter(layout: Layout, canvas: Canvas) -> Exported:
    """
    What the web UI's API takes for hako-mikan/sd-webui-regional-prompter (June 2025): columns in rows, or rows in
    columns, where the boxes fill the picture so; else a picture in which each region has a colour, and those in front
    hide those behind. The whole prompt is the base.
    """
    texts = [_one_line(region.local_text) for region in layout.regions]
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
    prompt = f"{_one_line(_whole(layout))} ADDBASE {regions}"
    return Exported({"prompt": prompt, "alwayson_scripts": {"Regional Prompter": {"args": args}}}, pictures)


def read_regional_prompter(data: dict, pictures: Pictures) -> Layout:
    args = data["alwayson_scripts"]["Regional Prompter"]["args"]
    text, whole = data["prompt"], []
    for key, used in {"ADDCOMM": args[9], "ADDBASE": args[8]}.items():
        if key in text or used:
            first, _, text = text.partition(key if key in text else "BREAK")
            whole.append(first.strip(" ,\n"))
    if args[2] == "Mask":
        parts = [part.strip() for part in re.split("BREAK|ADDCOL|ADDROW", text)]
        drawing = np.asarray(_picture(args[16], pictures).convert("RGB"))
        masks = ((drawing == _mask_colour(number)).all(-1) for number in range(_MOST_COLOURS))
        regions = [_of_mask(*pair) for pair in zip(parts, filter(np.any, masks))]
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
        cells = _boxes_of([(row[0], row[1:]) for row in ratios], mode == "Rows")
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
    return zip(parts, _boxes_of(sizes, by_columns), strict=True)


def _boxes_of(sizes: Sequence[tuple[float, Sequence[float]]], by_columns: bool) -> list[Box]:
    """Boxes of a grid from the relative size of each row and of the cells in it; or of columns, and of theirs."""
    boxes = []
    for (top, bottom), (_, cells) in zip(_shares([size for size, _ in sizes]), sizes):
        for left, right in _shares(cells):
            boxes.append((top, left, bottom, right) if by_columns else (left, top, right, bottom))
    return boxes


def _shares(sizes: Sequence[float]) -> list[tuple[float, float]]:
    ends = np.round(np.cumsum([0.0, *sizes]) / sum(sizes), 4).tolist()
    return list(zip(ends, ends[1:]))


def _colour_mask(layout: Layout, canvas: Canvas) -> tuple[Image.Image, list[bool]]:
    """All regions in one picture, each in its colour, the rest white; and which of them are seen."""
    owners = np.full((canvas.height, canvas.width), -1)
    for index in layout.back_to_front():
        owners[layout.regions[index].rasterize(canvas.height, canvas.width) >= 0.5] = index
    seen = [index in owners for index in range(len(layout))]
    for region, is_seen in zip(layout.regions, seen):
        if not is_seen:
            _formats_logger.warning("%r lies behind others and is left out.", region.phrase)
    colours = np.array([*map(_mask_colour, range(len(layout))), (255, 255, 255)], dtype=np.uint8)
    return Image.fromarray(colours[owners]), seen


def _mask_colour(number: int) -> np.ndarray:
    """The tool's colour of a region: hues at 0, 1/2, 1/4, 3/4, 1/8, ..., half saturated and half bright."""
    level = math.ceil(math.log2(number + 1))
    hue = (2 * (number - 2 ** (level - 1)) + 1) / 2**level if number else 0.0
    return (np.array(colorsys.hsv_to_rgb(hue, 0.5, 0.5)) * 256).astype(np.uint8)


# --- forge-couple -----------------------------------------------------------------------------------------------


def write_forge_couple(layout: Layout, canvas: Canvas) -> Exported:
    """
    What the web UI's API takes for Haoming02/sd-forge-couple (7.0.7): a line of the prompt for each region, after one
    for the whole picture. Boxes are the "Advanced" mode, [x0, x1, y0, y1, weight]; other shapes ask for "Mask".
    """
    lines = [_one_line(text) for text in (_whole(layout), *(region.local_text for region in layout.regions))]
    weights = [min(region.strength, 5.0) for region in layout.regions]
    if all(region.box is not None and not region.softness for region in layout.regions):
        boxes = [(0.0, 0.0, 1.0, 1.0), *(region.box for region in layout.regions)]
        mapping = [[x0, x1, y0, y1, w] for (x0, y0, x1, y1), w in zip(boxes, [_BASE_WEIGHT, *weights])]
        args = [True, True, "Advanced", "", None, None, None, mapping]
    else:
        masks = (base64.b64encode(_png(_drawing(region, canvas))).decode("ascii") for region in layout.regions)
        mapping = [{"mask": mask, "weight": weight} for mask, weight in zip(masks, weights)]
        args = [True, True, "Mask", "", None, "First Line", _BASE_WEIGHT, mapping]
    return Exported({"prompt": "\n".join(lines), "alwayson_scripts": {"forge couple": {"args": args}}})


def read_forge_couple(data: dict, pictures: Pictures) -> Layout:
    _, _, mode, separator, direction, background, _, mapping, *_ = data["alwayson_scripts"]["forge couple"]["args"]
    separator = separator.replace("\\n", "\n") if separator and separator.strip() else "\n"
    lines = [line.strip() for line in data["prompt"].split(separator)]
    whole = ""
    if mode != "Advanced" and background in ("First Line", "Last Line"):
        whole = lines.pop(0 if background == "First Line" else -1)
    if mode == "Basic":
        sizes = [(1.0, [1.0] * len(lines))]
        return Layout([Region(*pair) for pair in zip(lines, _boxes_of(sizes, direction == "Vertical"))], prompt=whole)
    regions = []
    for line, item in zip(lines, mapping, strict=True):
        if mode == "Mask":
            mask = Image.open(io.BytesIO(base64.b64decode(item["mask"]))).convert("L")
            regions.append(_of_mask(line, np.asarray(mask) / 255, strength=float(item["weight"])))
        else:
            x0, x1, y0, y1, weight = map(float, item)
            if (x0, y0, x1, y1) == (0, 0, 1, 1) and not whole:
                whole = line
            else:
                regions.append(Region(line, box=(x0, y0, x1, y1), strength=weight))
    return Layout(regions, prompt=whole)


# --- ComfyUI ----------------------------------------------------------------------------------------------------


def write_comfyui(layout: Layout, canvas: Canvas) -> Exported:
    """
    ComfyUI's nodes in the API's form (nodes.py of August 2026): for each region a text, a mask from a PNG that belongs
    into ComfyUI's folder `input`, and the steps in which it acts. The last node is all of them, which a sampler takes
    as "positive".
    """
    nodes = {"checkpoint": _node("CheckpointLoaderSimple", ckpt_name="model.safetensors")}
    nodes["positive-0"] = _node("CLIPTextEncode", clip=["checkpoint", 1], text=_whole(layout))
    pictures, last = {}, "positive-0"
    for number, region in enumerate(layout.regions, 1):
        text, mask, masked, timed = (f"{name}-{number}" for name in ("text", "mask", "masked", "timed"))
        name = canvas.mask_name(number)
        pictures[name] = _drawing(region, canvas)
        nodes[text] = _node("CLIPTextEncode", clip=["checkpoint", 1], text=region.local_text)
        nodes[mask] = _node("LoadImageMask", image=name, channel="red")
        strength = {"strength": min(region.strength, 10.0), "set_cond_area": "default"}
        nodes[masked] = _node("ConditioningSetMask", conditioning=[text, 0], mask=[mask, 0], **strength)
        times = {"start": region.start, "end": region.end}
        nodes[timed] = _node("ConditioningSetTimestepRange", conditioning=[masked, 0], **times)
        both = {"conditioning_1": [last, 0], "conditioning_2": [timed, 0]}
        last = f"positive-{number}"
        nodes[last] = _node("ConditioningCombine", **both)
    return Exported(nodes, pictures)


def read_comfyui(data: dict, pictures: Pictures) -> Layout:
    def source(node: dict, name: str) -> dict:
        return data[node["inputs"][name][0]]

    if not data:
        raise ValueError("there are no nodes")
    times, regions, masked = {}, [], set()
    for node in data.values():
        if node["class_type"] == "ConditioningSetTimestepRange":
            times[node["inputs"]["conditioning"][0]] = {name: node["inputs"][name] for name in ("start", "end")}
    for key, node in data.items():
        if node["class_type"] == "ConditioningSetMask":
            text, mask = source(node, "conditioning"), source(node, "mask")
            masked.add(node["inputs"]["conditioning"][0])
            drawing = _channel(_picture(mask["inputs"]["image"], pictures), mask["inputs"]["channel"])
            told = {"strength": float(node["inputs"]["strength"])} | times.get(key, {})
            regions.append(_of_mask(text["inputs"]["text"], drawing, **told))
    others = (node for key, node in data.items() if node["class_type"] == "CLIPTextEncode" and key not in masked)
    return Layout(regions, prompt=next((node["inputs"]["text"] for node in others), ""))


def _node(kind: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}


def _channel(picture: Image.Image, name: str) -> np.ndarray:
    """A channel in 0..1, as ComfyUI's `LoadImageMask` takes it: of alpha, what is clear."""
    if name == "alpha":
        return 1 - np.asarray(picture.convert("RGBA").getchannel("A")) / 255
    return np.asarray(picture.convert("RGB").getchannel(name[0].upper())) / 255


def write_prompt_control(layout: Layout, canvas: Canvas) -> Exported:
    """
    Text for asagi4/comfyui-prompt-control (3.0): `AND` between the whole prompt and each region with its
    `MASK(x0 x1, y0 y1, weight)`; shapes other than boxes are `IMASK(number, weight)` of the attached masks.
    """
    parts, pictures = [_one_line(_whole(layout))], {}
    for region in layout.regions:
        if region.box is not None and not region.softness:
            parts.append(f"{_one_line(region.local_text)} MASK({_ranges(region)})")
        else:
            parts.append(f"{_one_line(region.local_text)} IMASK({len(pictures)}, {region.strength:g})")
            pictures[canvas.mask_name(len(pictures) + 1)] = _drawing(region, canvas)
    return Exported(" AND ".join(parts), pictures)


def write_prompt_control_areas(layout: Layout, canvas: Canvas) -> Exported:
    """The same with `AREA(x0 x1, y0 y1, weight)`: each region is drawn by itself, on its part of the picture."""
    parts = [f"{_one_line(region.local_text)} AREA({_ranges(region)})" for region in layout.regions]
    return Exported(" AND ".join([_one_line(_whole(layout)), *parts]))


def read_prompt_control(data: str, pictures: Pictures) -> Layout:
    """Reads what is parted by `AND` or `COUPLE`. Masks are counted in the order in which `pictures` has them."""
    whole, regions = "", []
    width, height = map(float, re.findall(r"\d+", (re.findall(r"MASK_SIZE\((.*?)\)", data) or ["512, 512"])[-1]))
    for part in re.split(r"\bAND\b|(?=\bCOUPLE\b)", re.sub(r"MASK_SIZE\(.*?\)", "", data)):
        part = re.sub(r"\bCOUPLE\(", "MASK(", part)
        calls = re.findall(r"\b(I?MASK|AREA)\((.*?)\)", part)
        others = re.findall(r"\b(FEATHER|MASKW|FILL)\((?!\))", part)
        if others or len(calls) > 1:
            _formats_logger.warning("%r is read as its first mask alone.", part.strip())
        text = re.sub(r"\bCOUPLE\b|\b[A-Z]+\(.*?\)|:\s*[\d.]+\s*\Z", "", part).strip()
        if not calls:
            whole = whole or text
            continue
        name, values = calls[0][0], [value.strip() for value in calls[0][1].split(",")]
        if name == "IMASK":
            drawing = _channel(list(pictures.values())[int(values[0])], "red")
            regions.append(_of_mask(text, drawing, strength=float((values[1:] or ["1"])[0])))
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


# --- InvokeAI ---------------------------------------------------------------------------------------------------


def write_invokeai(layout: Layout, canvas: Canvas) -> Exported:
    """
    A canvas project of InvokeAI (6.14, project version 1) with a layer of regional guidance for each region: a file
    saved as ".invk" is loaded by the canvas's menu "Project".
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
    manifest = {"version": 1, "appVersion": "spacetime_attn", "createdAt": made, "name": _whole(layout)[:60]}
    return Exported({"manifest.json": manifest, "canvas_state.json": state})


def read_invokeai(data: dict, pictures: Pictures) -> Layout:
    """Reads a project's parts, its canvas, or the "canvas_v2_metadata" of a picture."""
    state = data.get("canvas_state.json") or data.get("canvas_v2_metadata") or data
    frame = state["bbox"]["rect"] if "bbox" in state else {"x": 0, "y": 0, "width": 512, "height": 512}
    layers = state["regionalGuidance"]
    layers = layers["entities"] if isinstance(layers, dict) else layers
    return Layout([_of_guidance(layer, frame) for layer in layers if layer["isEnabled"] and layer["objects"]])


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
    drawing = _drawing(region, canvas)
    inked = Image.merge("LA", [Image.new("L", drawing.size, 255), drawing])
    url = "data:image/png;base64," + base64.b64encode(_png(inked)).decode("ascii")
    return {"type": "image", "image": {"dataURL": url, "width": width, "height": height}}


def _of_guidance(layer: dict, frame: dict) -> Region:
    text = layer.get("positivePrompt") or layer.get("name") or "region"
    told = {"negative_prompt": layer.get("negativePrompt") or None}
    left, top = layer["position"]["x"] - frame["x"], layer["position"]["y"] - frame["y"]
    only, *others = layer["objects"]
    if only["type"] == "rect" and not others:
        rect = only["rect"]
        corners = np.array([rect["x"], rect["y"], rect["x"] + rect["width"], rect["y"] + rect["height"]])
        box = (corners + [left, top] * 2) / ([frame["width"], frame["height"]] * 2)
        return Region(text, box=np.clip(np.round(box, 4), 0, 1).tolist(), **told)
    drawing = Image.new("L", (frame["width"], frame["height"]))
    for item in layer["objects"]:
        _draw_object(drawing, item, left, top)
    return _of_mask(text, np.asarray(drawing) / 255, **told)


def _draw_object(drawing: Image.Image, item: dict, left: float, top: float) -> None:
    """Draws an object of a layer, or takes away what it erases."""
    pen, kind = ImageDraw.Draw(drawing), item["type"]
    ink = 0 if kind.startswith("eraser") or item.get("compositeOperation") == "destination-out" else 255
    if kind in ("rect", "oval"):
        x, y = item["rect"]["x"] + left, item["rect"]["y"] + top
        shape = (x, y, x + item["rect"]["width"] - 1, y + item["rect"]["height"] - 1)
        (pen.rectangle if kind == "rect" else pen.ellipse)(shape, fill=ink)
    elif kind == "image":
        if "dataURL" not in item["image"]:
            raise ValueError("a layer has a picture that is only on the server")
        content = base64.b64decode(item["image"]["dataURL"].partition(",")[2])
        drawing.paste(255, (round(left), round(top)), Image.open(io.BytesIO(content)).convert("RGBA").getchannel("A"))
    elif kind in ("polygon", "lasso"):
        pen.polygon(_points(item["points"], 2, left, top), fill=ink)
    elif "line" in kind:
        points, width = _points(item["points"], 3 if "pressure" in kind else 2, left, top), item["strokeWidth"]
        pen.line(points, fill=ink, width=round(width), joint="curve")
        for x, y in points:
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)
    else:
        _formats_logger.warning("A layer's %r is not read.", kind)


def _points(values: Sequence[float], step: int, left: float, top: float) -> list[tuple[float, float]]:
    return [(x + left, y + top) for x, y in zip(values[::step], values[1::step])]


# --- FLUX.3 and Ideogram 4 --------------------------------------------------------------------------------------


def write_flux3(layout: Layout, canvas: Canvas) -> Exported:
    """Inputs of diffusers' modular FLUX.3 (0.42.1): boxes [y_min, x_min, y_max, x_max] in 0..1, each with an id."""
    boxes = []
    for number, region in enumerate(layout.regions, 1):
        noun = re.sub(r"[^a-z]+", "_", head_and_modifiers(region.phrase)[0]).strip("_") or "obj"
        x0, y0, x1, y1 = region.bounds
        boxes.append({"id": f"{noun}_{number}", "desc": region.local_text, "bbox": [y0, x0, y1, x1]})
    return Exported({"prompt": _whole(layout), "boxes": boxes})


def read_flux3(data: dict, pictures: Pictures) -> Layout:
    """Of boxes of an edit, where things shall be."""
    regions = []
    for item in data["boxes"]:
        if box := item.get("bbox") or item.get("tgt_bbox"):
            regions.append(Region(item.get("desc") or item["id"], box=_turned(box)))
    return Layout(regions, prompt=data.get("prompt", ""))


def write_ideogram(layout: Layout, canvas: Canvas) -> Exported:
    """
    Ideogram 4's JSON caption, which is its prompt: as diffusers 0.42.1 has it, with the places in words, and with the
    boxes of the model's own prompting guide (2026), [y_min, x_min, y_max, x_max] in 0..1000.
    """
    elements = []
    for region in layout.regions:
        x0, y0, x1, y1 = (round(1000 * side) for side in region.bounds)
        side = tuple((value > 2 / 3) - (value < 1 / 3) for value in region.centre)
        place = f"{region.local_text}, {_NINTHS[side]} of the picture"
        elements.append({"type": "obj", "bbox": [y0, x0, y1, x1], "desc": place})
    scene = {"background": layout.background or _whole(layout), "elements": elements}
    caption = {"high_level_description": _whole(layout), "compositional_deconstruction": scene}
    return Exported(json.dumps(caption, ensure_ascii=False, separators=(",", ":")))


def read_ideogram(data: dict | str, pictures: Pictures) -> Layout:
    data = json.loads(data) if isinstance(data, str) else data
    scene, regions = data["compositional_deconstruction"], []
    for element in scene["elements"]:
        text = f'the words "{element["text"]}"' if element["type"] == "text" else element["desc"]
        box = _turned([side / 1000 for side in element["bbox"]]) if "bbox" in element else _told_place(element["desc"])
        if box is None:
            _formats_logger.warning("%s has no place, and is left out.", shortened(text))
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


# --- What they share --------------------------------------------------------------------------------------------


def _whole(layout: Layout) -> str:
    """The whole picture's prompt; without one, the objects."""
    return layout.prompt or ", ".join(region.local_text for region in layout.regions)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _boxed(prompt: str, phrases: Sequence[str], boxes: Sequence[Sequence[float]]) -> Layout:
    regions = [Region(phrase, box=tuple(box)) for phrase, box in zip(phrases, boxes, strict=True)]
    return Layout(regions, prompt=prompt)


def _turned(box: Sequence[float]) -> Box:
    """[y_min, x_min, y_max, x_max] as a region has it."""
    y0, x0, y1, x1 = box
    return x0, y0, x1, y1


def _drawing(region: Region, canvas: Canvas) -> Image.Image:
    """A region in white on black."""
    return Image.fromarray(np.round(255 * region.rasterize(canvas.height, canvas.width)).astype(np.uint8))


def _of_mask(phrase: str, mask: np.ndarray, **told) -> Region:
    """A region of what is drawn, a box where that is one."""
    region = Region(phrase, mask=mask.astype(np.float32), **told)
    box = region.reshaped(box=region.bounds)
    return box if np.array_equal(box.rasterize(*mask.shape), region.mask) else region


def _picture(name: str, pictures: Pictures) -> Image.Image:
    if isinstance(pictures, Path):
        return Image.open(pictures / Path(name).name)
    if name not in pictures:
        raise ValueError(f"the picture {name!r} is missing: pass it in `pictures`")
    return pictures[name]


def _png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()


FORMATS: dict[str, Format] = {
    name: Format(write, read, frozenset(holds), *suffix)
    for name, write, read, holds, *suffix in (
        ("gligen", write_gligen, read_gligen, [_PROMPT]),
        ("boxdiff", write_boxdiff, read_boxdiff, [_PROMPT]),
        ("regional-prompter", write_regional_prompter, read_regional_prompter, [_PROMPT, _SHAPES, _DEPTH]),
        ("forge-couple", write_forge_couple, read_forge_couple, [_PROMPT, _SHAPES, _SOFT, _STRENGTHS]),
        ("comfyui", write_comfyui, read_comfyui, [_PROMPT, _SHAPES, _SOFT, _STRENGTHS, _TIMES]),
        ("prompt-control", write_prompt_control, read_prompt_control, [_PROMPT, _SHAPES, _SOFT, _STRENGTHS], ".txt"),
        ("prompt-control-areas", write_prompt_control_areas, read_prompt_control, [_PROMPT, _STRENGTHS], ".txt"),
        ("invokeai", write_invokeai, read_invokeai, [_SHAPES, _NEGATIVES], ".invk"),
        ("flux3", write_flux3, read_flux3, [_PROMPT]),
        ("ideogram", write_ideogram, read_ideogram, [_PROMPT, _BACKGROUND]),
    )
}
