"""How a noun phrase is built: its head, its other words, and what names one of several."""

import re

from .plurals import counted_singular, is_plural, singular, with_article
from .words import DETERMINERS, MEASURES, NUMERALS


_WORD = re.compile(r"<[^<>\s]+>|\w+(?:['’.-]\w+)*(?:['’](?!\w))?")
_COUNT_IN_TAG = re.compile(r"\d+\+?(?=[a-z])")  # "1girl", "6+cats"
_OF = frozenset(("of",))


def head_and_modifiers(phrase: str) -> tuple[str, frozenset[str]]:
    """
    The noun of a phrase, lower-case and in the singular, and its other words without articles and numerals: "bed",
    {"silver"}. "A cup of tea" is a cup, "a flock of birds" are birds.
    """
    words = [_COUNT_IN_TAG.sub("", word) for word in _words(phrase)]
    if not words:
        return phrase.strip().lower(), frozenset()
    place = _head(words)
    others = {word for number, word in enumerate(words) if number != place and word.isalpha()}
    return singular(words[place].strip("<>")), frozenset(others - DETERMINERS - NUMERALS.keys() - _OF)


def one_of(phrase: str) -> str:
    """What names one of several things: "two black dogs" -> "a black dog"."""
    tokens = list(_WORD.finditer(phrase))
    words = [token.group().lower() for token in tokens]
    if not words:
        return phrase
    first = next((n for n, word in enumerate(words) if not _counts(word)), len(words) - 1)
    if first and first + 1 < len(words) and words[first] == "of":
        first += 1
    counted = _head(words)
    if any(words[n] in MEASURES and is_plural(words[n]) for n in range(first, counted)):  # "two slices of pizza"
        counted = next(n for n in range(first, counted) if words[n] in MEASURES or singular(words[n]) in MEASURES)
    start, noun = tokens[first].start(), tokens[counted]
    name = counted_singular(_COUNT_IN_TAG.sub("", noun.group().lower()))
    rest = phrase[start : noun.start()] + name + phrase[noun.end() :]
    return with_article(rest)


def _counts(word: str) -> bool:
    return word in DETERMINERS or word in NUMERALS or word in MEASURES or word[0].isdigit() and word.isdecimal()


def _words(phrase: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(phrase)]


def _head(words: list[str]) -> int:
    """Which of them is the noun: the last before "of", or of what a measure measures."""
    start = 0
    while "of" in words[start + 1 : -1]:
        place = words.index("of", start + 1)
        if singular(words[place - 1]) not in MEASURES and words[place - 1] not in MEASURES:
            return place - 1
        start = place
    return len(words) - 1
