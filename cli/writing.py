"""Files, each written whole, and as many as can be: `Output`, `write_outputs`."""

import io
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ..layout.files import write_whole


class Output(NamedTuple):
    """A file: its path, what writes it there, and what is to be said of it."""

    path: Path
    write: Callable[[Path], None]
    note: str = ""


def write_outputs(outputs: Iterable[Output], say: Callable[[str], None]) -> None:
    """
    Writes all files that can be written, in this order, and then says which.

    Raises:
        Exception: That of the first of them that could not be written.
    """
    written, errors = [], []
    for path, write, note in outputs:
        try:
            Path(os.path.realpath(path)).parent.mkdir(parents=True, exist_ok=True)
            write(path)
            written.append(f"{path}{note}")
        except Exception as error:  # of whatever kind: what was made is not lost
            errors.append(error)
    for line in written:
        say(line)
    if errors:
        raise errors[0]


def check_picture_name(path: str | os.PathLike) -> None:
    """Raises a ValueError unless the name asks for a format in which pictures can be written."""
    from PIL import Image

    try:
        _encoded(Image.new("RGB", (8, 8)), Path(path))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{str(path)!r} is no name for a picture: give a file name such as picture.png.") from None


def write_picture(image, making, path: Path) -> None:
    """Writes a `PIL.Image` in the format that the name asks for; a PNG with its making, if that is given."""
    write_whole(path, _encoded(image, path, making))


def _encoded(image, path: Path, making=None) -> bytes:
    from PIL import Image

    from ..pictures import as_png

    if path.suffix.lower() == ".png":
        return as_png(image, making)
    data = io.BytesIO()
    image.save(data, format=Image.registered_extensions()[path.suffix.lower()])
    return data.getvalue()
