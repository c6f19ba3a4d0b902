"""What a prompt says, before anything is placed: its objects and their relations."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from string import ascii_lowercase

from spacy.language import Language

from .foreign import is_foreign
from .language import load_language
from .phrase import Phrase
from .phrases import find_phrases
from .regions import Relation
from .relations import find_relations


_PUNCTUATION_RUNS = re.compile(r"(?:[^\w\s]|_){9,}")  # blanked: spaCy's tokenizer takes minutes for thousands of them
_QUOTATIONS = re.compile(r'(?<=\w )(?<!of )["“]\b[^"“”]{,200}["”]')  # blanked: a sign that says "DOGS" shows none
_LEARNED_TOKENS = re.compile(r"<[^<>\s]+>")  # "<cat-toy>", as textual inversions are called
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
    text = _SURROGATES.sub("\ufffd", prompt)
    for blanked in (_PUNCTUATION_RUNS, _QUOTATIONS):
        text = blanked.sub(lambda run: " " * len(run.group()), text)
    nouns = _nouns_for(_LEARNED_TOKENS.findall(text))
    doc = load_language(nlp)(_LEARNED_TOKENS.sub(lambda token: nouns[token.group()], text))
    phrases = find_phrases(doc)
    relations = find_relations(doc, phrases)
    for token, noun in nouns.items():
        phrases = [_with_token(phrase, noun, token) for phrase in phrases]
    return phrases, relations


def _nouns_for(tokens: Sequence[str]) -> dict[str, str]:
    """A noun in each one's place, of the same length, that no text has: "axxxxxx"."""
    letters = dict(zip(dict.fromkeys(tokens), cycle(ascii_lowercase)))
    return {token: letter.ljust(len(token), "x") for token, letter in letters.items()}


def _with_token(phrase: Phrase, noun: str, token: str) -> Phrase:
    """The phrase with the learned token instead of the noun in its place."""
    name = token.strip("<>").lower()
    return replace(
        phrase,
        text=phrase.text.replace(noun, token),
        head=phrase.head.replace(noun, name),
        modifiers=frozenset(word.replace(noun, name) for word in phrase.modifiers),
    )


def check_aspect_ratio(aspect_ratio: float) -> None:
    """Raises a ValueError unless the picture's width divided by its height is a positive number."""
    if not 0 < aspect_ratio < float("inf"):
        raise ValueError(f"`aspect_ratio` has to be a positive number (width / height), got {aspect_ratio!r}.")
