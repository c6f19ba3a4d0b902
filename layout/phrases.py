"""Which words of a prompt name objects: `find_phrases`."""

from dataclasses import replace

from spacy.tokens import Doc

from .body_parts import body_parts
from .colours import said_colours
from .contents import contents_again, fill, held_groups
from .counts import instances_of
from .groups import NounGroup, noun_groups
from .mentions import first_mentions, landmark_starts
from .objects import commented_tokens, is_object
from .part_mentions import take_part, take_placed
from .parts import Part, find_parts, in_reading_order
from .phrase import Phrase, coloured, mentioned_again, phrase_of
from .repeats import repeated_groups
from .sums import without_sums
from .things import TOTALS
from .tokens import spatial_tokens
from .words import DEFINITES


def find_phrases(doc: Doc) -> list[Phrase]:
    """
    The objects that a text names, in order: attributes kept, later mentions merged into the first, counts expanded.

    Args:
        doc (`Doc`): Tagged (any label scheme), or with candidate spans in `doc.spans["phrases"]`.
    """
    spatial, skipped, cues = spatial_tokens(doc), commented_tokens(doc), landmark_starts(doc)
    groups = noun_groups(doc, spatial)
    repeated, owners, held = repeated_groups(doc, groups), body_parts(doc, groups), held_groups(doc, groups)
    inner = held.keys() - set(groups)  # the tea of "a cup of tea"
    found: list[list[Phrase]] = []  # one list of instances for each first mention
    named: dict[NounGroup, list[list[Phrase]]] = {}  # those that each group speaks of
    parts = find_parts(doc, groups, spatial)
    whole_starts = {part.whole for part in parts}
    for group in in_reading_order([*groups, *inner], parts):
        if isinstance(group, Part):
            if group.start not in skipped:
                take_part(doc, group, found, cues)
            continue
        phrase = replace(phrase_of(doc, group), owner=owners.get(group))
        is_resumption = phrase.head == "one" and bool(phrase.modifiers)  # "the red one"
        containers = [(container, same) for container in held.get(group, ()) for same in named.get(container, ())]
        is_thing = is_resumption or phrase.head in TOTALS or group not in inner and is_object(doc, group, owners)
        if group.head in skipped or not (is_thing or containers):
            continue
        if not is_resumption and take_placed(doc, group, phrase, found):
            continue
        if containers and doc[group.start].lower_ not in DEFINITES:
            known = contents_again(phrase, found, containers)
        else:
            known = first_mentions(doc, group, phrase, found, cues)
        for same in known:
            same[:] = mentioned_again(same, phrase)
        if not known and not is_resumption:
            found.append(instances_of(doc, group, phrase, repeated.get(group, 1)))
            known = found[-1:]
        colours = said_colours(doc, group.start, group.end, phrase.plural or sum(map(len, known)) > 1)
        for same in known:
            same[:] = [coloured(thing, colours) for thing in same]
            if containers:
                fill(doc, group, same, containers)
        if group.start not in whole_starts:  # "one of two cups | is filled with tea"
            named[group] = known
    return [phrase for instances in without_sums(doc, found) for phrase in instances]
