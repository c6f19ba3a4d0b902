"""Which noun groups name objects of the picture: not "the left", "no dog", "in the style of ..."."""

import re
from collections.abc import Container
from itertools import takewhile

from spacy.tokens import Doc, Span

from .groups import NounGroup, split_number
from .lexicon import CLAUSE_WORDS, SENTENCE_ENDS
from .plurals import is_plural, singular
from .things import (
    ABSTRACT_SUFFIXES,
    ABSTRACT_WORDS,
    ACTORS,
    BALL_GAMES,
    BODY_PARTS,
    DIRECTION_WORDS,
    FORMATIONS,
    LIGHT_AND_WEATHER,
    MEDIA_WORDS,
    OBJECT_COMPOUNDS,
    OBJECT_MAKERS,
    OWNED_BODY_PARTS,
    PARTS_OF_THINGS,
    PEOPLE,
    PICTURE_WORDS,
    SITES,
    SURROUNDINGS,
    TIMES,
    UNSEEN_COMPOUNDS,
)
from .tokens import spatial_spans, word_at
from .words import (
    COMMENT_VERBS,
    DETERMINERS,
    DIVIDING_PARTICIPLES,
    LIKENESS_WORDS,
    MAKING_PARTICIPLES,
    NEGATIONS,
    OWNER_ENDINGS,
    POSSESSIVES,
    PURPOSE_WORDS,
    number_of,
)


_NO_OBJECTS = DIRECTION_WORDS | PICTURE_WORDS | SURROUNDINGS | BODY_PARTS | LIGHT_AND_WEATHER | TIMES | ABSTRACT_WORDS
_PLACINGS = frozenset(("left of", "right of", "left", "right", "above", "below", "between"))
_BEFORE_CREDITS = PICTURE_WORDS | MEDIA_WORDS | {",", ""}
_AFTER_CREDITS = ("ADP", "DET", "NUM", "AUX", "PUNCT")
_LONGEST_CREDIT = 20  # tokens
_OUTLINE = dict.fromkeys("DET ADJ NOUN PROPN CCONJ".split(), "n") | dict.fromkeys(("VERB", "AUX", "ADV", "PRON"), "v")


def is_object(doc: Doc, group: NounGroup, parts: Container[NounGroup] = ()) -> bool:
    """Whether a noun group names a thing seen in the picture, and no mere part of another (unless of `parts`)."""
    _, word = split_number(doc[group.head].lower_)
    head = singular(word)
    before = {token.lower_ for token in doc[group.start : group.head]}
    around = [token.lower_ for token in doc[max(group.start - 1, 0) : group.end + 1]]
    owned = not before.isdisjoint(POSSESSIVES) or around[0] in OWNER_ENDINGS or around[-1] == "of"
    if not any(character.isalpha() for character in word) or word[0].isdigit() or _is_negated(doc, group):
        return False
    if group in parts:
        return True
    is_counted = doc[group.start].lower_ in DETERMINERS or number_of(doc[group.start].lower_) > 1
    if head in MEDIA_WORDS and (not is_counted or around[-1] == "of"):
        return False
    if "its" in before and head not in PEOPLE:  # parts: "its screen"
        return False
    if owned and head in OWNED_BODY_PARTS or _is_unseen(doc, group, head):
        return False
    is_of_thing = around[-1] == "of" and word_at(doc, group.end + 1) in DETERMINERS
    if head in PARTS_OF_THINGS and (is_of_thing or is_on_part(doc, group)):
        return False
    if _is_material(doc, group) or _is_formation(doc, group, head):
        return False
    if before & OBJECT_MAKERS:
        return True
    if head in _NO_OBJECTS or word in _NO_OBJECTS or head.endswith(ABSTRACT_SUFFIXES):
        return bool(before & OBJECT_COMPOUNDS.get(head, frozenset())) or head in SITES and _is_placed(doc, group)
    return True


def is_on_part(doc: Doc, group: NounGroup) -> bool:
    """The roof of "a house with a cat on | the roof", which is the house."""
    if word_at(doc, group.start - 1) not in ("on", "onto", "in") or doc[group.start].lower_ != "the":
        return False
    for token in reversed(doc[: group.start]):
        if token.lower_ in CLAUSE_WORDS | SENTENCE_ENDS:
            return False
        if token.lower_ == "with":
            wholes = PARTS_OF_THINGS.get(singular(doc[group.head].lower_), frozenset())
            return singular(word_at(doc, token.i - 1)) in wholes
    return False


def _is_placed(doc: Doc, group: NounGroup) -> bool:
    """Whether a side is stated of it or to it: "the inn is left of a barn", "left of a barn and an inn"."""
    is_inside = group.start > 0 and doc[group.start - 1].pos_ == "ADP"  # "in the inn to the left of a barn"
    for found, span in spatial_spans(doc):
        if found.row is None or found.row.relation not in _PLACINGS:
            continue
        is_fronted = span.start == 0 or doc[span.start - 1].is_punct
        landmarks = "[n,]*|n*v+n*" if is_fronted else "[n,]*"
        if span.end <= group.start and re.fullmatch(landmarks, _letters(doc[span.end : group.start])):
            return True
        if span.start >= group.end and not is_inside and re.fullmatch("n*v*", _letters(doc[group.end : span.start])):
            return True
    return False


