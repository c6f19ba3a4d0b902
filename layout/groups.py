"""Noun groups: every run of words around a noun ("a shiny red car"), object or not, that a prompt contains."""

from dataclasses import dataclass

from spacy.tokens import Doc, Token

from .lexicon import lowered, spatial_expressions
from .plurals import counted_singular, is_plural, singular
from .things import BODY_PARTS, CONTAINERS, DEPICTIONS, DIRECTION_WORDS, MEASURES, MEDIA_WORDS, PEOPLE
from .words import (
    ACTION_VERB_FORMS,
    ACTION_VERBS,
    ARTICLES,
    COMPOUND_PARTICIPLES,
    DEFINITES,
    DETERMINERS,
    POSSESSIVES,
    PREDETERMINERS,
    VERB_PASTS,
)


PHRASE_SPANS = "phrases"  # where a chunker that needs no model leaves its candidates
_GROUP_NOUNS = ("NOUN", "PROPN")
_NOMINAL_ROLES = frozenset("nsubj nsubj:pass nsubjpass obj dobj iobj obl pobj nmod".split())
_GROUP_PERSONS = frozenset(("someone", "somebody"))
_SIDE_WORDS = frozenset("left right top bottom front next close near".split())


@dataclass(frozen=True)
class NounGroup:
    """Tokens `start` to `end` (exclusive) of a doc, its noun `head` and the `measure` of "a pair of skis" (pair)."""

    start: int
    end: int
    head: int
    measure: int | None = None


def noun_groups(doc: Doc) -> list[NounGroup]:
    """
    All noun groups in order, without overlap. "A pair of skis" and "a cup of tea" are one group each.

    With a tagger the parts of speech decide (they are more reliable than a small parser's tree, and the same in all
    label schemes); without one the spans that a chunker left in `doc.spans["phrases"]`.
    """
    groups = _tagged_groups(doc) if doc.has_annotation("POS") else _chunked_groups(doc)
    return _join_measures(doc, groups)


def _tagged_groups(doc: Doc) -> list[NounGroup]:
    groups, start = [], 0
    spatial = _spatial_tokens(doc)
    while start < len(doc):
        group = _group_from(doc, start, spatial) if start not in spatial and _opens_group(doc[start]) else None
        if group:
            groups.append(group)
        start = group.end if group else start + 1
    return groups


def _spatial_tokens(doc: Doc) -> set[int]:
    """Tokens of spatial expressions of several words ("to the immediate left of"): their nouns name no things."""
    spans = [doc.char_span(found.start, found.end) for found in spatial_expressions(lowered(doc.text))]
    return {token.i for span in spans if span is not None and len(span) > 1 for token in span}


def _is_noun(token: Token) -> bool:
    """Whether tagger or parser take a word for a noun (each alone is wrong now and then)."""
    if token.is_space or token.is_punct:
        return False
    if token.pos_ in _GROUP_NOUNS or token.tag_.startswith("NN") or token.lower_ in _GROUP_PERSONS:
        return True
    in_compound = token.i > 0 and token.nbor(-1).pos_ in _GROUP_NOUNS and token.lower_ not in ACTION_VERB_FORMS
    return in_compound and token.pos_ in ("ADJ", "VERB", "X") and token.dep_ in _NOMINAL_ROLES


def _opens_group(token: Token) -> bool:
    is_last = token.i + 1 == len(token.doc)
    if token.lower_ in PREDETERMINERS and not is_last and token.nbor().lower_ in DETERMINERS:  # "both the cats"
        return False
    after_noun = token.i > 0 and _is_noun(token.nbor(-1))
    if after_noun and (token.tag_ in ("VBN", "VBG") or _is_verb_after(token, token.nbor(-1))):
        return False
    return (
        token.pos_ in ("DET", "NUM", "ADJ")
        or _is_noun(token)
        or token.lower_ in POSSESSIVES
        or token.tag_ in ("VBN", "VBG")
        and token.dep_ in ("amod", "compound")
    )


def _group_from(doc: Doc, start: int, barred: set[int]) -> NounGroup | None:
    """The group that begins at a token: modifiers up to the last noun before something else begins."""
    end, head = start, None
    while end < len(doc) and end not in barred and _continues_group(doc, start, end, head):
        if _is_noun(doc[end]):
            head = end
        end += 1
    if head is None and doc[start].lower_ in ARTICLES:
        head = _mistagged_noun(doc, start, end)
    return None if head is None else NounGroup(start, head + 1, head)


def _continues_group(doc: Doc, start: int, index: int, head: int | None) -> bool:
    token, previous = doc[index], doc[index - 1] if index else None
    following = doc[index + 1] if index + 1 < len(doc) else None
    if index == start:
        return True
    if token.lower_ in DETERMINERS:
        return head is None and previous.lower_ in DETERMINERS
    if token.text == "-":
        return not previous.whitespace_ and not token.whitespace_ and following is not None
    if token.tag_ == "POS":
        return head is not None and not _owner_is_thing(doc, start, index)
    if head is None:
        return _is_premodifier(doc, start, index)
    if token.lower_ in COMPOUND_PARTICIPLES:  # "a snow covered car"
        return following is not None and (_is_noun(following) or following.pos_ == "ADJ")
    if token.lower_ in _SIDE_WORDS and not (following is not None and _is_noun(following)):  # "the cat | left of"
        return False
    if _is_noun(token):
        return not _is_verb_after(token, previous)
    return token.pos_ in ("ADJ", "NUM") and following is not None and following.pos_ in _GROUP_NOUNS


