"""
asagi4/comfyui-prompt-control (3.0.0-beta.9): text with functions for masks and areas. Its page has `AREA(x1 x2, y1
y2)`; its code, `get_area`, takes the second numbers as width and height. Here the code counts.
"""

import re

from ..files import shortened
from ..regions import Layout, Region
from .comfyui import channel
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
    logger,
    picture_numbered,
    region_of_mask,
    whole_prompt,
    without_key_words,
)


_KEYS = r"\b(?:AND|BREAK|CAT|AVG|COUPLE)\b|\b[A-Z_]+(?=\()"
_REGIONS = r"\b(?:AND|COUPLE)\b|\b(?:I?MASK|AREA)\("
_WEIGHT = r":(-?\d\.?\d*(?:![A-Za-z]+)?)\Z"  # of a whole text
_QUOTATION = r'(".+?")'
_COMMENT, _ESCAPED = r"(?<!\\)#.*", r"\\([\\:#])"


def write(layout: Layout, canvas: Canvas) -> Exported:
    """
    `AND` between the whole prompt and each region with its `MASK(x0 x1, y0 y1, weight)`; shapes other than boxes are
    `IMASK(number, weight)` of the attached masks.
    """
    parts, pictures = [_plain(whole_prompt(layout))], {}
    for region in layout.regions:
        text, (x0, y0, x1, y1) = _plain(region.local_text), region.bounds
        if region.box is not None and not region.softness:
            parts.append(f"{text} MASK({x0:.4g} {x1:.4g}, {y0:.4g} {y1:.4g}, {region.strength:g})")
        else:
            parts.append(f"{text} IMASK({len(pictures)}, {region.strength:g})")
            pictures[canvas.mask_name(len(pictures) + 1)] = drawing_of(region, canvas)
    return Exported(" AND ".join(parts), pictures)


def write_areas(layout: Layout, canvas: Canvas) -> Exported:
    """
    The same with `AREA(x0 width, y0 height, weight)`: each region is drawn by itself, on its part of the picture.
    """
    parts = [_plain(whole_prompt(layout))]
    for region in layout.regions:
        x0, y0, x1, y1 = region.bounds
        area = f"{x0:.4g} {x1 - x0:.4g}, {y0:.4g} {y1 - y0:.4g}, {region.strength:g}"
        parts.append(f"{_plain(region.local_text)} AREA({area})")
    return Exported(" AND ".join(parts))


def read(data: str, pictures: Pictures) -> Layout:
    """
    Reads what is parted by `AND` or `COUPLE`. Masks are counted in the order in which `pictures` has them. The first
    text without a mask is the prompt; others have the whole picture.
    """
    pieces = re.split(_QUOTATION, re.sub(_COMMENT, "", data))
    data = "".join(f"\0{n}\0" if n % 2 else piece for n, piece in enumerate(pieces))  # quotations have no key words
    if not re.search(_REGIONS, data):
        logger.warning("%s has no AND, COUPLE, MASK, IMASK or AREA: it is a prompt without regions.", shortened(data))
    whole, regions = "", []
    width, height = map(float, re.findall(r"\d+", (re.findall(r"MASK_SIZE\((.*?)\)", data) or ["512, 512"])[-1]))
    for part in re.split(r"\bAND\b|(?=\bCOUPLE\b)", re.sub(r"MASK_SIZE\(.*?\)", "", data)):
        part = re.sub(r"\bCOUPLE\(", "MASK(", part)
        calls = re.findall(r"\b(I?MASK|AREA)\((.*?)\)", part)
        others = re.findall(r"\b(FEATHER|MASKW|FILL)\((?!\))", part)
        text, *weights = re.split(_WEIGHT, _text_of(part, pieces))
        text = text.strip()
        if others or weights[:1] not in ([], ["1"]) or len(calls) > 1:
            logger.warning("%r is read as this text and its first mask alone.", text)
        if not calls and (not text or not whole and not part.startswith("COUPLE")):
            whole = whole or text
            continue
        name, arguments = calls[0] if calls else ("MASK", "")
        values = [value.strip() for value in arguments.split(",")]
        if name == "IMASK":
            drawing = channel(picture_numbered(int(values[0]), pictures), "red")
            regions.append(region_of_mask(text, drawing, strength=float((values[1:] or ["1"])[0])))
        else:
            x0, x1 = _range(values[0], width)
            y0, y1 = _range((values[1:] or [""])[0], height)
            if name == "AREA":
                x1, y1 = min(x0 + x1, 1.0), min(y0 + y1, 1.0)
            regions.append(Region(text, box=(x0, y0, x1, y1), strength=float((values[2:] or ["1"])[0] or 1)))
    return Layout(regions, prompt=whole)


def _text_of(part: str, pieces: list[str]) -> str:
    """A part without its calls, and with its quotations, which are numbered."""
    text = re.sub(r"\bCOUPLE\b|\b[A-Z]+\(.*?\)", "", part)
    text = re.sub(r"\0(\d+)\0", lambda found: pieces[int(found[1])], text)
    return re.sub(_ESCAPED, r"\1", text).strip()


def _plain(text: str) -> str:
    """
    A text as the tool keeps it: one that ends as if it had a weight gets one, for only the last counts; and what
    begins a comment is escaped. A quotation that does not end would take in the texts behind it.
    """
    text = without_key_words(text, _KEYS)
    if text.count('"') % 2:
        logger.warning("%r has a quotation mark without its other, which is left out.", text)
        text = "".join(text.rsplit('"', 1))
    escaped = re.sub(r"\\(?=[\\:#])|#", r"\\\g<0>", text)
    return f"{escaped} :1" if re.search(_WEIGHT, text) else escaped


def _range(text: str, size: float) -> tuple[float, float]:
    """The numbers of "0.2 0.5" or, in pixels of such a size, of "100 256"; what is not told is the picture's."""
    start, end = (text.split() + ["", ""])[:2]
    low, high = float(start or 0), float(end or 1)
    return (low / size, high / size) if max(low, high) > 1 else (low, high)


FORMAT = Format(write, read, {DESCRIPTIONS, PROMPT, SHAPES, SOFT_EDGES, STRENGTHS}, ".txt")
AREAS = Format(write_areas, read, {DESCRIPTIONS, PROMPT, STRENGTHS}, ".txt")