def _letters(span: Span) -> str:
    """A letter for each token: "n" in nouns and lists of them, "v" in verbs and around, "," and "x" for all others."""
    return "".join("," if token.text == "," else _OUTLINE.get(token.pos_, "x") for token in span)


def _is_unseen(doc: Doc, group: NounGroup, head: str) -> bool:
    """ "The morning sun", "taking a swing", "playing football": the sun, a swing and a football are objects."""
    before = {token.lower_ for token in doc[max(group.start - 1, 0) : group.head]}
    is_played = head in BALL_GAMES and word_at(doc, group.start - 1) in ("play", "plays", "playing", "played")
    return is_played or not before.isdisjoint(UNSEEN_COMPOUNDS.get(head, frozenset()))


def _is_material(doc: Doc, group: NounGroup) -> bool:
    """ "Made of | metal", but not "made of | three logs"; "cut into | six slices", "shaped like | a heart"."""
    word, before = word_at(doc, group.start - 2), word_at(doc, group.start - 1)
    is_likeness = before == "like" and word in LIKENESS_WORDS or before == "of" and word in ("shape", "texture")
    if is_likeness or before == "into" and word in DIVIDING_PARTICIPLES:
        return True
    making = group.start - (3 if word_at(doc, group.start - 2) == "out" else 2)
    is_made = word_at(doc, making) in MAKING_PARTICIPLES and word_at(doc, group.start - 1) in ("of", "from")
    is_counted = any(number_of(token.lower_) > 1 for token in doc[group.start : group.head])
    return is_made and not is_counted and doc[group.start].lower_ not in DETERMINERS


def _is_formation(doc: Doc, group: NounGroup, head: str) -> bool:
    """ "Six candles in | a circle", "four apples arranged in | a square", but not "a star in | a circle"."""
    if head not in FORMATIONS or word_at(doc, group.start - 1) != "in":
        return False
    last = group.start - 2
    while last > 0 and doc[last].pos_ in ("VERB", "AUX", "ADV"):
        last -= 1
    is_told = last < group.start - 2 or word_at(doc, group.end) == "around" or FORMATIONS[head]
    return last >= 0 and is_plural(doc[last].lower_) and is_told


def _is_negated(doc: Doc, group: NounGroup) -> bool:
    """ "no dog", "without a dog", "neither a dog nor a cat", "without a dog or a cat"."""
    if doc[group.start].lower_ in NEGATIONS:
        return True
    before = [token.lower_ for token in doc[max(group.start - 6, 0) : group.start]]
    if not before:
        return False
    if before[-1] in NEGATIONS or before[-2:] in (["instead", "of"], ["free", "of"], ["rather", "than"]):
        return True
    return before[-1] == "or" and any(word in ("without", "no") for word in before[:-1])


def commented_tokens(doc: Doc) -> set[int]:
    """Tokens of comments, purposes and credits: ", adding a splash of yellow", "ready for a swim", "by Monet"."""
    skipped, inside = set(), False
    for token in doc:
        word = token.lower_
        if word in COMMENT_VERBS and word_at(doc, token.i - 1) == ",":
            inside = True
        elif word == "style" and word_at(doc, token.i + 1) == "of":
            inside = True
        elif word in PURPOSE_WORDS and _is_unseen_purpose(doc, token.i + 1):
            inside = True
        elif word in SENTENCE_ENDS or word in ("with", "while", "and", "but", "which", ","):
            inside = False
        if inside:
            skipped.add(token.i)
        if word == "by" and word_at(doc, token.i - 1) in _BEFORE_CREDITS:
            skipped.update(_credit_after(doc, token.i))
    return skipped


def _credit_after(doc: Doc, index: int) -> list[int]:
    """The tokens of the artists of ", by | greg rutkowski" and "painting by | Monet"; none in ", by | pine trees"."""
    names = list(takewhile(lambda token: token.pos_ not in _AFTER_CREDITS, doc[index + 1 : index + _LONGEST_CREDIT]))
    are_things = any(name.text.islower() and is_plural(name.text) for name in names[-1:])
    return [] if are_things else [name.i for name in names]


def _is_unseen_purpose(doc: Doc, index: int) -> bool:
    """Whether what a thing is ready "for" or "to" do is not seen; "ready to hit a ball" of a batter shows the ball."""
    if word_at(doc, index) == "for":
        return True
    is_comment = word_at(doc, index) == "to" and word_at(doc, index - 2) == ","
    return is_comment and not any(singular(token.lower_) in ACTORS for token in doc[:index])
