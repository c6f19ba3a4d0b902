"""What of a reading gets a region: `objects_of`, one by one, each with what belongs to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

from .implied import implied_by_between, implied_by_places
from .noun_phrases import head_and_modifiers, one_of
from .reading import Entity, Reading, Statement
from .regions import Relation


MOST_INSTANCES = 12  # larger counts stay one region
LONGEST_DESCRIPTION = 30  # words
_POSSESSIVES = ("his ", "her ", "its ", "their ", "the ")
_CORNERS = ("top left", "top right", "bottom left", "bottom right")
# "One", "the left one": words that name a member by its place among the others alone.
_PRONOMINAL = frozenset(
    "a an the of one ones first second third fourth fifth sixth last other others another latter former left right"
    " middle center centre central top bottom upper lower rest remaining two three four five six them these those"
    " each leftmost rightmost topmost outer inner front back rear next far near nearest furthest both pair".split()
)


@dataclass(frozen=True)
class Thing:
    """
    One thing that gets a region.

    Args:
        phrase (`str`): As the prompt says it; of several, one: "a dog".
        description (`str`, *optional*): The phrase and what belongs to it: "a man with black hair in a red coat"; None
            where nothing does.
        head (`str`), modifiers (`frozenset[str]`): See [`Entity`].
        start, end (`int`): Characters of the prompt; the same for each of "two dogs".
    """

    phrase: str
    description: str | None
    head: str
    modifiers: frozenset[str]
    start: int
    end: int


def objects_of(reading: Reading) -> tuple[list[Thing], list[Relation]]:
    """
    Everything that gets a region, in the order of the prompt, and the relations between these, by their indices.

    Objects do, each of those that are counted; surroundings and what spreads only where the prompt says where they
    are. What is said of parts and clothes is said of their owners; what is absent, or shown on something, has none.
    """
    return _Objects(reading).result()


class _Objects:
    def __init__(self, reading: Reading):
        self.reading = reading
        self.owners, self.groups = reading.linked("of"), reading.linked("member")
        self.things: list[Thing] = []
        self.instances: dict[int, list[int]] = {}  # of each entity, indices into the things

    def result(self) -> tuple[list[Thing], list[Relation]]:
        statements = [self._of_owners(statement) for statement in self.reading.relations]
        placed = {index for s in statements for index in (s.subject, s.object, s.second_object)}
        members: dict[int, list[int]] = {}
        for member, groups in self.groups.items():
            members.setdefault(groups[0], []).append(member)
        for index, entity in enumerate(self.reading.entities):
            if index in self.instances or not (
                entity.kind == "object" or entity.kind in ("place", "stuff") and index in placed
            ):
                continue
            if index in self.groups and self.groups[index][0] < index:
                continue  # named with its group
            self._add(index, members.get(index, []))
        relations = [r for index in self.instances for r in self._arranged(index)]
        for statement in statements:
            relations += self._relations(statement)
        relations = list(dict.fromkeys(relations))
        relations += implied_by_places(relations)
        return self.things, list(dict.fromkeys([*relations, *implied_by_between(relations)]))

    def _of_owners(self, statement: Statement) -> Statement:
        """What is said of a part is said of its owner, or of that one's owner."""
        return replace(
            statement,
            subject=self._owner(statement.subject),
            object=self._owner(statement.object),
            second_object=self._owner(statement.second_object),
        )

    def _owner(self, index: int | None) -> int | None:
        seen = set()
        while index is not None and index not in seen and self.reading.entities[index].kind in ("part", "worn"):
            seen.add(index)
            index = next(iter(self.owners.get(index, ())), index)
        return index

    def _add(self, index: int, members: Sequence[int]) -> None:
        """The things of an entity: its members, and what else it counts."""
        entity = self.reading.entities[index]
        own: list[int] = []
        for member in members:
            count = self._count(self.reading.entities[member])
            thing = self._member(self.reading.entities[member], member, entity)
            self.instances[member] = self._append(thing, count)
            own += self.instances[member]
        others = max(self._count(entity) - len(own), 0 if own else 1)
        own += self._append(self._thing(entity, index), others)
        self.instances[index] = own

    def _append(self, thing: Thing, count: int) -> list[int]:
        start = len(self.things)
        self.things += [thing] * count
        return list(range(start, len(self.things)))

    def _count(self, entity: Entity) -> int:
        count = 4 if entity.arrangement == "corners" else 2 if entity.arrangement == "sides" else 1
        count = max(entity.count, count)
        return count if count <= MOST_INSTANCES else 1

    def _thing(self, entity: Entity, index: int) -> Thing:
        phrase = one_of(entity.phrase) if self._count(entity) > 1 else entity.phrase
        return Thing(
            phrase, self._described(phrase, index), entity.head, entity.modifiers, entity.start, entity.end
        )

    def _member(self, entity: Entity, index: int, group: Entity) -> Thing:
        """A member, by the name of its group where it has none of its own: of two knights, "the left one"."""
        said = {entity.head, *entity.modifiers} - _PRONOMINAL
        words = [word for word in entity.phrase.split() if word.lower().strip(",.") not in _PRONOMINAL]
        if entity.head in _PRONOMINAL or not said:
            name = one_of(group.phrase) if group.count > 1 or group.arrangement else group.phrase
            article, _, noun = name.rpartition(" ") if not words else (name, "", "")
            phrase = name if not words else _with_words(name, words)
            head, modifiers = head_and_modifiers(phrase)
        else:
            phrase = one_of(entity.phrase) if entity.count > 1 else entity.phrase
            head, modifiers = entity.head, entity.modifiers
        return Thing(phrase, self._described(phrase, index), head, modifiers, entity.start, entity.end)

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
        groups = {index, *self.groups.get(index, [])}
        names = []
        for belonging, owners in self.owners.items():
            entity = self.reading.entities[belonging]
            if entity.kind == kind and groups & set(owners):
                name = entity.phrase
                for word in _POSSESSIVES:
                    name = name[len(word) :] if name.lower().startswith(word) else name
                names.append(name)
        return list(dict.fromkeys(names))

    def _arranged(self, index: int) -> list[Relation]:
        """How the things of a group stand."""
        form, things = self.reading.entities[index].arrangement, self.instances[index]
        if form is None or len(things) < 2:
            return []
        if form in ("corners", "sides"):
            places = _CORNERS if form == "corners" else ("left", "right")
            return [Relation(thing, place) for thing, place in zip(things, places)]
        if form in ("row", "column", "stack"):
            relation = {"row": "left of", "column": "above", "stack": "on"}[form]
            return [Relation(a, relation, b) for a, b in pairwise(things)]
        if form.startswith("grid"):
            return _grid(things, int(form.split()[1]))
        return []

    def _relations(self, statement: Statement) -> list[Relation]:
        """A statement for each of the things that it is about."""
        ends = [statement.subject, statement.object, statement.second_object]
        if any(end is not None and end not in self.instances for end in ends):
            return []
        subjects, objects, seconds = ([None] if end is None else self.instances[end] for end in ends)
        if statement.relation == "between" and statement.second_object is None:
            objects, seconds = objects[:1], objects[1:2]  # between two of one kind
            if not seconds:
                return []
        return [
            Relation(subject, statement.relation, landmark, second)
            for subject, landmark, second in product(subjects, objects, seconds)
            if len({subject, landmark, second}) == len([x for x in (subject, landmark, second) if x is not None]) + (
                (landmark is None) or (second is None)
            )
        ]


def _grid(things: Sequence[int], rows: int) -> list[Relation]:
    """Each left of the next one in its row and above the one below it."""
    columns = -(-len(things) // rows)
    lines = [things[start : start + columns] for start in range(0, len(things), columns)]
    along = [Relation(a, "left of", b) for line in lines for a, b in pairwise(line)]
    return along + [Relation(a, "above", b) for upper, lower in pairwise(lines) for a, b in zip(upper, lower)]


def _with_words(name: str, words: Sequence[str]) -> str:
    """ "a knight" and "black": "a black knight"."""
    article, _, rest = name.partition(" ")
    if article.lower() not in ("a", "an", "the"):
        return " ".join([*words, name])
    return " ".join([article, *words, rest])


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
