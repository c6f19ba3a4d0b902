"""Body parts that are objects: of nobody ("a hand above a keyboard"), or with a place ("his hand on a horse")."""

from collections.abc import Sequence
from functools import cached_property

from spacy.tokens import Doc, Span, Token

from .counts import count_of
from .groups import NounGroup
from .lexicon import CLAUSE_WORDS, JOINING_WORDS, PRONOUN_CLASSES, SENTENCE_ENDS, WITH_WORDS, SpatialExpression
from .objects import is_object
from .plurals import is_plural, singular
from .things import ACTORS, BODY_PARTS, CLOTHES, OWNED_BODY_PARTS, PEOPLE, SINGLE_PARTS, TIMES
from .tokens import spatial_spans, word_at
from .words import (
    ACTION_VERB_FORMS,
    ARTICLES,
    DETERMINERS,
    LARGE_NUMERALS,
    MAKING_PARTICIPLES,
    NUMERALS,
    OWNER_ENDINGS,
    PAINTING_PARTICIPLES,
    POSSESSIVES,
    PREPOSITIONS,
    SINGULAR_DETERMINERS,
    collect_words,
    number_of,
)


_SPEAKERS = collect_words("my your our")  # of nobody in the picture
_LENGTHS = collect_words("tall high long wide deep thick away apart above below from off")  # "two feet above"
_BESIDE = frozenset(("left of", "right of", "above", "below", "next to", "between", "behind", "in front of"))
_CARRYING = frozenset((("above", "head"), ("above", "shoulder"), ("below", "arm")))  # or of all of the one
_LONGEST_LIST = 12  # of what comes with something
_MADE = MAKING_PARTICIPLES | PAINTING_PARTICIPLES | {"drawn"}
_WORN = BODY_PARTS | OWNED_BODY_PARTS | CLOTHES | {"pocket"}
_PARTICLES, _POSES = collect_words("up down out"), collect_words("crossed closed folded clasped raised lifted spread")
_PUTTING = tuple("put plac rest lean lay laid keep kept pok stick stuck dip press set".split())  # stems


def body_parts(doc: Doc, groups: Sequence[NounGroup]) -> dict[NounGroup, int | None]:
    """The groups that name such parts, each with the character at which the one is named whose it is, if any."""
    reader = _PartOwners(doc, groups)
    candidates = [group for group in groups if reader.names_part(group)]
    return {group: owner for group in candidates for owner in reader.owners(group)}


