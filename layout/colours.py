"""Colours that a text says of a thing once it has named it: "the cup is dark red"."""

from itertools import takewhile

from spacy.tokens import Doc, Span

from .groups import SUBJECT_DEPENDENCIES
from .lexicon import CLAUSE_WORDS, RELATIVE_WORDS, SENTENCE_ENDS, SIZE_ADJECTIVES
from .plurals import with_article
from .tokens import place_after, word_at
from .words import BEING_PLURAL, BEING_SINGULAR, COLOURS, DETERMINERS, PLACES_IN_ROW, SUPERLATIVES, collect_words


_SHADES = collect_words("bright dark light pale deep")
_AHEAD_OF_COLOURS = SIZE_ADJECTIVES.keys() | PLACES_IN_ROW.keys() | SUPERLATIVES
_BEFORE_SUBJECTS = frozenset(". ! ? ; : \n , and but 's ’s".split(" "))
_BEING = BEING_SINGULAR, BEING_PLURAL


def said_colours(doc: Doc, start: int, end: int, are_several: bool) -> tuple[str, ...]:
    """
    The words of the colour that is said of the noun group, one thing or several, at tokens `start` to `end`: "The cup
    | is dark red", "cups | which are black and white", "the cup on the left | is red", and after such words of another
    thing in the sentence "the plate | blue".
    """
    _, verb = place_after(doc, end)
    verb += word_at(doc, verb) == "," and word_at(doc, verb + 1) in RELATIVE_WORDS
    is_relative = word_at(doc, verb) in RELATIVE_WORDS
    verb += is_relative
    if not is_relative and not _opens_clause(doc, start):
        return ()
    if word_at(doc, verb) not in _BEING[are_several]:
        before = takewhile(lambda i: word_at(doc, i) not in SENTENCE_ENDS, range(start - 1, -1, -1))
        if not any(word_at(doc, i) in _BEING[0] | _BEING[1] and _is_said(doc, i + 1) for i in before):
            return ()
        verb = end - 1
    elif not is_relative and not _is_subject(doc[start:end]):
        return ()
    last = verb + 1 + (word_at(doc, verb + 1) in _SHADES)
    if not _is_said(doc, last):
        return ()
    while word_at(doc, last + 1) == "and" and _is_said(doc, last + 2):
        last += 2
    return tuple(token.lower_ for token in doc[verb + 1 : last + 1])


def _opens_clause(doc: Doc, start: int) -> bool:
    """Whether a clause may begin with the group: not with the table of "a cup on a table is red"."""
    before = word_at(doc, start - 1) if start else "."
    return before in _BEFORE_SUBJECTS or before in CLAUSE_WORDS


def _is_subject(group: Span) -> bool:
    """Whether a parser, if any, takes it for a subject: not the hat of "a man with a scarf and a hat is black"."""
    return not group.doc.has_annotation("DEP") or any(token.dep_ in SUBJECT_DEPENDENCIES for token in group)


def _is_said(doc: Doc, index: int) -> bool:
    """Whether a colour stands there by itself: not in "is orange juice" or "is red-hot"."""
    if word_at(doc, index) not in COLOURS:
        return False
    following = doc[index + 1] if index + 1 < len(doc) else None
    return following is None or following.text != "-" and following.pos_ not in ("NOUN", "PROPN")


def described(text: str, words: tuple[str, ...]) -> str:
    """The text of a phrase with more words before its noun: "The big cup" -> "The big red cup"."""
    first, *others = text.split(" ")
    if not words:
        return text
    if first.lower() not in DETERMINERS | {"one"}:
        return " ".join((*words, text))
    size = sum(1 for _ in takewhile(_AHEAD_OF_COLOURS.__contains__, others))
    noun = " ".join((*others[:size], *words, *others[size:]))
    if first.lower() not in ("a", "an"):
        return f"{first} {noun}"
    return f"the {noun}" if SUPERLATIVES.intersection(words) else f"{first[0]}{with_article(noun)[1:]}"
