"""Finds the spaCy pipeline that reads the prompts."""

import os
import warnings
from functools import cache
from pathlib import Path

import spacy
from spacy.language import Language

from .assets import find_asset
from .chunker import CHUNKER_NAME


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
    source = find_asset("english", "config.cfg") or _installed_language()
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


def _installed_language() -> str | None:
    """The name of an English pipeline installed for spaCy, small ones first."""
    installed = [name for name in spacy.util.get_installed_models() if name.startswith("en_")]
    return min(installed, key=_language_rank, default=None)


def _language_rank(name: str) -> tuple[int, str]:
    known = name in _LANGUAGE_FAVOURITES
    return _LANGUAGE_FAVOURITES.index(name) if known else len(_LANGUAGE_FAVOURITES), name
