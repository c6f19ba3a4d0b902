"""
Layouts as other tools take them, both ways: `export_layout` and `import_layout`, of the formats in `FORMATS`.

What a format cannot hold is left out, and a warning says so. None holds relations, which have done their work once the
boxes stand. Each format is a module here, which names the version that it follows, and a line in `FORMATS`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from ..draw import check_canvas
from ..files import MOST_BYTES, check_size, read_json, shortened
from ..regions import Layout
from . import (
    boxdiff,
    comfyui,
    flux3,
    forge_couple,
    gligen,
    ideogram,
    invokeai,
    prompt_control,
    regional_prompter,
)
from .common import LOSSES, Archive, Canvas, Exported, Folder, Format, archived, logger


FORMATS: dict[str, Format] = {
    "gligen": gligen.FORMAT,
    "boxdiff": boxdiff.FORMAT,
    "regional-prompter": regional_prompter.FORMAT,
    "forge-couple": forge_couple.FORMAT,
    "comfyui": comfyui.FORMAT,
    "prompt-control": prompt_control.FORMAT,
    "prompt-control-areas": prompt_control.AREAS,
    "invokeai": invokeai.FORMAT,
    "flux3": flux3.FORMAT,
    "ideogram": ideogram.FORMAT,
}

_ARCHIVE = invokeai.FORMAT.suffix


def export_layout(layout: Layout, name: str, width: int = 512, height: int = 512, stem: str = "layout") -> Exported:
    """
    A layout in the format of another tool. What the format cannot hold is told in a warning.

    Args:
        layout (`Layout`): Any.
        name (`str`): A key of `FORMATS`.
        width, height (`int`): Of the picture, for formats that count in pixels and for masks.
        stem (`str`): What the names of masks begin with.

    Raises:
        ValueError: There is no such format, or no picture of that size.
    """
    kind = find_format(name)
    check_canvas(width, height)
    if lost := [loss for loss, is_in in LOSSES.items() if loss not in kind.holds and is_in(layout)]:
        listed = ", ".join(lost)
        logger.warning("The format %r does not hold %s (of shapes, it holds the bounds).", name, listed)
    return kind.write(layout, Canvas(width, height, stem))


def import_layout(source, name: str, pictures: Mapping[str, Image.Image] | os.PathLike | None = None) -> Layout:
    """
    A layout from the data of another tool.

    Args:
        source (`dict`, `list`, `str` or `Path`): The data, also as JSON text, or the file that holds it, a `Path`.
            Masks lie beside the file, or in it.
        name (`str`): A key of `FORMATS`.
        pictures (`dict[str, PIL.Image]` or `Path`, *optional*): The masks that data names, or their folder.

    Raises:
        ValueError: There is no such format; or the source cannot be read, or is not of it, which is told.
    """
    kind, stem = find_format(name), Canvas().stem
    if isinstance(source, os.PathLike):
        path = Path(source)
        stem, source = path.stem, _loaded(path)
        if pictures is None:
            pictures = Archive(path) if path.suffix.lower() == _ARCHIVE else path.parent
    if isinstance(pictures, os.PathLike):
        pictures = Folder(Path(pictures), stem)
    try:
        data = _parsed(source) if isinstance(source, str) and kind.suffix != ".txt" else source
        return kind.read(data, {} if pictures is None else pictures)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, OSError, RecursionError) as error:
        problem = f"it lacks {error}" if isinstance(error, LookupError) else error
        raise ValueError(f"This is not of the format {name!r} ({problem}): {shortened(source)}") from error


def find_format(name: str) -> Format:
    """The format of a name; a ValueError tells which there are."""
    if name not in FORMATS:
        raise ValueError(f"There is no format {name!r}; known are {', '.join(FORMATS)}.")
    return FORMATS[name]


def _parsed(text: str):
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"as text it has to be JSON, and a file is passed as a `Path`; {error}") from None


def _loaded(path: Path):
    """Of an archive its JSON by name, of JSON its data, of another file its text; or an error that names it."""
    try:
        if path.suffix.lower() == _ARCHIVE:
            parts = archived(path, lambda name: name.endswith(".json"))
            return {name: json.loads(part) for name, part in parts.items()}
        if path.suffix == ".json":
            return read_json(path)
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        check_size(len(content))
        return content.decode("utf-8-sig")
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"The file {str(path)!r} cannot be read: {error}") from error
