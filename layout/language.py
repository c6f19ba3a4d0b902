"""Finds the spaCy pipeline that reads the prompts."""

import os
import sys
from functools import cache
from pathlib import Path

import spacy
from spacy.language import Language

from .assets import find_asset
from .reader import READER_NAME, Reader


def load_language(nlp: str | Path | Language | None = None) -> Language:
    """
    Loads an English pipeline that has a reader; a second call with the same argument gives the same object.

    Args:
        nlp (`spacy.Language`, `str` or `Path`, *optional*): A spaCy pipeline, or the name or the folder of one. Where
            it has no reader, the one that ships with the project is added to a copy. By default the pipeline that
            ships, from the installed project or the Hub (see `find_asset`).

    Raises:
        TypeError: `nlp` is none of these.
        ValueError: No pipeline of that name is installed and no folder of one is there.
        OSError: The reader is not to be found.
    """
    if nlp is None:
        return _shipped_language()
    if isinstance(nlp, Language):
        return nlp if nlp.has_pipe(READER_NAME) else _with_reader(nlp)
    if isinstance(nlp, (str, os.PathLike)):
        return _named_language(os.fspath(nlp))
    raise TypeError(f"`nlp` has to be a spaCy pipeline, its name or its folder, got {type(nlp).__name__}: {nlp!r}.")


@cache
def _named_language(name: str) -> Language:
    try:
        nlp = _load(name)
    except OSError as error:
        raise ValueError(
            f"nlp={name!r} is neither an installed spaCy pipeline nor the folder of one; "
            f"install it with `python -m spacy download {name}`, or leave nlp out"
        ) from error
    return load_language(nlp)


@cache
def _shipped_language() -> Language:
    folder = find_asset("english", "config.cfg")
    if folder is None:
        raise OSError(
            "The reader that finds the objects of a prompt was not found: a folder `english` that ships with"
            " spacetime_attn. Install the project (pip install . in a clone of it); or set SPACETIME_ATTN_ASSETS_REPO"
            " to a Hub repository that has it; or pass `nlp`, a pipeline with a reader. With `layout`, pictures can be"
            " made without it."
        )
    return _load(folder)


def _load(source: str | Path) -> Language:
    """
    Loads a pipeline. spaCy first asks every installed project for its components, and fails where a mere folder
    `spacetime_attn` in the working directory hides one that `pip install -e` installed: then this copy serves.
    """
    try:
        return spacy.load(source)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] != "spacetime_attn":
            raise
        sys.modules["spacetime_attn.layout.reader"] = sys.modules[Reader.__module__]
        return spacy.load(source)


@cache
def _with_reader(nlp: Language) -> Language:
    """A copy that shares everything with a pipeline, and has a reader too."""
    copy = spacy.blank(nlp.lang, vocab=nlp.vocab)
    copy.tokenizer = nlp.tokenizer
    for name in nlp.pipe_names:
        copy.add_pipe(name, source=nlp)
    reader: Reader = copy.add_pipe(READER_NAME)
    shipped = _shipped_language().get_pipe(READER_NAME)
    reader.network, reader.tokenizer, reader.settings = shipped.network, shipped.tokenizer, shipped.settings
    return copy
