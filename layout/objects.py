"""What of a reading gets a region: `objects_of`, one by one, each with what belongs to it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, cycle, pairwise, product

from .held import held_in
from .implied import SIDE_RELATIONS, implied_by_places, with_between_in_order
from .reading import Reading, Statement
from .regions import Relation, grouped
from .vocabulary import PLACES, are_opposed
from .words import DETERMINERS, NUMERALS, head_and_modifiers, one_of, with_article


MOST_INSTANCES = 12  # larger counts stay one region
LONGEST_DESCRIPTION = 30  # words
_POSSESSIVE = re.compile(r"\A(?:his|her|its|their|the) ", re.I)
_SPREAD = {"corners": ("top left", "top right", "bottom left", "bottom right"), "sides": ("left", "right")}
_HANDS = ("left", "right")
_MOST_BESIDE = 2  # things at one holder, or holders of one thing: as many as there are sides
_LINES = {"row": "left of", "column": "above", "stack": "on"}
# "One", "the left one": words that name a member by its place among the others alone.
_PRONOMINAL = frozenset(
    "a an the of one ones first second third fourth fifth sixth last other others another latter former left right"
    " middle center centre central top bottom upper lower rest remaining two three four five six them these those"
    " each leftmost rightmost topmost outer inner front back rear next far near nearest furthest both pair".split()
)
_NAMELESS = _PRONOMINAL | DETERMINERS | NUMERALS


@dataclass(frozen=True)
class Thing:
    """One thing that gets a region."""

    phrase: str  # as the prompt says it; of several, one: "a dog"
    description: str | None  # with what belongs to it: "a man with black hair in a red coat"; None where nothing does
    head: str  # see `Entity`
    modifiers: frozenset[str]
    start: int  # of its characters in the prompt; the same for each of "two dogs"
    end: int
    holders: tuple[int, ...] = ()  # of the things that hold it, their indices
    hand: str = ""  # "left" or "right" if it is in that hand of theirs


def held_pairs(things: Sequence[Thing]) -> list[tuple[int, int]]:
    """Indices of what is held, each with that of a holder."""
    return [(index, holder) for index, thing in enumerate(things) for holder in thing.holders]


def held_beside(things: Sequence[Thing], relations: Sequence[Relation]) -> list[Relation]:
    """
    Where things are at their holders: at the side of that hand, or "touching". Pairs of which something is stated are
    left out, those with something that is inside another thing, and those for which there are too few sides.
    """
    stated = {frozenset(relation.ends) for relation in relations}
    inside = {relation.subject for relation in relations if relation.relation == "inside"}
    pairs = [pair for pair in held_pairs(things) if frozenset(pair) not in stated and inside.isdisjoint(pair)]
    number = Counter(index for pair in pairs for index in pair)
    few = [pair for pair in pairs if max(number[index] for index in pair) <= _MOST_BESIDE]
    return [Relation(index, SIDE_RELATIONS.get(things[index].hand, "touching"), holder) for index, holder in few]


def objects_of(reading: Reading) -> tuple[list[Thing], list[Relation]]:
    """
    Everything that gets a region, in the order of the prompt, and the relations between these, by their indices.

    Objects do, each of those that are counted; surroundings and what spreads only where the prompt says where they
    are. What is said of parts and clothes is said of their owners; those that come before every thing and have no
    owner are objects ("a hand holding an apple"). What is absent, or shown on something, has no region.
    """
    return _Objects(reading).result()


class _Objects:
    def __init__(self, reading: Reading):
        self.reading = reading
        self.owners = reading.linked("of")
        statements = (statement.renumbered(self._owner) for statement in reading.relations)
        hidden = {index for index, entity in enumerate(reading.entities) if entity.kind in ("shown", "absent")}
        self.statements = [statement for statement in statements if hidden.isdisjoint(statement.ends)]
        self.held = held_in(reading)
        self.mere_spots = self._mere_spots()
        self.drawn = self._drawn()
        self.spread = self._spread()
        self.group_of: dict[int, int] = {}
        for member, (group, *_) in reading.linked("member").items():
            if {member, group} <= self.drawn and self._outermost(group) != member:
                self.group_of[member] = group
        self.members = grouped((group, member) for member, group in self.group_of.items())
        self.things: list[Thing] = []
        self.instances: dict[int, list[int]] = {}  # of each entity, indices into the things

    def result(self) -> tuple[list[Thing], list[Relation]]:
        for index in sorted(self.drawn):
            if index not in self.instances:
                self._add(self._outermost(index))
        told = [relation for statement in self.statements for relation in self._relations(statement)]
        places = {relation.subject: relation.relation for relation in told if relation.object is None}
        arranged = [relation for index in self.instances for relation in self._arranged(index, places)]
        relations = [*arranged, *told]
        return self._with_holders(), with_between_in_order([*relations, *implied_by_places(relations)])

    def _with_holders(self) -> list[Thing]:
        """The things, each with those that hold it, and the hand."""
        things = list(self.things)
        for index, holder in self.held:
            part = self.reading.entities[holder]
            words = {part.head, *part.modifiers} if part.kind == "part" else ()
            hand = next((side for side in _HANDS if side in words), "")
            for told in self._relations(Statement(index, "held by", self._owner(holder))):
                thing = things[told.subject]
                holders = dict.fromkeys((*thing.holders, told.object))
                things[told.subject] = replace(thing, holders=tuple(holders), hand=thing.hand or hand)
        return things

    def _owner(self, index: int) -> int:
        """Of a part its owner, or that one's owner; where none is told, the object that was named last before it."""
        seen = set()
        while index not in seen and self.reading.entities[index].kind in ("part", "worn"):
            seen.add(index)
            before = (n for n in reversed(range(index)) if self.reading.entities[n].kind == "object")
            index = next(iter(self.owners.get(index, before)), index)
        return index

    def _mere_spots(self) -> set[int]:
        """Parts of which no more is told than that something else is there: "a raven on his left shoulder"."""
        spots = {end for statement in self.reading.relations for end in statement.ends[1:]}
        spots |= {holder for _, holder in self.held}
        parts = {n: self.reading.entities[n] for n in spots if self.reading.entities[n].kind == "part"}
        return {n for n, part in parts.items() if len(part.mentions) == 1 and part.modifiers.issubset(_HANDS)}

    def _drawn(self) -> set[int]:
        """The entities that get a region."""
        entities = self.reading.entities
        placed = {index for statement in self.statements for index in statement.ends}
        drawn = {index for index in placed if entities[index].kind in ("place", "stuff")}
        drawn |= {index for index, entity in enumerate(entities) if entity.kind == "object"}
        first = min(drawn, default=len(entities))
        of_nobody = (index for index in range(first) if index not in self.owners)  # "a hand holding an apple"
        return drawn | {index for index in of_nobody if entities[index].kind in ("part", "worn")}

    def _spread(self) -> dict[int, list[str]]:
        """The places of what is at several that one thing cannot be at: trees on the left and on the right."""
        places = grouped((s.subject, s.relation) for s in self.statements if s.object is None)
        opposed = (index for index, told in places.items() if any(are_opposed(*two) for two in combinations(told, 2)))
        return {index: places[index] for index in opposed}

    def _outermost(self, index: int) -> int:
        """The group that an entity is a member of, or that group's group; itself where it is of none."""
        while index in self.group_of:
            index = self.group_of[index]
        return index

    def _add(self, index: int) -> list[int]:
        """The things of an entity: those of its members, and what else it counts."""
        own = [thing for member in self.members.get(index, ()) for thing in self._add(member)]
        others = max(self._count(index) - len(own), 0 if own else 1)
        if self._count(index) > MOST_INSTANCES:
            others = min(others, 1)
        own += range(len(self.things), len(self.things) + others)
        self.things += [self._thing(index)] * others
        self.instances[index] = own
        return own

    def _count(self, index: int) -> int:
        entity = self.reading.entities[index]
        return max(entity.count, len(_SPREAD.get(entity.arrangement, ())), len(self.spread.get(index, ())))

    def _thing(self, index: int) -> Thing:
        entity = self.reading.entities[index]
        phrase, head, modifiers = entity.phrase, entity.head, entity.modifiers
        group = self._named(index)
        if group != index:
            phrase = _renamed(phrase, self.reading.entities[group].phrase)
            head, modifiers = head_and_modifiers(phrase)
        elif 1 < self._count(index) <= MOST_INSTANCES:
            phrase = one_of(phrase)
        return Thing(phrase, self._described(phrase, index), head, modifiers, entity.start, entity.end)

    def _named(self, index: int) -> int:
        """The entity itself where it has a name of its own, or the nearest group around it that has one."""
        while index in self.group_of and self.reading.entities[index].head in _PRONOMINAL:
            index = self.group_of[index]
        return index

    def _described(self, phrase: str, index: int) -> str | None:
        """The phrase with its parts and garments, as many as there is room for."""
        parts, worn = (self._belongings(index, kind) for kind in ("part", "worn"))
        text = phrase
        for link, names in ((" with ", parts), (" in ", worn)):
            while names and len(f"{text}{link}{_listed(names)}".split()) > LONGEST_DESCRIPTION:
                names = names[:-1]
            text += link + _listed(names) if names else ""
        return text if text != phrase else None

    def _belongings(self, index: int, kind: str) -> list[str]:
        """The parts, or the clothes, of an entity and of its group, as far as they tell how it looks."""
        wearers = {index, self.group_of.get(index)}
        owned = (n for n, owners in self.owners.items() if not wearers.isdisjoint(owners) and n not in self.mere_spots)
        entities = (self.reading.entities[n] for n in owned)
        return list(dict.fromkeys(_POSSESSIVE.sub("", entity.phrase) for entity in entities if entity.kind == kind))

    def _relations(self, statement: Statement) -> list[Relation]:
        """A statement for each of the things that it is about."""
        subject, *others = statement.ends
        if subject in others:  # "his hand on his knee"
            return []
        subjects, *landmarks = (self.instances.get(index, []) for index in dict.fromkeys(statement.ends))
        if statement.relation == "between" and len(landmarks) == 1:  # two of one group
            ends = [thing for thing in landmarks[0] if thing not in subjects]
            landmarks = [ends[:1], ends[1:2]]
        if not others and subject in self.spread:
            places = self.spread[subject]
            subjects = subjects[places.index(statement.relation) :: len(places)]
        together = product(subjects, *landmarks)
        if statement.relation in ("on", "inside", "held by") and len(subjects) > 1:
            # two cats in two boxes: each in its own
            together = zip(subjects, cycle(landmarks[0]))
        different = (things for things in together if len({*things}) == len(things))
        return [Relation(first, statement.relation, *others) for first, *others in different]

    def _arranged(self, index: int, places: Mapping[int, str]) -> list[Relation]:
        """How the things of a group stand, with those in their places that have one in the picture."""
        form, things = self.reading.entities[index].arrangement, self.instances[index]
        if form is None or len(things) < 2:
            return []
        if form in _SPREAD:
            taken = {places.get(thing) for thing in things}
            free = [place for place in _SPREAD[form] if place not in taken]
            return [Relation(*pair) for pair in zip((thing for thing in things if thing not in places), free)]
        if form in _LINES:
            line = _in_line(things, {t: PLACES[place][form != "row"] for t, place in places.items()})
            return [Relation(a, _LINES[form], b) for a, b in pairwise(line)]
        return _grid(things, int(form.split()[1])) if form.startswith("grid") else []


def _in_line(things: Sequence[int], sides: Mapping[int, int]) -> list[int]:
    """Things in order, with those that are said to be first (-1), in the middle (0) and last (1) in these places."""
    first, middle, last = ([thing for thing in things if sides.get(thing) == side] for side in (-1, 0, 1))
    free = [thing for thing in things if thing not in sides]
    before = max(0, (len(things) - len(middle)) // 2 - len(first))
    return [*first, *free[:before], *middle, *free[before:], *last]


def _grid(things: Sequence[int], rows: int) -> list[Relation]:
    """Each left of the next one in its row and above the one below it."""
    columns = -(-len(things) // rows)
    lines = [things[start : start + columns] for start in range(0, len(things), columns)]
    along = [Relation(a, "left of", b) for line in lines for a, b in pairwise(line)]
    return along + [Relation(a, "above", b) for upper, lower in pairwise(lines) for a, b in zip(upper, lower)]


def _renamed(pronoun: str, group: str) -> str:
    """What names a member without a name of its own: of "two knights", "the black one" -> "a black knight"."""
    words = [word for word in pronoun.partition(" of ")[0].split() if word.lower().strip(",.") not in _NAMELESS]
    return with_article(" ".join([*words, one_of(group).partition(" ")[2]]))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
