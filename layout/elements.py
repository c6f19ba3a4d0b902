"""A prompt as the relations see it: a row of things, pronouns, spatial expressions, verbs and joints."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from math import prod

from spacy.tokens import Doc, Token

from .grids import grid_shape
from .groups import SUBJECT_DEPENDENCIES, NounGroup, noun_groups
from .lexicon import (
    CLAUSE_WORDS,
    FILLERS,
    GROUP_PRONOUNS,
    JOINING_WORDS,
    NEGATING_WORDS,
    PERSON_PRONOUNS,
    PLACES_ALONE,
    POINTING_PRONOUNS,
    RELATIVE_WORDS,
    SENTENCE_ENDS,
    THING_PRONOUNS,
    WITH_WORDS,
    FoundExpression,
    SpatialExpression,
    lowered,
    spatial_expressions,
)
from .objects import is_on_part
from .phrase import Phrase
from .plurals import singular
from .things import BODY_PARTS, CLOTHES, OWNED_BODY_PARTS
from .tokens import spatial_tokens
from .words import ACTION_VERB_FORMS, OWNER_ENDINGS, PLACING_PARTICIPLES, POSSESSIVES, PREPOSITIONS


_PRONOUNS = THING_PRONOUNS | PERSON_PRONOUNS | GROUP_PRONOUNS
_FINITE_VERBS = frozenset("is are was were has have had".split())
_AUXILIARIES = _FINITE_VERBS | frozenset("be been being".split())
_STOPS = SENTENCE_ENDS | {":"}
_PASSING_WORDS = re.compile(r"\b(?:through|across|along|\w+ed to) $")
_ROWS = re.compile(r"\w+ (?:row|line|column)s of ")  # "two rows of cups"
_LINKS = frozenset("of to from than".split())  # with which cues end: "left of", "next to"
_NOUNS = frozenset(("NOUN", "PROPN"))
# Labels of dependency trees, of Universal Dependencies and of spaCy's own English pipelines.
_JOINED_DEPENDENCIES = frozenset("conj appos list parataxis flat dep".split())
_DESCRIBING_DEPENDENCIES = frozenset("nmod acl acl:relcl relcl prep".split())
_CLIMBED_DEPENDENCIES = frozenset("case fixed obl advmod xcomp conj prep pobj acomp".split())


@dataclass(frozen=True)
class Element:
    """
    One item of the row: characters `start` to `end`, the lower-case `text`, and its `kind`:

    "thing" (`things`: indices of phrases), "other" (a noun that is no object), "pronoun" (`is_part`: "their head"),
    "each other", "cue" (`cue`: the row of the lexicon), "order" (`relation`), "verb" (`is_finite`, `is_singular`),
    "agent" (the "by" of a passive), "join" (and, comma), "clause" (while), "with", "relative" (which) and "stop" (end
    of the sentence).
    """

    kind: str
    start: int
    end: int
    text: str
    things: tuple[int, ...] = ()
    cue: SpatialExpression | None = None
    relation: str = ""
    shape: tuple[int, int] = (0, 0)  # rows and columns of the grid that an order names, or that things stand in
    is_finite: bool = False
    is_singular: bool = False
    is_part: bool = False
    is_passed: bool = False  # "through the gate", "tied to a pole"
    is_clothing: bool = False
    asides: frozenset[int] = frozenset()  # of a cue: where things begin that only describe its clause's subject


def read_elements(doc: Doc, phrases: Sequence[Phrase]) -> list[Element]:
    """All elements of a doc in order. Words that decide nothing (adjectives, adverbs, articles) are left out."""
    text = lowered(doc.text)
    elements = _things(text, phrases)
    elements += _outside(_expressions(doc, text, elements), elements)
    groups = [group for group in noun_groups(doc, spatial_tokens(doc)) if not _is_owned_part(doc, group)]
    elements += _outside([_other_noun(doc, group) for group in groups], elements)
    elements += _outside([element for token in doc if (element := _word_element(token))], elements)
    elements = _without_owners(sorted(elements, key=lambda element: element.start), text)
    elements = _without_wholes(elements, phrases)
    elements = _with_grids(elements)
    return _with_gapped_cues(_with_agents(_without_prepositions(_without_contrasts(elements))), text)


def _with_grids(elements: list[Element]) -> list[Element]:
    """ "A row of three | cups", "a 2x2 grid of | cups": things that stand so instead of an order and things."""
    kept: list[Element] = []
    for element in elements:
        before = kept[-1] if kept else None
        is_ahead = before is not None and before.end + 1 == element.start and prod(before.shape) > 0
        if is_ahead and len(element.things) == prod(before.shape):
            kept[-1] = replace(element, start=before.start, shape=before.shape)
        else:
            kept.append(element)
    return kept


def _without_owners(elements: list[Element], text: str) -> list[Element]:
    """Leaves out the dog of "the dog's bowl" and the deck of "next to a deck of cards", which do not stand there."""
    kept: list[Element] = []
    for element in elements:
        gap = text[kept[-1].end : element.start].strip() if kept and element.kind == "thing" else ""
        is_in = len(kept) > 1 and kept[-2].cue is not None and kept[-2].cue.relation == "inside"  # "in the shade of"
        if gap in OWNER_ENDINGS and kept[-1].kind == "thing" or gap == "of" and kept[-1].kind == "other" and not is_in:
            kept.pop()
        kept.append(element)
    return kept


def _without_wholes(elements: list[Element], phrases: Sequence[Phrase]) -> list[Element]:
    """Leaves out the man of "the foot of the man", right after it."""
    previous = [None] + elements[:-1]
    return [
        element
        for element, part in zip(elements, previous)
        if part is None or element.start not in [phrases[index].owner for index in part.things]
    ]


def _without_contrasts(elements: list[Element]) -> list[Element]:
    """Leaves out ", not above," of "below, not above, the dog"."""
    kept: list[Element] = []
    for element in elements:
        kept.append(element)
        if [e.text if e.kind != "cue" else "cue" for e in kept[-4:]] == [",", "not", "cue", ","]:
            del kept[-4:]
    return kept


def _without_prepositions(elements: list[Element]) -> list[Element]:
    """Leaves out the "on" of "on the king's right"."""
    kept: list[Element] = []
    for element in elements:
        kept.append(element)
        is_side = element.cue is not None and element.cue.landmark == "owner" and element.text[0] in "'’s"
        if is_side and [e.text if e.kind == "cue" else e.kind for e in kept[-3:-1]] == ["on", "thing"]:
            del kept[-3]
    return kept


def _with_agents(elements: list[Element]) -> list[Element]:
    """Tells the "by" of an agent from that of a place."""
    marked: list[Element] = []
    for element in elements:
        is_agent = element.kind == "cue" and element.text == "by" and _takes_agent(marked)
        marked.append(replace(element, kind="agent", cue=None) if is_agent else element)
    return marked


def _with_gapped_cues(elements: list[Element], text: str) -> list[Element]:
    """Repeats what a second clause leaves out: "the cup is left of the jar and the clock (left) of the mirror"."""
    complete: list[Element] = []
    for element in elements:
        if element.kind == "thing" and (cue := _gapped_cue(complete, text, element.start)):
            complete.append(replace(cue, start=complete[-1].end, end=element.start, asides=frozenset()))
        complete.append(element)
    return complete


def _gapped_cue(before: Sequence[Element], text: str, start: int) -> Element | None:
    """The cue that what is said between two things, its last word or nothing, stands for; None if no cue."""
    if len(before) < 4 or [element.kind for element in before[-2:]] != ["join", "thing"]:
        return None
    joined = list(takewhile(lambda element: element.kind in ("thing", "join"), reversed(before)))
    cue = before[-len(joined) - 1] if len(joined) < len(before) else None
    if cue is None or cue.cue is None or cue.cue.landmark not in ("after", "maybe"):
        return None
    gap = text[before[-1].end : start].split()
    last = cue.text.split()[-1:]
    is_repeated = gap == last if last[0] in _LINKS else not gap
    return cue if is_repeated and joined[-1].kind == "thing" else None


def _takes_agent(before: Sequence[Element]) -> bool:
    """Whether "by" tells who does it: "pulled | by", "flanked on the left | by", "by a monk and on the right | by"."""
    place = before[-1].cue if before else None
    is_placed = place is not None and place.landmark in PLACES_ALONE | {"owner"}
    governor = before[-2:-1] if is_placed else before[-1:]
    if not governor:
        return False
    if governor[0].kind == "verb":
        return governor[0].text.endswith(("ed", "en")) and governor[0].text not in PLACING_PARTICIPLES
    is_further = governor[0].kind == "join" and (is_placed or governor[0].text == "and")
    return is_further and any(element.kind == "agent" or element.text.endswith(" by") for element in before)


def _things(text: str, phrases: Sequence[Phrase]) -> list[Element]:
    spans: dict[tuple[int, int], list[int]] = {}
    for index, phrase in enumerate(phrases):
        for span in phrase.mentions:
            spans.setdefault(span, []).append(index)
    for span in _inner(spans):
        del spans[span]
    return [_thing(text, span, tuple(indices), phrases[indices[0]].head in CLOTHES) for span, indices in spans.items()]


def _inner(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The "three cups" of "the leftmost of three cups"."""
    inner, reached = [], 0
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        inner += [(start, end)] if end <= reached else []
        reached = max(reached, end)
    return inner


