"""Later mentions: which of the things named before "the dog" or "the animal" speaks of again."""

from spacy.tokens import Doc

from .counts import count_of
from .groups import NounGroup
from .lexicon import CLAUSE_BOUNDS, lowered, spatial_expressions
from .phrase import Phrase
from .plurals import counted_singular
from .sides import OPPOSITES, PICTURE_PLACES
from .things import HYPERNYMS, NAMESAKES
from .tokens import place_after, side_after
from .words import DEFINITES, DETERMINERS


def first_mentions(
    doc: Doc, group: NounGroup, phrase: Phrase, found: list[list[Phrase]], cues: dict[int, int]
) -> list[list[Phrase]]:
    """
    The instances that "the dog" or "the dogs" speak of again, if any: same noun, no attribute that they lack, no place
    other than theirs.
    """
    first = doc[group.start].lower_
    names_another = first in DETERMINERS or first == "one" or phrase.plural or _is_modified_before(doc, group)
    if first not in DEFINITES and names_another:
        return []
    figure, owner = _figure_of(doc, group, found, cues), _owner(doc, group.start)
    matches = [
        same
        for same in found
        if same is not figure
        and _agrees(phrase, same[0])
        and (len(same) == 1 or phrase.plural or _is_in_several(doc, group, same[0]))
        and owner in ("", _owner(doc, doc.char_span(*same[0].mentions[0]).start))
        and not is_elsewhere(doc, group.end, same[0])
    ]
    matches.sort(key=lambda same: len(phrase.modifiers ^ same[0].modifiers))
    if not phrase.plural:
        return matches[:1]
    count, _ = count_of(doc, group)
    return next(([same] for same in matches if len(same) == count > 1), matches)


def _is_in_several(doc: Doc, group: NounGroup, first: Phrase) -> bool:
    """ "The milk" of "four glasses of milk", but not "the cookie" of "a plate of three cookies"."""
    said = doc.char_span(first.start, first.end) if first.container is not None else None
    return said is not None and said[-1].lower_ == doc[group.head].lower_


def is_elsewhere(doc: Doc, end: int, first: Phrase) -> bool:
    """Whether the place told at a token is not that of a thing: "the dog | on the right" after "a dog on the left"."""
    place, (side, landmark) = place_after(doc, end)[0], side_after(doc, end)
    if not place and not side:
        return False
    ends = [span.end for mention in first.mentions if (span := doc.char_span(*mention)) is not None]
    if side and any(side_after(doc, other) == (OPPOSITES[side], landmark) for other in ends):
        return True
    places = {place_after(doc, other)[0] for other in ends} - {"", place}
    return bool(place) and any(_exclude(place, other) for other in places)


def _exclude(place: str, other: str) -> bool:
    """Whether nothing is at both places: at "left" and "top right" not, at "left" and "top" it may."""
    opposed = any(a * b < 0 for a, b in zip(PICTURE_PLACES[place], PICTURE_PLACES[other]))
    return opposed or place != other and "centre" in (place, other)


def _owner(doc: Doc, start: int) -> str:
    """The noun whose "'s" stands before a token, "" for none."""
    return doc[start - 2].lower_ if start > 1 and doc[start - 1].tag_ == "POS" else ""


def _figure_of(doc: Doc, group: NounGroup, found: list[list[Phrase]], cues: dict[int, int]) -> list[Phrase] | None:
    """What stands in the same clause across a spatial expression, which is another thing: "the cap | on the cap"."""
    start = doc[group.start].idx
    if start not in cues or not found:
        return None
    figure = max(found, key=lambda same: same[0].mentions[-1][1])
    end = figure[0].mentions[-1][1]
    between = {token.lower_ for token in doc.char_span(end, start, alignment_mode="contract") or ()}
    return figure if end <= cues[start] and between.isdisjoint(CLAUSE_BOUNDS) else None


def landmark_starts(doc: Doc) -> dict[int, int]:
    """The characters right after spatial expressions, each with the one at which the expression begins."""
    text = lowered(doc.text)
    ends = {expression.end: expression.start for expression in spatial_expressions(text)}
    return {end + len(text[end:]) - len(text[end:].lstrip()): start for end, start in ends.items()}


def _is_modified_before(doc: Doc, group: NounGroup) -> bool:
    return group.start > 0 and doc[group.start - 1].pos_ in ("ADJ", "ADV", "NOUN", "VERB")


def _agrees(later: Phrase, first: Phrase) -> bool:
    nouns = {later.head, counted_singular(later.head)}  # "the glasses" of "two glasses", one of which is a glass
    is_general = later.head == "one" or first.head in HYPERNYMS.get(later.head, ())  # "the animal"
    is_other_kind = not first.modifiers.isdisjoint(NAMESAKES.get(later.head, frozenset()) - later.modifiers)
    is_same = (first.head in nouns or is_general) and later.owner in (None, first.owner)
    return is_same and not is_other_kind and later.modifiers <= first.modifiers
