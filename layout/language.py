"""Finds the spaCy pipeline that reads the prompts."""

import os
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import spacy
from huggingface_hub import snapshot_download
from spacy.language import Language

from .chunker import CHUNKER_NAME


ASSETS_REPO = os.environ.get("SPACETIME_ATTN_ASSETS_REPO")
_LANGUAGE_FOLDER = "layout/english"
_LANGUAGE_FAVOURITES = ("en_core_web_sm", "en_core_web_md", "en_core_web_lg", "en_core_web_trf")


def load_language(nlp: str | Path | Language | None = None) -> Language:
    """Loads the spaCy pipeline for English; a second call with the same argument gives the same object.

    Args:
        nlp: a spaCy pipeline, or the name or the folder of one. None looks in this order: the model that ships with
            the project, the Hub repository named by the environment variable SPACETIME_ATTN_ASSETS_REPO (none by
            default, and then no network is touched), the English models installed for spaCy, and last a blank
            pipeline whose noun phrases come from word lists (with a warning).

    Returns:
        A spaCy pipeline. The last resort has no parser: its noun phrases are in ``doc.spans["phrases"]``.

    Raises:
        TypeError: nlp is none of these.
        ValueError: no pipeline of that name is installed and no folder of one is there.
    """
    if nlp is None:
        return _default_language()
    if isinstance(nlp, Language):
        return nlp
    if isinstance(nlp, (str, os.PathLike)):
        return _named_language(os.fspath(nlp))
    raise TypeError(f"nlp must be a spaCy pipeline, its name or its folder, got {type(nlp).__name__}: {nlp!r}")


@cache
def _named_language(name: str) -> Language:
    try:
        return spacy.load(name)
    except OSError as error:
        raise ValueError(
            f"nlp={name!r} is neither an installed spaCy pipeline nor the folder of one; "
            f"install it with `python -m spacy download {name}`, or leave nlp out"
        ) from error


@cache
def _default_language() -> Language:
    source = _shipped_language() or _hub_language() or _installed_language()
    if source is not None:
        return spacy.load(source)
    warnings.warn(
        "no spaCy model for English was found, so object phrases come from word lists, which is less exact; "
        "install one with `python -m spacy download en_core_web_sm`",
        stacklevel=3,
    )
    nlp = spacy.blank("en")
    nlp.add_pipe(CHUNKER_NAME)
    return nlp


def _shipped_language() -> Path | None:
    """The model folder beside this module, or in the installed package when this module is a copy elsewhere."""
    folders = [package / _LANGUAGE_FOLDER for package in _package_folders()]
    if globals().get("__file__"):
        folders.insert(0, Path(__file__).resolve().parent / Path(_LANGUAGE_FOLDER).name)
    return next((folder for folder in folders if _is_language(folder)), None)


def _package_folders() -> Iterator[Path]:
    """Every folder that can be imported as `spacetime_attn`.

    importlib.util.find_spec stops at the first, which may be a mere folder of that name in the working directory.
    """
    for finder in sys.meta_path:
        spec = finder.find_spec("spacetime_attn", None) if hasattr(finder, "find_spec") else None
        yield from map(Path, spec.submodule_search_locations or () if spec else ())


def _hub_language() -> Path | None:
    """The model folder of the configured Hub repository, downloaded once; None, with a warning, if it fails."""
    if not ASSETS_REPO:
        return None
    try:
        root = snapshot_download(ASSETS_REPO, allow_patterns=f"{_LANGUAGE_FOLDER}/*")
    except Exception as error:  # whatever the server does, the prompt can still be read without it
        problem = f"{type(error).__name__}: {error}"
    else:
        folder = Path(root) / _LANGUAGE_FOLDER
        if _is_language(folder):
            return folder
        problem = f"it has no folder {_LANGUAGE_FOLDER}"
    warnings.warn(
        f"could not get the English model from the Hub repository {ASSETS_REPO!r} "
        f"(SPACETIME_ATTN_ASSETS_REPO): {problem}; going on without it",
        stacklevel=4,
    )
    return None


def _installed_language() -> str | None:
    """The name of an English pipeline installed for spaCy, small ones first."""
    installed = [name for name in spacy.util.get_installed_models() if name.startswith("en_")]
    return min(installed, key=_language_rank, default=None)


def _language_rank(name: str) -> tuple[int, str]:
    known = name in _LANGUAGE_FAVOURITES
    return _LANGUAGE_FAVOURITES.index(name) if known else len(_LANGUAGE_FAVOURITES), name


def _is_language(folder: Path) -> bool:
    return (folder / "config.cfg").is_file()
