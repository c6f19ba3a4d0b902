"""From a prompt as it was typed to its reading: `read_prompt`."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace

from spacy.language import Language

from .foreign import is_foreign
from .language import load_language
from .noun_phrases import head_and_modifiers
from .prompt_syntax import parse_prompt
from .reading import Entity, Reading


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
        return Reading(parsed.text)
    reading = load_language(nlp)(parsed.text)._.reading if parsed.text.strip() else Reading(parsed.text)
    if parsed.negative_prompt:
        warnings.warn(
            f"{parsed.negative_prompt!r} is taken as absent, but the model still reads it in the prompt; give it as"
            " `negative_prompt` instead",
            stacklevel=3,
        )
        reading = replace(reading, negative_prompt=parsed.negative_prompt)
    return reading if objects is None else _with_objects(reading, objects)


def _with_objects(reading: Reading, names: Sequence[str]) -> Reading:
    """The reading with just these objects."""
    if isinstance(names, str):
        raise TypeError(f"`objects` has to be a list of strings, got the string {names!r}.")
    entities, named, taken = list(reading.entities), set(), set()
    for name in names:
        start, end = _find(reading.prompt, name, taken)
        taken.add(start)
        inside = [n for n, entity in enumerate(entities) if entity.start < end and start < entity.end]
        found = next((n for n in inside if n not in named), None)
        if found is None:
            head, modifiers = head_and_modifiers(name)
            phrase = reading.prompt[start:end]
            entities.append(Entity(phrase, start, end, head, modifiers, mentions=((start, end),)))
            named.add(len(entities) - 1)
        else:
            entities[found] = replace(entities[found], kind="object")
            named.add(found)
    kept = [n for n, entity in enumerate(entities) if entity.kind != "object" or n in named]
    return replace(reading, entities=tuple(entities)).with_only(sorted(kept, key=lambda n: entities[n].start))


def _find(text: str, name: str, taken: set[int]) -> tuple[int, int]:
    """Where a name stands, as whole words, and no other name yet."""
    for found in re.finditer(rf"(?<!\w){re.escape(name.strip())}(?!\w)", text, re.IGNORECASE):
        if name.strip() and found.start() not in taken:
            return found.span()
    raise ValueError(f"`objects` has {name!r}, which does not stand in the prompt: {text!r}.")
