"""
Files that are written whole or not at all, and none too large is read: `write_whole`, `write_json`, `read_json`. And
texts that can be written and shown: `encodable`, `shortened`.
"""

import contextlib
import json
import os
import shutil
import uuid
from pathlib import Path


MOST_BYTES = 64 * 2**20  # of a layout or of weights: what is larger is something else


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """
    Writes a file whole or not at all: a new file beside it takes its name once everything is on the disk.

    Args:
        path (`str` or `os.PathLike`): A link stays one, and a file keeps its permissions. Pipes and devices are
            written to as they are.

    Raises:
        OSError: The file cannot be written, a full disk for example. It is named, and what it held before stays.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            Path(path).write_bytes(content)
        else:
            _write_beside(Path(os.path.realpath(path)), content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def write_json(path: str | os.PathLike, data, indent: int | None = None) -> None:
    """
    Writes plain data as JSON, whole or not at all.

    Raises:
        OSError: See [`write_whole`].
        ValueError: More than 64 MB, which `read_json` would not read.
    """
    text = json.dumps(data, indent=indent, ensure_ascii=False) + "\n"
    content = text.encode("utf-8", "backslashreplace")  # halves of characters, as JSON has them
    check_size(len(content))
    write_whole(path, content)


def read_json(path: str | os.PathLike):
    """
    Reads JSON in any encoding of Unicode, with or without a byte order mark.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: More than 64 MB, which are not read; or no JSON.
    """
    with Path(path).open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    check_size(len(content))
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not valid JSON ({error}).") from None


def check_size(count: int) -> None:
    """Raises a ValueError if a file of layouts or weights has more bytes than such files have."""
    if count > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES >> 20} MB.")


def encodable(texts: str | list[str]) -> str | list[str]:
    """A text or texts, with a replacement character for each half of a character, which tokenizers cannot take."""
    if isinstance(texts, list):
        return [encodable(text) for text in texts]
    return texts.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def shortened(value) -> str:
    """What an error shows of a value."""
    try:
        text = repr(value)
    except ValueError:  # CPython writes no numbers of more than 4300 digits
        text = "a huge number"
    return text if len(text) <= 80 else text[:77] + "..."


def _write_beside(path: Path, content: bytes) -> None:
    new = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with open(new, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # some disks tell only here that they are full
        if path.exists():
            open(path, "r+b").close()  # what is protected stays so
            shutil.copymode(path, new)
        os.replace(new, path)
    finally:
        with contextlib.suppress(OSError):
            new.unlink()