def _thing(text: str, span: tuple[int, int], indices: tuple[int, ...], is_clothing: bool) -> Element:
    start, end = span
    is_passed = _PASSING_WORDS.search(text[max(start - 30, 0) : start]) is not None
    shape = grid_shape(text[start:end]) if len(indices) > 1 and _ROWS.match(text[start:end]) else (0, 0)
    return Element(
        "thing", start, end, text[start:end], indices, is_passed=is_passed, is_clothing=is_clothing, shape=shape
    )


def _expressions(doc: Doc, text: str, things: Sequence[Element]) -> list[Element]:
    elements = []
    subjects = {token.head.i: token for token in reversed(doc) if token.dep_ in SUBJECT_DEPENDENCIES}  # the first
    for found in spatial_expressions(text):
        word = "and" if found.kind == "join" else text[found.start : found.end]
        asides = _asides(doc, found, things, subjects) if found.row else frozenset()
        span = found.kind, found.start, found.end
        elements.append(Element(*span, word, cue=found.row, relation=found.order, shape=found.shape, asides=asides))
    return [element for element in elements if element.kind != "idle"]


def _asides(
    doc: Doc, found: FoundExpression, things: Sequence[Element], subjects_of: Mapping[int, Token]
) -> frozenset[int]:
    """Of "the girl with the umbrella is above ..." the umbrella: what a parser hangs below the subject of a cue."""
    subject = _subject_of(doc, found.start, found.end, subjects_of)
    if subject is None or subject.lower_ in RELATIVE_WORDS:
        return frozenset()
    heads, described = [subject], []
    for head in heads:  # grows on the way
        heads += [child for child in head.children if child.dep_ in _JOINED_DEPENDENCIES]
        described += [child for child in head.children if child.dep_ in _DESCRIBING_DEPENDENCIES]
    subjects = {token.idx for token in heads}
    nouns = {token.idx for child in described for token in child.subtree if token.pos_ in _NOUNS}
    spans = [range(thing.start, thing.end) for thing in things] if nouns else []
    if all(subjects.isdisjoint(span) for span in spans):  # "the hood of the car is left of ..."
        return frozenset()
    return frozenset(span.start for span in spans if subjects.isdisjoint(span) and not nouns.isdisjoint(span))