def _is_verb_after(token: Token, noun: Token) -> bool:
    """Whether a supposed noun after a noun is its verb: "the donut | sits", "sheep | block the road"."""
    word = token.lower_
    if word in ACTION_VERBS:
        return is_plural(noun.lower_)
    if word not in ACTION_VERB_FORMS or word in VERB_PASTS and token.tag_ == "NN":  # "a tea set"
        return False
    if word.endswith("ing") and singular(noun.lower_) in PEOPLE:  # "a person riding skis"
        return True
    return not (token.i + 1 < len(token.doc) and _is_noun(token.nbor()))


def _owner_is_thing(doc: Doc, start: int, index: int) -> bool:
    """Whether the owner is a thing of its own: "the dog's left", "the man's hat", but not "a bird's nest"."""
    owned = {singular(token.lower_) for token in doc[index + 1 : index + 3]}
    return doc[start].lower_ in DEFINITES or not owned.isdisjoint(DIRECTION_WORDS | BODY_PARTS)


def _is_premodifier(doc: Doc, start: int, index: int) -> bool:
    """Whether a token may stand between the first word of a group and its noun."""
    token = doc[index]
    if token.lower_ in ACTION_VERB_FORMS and doc[index - 1].lower_ not in DETERMINERS and _is_verb_after(token, token):
        return False  # "an adult | standing"
    if token.pos_ in ("ADJ", "NUM", "X", "SYM") or _is_noun(token):
        return True
    if token.pos_ in ("VERB", "ADV", "INTJ") or token.pos_ == "AUX" and index == start + 1:
        determined = doc[start].lower_ in DETERMINERS or doc[start].pos_ == "NUM"
        return determined or token.dep_ in ("amod", "advmod") and token.head.i > index
    if token.text == "," or token.pos_ == "CCONJ":  # "a big, old tree", "a black and white cat"
        sides = doc[index - 1], doc[min(index + 1, len(doc) - 1)]
        joined = all(side.pos_ in ("ADJ", "VERB", "NOUN") for side in sides) and sides[0].pos_ != "NOUN"
        return joined and sides[1].lower_ not in DETERMINERS
    return False


def _mistagged_noun(doc: Doc, start: int, end: int) -> int | None:
    """After an article there has to be a noun ("the orange", "a remote"): the last word before the next boundary."""
    words = [i for i in range(start + 1, end) if doc[i].is_alpha]
    while len(words) > 1 and (doc[words[-1]].lower_ in ACTION_VERB_FORMS or doc[words[-1]].pos_ == "ADV"):
        words.pop()
    return words[-1] if words else None


def _chunked_groups(doc: Doc) -> list[NounGroup]:
    """The spans of a chunker, parted at "of", less verbs ("a horse | gallops") and predicates ("is happy")."""
    groups, spatial = [], _spatial_tokens(doc)
    for span in doc.spans.get(PHRASE_SPANS, ()):
        if span.start in spatial:
            continue
        cuts = [token.i for token in span if token.lower_ == "of"] + [span.end]
        starts = [span.start] + [cut + 1 for cut in cuts[:-1]]
        groups += [group for start, end in zip(starts, cuts) if (group := _trimmed_group(doc, start, end))]
    return groups


def _trimmed_group(doc: Doc, start: int, end: int) -> NounGroup | None:
    words = [token.lower_ for token in doc[start:end]]
    while len(words) > 1 and words[0] in PREDETERMINERS and words[1] in DETERMINERS:
        words.pop(0)
    while len(words) > 1 and words[-1] in ACTION_VERB_FORMS and words[-2] not in DETERMINERS:
        words.pop()
        end -= 1
    is_predicate = len(words) == 1 and end > 1 and doc[end - 2].lower_ in VERB_PASTS
    if not words or is_predicate and not is_plural(words[0]):
        return None
    return NounGroup(end - len(words), end, end - 1)


def _is_whole(doc: Doc, group: NounGroup, nouns: set[str], content: NounGroup) -> bool:
    """A cup (of tea) or a statue (of a king); but a painting that opens the text is the picture itself."""
    if nouns & DEPICTIONS:
        return group.start > 0 or not nouns & MEDIA_WORDS
    return bool(nouns & CONTAINERS) and singular(doc[content.head].lower_) not in PEOPLE


def _join_measures(doc: Doc, groups: list[NounGroup]) -> list[NounGroup]:
    """Joins "a pair" + "scissors" (about the scissors) and "a cup" + "tea" (about the cup) across an "of"."""
    joined: list[NounGroup] = []
    for group in reversed(groups):
        following = joined[-1] if joined else None
        adjacent = following is not None and following.start == group.end + 1 and doc[group.end].lower_ == "of"
        nouns = {singular(doc[group.head].lower_), counted_singular(doc[group.head].lower_)}
        if adjacent and nouns & MEASURES:
            joined[-1] = NounGroup(group.start, following.end, following.head, measure=group.head)
        elif adjacent and _is_whole(doc, group, nouns, following):
            joined[-1] = NounGroup(group.start, following.end, group.head)
        else:
            joined.append(group)
    return joined[::-1]