class _PartOwners:
    """Tells whose a part is, and whether a place is told of it or by it."""

    def __init__(self, doc: Doc, groups: Sequence[NounGroup]):
        self.doc, self.groups = doc, groups
        self.starts, self.ends = ({getattr(group, end): group for group in groups} for end in ("start", "end"))
        self.places = [(found.row, span) for found, span in spatial_spans(doc) if found.row is not None]

    @cached_property
    def places_from(self) -> dict[int, tuple[SpatialExpression, Span]]:
        return {span.start: (row, span) for row, span in self.places}

    @cached_property
    def bounds(self) -> list[int]:
        return [token.i for token in self.doc if token.lower_ in CLAUSE_WORDS | SENTENCE_ENDS]

    @cached_property
    def objects(self) -> list[NounGroup]:
        return [group for group in self.groups if is_object(self.doc, group)]

    @cached_property
    def actors(self) -> list[NounGroup]:
        return [group for group in self.objects if self._noun(group) in ACTORS]

    def names_part(self, group: NounGroup) -> bool:
        """Whether its noun is a part of a body: not "a chicken leg", "two feet above", "hand made", "by hand"."""
        if self._noun(group) not in SINGLE_PARTS:
            return False
        before, count = word_at(self.doc, group.start - 1), word_at(self.doc, group.head - 1)
        after = word_at(self.doc, group.end)
        is_counted = number_of(count) > 1 or count in LARGE_NUMERALS or count in SINGULAR_DETERMINERS
        is_length = is_counted and self._noun(group) == "foot" and after in _LENGTHS
        is_made = after in _MADE and not self.starts.keys().isdisjoint((group.end, group.end + 1))
        is_bare = group.start == group.head and not is_plural(self.doc[group.head].lower_)
        is_manner = is_bare and before in PREPOSITIONS - {"of", "with"}
        is_other = is_length or is_made or is_manner or count in TIMES or is_object(self.doc, group)
        return not is_other

    def owners(self, group: NounGroup) -> list[int | None]:
        """Where the owner of a part that is an object is named, None for nobody; an empty list if it is no object."""
        genitive, owner, is_carried = self._genitive(group), self._owner(group), self._is_carried(group)
        if genitive is not None and owner not in self.actors:  # "the face of a clock"
            return []
        if owner is None:
            has_its = self.doc[group.start].lower_ == "its" and any(t.end <= group.start for t in self.objects)
            return [] if is_carried or has_its else [None]
        if genitive is None and self._is_indefinite(group) and not is_carried:
            return [None] if self._opens_item(group) or self._is_landmark(group) else []
        are_several = count_of(self.doc, owner)[0] > 1 or is_plural(self.doc[owner.head].lower_)
        if are_several or owner not in self.actors:  # "a dog and a goat with their noses"
            return []
        return [self.doc[owner.start].idx] if self._has_place(group) or self._is_landmark(group) else []

    def _noun(self, group: NounGroup) -> str:
        return singular(self.doc[group.head].lower_)

    def _list_end(self, group: NounGroup) -> int:
        """Where the parts of one owner end: "the arm and chest | of a person"."""
        following = self.starts.get(group.end + 1) if word_at(self.doc, group.end) == "and" else None
        return following.end if following is not None and self._noun(following) in _WORN else group.end

    def _genitive(self, group: NounGroup) -> NounGroup | None:
        """The man of "the man's foot" and "the foot of a man"."""
        if word_at(self.doc, group.start - 1) in OWNER_ENDINGS:
            return self.ends.get(group.start - 1)
        end = self._list_end(group)
        owner = self.starts.get(end + 1) if word_at(self.doc, end) == "of" else None
        is_meat = owner is not None and owner.start == owner.head and not is_plural(self.doc[owner.head].lower_)
        return None if is_meat else owner  # "a leg of lamb"

    def _owner(self, group: NounGroup) -> NounGroup | None:
        is_mine = self.doc[group.start].lower_ in _SPEAKERS
        return self._genitive(group) or (None if is_mine else self._actor_near(group))

    def _is_indefinite(self, group: NounGroup) -> bool:
        first = self.doc[group.start].lower_
        return first in ARTICLES - {"the"} or number_of(first) > 1

    def _is_carried(self, group: NounGroup) -> bool:
        """Whether a part comes "with" something: "a man with long hair and a big nose"."""
        start = group.start
        for _ in range(_LONGEST_LIST):
            end = start
            while word_at(self.doc, end - 1) in JOINING_WORDS:
                end -= 1
            if word_at(self.doc, end - 1) in WITH_WORDS:
                return any(thing.end < end for thing in self.objects)
            if end == start or end not in self.ends:
                return False
            start = self.ends[end].start
        return False

    def _actor_near(self, group: NounGroup) -> NounGroup | None:
        """The last person, or animal, before a part, best in its clause; else one after: "her hand up, a girl ..."."""
        first = self.doc[group.start].lower_
        animals = [actor for actor in self.actors if self._noun(actor) not in PEOPLE]
        actors = animals if first == "its" and animals else self.actors
        before = [actor for actor in actors if actor.end <= group.start]
        bound = max((index for index in self.bounds if index < group.start), default=-1)
        clause = [actor for actor in before if actor.start > bound]
        if first == "their" and len(clause) > 1:  # all of them
            return NounGroup(clause[0].start, clause[-1].end, clause[-1].head)
        for near in (clause, before):
            persons = [actor for actor in near if self._noun(actor) in PEOPLE]
            if persons or near:
                return (persons or near)[-1]
        return next((actor for actor in actors if self._is_announced(group, actor)), None)

    def _is_announced(self, group: NounGroup, actor: NounGroup) -> bool:
        is_after_comma = any(token.text == "," for token in self.doc[group.end : actor.start])
        return is_after_comma and not self._ends_sentence(group.end, actor.start)

    def _opens_item(self, group: NounGroup) -> bool:
        before = word_at(self.doc, group.start - 1)
        return not before or before in JOINING_WORDS | SENTENCE_ENDS | CLAUSE_WORDS

    def _is_landmark(self, group: NounGroup) -> bool:
        """Whether something that nobody wears or holds there is beside it: "a ball next to | the man's foot"."""
        start = min(part.start for part in (group, self._genitive(group) or group))
        row, span = next((place for place in reversed(self.places) if place[1].end <= start), (None, None))
        if row is None or row.relation not in _BESIDE or (row.relation, self._noun(group)) in _CARRYING:
            return False
        is_second = row.relation == "between" and word_at(self.doc, start - 1) == "and"
        if span.end != start and not (is_second and not self._ends_sentence(span.end, start)):
            return False
        figure = next((other for other in reversed(self.groups) if other.end <= span.start), None)
        return figure is None or self._noun(figure) not in CLOTHES and not self._is_same_owners(figure, group)

    def _has_place(self, group: NounGroup) -> bool:
        """Whether it is told where a part is: "his hand | rests on a horse", not "his hands | in his pockets"."""
        index = max(part.end for part in (group, self._genitive(group) or group))
        while index < len(self.doc) and index not in self.places_from and self._is_predicate(self.doc[index]):
            index += 1
        row, span = self.places_from.get(index, (None, None))
        if row is None or row.landmark not in ("after", "maybe", "list"):
            return False
        if self._is_placed_otherwise(group) or self._is_carried(group) and not self._may_be_placed(group, row):
            return False
        word, landmark = word_at(self.doc, span.end), self.starts.get(span.end)
        if landmark is None:
            own = self.doc[group.start].lower_
            return word in PRONOUN_CLASSES and PRONOUN_CLASSES[word] != PRONOUN_CLASSES.get(own)
        is_seen = landmark in self.objects or self._noun(landmark) in SINGLE_PARTS
        return is_seen and not self._is_same_owners(landmark, group)

    def _may_be_placed(self, group: NounGroup, row: SpatialExpression) -> bool:
        """Of what comes "with": "his hand next to a dog", "a hand on a dog", but not "a big nose on a dog"."""
        is_several = number_of(self.doc[group.start].lower_) > 1
        is_held = row.relation in ("on", "inside", "around") and not is_several and not self._is_described(group)
        return is_held or self.doc[group.start].lower_ in POSSESSIVES

    def _ends_sentence(self, start: int, end: int) -> bool:
        return not SENTENCE_ENDS.isdisjoint(token.lower_ for token in self.doc[start:end])

    def _is_predicate(self, token: Token) -> bool:
        """The words between a part and its place: "is resting", "up"; not those of a pose, "his arms crossed"."""
        is_verb = token.pos_ in ("VERB", "AUX", "ADV") or token.lower_ in ACTION_VERB_FORMS
        return (is_verb or token.lower_ in _PARTICLES) and token.lower_ not in _POSES

    def _is_placed_otherwise(self, group: NounGroup) -> bool:
        """Whether what is told after a part is no place of it: "a stick in the mouth", "licking its paw"."""
        before = self.doc[group.start - 1] if group.start else None
        start = group.start
        before_and = self.ends.get(start - 1) if word_at(self.doc, start - 1) == "and" else None
        if before_and is not None and self._noun(before_and) in _WORN:  # "on her hands and | knees"
            start = before_and.start
        is_landmark = any(span.end == start for _, span in self.places)
        is_object = before is not None and (before.pos_ == "VERB" or before.lower_ in ACTION_VERB_FORMS)
        return is_landmark or is_object and not before.lower_.startswith((*_PUTTING, *WITH_WORDS))

    def _is_described(self, group: NounGroup) -> bool:
        """ "A big nose" """
        words = [token.lower_ for token in self.doc[group.start : group.head]]
        plain = DETERMINERS.union(SINGULAR_DETERMINERS, NUMERALS, LARGE_NUMERALS)
        return not plain.issuperset(word for word in words if word.isalpha())

    def _is_same_owners(self, other: NounGroup, group: NounGroup) -> bool:
        """Whether another thing is a part or a garment of the same one: "his hand on | his chest"."""
        if self._noun(other) not in _WORN or self._genitive(other) is None and self._is_indefinite(other):
            return False
        words = {self.doc[part.start].lower_ for part in (other, group)}
        return len(words & POSSESSIVES) < 2 and self._owner(other) == self._owner(group)
