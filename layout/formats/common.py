"""What the formats of other tools share: what each of them is, `Format`, and its parts."""

import io
import json
import logging
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from ..files import check_size, write_whole
from ..regions import Layout, Region
from ..shapes import MOST_PIXELS


Box = tuple[float, float, float, float]

SHAPES, SOFT_EDGES, STRENGTHS, TIMES = "shapes other than boxes", "soft edges", "strengths", "times"
NEGATIVES, DEPTH, BACKGROUND, PROMPT = "negative prompts", "an order in depth", "a background", "the whole prompt"
DESCRIPTIONS = "descriptions"
LOSSES: dict[str, Callable[[Layout], bool]] = {  # what a format may lack, and whether a layout has it
    SHAPES: lambda layout: any(region.box is None for region in layout),
    SOFT_EDGES: lambda layout: any(region.softness or _is_grey(region.mask) for region in layout),
    STRENGTHS: lambda layout: any(region.strength != 1 for region in layout),
    TIMES: lambda layout: any((region.start, region.end) != (0, 1) for region in layout),
    NEGATIVES: lambda layout: any(region.negative_prompt is not None for region in layout),
    DESCRIPTIONS: lambda layout: any(region.description for region in layout),
    DEPTH: lambda layout: any(region.order is not None for region in layout),
    "adapters": lambda layout: any(region.adapters for region in layout),
    "pictures": lambda layout: any(region.image for region in layout),
    BACKGROUND: lambda layout: layout.has_background,
    PROMPT: lambda layout: bool(layout.prompt),
}
logger = logging.getLogger(__package__)


class Canvas(NamedTuple):
    """The picture that a layout is written for, in pixels, and the stem of the files that hold its masks."""

    width: int = 512
    height: int = 512
    stem: str = "layout"

    def mask_name(self, number: int) -> str:
        return mask_name(self.stem, number)


class Folder(NamedTuple):
    """Where the masks lie that a file names, and the file's stem."""

    path: Path
    stem: str


class Archive(NamedTuple):
    """A file whose folder "images" has the pictures that its data names."""

    path: Path


class MissingPictureError(ValueError):
    """A picture that data names is not there."""


Pictures = Mapping[str, Image.Image] | Folder | Archive  # what data names


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
        Writes the data to a file and its pictures beside it, each whole or not at all; they get the file's stem, in
        the data as well. With the ending ".invk", an archive of the data's parts, as InvokeAI loads it.
        """
        path = Path(path)
        names = {name: mask_name(path.stem, number) for number, name in enumerate(self.pictures, 1)}
        own = Exported(_renamed(self.data, names), {names[name]: mask for name, mask in self.pictures.items()})
        if path.suffix == ".invk":
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                for name, part in own.data.items():
                    file.writestr(name, json.dumps(part, ensure_ascii=False))
            write_whole(path, archive.getvalue())
        else:
            write_whole(path, (own.text + "\n").encode("utf-8"))
        for name, picture in own.pictures.items():
            write_whole(path.with_name(name), png(picture))


class Format(NamedTuple):
    """How a format is written and read, and what it holds beside boxes."""

    write: Callable[[Layout, Canvas], Exported]
    read: Callable[..., Layout]  # of data and pictures
    holds: Set[str]  # of `LOSSES`
    suffix: str = ".json"  # of its files


def _renamed(data, names: Mapping[str, str]):
    """JSON-ready data with other names of files."""
    if isinstance(data, dict):
        return {key: _renamed(value, names) for key, value in data.items()}
    if isinstance(data, list):
        return [_renamed(value, names) for value in data]
    return names.get(data, data) if isinstance(data, str) else data


def whole_prompt(layout: Layout) -> str:
    """The whole picture's prompt; without one, the objects."""
    return layout.prompt or ", ".join(region.local_text for region in layout.regions)


def mask_name(stem: str, number: int) -> str:
    return f"{stem}.mask-{number}.png"


