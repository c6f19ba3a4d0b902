"""How a noun phrase is built: its head, its other words, and what names one of several."""

import re

from .words import DETERMINERS, MEASURES, NUMERALS, collect_words, counted_singular, is_plural, singular, with_article


_WORD = re.compile(r"<[^<>\s]+>|\w+(?:['’.-]\w+)*(?:['’](?!\w))?")
_COUNT_IN_TAG = re.compile(r"\d+\+?(?=[a-z]{3})")  # "1girl", "6+cats"
_LARGE_NUMBERS = collect_words("twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million")
_RANKS = collect_words("first second third next last remaining")


def head_and_modifiers(phrase: str) -> tuple[str, frozenset[str]]:
    """
    The noun of a phrase, lower-case and in the singular, and its other words without articles and numerals: "bed",
    {"silver"}. "A cup of tea" is a cup, "a flock of birds" and "two of the birds" are birds.
    """
    words = [_COUNT_IN_TAG.sub("", word.lower()) for word in _WORD.findall(phrase)]
    if not words:
        return phrase.strip().lower(), frozenset()
    place = _head(words)
    others = {word for number, word in enumerate(words) if number != place and word.isalpha()}
    return singular(words[place].strip("<>")), frozenset(others - DETERMINERS - NUMERALS - {"of"})


def one_of(phrase: str) -> str:
    """What names one of several things: "two black dogs" -> "a black dog", "two cups of tea" -> "a cup of tea"."""
    tokens = list(_WORD.finditer(phrase))
    words = [token.group().lower() for token in tokens]
    if not words:
        return phrase
    first, head = 0, _head(words)
    while first < head and _counts(words, first):
        first += 1
    counted = next((n for n in range(first, head) if _measures(words, n)), head)
    start, noun = tokens[first].start(), tokens[counted]
    name = counted_singular(_COUNT_IN_TAG.sub("", noun.group().lower()))
    rest = phrase[start : noun.start()] + name + phrase[noun.end() :]
    return with_article(rest)


def _counts(words: list[str], place: int) -> bool:
    """Whether a word before the noun only tells how many there are."""
    word, following = words[place], words[place + 1]
    if word == "half":  # "half a dozen"
        return following in ("a", "dozen")
    if word in _RANKS:  # "the first two"
        return _is_number(following)
    if _measures(words, place):  # "a flock of birds", "two rows of three cups", but "two slices of pizza"
        return not is_plural(word) or place + 2 < len(words) and _is_number(words[place + 2])
    return word in DETERMINERS or _is_number(word) or word == "of"


def _is_number(word: str) -> bool:
    return word in NUMERALS or word in _LARGE_NUMBERS or word.isdecimal()


def _measures(words: list[str], place: int) -> bool:
    return singular(words[place]) in MEASURES and words[place + 1] == "of"


def _head(words: list[str]) -> int:
    """Which of them is the noun: the last before "of", or of what a measure or a number before it measures."""
    start = 0
    while "of" in words[start + 1 : -1]:
        place = words.index("of", start + 1)
        if not (_measures(words, place - 1) or words[place - 1] in DETERMINERS or _is_number(words[place - 1])):
            return place - 1
        start = place
    return len(words) - 1
