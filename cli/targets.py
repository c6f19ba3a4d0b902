"""The files that are going to be written, checked before any work: `checked_targets`."""

import errno
import os
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from .jobs import Job, same_on_some_disk
from .writing import check_picture_name


Targets = dict[str, list[Path]]  # the files that a job is going to write, by the option that asks for them


def checked_targets(targets_of: Callable, jobs: Sequence[Job], args: Namespace) -> dict[Job, Targets]:
    """What each job is going to write, which can be written."""
    if args.output and args.prompts is None:
        check_picture_name(args.output)
    targets = {job: targets_of(job, args) for job in jobs}
    _check_targets(targets.values())
    return targets


def picture_targets(job: Job, args: Namespace) -> Targets:
    """Those of `generate`."""
    pictures = job.places(args.output, ".gif" if args.num_frames else ".png", args.num_images)
    return {
        "--output": pictures,
        "--show-layout": [path.with_suffix(".layout.png") for path in pictures] if args.show_layout else [],
        "--save-layout": job.places(args.save_layout, ".json"),
        "--save-weights": job.places(args.save_weights, ".safetensors", args.num_images),
    }


def layout_targets(job: Job, args: Namespace) -> Targets:
    """Those of `layout`."""
    from ..layout.formats import find_format

    suffix = find_format(args.format).suffix if args.format else ".json"
    layouts = job.places(args.save_layout, suffix)
    if suffix == ".invk" and layouts and layouts[0].suffix != suffix:
        raise ValueError(f"--save-layout: files of --format {args.format} end in {suffix}, got {args.save_layout!r}.")
    return {"--output": job.places(args.output, ".png"), "--save-layout": layouts}


def are_there(targets: Targets) -> bool:
    """Whether all are."""
    return all(path.exists() for paths in targets.values() for path in paths)


def _check_targets(targets: Iterable[Targets]) -> None:
    """
    Makes nothing, not even the folders that are missing.

    Raises:
        ValueError: A path that cannot be written, or that comes twice. It names option and path.
    """
    asked = [(option, path) for files in targets for option, paths in files.items() for path in paths]
    taken: dict[str, Path] = {}
    folders: set[Path] = set()
    for option, path in asked:
        try:
            _check_place(path, folders)
        except (OSError, UnicodeEncodeError) as error:
            reason = getattr(error, "strerror", "no name for a file here")
            raise ValueError(f"{option}: {str(path)!r} cannot be written ({reason}).") from None
        other = taken.setdefault(same_on_some_disk(os.path.realpath(path)), path)
        if other is not path:
            raise ValueError(f"{option}: {str(path)!r} would be the same file as {str(other)!r}.")


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
