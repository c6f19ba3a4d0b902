"""Which words of a prompt name objects: `find_phrases`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from spacy.tokens import Doc, Span

from .colours import described, said_colours
from .groups import NounGroup, noun_groups, spatial_tokens, split_number
from .lexicon import (
    CLAUSE_WORDS,
    JOINING_WORDS,
    SIZE_ADJECTIVES,
    WITH_WORDS,
    FoundExpression,
    SpatialExpression,
    lowered,
    spatial_expressions,
)
from .parts import Part, find_parts
from .plurals import PAIRED_THINGS, counted_singular, is_plural, singular, with_article
from .things import (
    ABSTRACT_SUFFIXES,
    ABSTRACT_WORDS,
    ANIMALS,
    BALL_GAMES,
    BODY_PARTS,
    DIRECTION_WORDS,
    HYPERNYMS,
    LIGHT_AND_WEATHER,
    MEDIA_WORDS,
    NAMESAKES,
    OBJECT_COMPOUNDS,
    OBJECT_MAKERS,
    OWNED_BODY_PARTS,
    PEOPLE,
    PICTURE_WORDS,
    SITES,
    SURROUNDINGS,
    TIMES,
    TOTALS,
    UNSEEN_COMPOUNDS,
)
from .words import (
    COLOURS,
    COMMENT_VERBS,
    DEFINITES,
    DETERMINERS,
    LARGE_NUMERALS,
    MOST_INSTANCES,
    NEGATIONS,
    NUMERALS,
    PLACES_IN_ROW,
    POSSESSIVES,
    PURPOSE_WORDS,
    SINGULAR_DETERMINERS,
    number_of,
)


_NO_OBJECTS = DIRECTION_WORDS | PICTURE_WORDS | SURROUNDINGS | BODY_PARTS | LIGHT_AND_WEATHER | TIMES | ABSTRACT_WORDS
_ACTORS = PEOPLE | ANIMALS
_PLACINGS = frozenset(("left of", "right of", "left", "right", "above", "below", "between"))
_OUTLINE = dict.fromkeys("DET ADJ NOUN PROPN CCONJ".split(), "n") | dict.fromkeys(("VERB", "AUX", "ADV", "PRON"), "v")
_TIMES = {"each corner": 4, "both sides": 2}
_FLANKING = ("flanked", "sandwiched")
_SENTENCE_ENDS = frozenset(".!?;\n")
_CLAUSE_BOUNDS = CLAUSE_WORDS | JOINING_WORDS | WITH_WORDS | _SENTENCE_ENDS


@dataclass(frozen=True)
class Phrase:
    """
    One object of the picture.

    Args:
        text (`str`): As the prompt says it ("The silver bed"); one of several in the singular ("a dog"), and with the
            colour that is said of it later ("The red cup" of "The cup is red").
        start, end (`int`): Characters of the prompt that it was read from ("two dogs" for both of them).
        head (`str`): The noun, lower-case singular ("bed").
        modifiers (`frozenset[str]`): The other words, lower-case, without articles and numerals.
        mentions (`tuple[tuple[int, int], ...]`): All places where the prompt speaks of it, the first included.
        plural (`bool`): Whether "them" may mean it: skis, some birds, a person.
    """

    text: str
    start: int
    end: int
    head: str
    modifiers: frozenset[str] = frozenset()
    mentions: tuple[tuple[int, int], ...] = ()
    plural: bool = False

    @property
    def is_person(self) -> bool:
        """Whether it is "he", "she" or "they" rather than "it"."""
        return self.head in PEOPLE


def find_phrases(doc: Doc) -> list[Phrase]:
    """
    The objects that a text names, in order: attributes kept, later mentions merged into the first, counts expanded.

    Args:
        doc (`Doc`): Tagged (any label scheme), or with candidate spans in `doc.spans["phrases"]`.
    """
    spatial, skipped, cues = spatial_tokens(doc), _commented_tokens(doc), _landmark_starts(doc)
    groups = noun_groups(doc, spatial)
    repeated = _repeated_groups(doc, groups)
    found: list[list[Phrase]] = []  # one list of instances for each first mention
    for group in _in_order(groups, find_parts(doc, groups, spatial)):
        if isinstance(group, Part):
            if group.start not in skipped:
                _take_part(doc, group, found, cues)
            continue
        phrase = _phrase_of(doc, group)
        is_resumption = phrase.head == "one" and bool(phrase.modifiers)  # "the red one"
        if group.head in skipped or not (is_resumption or phrase.head in TOTALS or _is_object(doc, group)):
            continue
        if not is_resumption and _take_placed(doc, group, phrase, found):
            continue
        known = _first_mentions(doc, group, phrase, found, cues)
        for same in known:
            same[:] = _mentioned_again(same, phrase)
        if not known and not is_resumption:
            found.append(_instances(doc, group, phrase, repeated.get(group, 1)))
            known = found[-1:]
        colours = said_colours(doc, group.start, group.end, phrase.plural or sum(map(len, known)) > 1)
        for same in known:
            same[:] = [_coloured(thing, colours) for thing in same]
    return [phrase for instances in _without_sums(doc, found) for phrase in instances]


def _phrase_of(doc: Doc, group: NounGroup) -> Phrase:
    span, spans = doc[group.start : group.end], group.spans(doc)
    _, word = split_number(doc[group.head].lower_)
    words = {token.lower_ for part in spans for token in part if token.i != group.head and token.is_alpha}
    is_one = group.shared is not None and span[0].lower_ in SINGULAR_DETERMINERS  # "a red and two blue cups"
    return Phrase(
        text=_text_of(spans, group.head if is_one else None),
        start=span.start_char,
        end=span.end_char,
        head=singular(word),
        modifiers=frozenset(words - DETERMINERS - NUMERALS.keys() - {"of"}),
        mentions=((span.start_char, span.end_char),),
        plural=is_plural(word) and not is_one,
    )


def _text_of(spans: Sequence[Span], counted: int | None) -> str:
    """The words of some spans, the noun at one token (if any) in the singular."""
    return " ".join(_with_singular(span, counted) if counted is not None else span.text for span in spans)


def _with_singular(span: Span, counted: int) -> str:
    words = [token.text_with_ws for token in span]
    if span.start <= counted < span.end:
        token = span.doc[counted]
        words[counted - span.start] = counted_singular(split_number(token.lower_)[1]) + token.whitespace_
    return "".join(words).strip()


def _mentioned_again(same: list[Phrase], phrase: Phrase) -> list[Phrase]:
    """Instances with another place of the prompt added that speaks of them."""
    return [replace(one, mentions=one.mentions + phrase.mentions) for one in same]


# --- objects only -------------------------------------------------------------------------------------------------
def _is_object(doc: Doc, group: NounGroup) -> bool:
    _, word = split_number(doc[group.head].lower_)
    head = singular(word)
    before = {token.lower_ for token in doc[group.start : group.head]}
    around = [token.lower_ for token in doc[max(group.start - 1, 0) : group.end + 1]]
    owned = not before.isdisjoint(POSSESSIVES) or around[0] in ("'s", "’s") or around[-1] == "of"
    if not any(character.isalpha() for character in word) or word[0].isdigit() or _is_negated(doc, group):
        return False
    if head in MEDIA_WORDS and (doc[group.start].lower_ not in DETERMINERS or around[-1] == "of"):
        return False
    if "its" in before and head not in PEOPLE:  # parts: "its screen"
        return False
    if owned and head in OWNED_BODY_PARTS or _is_unseen(doc, group, head):
        return False
    if before & OBJECT_MAKERS:
        return True
    if head in _NO_OBJECTS or word in _NO_OBJECTS or head.endswith(ABSTRACT_SUFFIXES):
        return bool(before & OBJECT_COMPOUNDS.get(head, frozenset())) or head in SITES and _is_placed(doc, group)
    return True


def _is_placed(doc: Doc, group: NounGroup) -> bool:
    """Whether a side is stated of it or to it: "the inn is left of a barn", "left of a barn and an inn"."""
    is_inside = group.start > 0 and doc[group.start - 1].pos_ == "ADP"  # "in the inn to the left of a barn"
    for found in spatial_expressions(lowered(doc.text)):
        span = doc.char_span(found.start, found.end)
        if span is None or found.row is None or found.row.relation not in _PLACINGS:
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
    is_played = head in BALL_GAMES and _word_at(doc, group.start - 1) in ("play", "plays", "playing", "played")
    return is_played or not before.isdisjoint(UNSEEN_COMPOUNDS.get(head, frozenset()))


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


def _commented_tokens(doc: Doc) -> set[int]:
    """Tokens of comments and purposes: ", adding a splash of yellow", "ready for a swim", "in the style of ..."."""
    skipped, inside = set(), False
    for token in doc:
        word = token.lower_
        if word in COMMENT_VERBS and _word_at(doc, token.i - 1) == ",":
            inside = True
        elif word == "style" and _word_at(doc, token.i + 1) == "of":
            inside = True
        elif word in PURPOSE_WORDS and _is_unseen_purpose(doc, token.i + 1):
            inside = True
        elif word in _SENTENCE_ENDS or word in ("with", "while", "and", "but", "which", ","):
            inside = False
        if inside:
            skipped.add(token.i)
    return skipped


def _is_unseen_purpose(doc: Doc, index: int) -> bool:
    """Whether what a thing is ready "for" or "to" do is not seen; "ready to hit a ball" of a batter shows the ball."""
    if _word_at(doc, index) == "for":
        return True
    is_comment = _word_at(doc, index) == "to" and _word_at(doc, index - 2) == ","
    return is_comment and not any(singular(token.lower_) in _ACTORS for token in doc[:index])


def _word_at(doc: Doc, index: int) -> str:
    return doc[index].lower_ if 0 <= index < len(doc) else ""


# --- later mentions -----------------------------------------------------------------------------------------------
def _first_mentions(
    doc: Doc, group: NounGroup, phrase: Phrase, found: list[list[Phrase]], cues: dict[int, int]
) -> list[list[Phrase]]:
    """The instances that "the dog" or "the dogs" speak of again, if any: same noun, no attribute that they lack."""
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
        and (len(same) == 1 or phrase.plural)
        and owner in ("", _owner(doc, doc.char_span(*same[0].mentions[0]).start))
    ]
    matches.sort(key=lambda same: len(phrase.modifiers ^ same[0].modifiers))
    if not phrase.plural:
        return matches[:1]
    count, _ = _count(doc, group)
    return next(([same] for same in matches if len(same) == count > 1), matches)


def _owner(doc: Doc, start: int) -> str:
    """The noun whose "'s" stands before a token, "" for none."""
    return doc[start - 2].lower_ if start > 1 and doc[start - 1].tag_ == "POS" else ""


def _figure_of(doc: Doc, group: NounGroup, found: list[list[Phrase]], cues: dict[int, int]) -> list[Phrase] | None:
    """What stands in the same clause across a spatial expression, which is another thing: "the cap | on the cap"."""
    start = doc[group.start].idx
    if start not in cues or not found:
        return None
    figure = max(found, key=lambda same: same[0].mentions[-1])
    end = figure[0].mentions[-1][1]
    between = {token.lower_ for token in doc.char_span(end, start, alignment_mode="contract") or ()}
    return figure if end <= cues[start] and between.isdisjoint(_CLAUSE_BOUNDS) else None


def _landmark_starts(doc: Doc) -> dict[int, int]:
    """The characters right after spatial expressions, each with the one at which the expression begins."""
    text = lowered(doc.text)
    ends = {expression.end: expression.start for expression in spatial_expressions(text)}
    return {end + len(text[end:]) - len(text[end:].lstrip()): start for end, start in ends.items()}


def _is_modified_before(doc: Doc, group: NounGroup) -> bool:
    return group.start > 0 and doc[group.start - 1].pos_ in ("ADJ", "ADV", "NOUN", "VERB")


def _agrees(later: Phrase, first: Phrase) -> bool:
    same_noun = later.head in (first.head, "one") or first.head in HYPERNYMS.get(later.head, ())  # "the animal"
    is_other_kind = not first.modifiers.isdisjoint(NAMESAKES.get(later.head, frozenset()) - later.modifiers)
    return same_noun and not is_other_kind and later.modifiers <= first.modifiers


# --- parts of what was counted ------------------------------------------------------------------------------------
def _in_order(groups: Sequence[NounGroup], parts: Sequence[Part]) -> list[NounGroup | Part]:
    """Groups and parts as they are read: each part after what it is a part of, instead of the groups inside it."""
    covered = {i: part for part in parts for i in range(part.start, part.end)}
    free = [group for group in groups if group.start not in covered or group.start == covered[group.start].whole]
    starts = {part: part.start if part.whole is None else part.whole for part in parts}
    return sorted([*free, *parts], key=lambda item: (starts.get(item, item.start), item in starts))


def _take_part(doc: Doc, part: Part, found: list[list[Phrase]], cues: dict[int, int]) -> None:
    """Says of some of the things found what "the middle one" or "two of the cups" says; "a red one" may be new."""
    group = NounGroup(part.start, part.end, part.end - 1)
    phrase = _phrase_of(doc, group)
    known = _first_mentions(doc, group, phrase, found, cues) if part.is_definite and part.attributes else []
    contrasted = None if part.is_definite or part.whole is not None else _contrasted(part, found)
    if known:
        known[0][:] = _mentioned_again(known[0], phrase)
    elif contrasted:
        found.append([replace(contrasted, start=phrase.start, end=phrase.end, mentions=phrase.mentions)])
    elif part.whole is not None:
        same = [things for things in found if any(start == doc[part.whole].idx for start, _ in things[0].mentions)]
        for things in same:
            things[:] = _with_part(things, part, phrase) if len(things) > 1 else _split(doc, things[0], part, phrase)
    elif several := _with_others(part, found):
        several += [_attributed(_plain_copy(several[0]), part, phrase)] * part.count
    elif opposed := _opposed(part, found):
        found.append([_attributed(replace(opposed, start=phrase.start, end=phrase.end), part, phrase)])
    elif counted := [things for things in found if len(things) > 1]:
        latest = max(counted, key=lambda things: max(thing.mentions[-1] for thing in things))
        latest[:] = _with_part(latest, part, phrase)
    elif not part.is_definite and part.attributes and (plural := [things[0] for things in found if things[0].plural]):
        text = with_article(" ".join((*part.attributes, plural[-1].head)))
        found.append([replace(phrase, text=text, head=plural[-1].head)])


def _take_placed(doc: Doc, group: NounGroup, phrase: Phrase, found: list[list[Phrase]]) -> bool:
    """Whether "the left cat", "the first two cats" or "the other cats" are some of several cats."""
    place = next((word for word in PLACES_IN_ROW if word in phrase.modifiers), "")
    is_rest = "other" in (token.lower_ for token in doc[group.start : group.head])
    several = [things for things in found if len(things) > 1 and things[0].head == phrase.head]
    count, _ = _count(doc, group)
    if phrase.plural and count == 1:  # "the other cats"
        count = 0
    if not (is_rest or place and count) or not several or doc[group.start].lower_ not in DEFINITES:
        return False
    part = Part(group.start, group.end, count, place, colours=said_colours(doc, group.start, group.end, count != 1))
    several[-1][:] = _with_part(several[-1], part, phrase)
    return True


def _with_part(things: Sequence[Phrase], part: Part, phrase: Phrase) -> list[Phrase]:
    """Several things, of some of which a part speaks: of those that it names, else of the first that are left."""
    common = set.intersection(*(set(thing.mentions) for thing in things))
    free = [i for i, thing in enumerate(things) if set(thing.mentions) <= common]
    named = [i for i, thing in enumerate(things) if set(part.attributes) <= thing.modifiers]
    is_named = part.is_definite and part.attributes and len(named) == 1  # "the red one" again
    chosen = named if is_named else part.indices(len(things), free)
    return [_attributed(thing, part, phrase) if i in chosen else thing for i, thing in enumerate(things)]


def _attributed(thing: Phrase, part: Part, phrase: Phrase) -> Phrase:
    """ "A cup" of which "a red one" speaks: "a red cup"."""
    added = tuple(word for word in part.attributes if word not in thing.modifiers)
    thing = replace(
        thing,
        text=described(thing.text, added),
        modifiers=thing.modifiers.union(added),
        mentions=thing.mentions if part.is_aside else thing.mentions + phrase.mentions,
    )
    return _coloured(thing, part.colours)


def _coloured(thing: Phrase, colours: tuple[str, ...]) -> Phrase:
    """ "A cup" that is said to be red: "a red cup"; what has a colour keeps it."""
    if not colours or not COLOURS.isdisjoint(thing.modifiers):
        return thing
    modifiers = thing.modifiers.union(colours) - JOINING_WORDS
    return replace(thing, text=described(thing.text, colours), modifiers=modifiers)


def _split(doc: Doc, thing: Phrase, part: Part, phrase: Phrase) -> list[Phrase]:
    """The things that "two of the cups" speaks of where nothing else tells of cups."""
    if part.count == 0 or len(thing.mentions) > 1 or not thing.plural:
        return _mentioned_again([thing], phrase)
    words = [token for token in doc[part.whole : part.end] if token.lower_ not in DETERMINERS]
    text = _text_of([doc[words[0].i : part.end]], part.end - 1)
    one = replace(thing, text=with_article(text), plural=False, mentions=phrase.mentions)
    return [_coloured(one, part.colours)] * part.count


def _with_others(part: Part, found: Sequence[list[Phrase]]) -> list[Phrase] | None:
    """What "the other" adds to: the one of "one of the goats", or of "one goat" where nothing else was counted."""
    if not part.is_definite or part.attributes or part.place:
        return None
    is_counted = any(len(things) > 1 for things in found)
    ones = [things for things in found if things[0].text.lower().startswith("one ") and not is_counted]
    split = [things for things in found if (things[0].start, things[0].end) != things[0].mentions[0]]
    return next(reversed(ones + split), None)


def _plain_copy(thing: Phrase) -> Phrase:
    """Another one like it, which nothing is said of: "One red cup" -> "a cup"."""
    words = [word for word in thing.text.split()[1:] if word not in COLOURS | JOINING_WORDS]
    return replace(thing, text=with_article(" ".join(words)), modifiers=thing.modifiers - COLOURS, mentions=())


def _opposed(part: Part, found: Sequence[list[Phrase]]) -> Phrase | None:
    """What "the right one" means after "the left cup": the right cup."""
    if not part.is_definite or not part.place:
        return None
    for thing in (things[0] for things in reversed(found) if len(things) == 1):
        place = next((word for word in PLACES_IN_ROW if word in thing.modifiers), part.place)
        if place != part.place:
            (_, *words) = (part.place if word == place else word for word in _plain_copy(thing).text.split())
            modifiers = thing.modifiers - COLOURS - {place} | {part.place}
            return replace(thing, text=" ".join(("the", *words)), modifiers=modifiers, mentions=())
    return None


def _contrasted(part: Part, found: Sequence[list[Phrase]]) -> Phrase | None:
    """What "a blue one" means after "a red cup": a blue cup."""
    for kind in (COLOURS, SIZE_ADJECTIVES.keys()):
        if kind.isdisjoint(part.attributes):
            continue
        for thing in (things[0] for things in reversed(found) if len(things) == 1):
            if not kind.isdisjoint(thing.modifiers):
                left_out = kind | DETERMINERS | JOINING_WORDS
                words = [word for word in thing.text.replace(",", "").split() if word.lower() not in left_out]
                modifiers = (thing.modifiers - left_out).union(part.attributes)
                return replace(thing, text=with_article(" ".join((*part.attributes, *words))), modifiers=modifiers)
    return None


# --- sums ---------------------------------------------------------------------------------------------------------
_LEAD = re.compile(r"\s*[,(–—-]\s*,?\s*|(?:(?!\band\b)[^,.;:!?\n])*,?\s*:\s*,?\s*")
_LIST_GAP = re.compile(r"\s*(?:,|,?\s*and|&)\s*")


def _without_sums(doc: Doc, found: list[list[Phrase]]) -> list[list[Phrase]]:
    """Leaves out the "three animals" of "three animals: a cat, a dog and a pig", which mean those three."""
    sums, plain = [], _without_orders(doc.text)
    for position, total in enumerate(found):
        later = found[position + 1 :][: 2 * MOST_INSTANCES]
        items = _listed(doc.text, plain, total, later) if len(total) > 1 or total[0].plural else []
        for item in items:
            item[:] = _mentioned_again(item, total[0])
        sums += [position] if items or total[0].head in TOTALS else []
    return [instances for position, instances in enumerate(found) if position not in sums]


def _without_orders(text: str) -> str:
    """ "Three animals, from left to right a cat, ..." with blanks in place of the order."""
    for found in spatial_expressions(lowered(text)):
        if found.kind == "order":
            text = text[: found.start] + " " * (found.end - found.start) + text[found.end :]
    return text


def _listed(text: str, plain: str, total: list[Phrase], later: Sequence[list[Phrase]]) -> list[list[Phrase]]:
    """
    What a counted noun sums up, if anything: as many things in a list right after it, or after a colon; what a plural
    does: several of its kind after a colon.
    """
    items: list[list[Phrase]] = []
    for item in later:
        gap = plain[(items[-1] if items else total)[0].end : item[0].start]
        if (_LIST_GAP if items else _LEAD).fullmatch(gap):
            items.append(item)
        elif items:
            break
    gap = text[total[0].end : items[0][0].start].strip() if items else ""
    are_of_kind = all(item[0].head in HYPERNYMS.get(total[0].head, (total[0].head,)) for item in items)
    if len(total) == 1:
        are_kinds = are_of_kind or total[0].head in HYPERNYMS  # "some pets: ..."
        return items if gap.endswith(":") and len(items) > 1 and are_kinds else []
    is_apposed = gap != "," or are_of_kind  # else perhaps "two dogs, a cat and a pig"
    return items if is_apposed and sum(map(len, items)) == len(total) else []


# --- counts -------------------------------------------------------------------------------------------------------
def _instances(doc: Doc, group: NounGroup, phrase: Phrase, times: int) -> list[Phrase]:
    """ "two ripe apples" -> "a ripe apple" twice; all of it, or each of a bare plural, so many times."""
    count, start = _count(doc, group)
    is_bare = times > 1 and is_plural(doc[group.head if group.measure is None else group.measure].lower_)
    if count < 2 and not is_bare:
        return [phrase] * times
    if count < 2:
        start += doc[start].lower_ in DETERMINERS
    counted = group.measure if group.measure is not None and group.measure >= start else group.head
    text = _text_of(replace(group, start=start).spans(doc), counted)
    return [replace(phrase, text=with_article(text), plural=False)] * (count * times)


def _repeated_groups(doc: Doc, groups: Sequence[NounGroup]) -> dict[NounGroup, int]:
    """How many there are of what is "in each corner" or "on each side", flanks something or stands in a grid."""
    repeated = {}
    for found in spatial_expressions(lowered(doc.text)):
        span = doc.char_span(found.start, found.end)
        if span is None:
            continue
        if found.row is not None and found.row.relation in _TIMES:
            chosen, times = _distributed(span, found.row, groups), _TIMES[found.row.relation]
        else:
            chosen, times = _following(span, found, groups), prod(found.shape) or 2
        is_each = times == 2 and "each" in span.text  # "two jugs on each side"
        repeated |= {group: times for group in chosen if is_each or _count(doc, group)[0] == 1}
    return dict(list(repeated.items())[:MOST_INSTANCES])


def _distributed(span: Span, row: SpatialExpression, groups: Sequence[NounGroup]) -> Sequence[NounGroup]:
    """The star of "a star in each corner" and "in each corner of the yard there is a star", if any."""
    doc = span.doc
    if _word_at(doc, span.start - 1) == "one":
        return []
    if span.start == 0 or doc[span.start - 1].lower_ in _CLAUSE_BOUNDS:
        owners = 1 if row.landmark == "after" else 0
        return [group for group in groups if group.start >= span.end][owners : owners + 1]
    before = [group for group in groups if group.end <= span.start]
    is_listed = len(before) > 1 and doc[before[-2].end : before[-1].start].text == "and"
    return [] if is_listed and row.relation == "both sides" else before[-1:]  # "a cat and a dog on either side"


def _following(span: Span, found: FoundExpression, groups: Sequence[NounGroup]) -> Sequence[NounGroup]:
    """The tree of "flanked by trees", "flanked on each side by a tree" or "two rows of three trees", if any."""
    group = next((group for group in groups if group.start == span.end), None)
    if group is None:
        return []
    is_flanking = span[0].lower_ in _FLANKING and _word_at(span.doc, group.end) != "and"
    is_one_each = is_flanking and "side" in span.text
    is_repeated = is_one_each or is_plural(span.doc[group.head].lower_) and (is_flanking or found.order == "grid")
    return [group] if is_repeated else []


def _count(doc: Doc, group: NounGroup) -> tuple[int, int]:
    """
    How many things a group names, and the token at which the words after the numeral start. Only plurals are counted:
    "a two-story house" and "a ten speed bike" are one each.
    """
    for token in doc[group.start : min(group.head, group.end)]:
        is_measure = token.i == group.measure  # "a couple of dogs"
        number = _number_at(doc, token.i)
        if number > 1:
            counted = group.measure if group.measure is not None and token.i < group.measure else group.head
            word = doc[counted].lower_
            is_one_pair = token.lower_ == "pair" and word in PAIRED_THINGS
            is_counted = number <= MOST_INSTANCES and is_plural(word) and not is_one_pair
            return (number, token.i + (2 if is_measure else 1)) if is_counted else (1, group.start)
    number, _ = split_number(doc[group.head].lower_)
    return (number, group.head) if 1 < number <= MOST_INSTANCES else (1, group.start)


def _number_at(doc: Doc, index: int) -> int:
    """The number that begins at a token ("two", "two dozen", "dozen" after "half a"), 1 for none."""
    word, following = doc[index].lower_, _word_at(doc, index + 1)
    if following == "-":  # "three-legged"
        return 1
    if word == "dozen" and "half" in (_word_at(doc, index - 1), _word_at(doc, index - 2)):
        return 6
    number = number_of(word)
    return number * LARGE_NUMERALS.get(following, 1) if number > 1 else 1
