"""A prompt as the relations see it: a row of things, pronouns, spatial expressions, verbs and joints."""

from collections.abc import Sequence
from dataclasses import dataclass

from spacy.tokens import Doc, Token

from .groups import NounGroup, noun_groups
from .lexicon import (
    CLAUSE_WORDS,
    FILLERS,
    GROUP_PRONOUNS,
    JOINING_WORDS,
    PERSON_PRONOUNS,
    RELATIVE_WORDS,
    THING_PRONOUNS,
    WITH_WORDS,
    SpatialExpression,
    lowered,
    spatial_expressions,
)
from .phrases import Phrase
from .plurals import singular
from .things import BODY_PARTS, OWNED_BODY_PARTS
from .words import ACTION_VERB_FORMS, POSSESSIVES


_PRONOUNS = THING_PRONOUNS | PERSON_PRONOUNS | GROUP_PRONOUNS
_FINITE_VERBS = frozenset("is are was were has have had".split())
_STOPS = frozenset(".!?;:\n")


@dataclass(frozen=True)
class Element:
    """
    One item of the row: characters `start` to `end`, the lower-case `text`, and its `kind`:

    "thing" (`things`: indices of phrases), "other" (a noun that is no object), "pronoun" (`is_part`: "their head"),
    "each other", "cue" (`cue`: the row of the lexicon), "order" (`relation`), "verb" (`is_finite`, `is_singular`),
    "join" (and, comma), "clause" (while), "with", "relative" (which) and "stop" (end of the sentence).
    """

    kind: str
    start: int
    end: int
    text: str
    things: tuple[int, ...] = ()
    cue: SpatialExpression | None = None
    relation: str = ""
    is_finite: bool = False
    is_singular: bool = False
    is_part: bool = False
    after_both: bool = False  # "both the cup and ...", "both of which"


def read_elements(doc: Doc, phrases: Sequence[Phrase]) -> list[Element]:
    """All elements of a doc in order. Words that decide nothing (adjectives, adverbs, articles) are left out."""
    text = lowered(doc.text)
    elements = _things(text, phrases)
    elements += _outside(_expressions(text), elements)
    elements += _outside([_other_noun(doc, group) for group in noun_groups(doc)], elements)
    elements += _outside([element for token in doc if (element := _word_element(token))], elements)
    return sorted(elements, key=lambda element: element.start)


def _things(text: str, phrases: Sequence[Phrase]) -> list[Element]:
    spans: dict[tuple[int, int], list[int]] = {}
    for index, phrase in enumerate(phrases):
        for span in phrase.mentions:
            spans.setdefault(span, []).append(index)
    return [
        Element("thing", start, end, text[start:end], tuple(indices), after_both=text[:start].endswith("both "))
        for (start, end), indices in spans.items()
    ]


def _expressions(text: str) -> list[Element]:
    elements = []
    for found in spatial_expressions(text):
        kind = "cue" if found.row else "order" if found.order else "each other"
        word = text[found.start : found.end]
        elements.append(Element(kind, found.start, found.end, word, cue=found.row, relation=found.order))
    return elements


def _other_noun(doc: Doc, group: NounGroup) -> Element:
    """A noun that is no object; "their head" stands for them."""
    first, head = doc[group.start], doc[group.head]
    if first.lower_ in POSSESSIVES and singular(head.lower_) in BODY_PARTS | OWNED_BODY_PARTS:
        return Element("pronoun", first.idx, head.idx + len(head), first.lower_, is_part=True)
    return Element("other", first.idx, head.idx + len(head), head.lower_)


def _outside(candidates: list[Element], taken: list[Element]) -> list[Element]:
    """Those candidates that share no character with what has been taken (both without overlaps of their own)."""
    covered = {position for element in taken for position in range(element.start, element.end)}
    return [element for element in candidates if covered.isdisjoint(range(element.start, element.end))]


def _word_element(token: Token) -> Element | None:
    word = token.lower_
    kind = _word_kind(token, word)
    if kind is None:
        return None
    before = token.doc[max(token.i - 2, 0) : token.i].text.lower()
    return Element(
        kind,
        token.idx,
        token.idx + len(token),
        word,
        is_finite=word in _FINITE_VERBS or token.tag_ in ("VBZ", "VBD", "VBP"),
        is_singular=word in ("is", "was", "has") or token.tag_ == "VBZ",
        after_both=before == "both of",
    )


def _word_kind(token: Token, word: str) -> str | None:
    if word in _STOPS or "\n" in token.text:
        return "stop"
    if word in RELATIVE_WORDS:
        return "relative"
    if word in JOINING_WORDS:
        return "join"
    if word in WITH_WORDS:
        return "with"
    if word in CLAUSE_WORDS:
        return "clause"
    if word in _PRONOUNS:
        return "pronoun"
    if word in FILLERS:
        return None
    is_verb = token.pos_ in ("VERB", "AUX") if token.pos_ else word.endswith(("ing", "ed"))
    return "verb" if is_verb or word in ACTION_VERB_FORMS or word in ("not", "n't") else None
