"""From a prompt as it was typed to its reading: `read_prompt`, with the spaCy pipeline of `load_language`."""

import os
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import spacy
from spacy.language import Language

from .assets import find_asset
from .foreign import is_foreign
from .prompt_syntax import parse_prompt
from .reader import READER_NAME, Reader
from .reading import Entity, Reading
from .words import head_and_modifiers


_PUNCTUATION_RUNS = re.compile(r"(?:[^\w\s]|_){9,}")  # blanked: spaCy's tokenizer takes minutes for thousands of them
_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of characters, which cannot be encoded


def read_prompt(prompt: str, nlp: str | Language | None = None, objects: Sequence[str] | None = None) -> Reading:
    """
    What a prompt says.

    Args:
        prompt (`str`): English, with the syntax of other tools (see `parse_prompt`) or without; in another language
            nothing is found, and a warning says so.
        nlp (`str` or `spacy.Language`, *optional*): See `load_language`.
        objects (`Sequence[str]`, *optional*): Words of the prompt that name its objects, where the reader errs: these
            are objects, and nothing else is.

    Raises:
        TypeError: The prompt is no string.
        ValueError: One of `objects` does not stand in the prompt.
    """
    if not isinstance(prompt, str):
        raise TypeError(f"`prompt` has to be a string, got {type(prompt).__name__}: {prompt!r}.")
    text = _PUNCTUATION_RUNS.sub(lambda run: " " * len(run.group()), _SURROGATES.sub("\ufffd", prompt))
    parsed = parse_prompt(text)
    if is_foreign(parsed.text):
        warnings.warn("the prompt is not English, so no objects were read from it", stacklevel=3)
        reading = Reading(parsed.text)
    else:
        reading = load_language(nlp)(parsed.text)._.reading if parsed.text.strip() else Reading(parsed.text)
        if parsed.negative_prompt:
            warnings.warn(
                f"{parsed.negative_prompt!r} is taken as absent, but the model still reads it in the prompt; give it"
                " as `negative_prompt` instead",
                stacklevel=3,
            )
            reading = replace(reading, negative_prompt=parsed.negative_prompt)
    return reading if objects is None else _with_objects(reading, objects)


def _with_objects(reading: Reading, names: Sequence[str]) -> Reading:
    """The reading with just these objects."""
    if isinstance(names, str):
        raise TypeError(f"`objects` has to be a list of strings, got the string {names!r}.")
    if others := [name for name in names if not isinstance(name, str)]:
        raise TypeError(f"`objects` has to be a list of strings, got {others[0]!r} in it.")
    entities, named = list(reading.entities), set()
    for name, (start, end) in zip(names, _places(reading.prompt, names)):
        inside = [n for n, entity in enumerate(entities) if entity.start < end and start < entity.end]
        found = next((n for n in inside if n not in named), len(entities))
        if found == len(entities):
            phrase = reading.prompt[start:end]
            entities.append(Entity(phrase, start, end, *head_and_modifiers(name), mentions=((start, end),)))
        entities[found] = replace(entities[found], kind="object")
        named.add(found)
    kept = [n for n, entity in enumerate(entities) if entity.kind != "object" or n in named]
    return replace(reading, entities=tuple(entities)).with_only(sorted(kept, key=lambda n: entities[n].start))


def _places(text: str, names: Sequence[str]) -> list[tuple[int, int]]:
    """Where each name stands, as whole words: by itself, or in another name if it is not how that one begins."""
    places: dict[int, tuple[int, int]] = {}
    for number in sorted(range(len(names)), key=lambda number: -len(names[number].strip())):
        name = re.escape(names[number].strip())
        found = [match.span() for match in re.finditer(rf"(?<!\w){name}(?!\w)", text, re.IGNORECASE)] if name else []
        taken = places.values()
        free = [(a, b) for a, b in found if all(b <= start or end <= a for start, end in taken)]
        others = [(a, b) for a, b in found if all(a != start for start, _ in taken)]
        if not others:
            raise ValueError(
                f"`objects` has {names[number]!r}, which does not stand in the prompt, or not so often: {text!r}."
            )
        places[number] = (free or others)[0]
    return [places[number] for number in range(len(names))]


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
