"""What a prompt says, before anything is placed: `Reading`, its things and what is stated of them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace


@dataclass(frozen=True)
class Entity:
    """
    Something that the prompt speaks of.

    Args:
        phrase (`str`): As first written: "The silver bed".
        start, end (`int`): Its characters in the prompt.
        head (`str`): The noun, lower-case and in the singular: "bed".
        modifiers (`frozenset[str]`): The other words, lower-case, without articles and numerals.
        kind (`str`): One of `KINDS`.
        count (`int`): How many it names; 1 where no number is told.
        mentions (`tuple[tuple[int, int], ...]`): All places of the prompt that speak of it, the first included.
        arrangement (`str`, *optional*): How several stand, one of `ARRANGEMENTS`.
        score (`float`): How sure the reader is, 0..1.
    """

    phrase: str
    start: int
    end: int
    head: str
    modifiers: frozenset[str] = frozenset()
    kind: str = "object"
    count: int = 1
    mentions: tuple[tuple[int, int], ...] = ()
    arrangement: str | None = None
    score: float = 1.0


@dataclass(frozen=True)
class Statement:
    """
    What is said of an entity, by indices into the reading's entities: a relation to another ("between" has a second
    object), a place in the picture (no object), "of" an owner, or "member" of a group; with a score in 0..1.
    """

    subject: int
    relation: str
    object: int | None = None
    second_object: int | None = None
    score: float = 1.0


@dataclass(frozen=True)
class Reading:
    """
    What a prompt says.

    Args:
        prompt (`str`): The text, without the syntax of other tools; entities count its characters.
        entities (`tuple[Entity, ...]`): In the order of the prompt.
        relations (`tuple[Statement, ...]`): Relations and places, in the order of the prompt.
        links (`tuple[Statement, ...]`): What belongs to what: "of", "member".
        negative_prompt (`str`): What "Negative prompt:" and "--no" name.
    """

    prompt: str = ""
    entities: tuple[Entity, ...] = ()
    relations: tuple[Statement, ...] = ()
    links: tuple[Statement, ...] = ()
    negative_prompt: str = ""

    def linked(self, name: str) -> dict[int, list[int]]:
        """Of each entity with such links ("of", "member") the entities that these lead to."""
        result: dict[int, list[int]] = {}
        for link in self.links:
            if link.relation == name:
                result.setdefault(link.subject, []).append(link.object)
        return result

    def of_kind(self, *kinds: str) -> list[Entity]:
        """The entities of some kinds."""
        return [entity for entity in self.entities if entity.kind in kinds]

    def with_only(self, indices: Sequence[int]) -> "Reading":
        """The reading of some entities, in this order, and of what is said of these alone."""
        place = {index: number for number, index in enumerate(indices)}

        def kept(statements: Iterable[Statement]) -> tuple[Statement, ...]:
            ends = ((s, (s.subject, s.object, s.second_object)) for s in statements)
            return tuple(
                replace(s, subject=place[subject], object=place.get(object), second_object=place.get(second))
                for s, (subject, object, second) in ends
                if place.keys() >= {subject, object, second} - {None}
            )

        entities = tuple(self.entities[index] for index in indices)
        return replace(self, entities=entities, relations=kept(self.relations), links=kept(self.links))

    def to_dict(self) -> dict:
        """JSON-ready data, without what has its default."""
        return {
            "prompt": self.prompt,
            "entities": _as_json(self.entities),
            "relations": _as_json(self.relations),
            "links": _as_json(self.links),
            "negative_prompt": self.negative_prompt,
        }

    @classmethod
    def from_dict(cls, data: dict) -> "Reading":
        """The inverse of `to_dict`."""
        entities = (
            Entity(
                **item
                | {
                    "modifiers": frozenset(item.get("modifiers", ())),
                    "mentions": tuple(map(tuple, item.get("mentions", ()))),
                }
            )
            for item in data["entities"]
        )
        relations, links = (tuple(Statement(**item) for item in data[name]) for name in ("relations", "links"))
        return cls(data["prompt"], tuple(entities), relations, links, data["negative_prompt"])


def _as_json(items: Iterable) -> list[dict]:
    result = []
    for item in items:
        given = {field.name for field in fields(item) if getattr(item, field.name) != field.default}
        values = {name: value for name, value in asdict(item).items() if name in given}
        result.append({k: sorted(v) if isinstance(v, frozenset) else v for k, v in values.items()})
    return result


def check_aspect_ratio(aspect_ratio: float) -> None:
    """Raises a ValueError unless the picture's width divided by its height is a positive number."""
    if not 0 < aspect_ratio < float("inf"):
        raise ValueError(f"`aspect_ratio` has to be a positive number (width / height), got {aspect_ratio!r}.")
