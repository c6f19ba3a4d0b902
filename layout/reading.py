"""What a prompt says, before anything is placed: `Reading`, its things and what is stated of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from .regions import Relation, grouped


@dataclass(frozen=True)
class Entity:
    """Something that the prompt speaks of."""

    phrase: str  # as first written: "The silver bed"
    start: int  # of its characters in the prompt
    end: int
    head: str  # the noun, lower-case and in the singular: "bed"
    modifiers: frozenset[str] = frozenset()  # the other words, lower-case, without articles and numerals
    kind: str = "object"  # one of `KINDS`
    count: int = 1  # how many it names; 1 where no number is told
    mentions: tuple[tuple[int, int], ...] = ()  # all places of the prompt that speak of it, the first included
    arrangement: str | None = None  # how several stand, one of `ARRANGEMENTS`
    score: float = 1.0  # how sure the reader is, 0..1


@dataclass(frozen=True)
class Statement(Relation):
    """A relation or a place by indices into a reading's entities, or a link: "of" an owner, "member" of a group."""

    score: float = 1.0  # how sure the reader is, 0..1


@dataclass(frozen=True)
class Reading:
    """What a prompt says."""

    prompt: str = ""  # the text, without the syntax of other tools; entities count its characters
    entities: tuple[Entity, ...] = ()  # in the order of the prompt
    relations: tuple[Statement, ...] = ()  # relations and places, in the order of the prompt
    links: tuple[Statement, ...] = ()  # what belongs to what: "of", "member"
    negative_prompt: str = ""  # what "Negative prompt:" and "--no" name

    def linked(self, name: str) -> dict[int, list[int]]:
        """Of each entity with such links ("of", "member") the entities that these lead to."""
        return grouped((link.subject, link.object) for link in self.links if link.relation == name)

    def of_kind(self, *kinds: str) -> list[Entity]:
        """The entities of some kinds."""
        return [entity for entity in self.entities if entity.kind in kinds]

    def with_only(self, indices: Sequence[int]) -> "Reading":
        """The reading of some entities, in this order, and of what is said of these alone."""
        place = {index: number for number, index in enumerate(indices)}
        relations, links = (
            tuple(statement.renumbered(place.get) for statement in told if place.keys() >= set(statement.ends))
            for told in (self.relations, self.links)
        )
        return replace(self, entities=tuple(self.entities[i] for i in indices), relations=relations, links=links)

    def to_dict(self) -> dict:
        """JSON-ready data, without what has its default."""
        lists = {name: list(map(_as_json, getattr(self, name))) for name in ("entities", "relations", "links")}
        return {"prompt": self.prompt, **lists, "negative_prompt": self.negative_prompt}


def _as_json(item: Entity | Statement) -> dict:
    values = {field: getattr(item, field.name) for field in fields(item)}
    told = {field.name: value for field, value in values.items() if value != field.default}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in told.items()}


def check_aspect_ratio(aspect_ratio: float) -> None:
    """Raises a ValueError unless the picture's width divided by its height is a positive number."""
    if not 0 < aspect_ratio < float("inf"):
        raise ValueError(f"`aspect_ratio` has to be a positive number (width / height), got {aspect_ratio!r}.")