def _subject_of(doc: Doc, start: int, end: int, subjects: Mapping[int, Token]) -> Token | None:
    """The subject of the clause that a spatial expression belongs to, where that is a matter of the verb."""
    span = doc.char_span(start, end, alignment_mode="expand")
    token = span.root if span is not None and len(span) and doc.has_annotation("DEP") else None
    while token is not None:
        if token.i in subjects:
            return subjects[token.i] if subjects[token.i].idx < start else None
        token = token.head if token.dep_ in _CLIMBED_DEPENDENCIES and token.head is not token else None
    return None


def _is_owned_part(doc: Doc, group: NounGroup) -> bool:
    """ "The king's | head" and "the head of the king" are the king."""
    is_before = group.end < len(doc) and doc[group.end].lower_ == "of"
    owned = is_before or group.start > 0 and doc[group.start - 1].lower_ in OWNER_ENDINGS
    return owned and singular(doc[group.head].lower_) in BODY_PARTS


def _other_noun(doc: Doc, group: NounGroup) -> Element:
    """A noun that is no object; "their head" stands for them, "its lid" for it, as "the lid" of what has one."""
    first, head, last = doc[group.start], doc[group.head], doc[min(group.head, group.end - 1)]
    if head.lower_ in POINTING_PRONOUNS:
        return Element("pronoun", first.idx, last.idx + len(last), head.lower_)
    is_part = first.lower_ == "its" or singular(head.lower_) in BODY_PARTS | OWNED_BODY_PARTS
    if first.lower_ in POSSESSIVES and is_part:
        return Element("pronoun", first.idx, last.idx + len(last), first.lower_, is_part=True)
    if is_on_part(doc, group):
        return Element("pronoun", first.idx, last.idx + len(last), "it", is_part=True)
    return Element("other", first.idx, last.idx + len(last), head.lower_)


