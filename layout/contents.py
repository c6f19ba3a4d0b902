"""Contents: what fills open containers or lies in them, "a cup of tea", "a jar full of jam", "a vase with roses"."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

from spacy.tokens import Doc

from .counts import count_of
from .groups import NounGroup, names_of
from .lexicon import LARGE_THINGS, RELATIVE_WORDS
from .objects import is_object
from .phrase import Phrase
from .regions import Relation
from .things import (
    ANIMALS,
    CONTAINER_PARTS,
    CONTAINERS,
    DEPICTIONS,
    HYPERNYMS,
    MATTER,
    NAMESAKES,
    OPEN_CONTAINERS,
    PEOPLE,
    UTENSILS,
    VESSEL_MATERIALS,
)
from .tokens import spatial_spans, word_at
from .words import ARTICLES, DEFINITES, DETERMINERS, PLACING_PARTICIPLES, POSSESSIVES


_LINK = re.compile(
    r"with|(?:(?:that|which) )?contain(?:s|ing)?"
    r"|(?:(?:that|which) )?(?:(?:is|are) )?(?:(?:\w+ly|half) )?"
    r"(?:filled|full|stuffed|packed|loaded|piled|overflowing|brimming) (?:with|of)"
)
_LONGEST_LINK = 6  # tokens: "which are completely filled with"
_CARRIERS = frozenset("basket box crate bin tub bucket barrel tray shelf container".split())  # of animals and cups too
_NARROW = frozenset("cup mug glass goblet teacup tumbler".split())  # of one thing, and what it is stirred with
_EMPTY_COMPOUNDS = frozenset(("home", "license", "toilet"))  # "home plate"
_UNFILLING = VESSEL_MATERIALS | {"drawer"}  # "a vase of glass", "a chest of drawers"
_MISFITS = PEOPLE | HYPERNYMS["vehicle"] | HYPERNYMS["furniture"] | LARGE_THINGS | DEPICTIONS | CONTAINER_PARTS


def held_groups(doc: Doc, groups: Sequence[NounGroup]) -> dict[NounGroup, list[NounGroup]]:
    """The noun groups that name contents, with those of their containers: "a red and a blue cup of tea" has two."""
    starts = {group.start: group for group in groups}
    places = {span.start: (found.row, span.end) for found, span in spatial_spans(doc)}
    held: dict[NounGroup, list[NounGroup]] = {}
    containers = [group for group in groups if _is_open(doc, group)]
    for container in containers:  # grows on the way: "a tray of cups of tea"
        filling = _all_from(doc, container, container.content, starts) if _is_filled(doc, container) else []
        end = filling[-1].end if filling else container.shared[1] if container.shared else container.end
        for content in filling + _after_link(doc, container, end, starts, places):
            held.setdefault(content, []).append(container)
        containers += [content for content in filling[:1] if _is_open(doc, content) and content not in containers]
    return held


def contents_again(
    phrase: Phrase, found: Sequence[list[Phrase]], containers: Sequence[tuple[NounGroup, list[Phrase]]]
) -> list[list[Phrase]]:
    """The instances that bare contents speak of again: the tea of "The cup of tea", of which there was one."""
    places = {(holder.start, holder.end) for _, same in containers for holder in same}
    alike = [same for same in found if (same[0].head, same[0].modifiers) == (phrase.head, phrase.modifiers)]
    return [same for same in alike if same[0].container in places]


def fill(
    doc: Doc, content: NounGroup, contents: list[Phrase], containers: Sequence[tuple[NounGroup, list[Phrase]]]
) -> None:
    """
    Puts what a group names into its containers, one into each or all into one, whose mentions reach over it. The lists
    are changed in place.
    """
    holders = [holder for _, same in containers for holder in same]
    is_bare = doc[content.start].lower_ not in DETERMINERS
    if is_bare and len(contents) == len(contents[0].mentions) == 1:
        contents *= len(holders)
    if len(holders) in (1, len(contents)):
        places = cycle((holder.start, holder.end) for holder in holders)
        contents[:] = [replace(thing, container=place) for thing, place in zip(contents, places)]
    for container, same in containers:
        if container.shared is None:
            start, end = doc[container.start].idx, doc[container.start : content.end].end_char
            same[:] = [_reaching(holder, start, end) for holder in same]


def _reaching(thing: Phrase, start: int, end: int) -> Phrase:
    """A thing whose mention that begins at a character reaches to another at least."""
    mentions = tuple((first, max(last, end) if first == start else last) for first, last in thing.mentions)
    return replace(thing, mentions=mentions)


def contained(phrases: Sequence[Phrase]) -> list[Relation]:
    """Which of the things named are inside which: of "two cups of tea" the first tea in the first cup, and so on."""
    relations = []
    for place in dict.fromkeys(thing.container for thing in phrases if thing.container):
        holders = [index for index, thing in enumerate(phrases) if (thing.start, thing.end) == place]
        contents = [index for index, thing in enumerate(phrases) if thing.container == place]
        pairs = zip(contents, cycle(holders))
        relations += [Relation(content, "inside", holder) for content, holder in pairs if content != holder]
    return relations


def _is_open(doc: Doc, group: NounGroup) -> bool:
    """Whether a group names a container that shows what is in it; no glasses to read with, no home plate."""
    if OPEN_CONTAINERS.isdisjoint(names_of(doc, group)) or word_at(doc, group.head - 1) in _EMPTY_COMPOUNDS:
        return False
    return doc[group.head].lower_ != "glasses" or group.content is not None or count_of(doc, group)[0] > 1


def _is_filled(doc: Doc, container: NounGroup) -> bool:
    """Whether what stands after "of" is in the container: not in "the basket of a bicycle" or "a vase of glass"."""
    content = container.content
    if content is None or not _is_seen(doc, content) or not names_of(doc, content).isdisjoint(_UNFILLING):
        return False
    return doc[content.start].lower_ not in ARTICLES | DEFINITES or count_of(doc, content)[0] > 1


def _is_seen(doc: Doc, group: NounGroup) -> bool:
    """Whether there is something to draw: an object, or such as "a pot of | dirt"."""
    return is_object(doc, group) or doc[group.head].lower_ in MATTER


def _after_link(doc: Doc, container: NounGroup, end: int, starts: dict, places: dict) -> list[NounGroup]:
    """The flowers of "a vase | with flowers" or "a vase | that is filled with flowers", unless they have a place."""
    first = next((index for index in range(end + 1, end + 1 + _LONGEST_LINK) if index in starts), None)
    link = doc[end:first].text.lower() if first is not None else ""
    if not _LINK.fullmatch(link) or link == "with" and not _fits(doc, container, starts[first]):
        return []
    if not _is_seen(doc, starts[first]):
        return []
    contents = _all_from(doc, container, starts[first], starts)
    while link == "with" and contents and _has_place(doc, container, contents[-1].end, starts, places):
        contents.pop()
    return contents


def _all_from(doc: Doc, container: NounGroup, first: NounGroup, starts: dict[int, NounGroup]) -> list[NounGroup]:
    """The contents that begin with one: the "soup and a spoon" of "a bowl with soup and a spoon"."""
    contents = [first]
    joints = ("and",) if first is container.content else ("and", ",", ", and")  # "a table, a bowl of fruit, flowers"
    while True:
        end = contents[-1].end
        start = next((index for index in (end + 1, end + 2) if index in starts), None)
        if start is None or doc[end:start].text not in joints or not _is_further(doc, container, first, starts[start]):
            return contents
        contents.append(starts[start])


def _is_further(doc: Doc, container: NounGroup, first: NounGroup, group: NounGroup) -> bool:
    """Whether a later member of a list is in the container, too: a spoon, some food, or what has no article."""
    nouns = names_of(doc, group)
    known = frozenset() if first is container.content else UTENSILS | HYPERNYMS["food"]
    if doc[group.start].lower_ in DETERMINERS and nouns.isdisjoint(known):
        return False
    is_narrow = not _NARROW.isdisjoint(names_of(doc, container))
    return bool(nouns & UTENSILS) or not is_narrow and _is_seen(doc, group) and _fits(doc, container, group)


def _fits(doc: Doc, container: NounGroup, group: NounGroup) -> bool:
    """Whether a thing may lie in a container, rather than stand beside it or be a part of it."""
    nouns, words = names_of(doc, group), {token.lower_ for token in doc[group.start : group.head]}
    if nouns & _MISFITS or doc[group.start].lower_ in POSSESSIVES:  # "behind a box with his dog"
        return False
    is_dish = doc[group.start].lower_ not in DETERMINERS or any(words & NAMESAKES.get(noun, set()) for noun in nouns)
    is_animal = bool(nouns & ANIMALS) and not is_dish  # "a plate with a hot dog", "with fish"
    return not (is_animal or nouns & CONTAINERS) or bool(_CARRIERS & names_of(doc, container))


def _has_place(doc: Doc, container: NounGroup, end: int, starts: dict, places: dict) -> bool:
    """Whether a place is told right after contents that is theirs: "a bowl with a spoon | lying next to it"."""
    if word_at(doc, end) in RELATIVE_WORDS:  # "that is next to it"
        end += 2
    elif word_at(doc, end) in PLACING_PARTICIPLES or word_at(doc, end).endswith(("ing", "ed")):
        end += 1
    if end not in places:
        return False
    row, landmark = places[end]
    is_landmark = row is not None and row.landmark in ("after", "maybe", "list") and landmark in starts
    return not is_landmark or not names_of(doc, container).isdisjoint(names_of(doc, starts[landmark]))
