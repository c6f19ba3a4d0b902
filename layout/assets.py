"""Finds the models that ship with the project: `find_asset`."""

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import snapshot_download


ASSETS_REPO = os.environ.get("SPACETIME_ATTN_ASSETS_REPO")


def find_asset(name: str, file: str) -> Path | None:
    """
    Looks for a folder beside this module; in the installed package, when this module is a copy elsewhere; and in the
    Hub repository named by the environment variable SPACETIME_ATTN_ASSETS_REPO (none by default, and then no network
    is touched), from which it is downloaded once.

    Args:
        name (`str`): Of a folder in `layout/`, such as `"english"`.
        file (`str`): A file in it, without which it does not count.

    Returns:
        The folder; None, with a warning where the Hub fails, if there is none.
    """
    return _shipped(name, file) or _from_hub(f"layout/{name}", file)


def _shipped(name: str, file: str) -> Path | None:
    folders = [package / "layout" / name for package in _package_folders()]
    if globals().get("__file__"):
        folders.insert(0, Path(__file__).resolve().parent / name)
    return next((folder for folder in folders if (folder / file).is_file()), None)


def _package_folders() -> Iterator[Path]:
    """Every folder importable as `spacetime_attn`: the first may be a mere folder in the working directory."""
    for finder in sys.meta_path:
        spec = finder.find_spec("spacetime_attn", None) if hasattr(finder, "find_spec") else None
        yield from map(Path, spec.submodule_search_locations or () if spec else ())


def _from_hub(folder: str, file: str) -> Path | None:
    if not ASSETS_REPO:
        return None
    try:
        root = snapshot_download(ASSETS_REPO, allow_patterns=f"{folder}/*")
    except Exception as error:  # whatever the server does, there is another way without it
        problem = f"{type(error).__name__}: {error}"
    else:
        if (Path(root) / folder / file).is_file():
            return Path(root) / folder
        problem = f"it has no folder {folder}"
    warnings.warn(
        f"could not get {folder} from the Hub repository {ASSETS_REPO!r} (SPACETIME_ATTN_ASSETS_REPO): {problem}; "
        "going on without it",
        stacklevel=4,
    )
    return None
