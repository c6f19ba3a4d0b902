"""Parts of what a prompt counts: "two of the cups", "the middle one", "one ... and the other", "a red one"."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from spacy.tokens import Doc

from .colours import said_colours
from .groups import NounGroup
from .plurals import singular
from .tokens import is_attribute, word_at
from .words import (
    ANYBODY_VERBS,
    ARTICLES,
    COLOURS,
    DEFINITES,
    DISTRIBUTIVES,
    ORDINALS,
    PLACES_IN_ROW,
    QUANTIFIERS,
    SUPERLATIVE_PLACES,
    SUPERLATIVES,
    number_of,
)


_ONES = frozenset(("one", "other", "others", "another"))
_RESTS = frozenset(("others", "rest"))
_LONE_PLACES = ORDINALS | SUPERLATIVE_PLACES
_PART_WORDS = _ONES | PLACES_IN_ROW.keys() | {"of"}
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
        colours (`tuple[str, ...]`): What is said of its colour: "the first | is red".
        is_aside (`bool`): Only an attribute is said of it: "three cups, one of them red, on a table".
    """

    start: int
    end: int
    count: int = 1
    place: str = ""
    attributes: tuple[str, ...] = ()
    whole: int | None = None
    is_definite: bool = False
    colours: tuple[str, ...] = ()
    is_aside: bool = False

    def indices(self, number: int, free: Sequence[int]) -> list[int]:
        """Which of a number of things it means, if some of them are free: "the middle one of three" is the second."""
        if not self.place:
            return list(free[: self.count or None])
        first = PLACES_IN_ROW[self.place]
        if first is None:
            return [number // 2] if number % 2 else []
        first = first if first >= 0 else number - self.count
        return [index for index in range(first, first + self.count) if 0 <= index < number]


def find_parts(doc: Doc, groups: Sequence[NounGroup], spatial: set[int]) -> list[Part]:
    """All parts that a text names, in order, without overlap; none begins in the `spatial_tokens`."""
    if not any(token.lower_ in _PART_WORDS for token in doc):
        return []
    starts = {group.start: group for group in groups}
    inner = {i for group in groups for i in range(group.start, group.end) if group.end - 1 > i or group.shared}
    parts: list[Part] = []
    for index in range(len(doc)):
        if index in spatial or parts and index < parts[-1].end:
            continue
        part = _part_at(doc, index, starts, spatial)
        part = part and _with_colour(doc, part)
        if part and (part.whole is not None or part.end - 1 not in inner):
            parts.append(replace(part, colours=said_colours(doc, part.start, part.end, part.count != 1)))
    return parts


def _with_colour(doc: Doc, part: Part) -> Part:
    """The "one orange" of "one black, one orange", where it is no fruit."""
    colour = word_at(doc, part.end)
    if colour not in COLOURS or part.attributes:
        return part
    near = doc[max(part.start - _MOST_WORDS, 0) : part.end + _MOST_WORDS]
    is_colour = any(is_attribute(after) and one.lower_ in _ONES for one, after in pairwise(near))
    return replace(part, end=part.end + 1, attributes=(colour,)) if is_colour else part


def in_reading_order(groups: Sequence[NounGroup], parts: Sequence[Part]) -> list[NounGroup | Part]:
    """Groups and parts as they are read: each part after what it is a part of, instead of the groups inside it."""
    covered = {i: part for part in parts for i in range(part.start, part.end)}
    free = [group for group in groups if group.start not in covered or group.start == covered[group.start].whole]
    starts = {part: part.start if part.whole is None else part.whole for part in parts}
    return sorted([*free, *parts], key=lambda item: (starts.get(item, item.start), item in starts))


def _part_at(doc: Doc, start: int, groups: dict[int, NounGroup], spatial: set[int]) -> Part | None:
    """The part that begins at a token, if any."""
    end = _adjectives_end(doc, start, spatial)
    adjectives = [token.lower_ for token in doc[start:end] if token.lower_ not in ARTICLES]
    place = next((word for word in adjectives if word in PLACES_IN_ROW), "")
    attributes = tuple(word for word in adjectives if word not in PLACES_IN_ROW)
    part = Part(start, end, 1, place, attributes, is_definite=doc[start].lower_ in DEFINITES)
    noun = word_at(doc, end)
    if noun in _ONES or noun == "rest" and part.is_definite:
        return _one_after(doc, part, groups)
    if end == start:
        return _counted_part(doc, part, groups)
    if place and part.is_definite and number_of(noun) > 1:  # "the first two"
        return replace(part, end=end + 1, count=number_of(noun))
    is_alone = noun != "of" and not _has_noun(part, groups)
    if place in _LONE_PLACES and part.is_definite and is_alone:  # "the third"
        return part
    return _placed_part(doc, part, groups) if place or not SUPERLATIVES.isdisjoint(attributes) else None


def _counted_part(doc: Doc, part: Part, groups: dict[int, NounGroup]) -> Part | None:
    """ "Two of the cups", "all of the cups", and "two" where it begins a clause without a noun."""
    word = word_at(doc, part.start)
    if number_of(word) == 1 and word not in QUANTIFIERS:
        return None
    counted = replace(part, end=part.end + 1, count=0 if word in QUANTIFIERS else number_of(word))
    if word_at(doc, counted.end) == "of":
        return _with_whole(doc, replace(counted, count=2) if word == "both" else counted, groups)
    is_alone = counted.count > 0 and _follows_bound(doc, part.start) and not _has_noun(counted, groups)
    return counted if is_alone else None


def _placed_part(doc: Doc, part: Part, groups: dict[int, NounGroup]) -> Part | None:
    """ "The leftmost of three cups", "the left cup of three cups", "the tallest of three cups"."""
    own = groups[part.start] if _has_noun(part, groups) else None
    placed = _with_whole(doc, part if own is None else replace(part, end=own.end), groups)
    if placed is None or placed.whole is None:
        return None
    if own is not None and singular(doc[own.head].lower_) != singular(doc[groups[placed.whole].head].lower_):
        return None
    return placed if any(number_of(token.lower_) > 1 for token in doc[placed.whole : placed.whole + 2]) else None


def _has_noun(part: Part, groups: dict[int, NounGroup]) -> bool:
    """Whether a part goes on with a noun: "the third | cup"."""
    return part.start in groups and groups[part.start].head >= part.end


def _one_after(doc: Doc, part: Part, groups: dict[int, NounGroup]) -> Part | None:
    """The part with its "one", "other (one)" or "other two" and adjectives after that: "one black, the other two"."""
    number = word_at(doc, part.end + 1) if word_at(doc, part.end) == "other" else ""
    end = part.end + (2 if number == "one" or number_of(number) > 1 else 1)
    is_of = word_at(doc, end) == "of"
    if part.end == part.start and not is_of and not _means_a_thing(doc, part.start):
        return None
    part = replace(part, end=end, count=0 if word_at(doc, part.end) in _RESTS else number_of(number))
    part = _with_whole(doc, part, groups) if is_of else part
    if part is None or part.attributes:
        return part
    attributes = tuple(token.lower_ for token in takewhile(is_attribute, doc[part.end : part.end + _MOST_WORDS]))
    end = part.end + len(attributes)
    is_aside = is_of and bool(attributes) and word_at(doc, part.start - 1) == word_at(doc, end) == ","
    return replace(part, end=end, attributes=attributes, is_aside=is_aside)


def _adjectives_end(doc: Doc, start: int, spatial: set[int]) -> int:
    """The end of an article and of adjectives: "the third | left of a cup"."""
    end = start + (doc[start].lower_ in ARTICLES)
    for token in doc[end : start + _MOST_WORDS]:
        is_adjective = token.lower_ in PLACES_IN_ROW or is_attribute(token)
        if token.lower_ in _ONES or token.i in spatial or not is_adjective:
            break
        end += 1
    return end


def _with_whole(doc: Doc, part: Part, groups: dict[int, NounGroup]) -> Part | None:
    """The part with what it is a part of, "... of three cups", "... of them"; None where nothing is said of that."""
    following = part.end + 1
    if word_at(doc, part.end) != "of":
        return None
    if word_at(doc, following) in _WHOLE_PRONOUNS:
        return replace(part, end=following + 1)
    is_whole = word_at(doc, following) in DEFINITES or number_of(word_at(doc, following)) > 1
    return replace(part, end=groups[following].end, whole=following) if is_whole and following in groups else None


def _means_a_thing(doc: Doc, index: int) -> bool:
    """Whether "one" or "another" means a thing: not in "beside it one sees a barn" nor in "one on each side"."""
    if not _follows_bound(doc, index) or word_at(doc, index + 1) in ANYBODY_VERBS:
        return False
    return DISTRIBUTIVES.isdisjoint(token.lower_ for token in doc[index + 1 : index + 4])


def _follows_bound(doc: Doc, index: int) -> bool:
    """Whether a clause, or an item of a list, begins with a token."""
    return index == 0 or doc[index - 1].lower_ in _BOUNDS