def _outside(candidates: list[Element], taken: list[Element]) -> list[Element]:
    """Those candidates that share no character with what has been taken (both without overlaps of their own)."""
    covered = {position for element in taken for position in range(element.start, element.end)}
    return [element for element in candidates if covered.isdisjoint(range(element.start, element.end))]


def _word_element(token: Token) -> Element | None:
    word = token.lower_
    kind = _word_kind(token, word)
    if kind is None:
        return None
    return Element(
        kind,
        token.idx,
        token.idx + len(token),
        word,
        is_finite=word in _FINITE_VERBS or token.tag_ in ("VBZ", "VBD", "VBP") or _looks_finite(token),
        is_singular=token.tag_ == "VBZ" or word in ACTION_VERB_FORMS and word.endswith("s"),
    )


def _stands_alone(token: Token) -> bool:
    """ "Both" as a pronoun: "to the right of | both", ", | both under a lamp", but not "them both"."""
    is_last = token.i + 1 == len(token.doc) or token.nbor().is_punct
    is_first = token.i > 0 and token.nbor(-1).is_punct and not is_last and token.nbor().pos_ == "ADP"
    return is_first or is_last and token.i > 0 and token.nbor(-1).lower_ not in _PRONOUNS


def _is_passive(token: Token) -> bool:
    """ "Was overtaken", whatever the tagger says."""
    after_be = token.i > 0 and token.nbor(-1).lower_ in _AUXILIARIES
    return after_be and len(token) > 4 and token.lower_.endswith(("ed", "en"))


def _follows_preposition(token: Token) -> bool:
    """ "Above | that is a shelf" """
    return token.i > 0 and token.nbor(-1).lower_ in PREPOSITIONS


def _looks_finite(token: Token) -> bool:
    """Without a tagger: "stands", "stood"."""
    return not token.tag_ and token.lower_ in ACTION_VERB_FORMS and not token.lower_.endswith(("ing", "ed"))


def _word_kind(token: Token, word: str) -> str | None:
    if word in _STOPS or "\n" in token.text:
        return "stop"
    if word in RELATIVE_WORDS:
        return "pronoun" if word in POINTING_PRONOUNS and _follows_preposition(token) else "relative"
    if word in JOINING_WORDS:
        return "join"
    if word in WITH_WORDS:
        return "with"
    if word in CLAUSE_WORDS:
        return "clause"
    if word in _PRONOUNS or word == "both" and _stands_alone(token):
        return "pronoun"
    if word in FILLERS:
        return None
    is_verb = token.pos_ in ("VERB", "AUX") if token.pos_ else word.endswith(("ing", "ed"))
    is_verb = is_verb or word in ACTION_VERB_FORMS or _is_passive(token)
    return "verb" if is_verb or word in NEGATING_WORDS else None
