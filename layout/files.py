"""Files that are written whole or not at all: `write_whole`."""

import contextlib
import os
import shutil
import uuid
from pathlib import Path


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """
    Writes a file whole or not at all: a new file beside it takes its name once everything is on the disk.

    Args:
        path (`str` or `os.PathLike`): A link stays one, and a file keeps its permissions. What is no plain file, such as
            `/dev/stdout` or a pipe, is written to as it is.

    Raises:
        OSError: The file cannot be written, a full disk for example. It is named, and what it held before stays.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            Path(path).write_bytes(content)
        else:
            _replace(Path(path).resolve(), content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _replace(path: Path, content: bytes) -> None:
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
