"""Files that a command writes: checked before any work, then written as far as they can be."""

import errno
import io
import os
import tempfile
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .layout.files import write_whole


class Output(NamedTuple):
    """A file: its path, what writes it there, and what is to be said of it."""

    path: Path
    write: Callable[[Path], None]
    note: str = ""


def check_targets(targets: Iterable[tuple[str, Path]]) -> None:
    """
    Makes nothing, not even the folders that are missing.

    Args:
        targets: Paths that are going to be written, each with the option that asks for it.

    Raises:
        ValueError: A path that cannot be written, or that comes twice. It names option and path.
    """
    taken: dict[str, Path] = {}
    folders: set[Path] = set()
    for option, path in targets:
        try:
            _check_place(path, folders)
        except (OSError, UnicodeEncodeError) as error:
            reason = getattr(error, "strerror", "no name for a file here")
            raise ValueError(f"{option}: {str(path)!r} cannot be written ({reason}).") from None
        other = taken.setdefault(same_on_some_disk(os.path.realpath(path)), path)
        if other is not path:
            raise ValueError(f"{option}: {str(path)!r} would be the same file as {str(other)!r}.")


def same_on_some_disk(name: str) -> str:
    """Equal for names that some disks take for one."""
    return unicodedata.normalize("NFC", name).casefold()


def _check_place(path: Path, writable: set[Path]) -> None:
    """Raises an OSError or a UnicodeEncodeError unless the file can be written; adds to the folders known to be so."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if path.is_file():
        open(path, "r+b").close()
    elif path.exists():  # a pipe or a device
        return
    path = Path(os.path.realpath(path))
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    for part in path.parts[len(folder.parts) :]:
        with suppress(FileNotFoundError):
            os.lstat(folder / part)  # which fails for a name that is too long, or that cannot be encoded
    if folder not in writable:
        tempfile.TemporaryFile(dir=folder).close()
        writable.add(folder)


def check_picture_name(path: str | os.PathLike) -> None:
    """Raises a ValueError unless the name asks for a format in which pictures can be written."""
    from PIL import Image

    try:
        _encoded(Image.new("RGB", (8, 8)), Path(path))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{str(path)!r} is no name for a picture: give a file name such as picture.png.") from None


def write_picture(image, path: Path) -> None:
    """Writes a `PIL.Image` in the format that the name asks for."""
    write_whole(path, _encoded(image, path))


def _encoded(image, path: Path) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    image.save(data, format=Image.registered_extensions()[path.suffix.lower()])
    return data.getvalue()


def write_outputs(outputs: Iterable[Output], say: Callable[[str], None]) -> None:
    """
    Writes all files that can be written, in this order, and then says which.

    Raises:
        OSError: The first of them that could not be written.
    """
    written, errors = [], []
    for path, write, note in outputs:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
            written.append(f"{path}{note}")
        except OSError as error:
            errors.append(error)
    for line in written:
        say(line)
    if errors:
        raise errors[0]
