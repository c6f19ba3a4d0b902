"""Mentions of parts: what "the middle one", "two of the cups" or "a red one" says of the things named before."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from spacy.tokens import Doc

from .colours import described, said_colours
from .counts import count_of
from .groups import NounGroup
from .lexicon import JOINING_WORDS, SENTENCE_ENDS, SIZE_ADJECTIVES
from .mentions import first_mentions, is_elsewhere
from .parts import Part
from .phrase import Phrase, coloured, mentioned_again, phrase_of, text_of
from .plurals import with_article
from .tokens import place_after
from .words import ACTION_VERB_FORMS, COLOURS, DEFINITES, DETERMINERS, PLACES_IN_ROW


def take_part(doc: Doc, part: Part, found: list[list[Phrase]], cues: dict[int, int]) -> None:
    """Says of some of the things found what "the middle one" or "two of the cups" says; "a red one" may be new."""
    group = NounGroup(part.start, part.end, part.end - 1)
    phrase = phrase_of(doc, group)
    known = first_mentions(doc, group, phrase, found, cues) if part.is_definite and part.attributes else []
    contrasted = None if part.is_definite or part.whole is not None else _contrasted(part, found)
    if known:
        known[0][:] = mentioned_again(known[0], phrase)
    elif contrasted:
        found.append([replace(contrasted, start=phrase.start, end=phrase.end, mentions=phrase.mentions)])
    elif part.whole is not None:
        same = [things for things in found if any(start == doc[part.whole].idx for start, _ in things[0].mentions)]
        for things in same:
            things[:] = _with_part(things, part, phrase) if len(things) > 1 else _split(doc, things[0], part, phrase)
    elif several := _with_others(part, found):
        several += [_attributed(_plain_copy(several[0]), part, phrase)] * part.count
    elif opposed := _opposed(part, found) or _elsewhere(doc, part, found):
        found.append([_attributed(replace(opposed, start=phrase.start, end=phrase.end), part, phrase)])
    elif counted := [things for things in found if len(things) > 1]:
        latest = max(counted, key=lambda things: max(thing.mentions[-1][1] for thing in things))
        latest[:] = _with_part(latest, part, phrase)
    elif doc[part.start].lower_ == "another" and (one := _one_before(doc, part, found, cues)):
        found.append([_attributed(replace(one, start=phrase.start, end=phrase.end), part, phrase)])
    elif not part.is_definite and part.attributes and (plural := [things[0] for things in found if things[0].plural]):
        text = with_article(" ".join((*part.attributes, plural[-1].head)))
        found.append([replace(phrase, text=text, head=plural[-1].head)])


def take_placed(doc: Doc, group: NounGroup, phrase: Phrase, found: list[list[Phrase]]) -> bool:
    """Whether "the left cat", "the cat on the left", "the first two cats" or "the other cats" are some of several."""
    told, _ = place_after(doc, group.end)
    told = "middle" if told == "centre" else told
    place = next((word for word in PLACES_IN_ROW if word in phrase.modifiers or word == told), "")
    is_rest = "other" in (token.lower_ for token in doc[group.start : group.head])
    several = [things for things in found if len(things) > 1 and things[0].head == phrase.head]
    count, _ = count_of(doc, group)
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
    return coloured(thing, part.colours)


def _split(doc: Doc, thing: Phrase, part: Part, phrase: Phrase) -> list[Phrase]:
    """The things that "two of the cups" speaks of where nothing else tells of cups."""
    if part.count == 0 or len(thing.mentions) > 1 or not thing.plural:
        return mentioned_again([thing], phrase)
    words = [token for token in doc[part.whole : part.end] if token.lower_ not in DETERMINERS]
    text = text_of([doc[words[0].i : part.end]], part.end - 1)
    one = replace(thing, text=with_article(text), plural=False, mentions=phrase.mentions)
    return [coloured(one, part.colours)] * part.count


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


def _one_before(doc: Doc, part: Part, found: Sequence[list[Phrase]], cues: Collection[int]) -> Phrase | None:
    """
    What "another" means after "one lamp is left of the bed": a lamp, not what something stands at; in "a man holds a
    cup, another sits" the subject.
    """
    ones = [things[0] for things in found if len(things) == 1 and things[0].start not in cues]
    ones = [thing for thing in ones if thing.text.lower().startswith(("a ", "an ", "one "))]
    counted = [thing for thing in ones if thing.text.lower().startswith("one ")]
    is_subject = any(t.pos_ in ("VERB", "AUX") or t.lower_ in ACTION_VERB_FORMS for t in doc[part.end : part.end + 1])
    if is_subject and ones and not counted:
        ones = [one for one in ones if SENTENCE_ENDS.isdisjoint(doc.text[one.start : ones[-1].start])][:1]
    return _plain_copy((counted or ones)[-1]) if ones else None


def _elsewhere(doc: Doc, part: Part, found: Sequence[list[Phrase]]) -> Phrase | None:
    """What "the one on the right" means after "the cat on the left": another cat."""
    if not part.is_definite or part.attributes or part.count != 1:
        return None
    for thing in (things[0] for things in reversed(found) if len(things) == 1):
        if is_elsewhere(doc, part.end, thing):
            return _plain_copy(thing)
    return None


def _contrasted(part: Part, found: Sequence[list[Phrase]]) -> Phrase | None:
    """What "a blue one" means after "a red cup": a blue cup."""
    kinds = [kind for kind in (COLOURS, SIZE_ADJECTIVES.keys()) if not kind.isdisjoint(part.attributes)]
    left_out = DETERMINERS.union(JOINING_WORDS, *kinds)
    for thing in (things[0] for things in reversed(found) if len(things) == 1):
        if any(not kind.isdisjoint(thing.modifiers) for kind in kinds):
            words = [word for word in thing.text.replace(",", "").split() if word.lower() not in left_out]
            modifiers = (thing.modifiers - left_out).union(part.attributes)
            return replace(thing, text=with_article(" ".join((*part.attributes, *words))), modifiers=modifiers)
    return None
