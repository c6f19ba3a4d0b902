"""Parts of what a prompt counts: "two of the cups", "the middle one", "one ... and the other", "a red one"."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from spacy.tokens import Doc

from .groups import NounGroup, is_attribute, spatial_tokens
from .words import ANYBODY_VERBS, ARTICLES, DEFINITES, DISTRIBUTIVES, NUMERALS, PLACES_IN_ROW, QUANTIFIERS


_ONES = frozenset(("one", "other", "others", "another"))
_MOST_WORDS = 10  # of a part before its noun
_WHOLE_PRONOUNS = frozenset(("them", "which"))
_BOUNDS = frozenset(", and while with but : ; . ! ? ( - – —".split())


@dataclass(frozen=True)
class Part:
    """
    Tokens `start` to `end` (exclusive) that speak of some of several things.

    Args:
        count (`int`): Of how many; 0 for all that nothing else was said of ("the others").
        place (`str`): Its word for a place in the row ("middle"), "" for none.
        attributes (`tuple[str, ...]`): Its adjectives, lower-case.
        whole (`int`, *optional*): The token at which the group begins that it is a part of ("the cups").
        is_definite (`bool`): "The red one" rather than "a red one".
        is_aside (`bool`): Only an attribute is said of it: "three cups, one of them red, on a table".
    """

    start: int
    end: int
    count: int = 1
    place: str = ""
    attributes: tuple[str, ...] = ()
    whole: int | None = None
    is_definite: bool = False
    is_aside: bool = False

    def indices(self, number: int, free: Sequence[int]) -> list[int]:
        """Which of a number of things it means, if some of them are free: "the middle one of three" is the second."""
        if not self.place:
            return list(free[: self.count or None])
        index = PLACES_IN_ROW[self.place]
        if index is None:
            return [number // 2] if number % 2 else []
        return [index % number] if -number <= index < number else []


def find_parts(doc: Doc, groups: Sequence[NounGroup]) -> list[Part]:
    """All parts that a text names, in order, without overlap."""
    if not any(token.lower_ in _ONES or token.lower_ == "of" for token in doc):
        return []
    barred, starts = spatial_tokens(doc), {group.start: group for group in groups}
    inner = {i for group in groups for i in range(group.start, group.end) if group.end - 1 > i}
    parts: list[Part] = []
    for index in range(len(doc)):
        if index in barred or parts and index < parts[-1].end:
            continue
        part = _part_at(doc, index, starts)
        if part and (part.whole is not None or part.end - 1 not in inner):
            parts.append(part)
    return parts


def _part_at(doc: Doc, start: int, groups: dict[int, NounGroup]) -> Part | None:
    """The part that begins at a token, if any."""
    end = _adjectives_end(doc, start)
    adjectives = [token.lower_ for token in doc[start:end] if token.lower_ not in ARTICLES]
    place = next((word for word in adjectives if word in PLACES_IN_ROW), "")
    attributes = tuple(word for word in adjectives if word not in PLACES_IN_ROW)
    part = Part(start, end, 1, place, attributes, is_definite=doc[start].lower_ in DEFINITES)
    noun = _word(doc, end)
    if noun in _ONES:
        return _one_after(doc, part, groups)
    if end == start and (number_of(noun) > 1 or noun in QUANTIFIERS):  # "two of the cups", "all of the cups"
        count = 0 if noun in QUANTIFIERS else number_of(noun)
        return _with_whole(doc, replace(part, end=end + 1, count=count), groups)
    part = _with_whole(doc, part, groups) if place else None  # "the leftmost of three cups"
    whole = doc[part.whole : part.whole + 2] if part and part.whole else ()
    return part if any(number_of(token.lower_) > 1 for token in whole) else None


def _one_after(doc: Doc, part: Part, groups: dict[int, NounGroup]) -> Part | None:
    """The part with its "one", "other" or "other one" and adjectives after that: "one black, the other white"."""
    end = part.end + (2 if _word(doc, part.end) == "other" and _word(doc, part.end + 1) == "one" else 1)
    is_of = _word(doc, end) == "of"
    if part.end == part.start and not is_of and not _means_a_thing(doc, part.start):
        return None
    part = replace(part, end=end, count=0 if _word(doc, part.end) == "others" else 1)
    part = _with_whole(doc, part, groups) if is_of else part
    if part is None or part.attributes:
        return part
    attributes = tuple(token.lower_ for token in takewhile(is_attribute, doc[part.end : part.end + _MOST_WORDS]))
    end = part.end + len(attributes)
    is_aside = is_of and bool(attributes) and _word(doc, part.start - 1) == _word(doc, end) == ","
    return replace(part, end=end, attributes=attributes, is_aside=is_aside)


def _adjectives_end(doc: Doc, start: int) -> int:
    """The end of an article and of adjectives."""
    end = start + (doc[start].lower_ in ARTICLES)
    for token in doc[end : start + _MOST_WORDS]:
        if token.lower_ in _ONES or token.lower_ not in PLACES_IN_ROW and not is_attribute(token):
            break
        end += 1
    return end


def _with_whole(doc: Doc, part: Part, groups: dict[int, NounGroup]) -> Part | None:
    """The part with what it is a part of, "... of three cups", "... of them"; None where nothing is said of that."""
    following = part.end + 1
    if _word(doc, part.end) != "of":
        return None
    if _word(doc, following) in _WHOLE_PRONOUNS:
        return replace(part, end=following + 1)
    is_whole = _word(doc, following) in DEFINITES or number_of(_word(doc, following)) > 1
    return replace(part, end=groups[following].end, whole=following) if is_whole and following in groups else None


def _means_a_thing(doc: Doc, index: int) -> bool:
    """Whether "one" or "another" means a thing: not in "beside it one sees a barn" nor in "one on each side"."""
    if index > 0 and doc[index - 1].lower_ not in _BOUNDS or _word(doc, index + 1) in ANYBODY_VERBS:
        return False
    return DISTRIBUTIVES.isdisjoint(token.lower_ for token in doc[index + 1 : index + 4])


def _word(doc: Doc, index: int) -> str:
    return doc[index].lower_ if 0 <= index < len(doc) else ""


def number_of(word: str) -> int:
    """The number that a word or some digits name, 1 for none."""
    return int(word) if word.isdecimal() and len(word) < 4 else NUMERALS.get(word, 1)