def one_line(text: str) -> str:
    return " ".join(text.split())


def without_key_words(text: str, keys: str) -> str:
    """A text on one line, with what a tool takes for key words (a pattern) in small letters; a warning says so."""
    text = one_line(text)
    plain = re.sub(keys, lambda found: found[0].lower(), text)
    if plain != text:
        logger.warning("%r has key words of the tool, which are written in small letters.", text)
    return plain


def boxed(prompt: str, phrases: Sequence[str], boxes: Sequence[Sequence[float]]) -> Layout:
    regions = [Region(phrase, box=tuple(box)) for phrase, box in zip(phrases, boxes, strict=True)]
    return Layout(regions, prompt=prompt)


def turned(box: Sequence[float]) -> Box:
    """[y_min, x_min, y_max, x_max] as a region has it."""
    y0, x0, y1, x1 = box
    return x0, y0, x1, y1


def drawing_of(region: Region, canvas: Canvas) -> Image.Image:
    """A region in white on black."""
    return Image.fromarray(np.round(255 * region.rasterize(canvas.height, canvas.width)).astype(np.uint8))


def region_of_mask(phrase: str, mask: np.ndarray, **told) -> Region:
    """A region of what is drawn, a box where that is one."""
    region = Region(phrase, mask=mask.astype(np.float32), **told)
    box = region.reshaped(box=region.bounds)
    return box if np.array_equal(box.rasterize(*mask.shape), region.mask) else region


def picture_named(name: str, pictures: Pictures) -> Image.Image:
    """
    Raises:
        MissingPictureError: It is not there.
        ValueError: It cannot be read.
    """
    try:
        if isinstance(pictures, Folder):
            return opened_picture((pictures.path / Path(name).name).open("rb"))
        if isinstance(pictures, Archive):
            part = f"images/{name}"
            return opened_picture(io.BytesIO(archived(pictures.path, part.__eq__)[part]))
        return pictures[name]
    except (KeyError, FileNotFoundError):
        raise MissingPictureError(f"the picture {name!r} is missing: pass it in `pictures`") from None


def opened_picture(file: BinaryIO) -> Image.Image:
    """A picture of a file, which is closed; a ValueError unless it can be read, and is not too large."""
    try:
        with file, Image.open(file) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError(f"it has {picture.width} x {picture.height} pixels")
            return picture.copy()
    except Exception as error:  # Pillow has many kinds for broken files
        raise ValueError(f"a picture cannot be read: {error}") from error


def archived(path: Path, is_wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The parts of a ZIP archive whose names are wanted; a ValueError if they are broken, or together too large."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [part for part in archive.infolist() if is_wanted(part.filename)]
            check_size(sum(part.file_size for part in parts))
            return {part.filename: archive.read(part) for part in parts}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(f"the archive cannot be read: {error}") from error


def picture_numbered(index: int, pictures: Pictures) -> Image.Image:
    """One of the masks, counted from 0."""
    if isinstance(pictures, Folder):
        return picture_named(mask_name(pictures.stem, index + 1), pictures)
    return list(pictures.values())[index]


def png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()


def grid_boxes(sizes: Sequence[tuple[float, Sequence[float]]], by_columns: bool) -> list[Box]:
    """Boxes of a grid from the relative size of each row and of the cells in it; or of columns, and of theirs."""
    boxes = []
    for (top, bottom), (_, cells) in zip(_shares([size for size, _ in sizes]), sizes):
        for left, right in _shares(cells):
            boxes.append((top, left, bottom, right) if by_columns else (left, top, right, bottom))
    return boxes


def _is_grey(mask: np.ndarray | None) -> bool:
    return mask is not None and bool(((mask > 0) & (mask < 1)).any())


def _shares(sizes: Sequence[float]) -> list[tuple[float, float]]:
    ends = np.round(np.cumsum([0.0, *sizes]) / sum(sizes), 4).tolist()
    return list(zip(ends, ends[1:]))
