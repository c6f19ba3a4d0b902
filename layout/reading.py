"""What a prompt says, before anything is placed: its objects and their relations."""

import re

from spacy.language import Language

from .foreign import is_foreign
from .language import load_language
from .phrases import Phrase, find_phrases
from .regions import Relation
from .relations import find_relations


_PUNCTUATION_RUNS = re.compile(r"(?:[^\w\s]|_){9,}")  # blanked: spaCy's tokenizer takes minutes for thousands of them
_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of characters, which spaCy cannot encode


def read_prompt(prompt: str, nlp: str | Language | None = None) -> tuple[list[Phrase], list[Relation]]:
    """
    Args:
        prompt (`str`): English; in another language nothing is found.
        nlp (`str` or `spacy.Language`, *optional*): See `load_language`.

    Returns:
        The objects, in order, and the relations that the prompt states, with indices into the objects.

    Raises:
        TypeError: The prompt is no string.
    """
    if not isinstance(prompt, str):
        raise TypeError(f"`prompt` has to be a string, got {type(prompt).__name__}: {prompt!r}.")
    if is_foreign(prompt):
        return [], []
    text = _PUNCTUATION_RUNS.sub(lambda run: " " * len(run.group()), _SURROGATES.sub("\ufffd", prompt))
    doc = load_language(nlp)(text)
    phrases = find_phrases(doc)
    return phrases, find_relations(doc, phrases)


def check_aspect_ratio(aspect_ratio: float) -> None:
    """Raises a ValueError unless the picture's width divided by its height is a positive number."""
    if not 0 < aspect_ratio < float("inf"):
        raise ValueError(f"`aspect_ratio` has to be a positive number (width / height), got {aspect_ratio!r}.")
