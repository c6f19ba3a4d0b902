"""What a prompt says about where its objects are: `find_relations`."""

from collections.abc import Sequence

from spacy.tokens import Doc

from .clauses import ClauseRow
from .elements import read_elements
from .lexicon import GROUP_PRONOUNS, PERSON_PRONOUNS
from .phrases import Phrase
from .regions import Relation
from .things import CLOTHES
from .words import PLACING_PARTICIPLES, POSSESSIVES


# Sides and corners of the picture as (column, row); they hold without a landmark.
PICTURE_PLACES: dict[str, tuple[int, int]] = {
    "left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "centre": (0, 0),
    "top left": (-1, -1), "top right": (1, -1), "bottom left": (-1, 1), "bottom right": (1, 1),
}  # fmt: skip
_SIDE_OF_PICTURE = {"left of": "left", "right of": "right", "above": "top", "below": "bottom"}
_RELATION_TO_SIDE = {"left": "left of", "right": "right of"}
_HOLDING = ("on", "inside")


def find_relations(doc: Doc, phrases: Sequence[Phrase]) -> list[Relation]:
    """
    The spatial relations that a text states between its objects, pronouns resolved, in the order of the text.

    Args:
        doc (`Doc`): The text, tagged or not.
        phrases (`Sequence[Phrase]`): What `find_phrases` found in it.

    Returns:
        `list[Relation]`: Relations between indices of `phrases`: "left of", "right of", "above", "below", "on",
        "inside", "next to", "in front of", "behind", "far from", "between" (with `second_object`); and without
        `object` the places of the picture in `PICTURE_PLACES`.
    """
    relations = _RelationReader(ClauseRow(read_elements(doc, phrases)), phrases).read()
    return relations + _implied_by_places(relations)


class _RelationReader:
    """
    Reads the clauses from left to right. Each spatial expression (cue) has a landmark, usually what follows it, and
    a figure, usually the nearest thing before it that is no landmark itself.
    """

    def __init__(self, row: ClauseRow, phrases: Sequence[Phrase]):
        self.row = row
        self.phrases = phrases
        self.certain: list[Relation] = []
        self.held: list[Relation] = []  # "in the left hand": what is said elsewhere counts more

    def read(self) -> list[Relation]:
        for k, element in enumerate(self.row.elements):
            if element.kind == "order":
                self._read_order(k)
            elif element.cue and not self._is_void(k):
                self._read_cue(k)
        return list(dict.fromkeys(self.certain + self.held))

    def _read_cue(self, k: int) -> None:
        cue = self.row.elements[k].cue
        figure = self._inverted_figure(k) or self._figure_before(k)
        if self._is_passed_by(k, figure):
            self._state(self.row.elements[k - 1].things, cue.relation, figure)
        elif cue.landmark == "picture":
            self._state(figure, cue.relation)
        elif landmark := self._landmark(k, figure):
            self._state(figure, _RELATION_TO_SIDE.get(cue.relation, cue.relation), landmark, cue.landmark)
        elif not self.row.following[k] and cue.landmark in ("none", "maybe"):
            self._state(figure, _SIDE_OF_PICTURE.get(cue.relation, cue.relation))

    def _is_passed_by(self, k: int, figure: Sequence[int]) -> bool:
        """ "A man walks past a dog on his left": the dog is on the left."""
        row = self.row
        owned = row.elements[k].cue.landmark == "owner" and _owner_in(row.elements[k].text) in POSSESSIVES - {"its"}
        if not owned or not figure or not self._are_persons(figure) or k - 1 not in row.landmarks:
            return False
        return row.is_thing(k - 1) and not self._are_persons(row.elements[k - 1].things)

    def _read_order(self, k: int) -> None:
        """ "From left to right: a cup, a plate and a jug", or "A cup, a plate and a jug from left to right"."""
        row = self.row
        start = row.sentence_start(k)
        end = next((i for i in range(k, len(row.elements)) if row.is_sentence_end(i)), len(row.elements))
        for positions in (range(k, end), range(start, k)):
            things = row.things_at(i for i in positions if i not in row.landmarks)
            if len(things) > 1:
                relation = row.elements[k].relation
                self.certain += [Relation(a, relation, b) for a, b in zip(things, things[1:]) if a != b]
                return

    def _is_void(self, k: int) -> bool:
        """ "is not above", "surveying the scene below", and the agent of a passive: "pulled by a man"."""
        if self.row.kind(k - 1) == "other" and self.row.kind(k - 2) == "verb":
            return not self.row.following[k] and self.row.elements[k].cue.landmark == "maybe"
        if self.row.kind(k - 1) != "verb":
            return False
        verb = self.row.elements[k - 1].text
        is_passive = verb.endswith(("ed", "en")) and verb not in PLACING_PARTICIPLES
        return verb in ("not", "n't") or is_passive and self.row.elements[k].text == "by"

    def _state(self, figure: Sequence[int], relation: str, landmark: Sequence[int] = (), kind: str = "") -> None:
        """Adds a relation of each figure to each landmark; without landmarks, to the picture."""
        if relation in PICTURE_PLACES or not landmark:
            self.certain += [Relation(subject, relation) for subject in figure if relation in PICTURE_PLACES]
            return
        if relation == "between" and len(landmark) > 1:
            self.certain += [Relation(a, relation, *landmark[:2]) for a in figure if a not in landmark[:2]]
            return
        relation = "next to" if relation == "between" else relation
        if kind == "reversed" or relation == "inside" and self._are_worn(figure, landmark):
            figure, landmark = landmark, figure
        stated = [Relation(a, relation, b) for a in figure for b in landmark if a != b]
        (self.held if kind == "held" else self.certain).extend(stated)

    def _are_worn(self, figure: Sequence[int], landmark: Sequence[int]) -> bool:
        """ "A man in a coat"."""
        return bool(figure) and self.phrases[landmark[0]].head in CLOTHES and self._are_persons(figure)

    # --- figures --------------------------------------------------------------------------------------------------
    def _figure_before(self, k: int) -> list[int]:
        """The nearest thing before a cue that is no landmark, with those joined to it; of a relative, its noun."""
        row, only_subjects = self.row, False
        for i in range(k - 1, row.sentence_start(k) - 1, -1):
            element = row.elements[i]
            if element.kind == "relative":
                found = row.things_before(i)[: 2 if element.after_both else 1]
                return [index for things in reversed(found) for index in things]
            if element.kind == "pronoun" and row.kind(i - 1) in ("", "stop", "join", "clause"):
                return self._referents(element.text, i, ())
            if element.kind == "verb" and self._is_resumed(i):
                only_subjects = True
            if element.kind == "thing" and self._may_be_figure(i, k, only_subjects):
                has_singular_verb = any(e.kind == "verb" and e.is_singular for e in row.elements[i:k])
                return self._owner_of(i, k) + row.joined_before(i, has_singular_verb) + self._shared_support(k)
        return []

    def _is_resumed(self, i: int) -> bool:
        """Whether a verb goes back to a subject: "X holds Y and stands", "X with Y below stands"."""
        before = self.row.kind(i - 1)
        return before == "join" or self.row.elements[i].is_finite and before in ("cue", "pronoun", "other")

    def _may_be_figure(self, i: int, k: int, only_subjects: bool) -> bool:
        row = self.row
        if i in row.landmarks:  # "an owl above a fox above a mouse": the fox is a figure, too
            cue = next(cue for cue in row.cues if i in row.following[cue])
            return i == k - 1 and cue < i and row.elements[cue].cue.relation == row.elements[k].cue.relation
        return not only_subjects or i in row.subjects or row.kind(i + 1) == "verb"

    def _owner_of(self, i: int, k: int) -> list[int]:
        """ "A vase with flowers on a table": the vase is on the table, too."""
        row = self.row
        is_held = row.elements[k].cue.relation in _HOLDING and any(row.elements[j].things for j in row.following[k])
        return row.things_at([i - 2]) if is_held and row.kind(i - 1) == "with" and row.is_thing(i - 2) else []

    def _shared_support(self, k: int) -> list[int]:
        """ "A cup to the left of a pot on the table": the pot is on the table, too."""
        row = self.row
        if row.elements[k].cue.relation not in _HOLDING or k - 1 not in row.landmarks:
            return []
        cue = next(cue for cue in row.cues if k - 1 in row.following[cue])
        return [] if row.elements[cue].cue.relation in _HOLDING else list(row.elements[k - 1].things)

    def _inverted_figure(self, k: int, opener: str = "") -> list[int]:
        """The thing after a cue that opens its clause: "To the left of the bed is a lamp", "On top, a cherry"."""
        row = self.row
        opener = opener or row.opener(k)
        if not opener:
            return []
        joint, position = row.joint_after(max([k] + row.following[k]))
        if joint == "and" and row.kind(position) == "cue":
            return self._inverted_figure(position, opener)
        if joint and (joint != "," or opener not in ("stop", "clause", "order")):
            return []
        while row.kind(position) == "verb" or row.kind(position) == "stop" and not row.is_sentence_end(position):
            position += 1
        return row.things_at(row.list_from(position)) if row.is_thing(position) else []

    # --- landmarks ------------------------------------------------------------------------------------------------
    def _landmark(self, k: int, figure: Sequence[int]) -> list[int]:
        """The phrases that a cue's landmark means: what stands with it, else what the text around it suggests."""
        row, element = self.row, self.row.elements[k]
        if row.following[k]:
            return [index for i in row.following[k] for index in self._meant_at(i, k, figure)]
        if element.cue.landmark in ("owner", "held"):
            return self._referents(_owner_in(element.text), k, figure)
        if element.cue.landmark in ("after", "reversed", "list"):
            return []
        topic = row.topic(k, figure)
        if not row.is_in_with(k) and (element.cue.relation in _RELATION_TO_SIDE or self._has_place(topic)):
            topic = []  # "on the left": of the picture
        return topic or self._shared_landmark(k)

    def _meant_at(self, i: int, k: int, figure: Sequence[int]) -> list[int]:
        element = self.row.elements[i]
        if element.kind == "each other":
            return list(figure)
        if element.kind != "pronoun":
            return list(element.things)
        if element.is_part and self.row.elements[k].cue.relation == "inside":  # "in their hands"
            return []
        return self._referents(element.text, k, figure)

    def _has_place(self, things: Sequence[int]) -> bool:
        """ "A chair at the left, a desk ...": whether the picture is the landmark already."""
        return any(r.object is None and r.subject in things for r in self.certain)

    def _shared_landmark(self, k: int) -> list[int]:
        """The desk in "a lamp to the left and a plant to the right of the desk"."""
        joint, position = self.row.joint_after(k)
        if joint != "and" or not self.row.is_thing(position):
            return []
        later = next((cue for cue in self.row.cues if cue > position), None)
        is_near = later is not None and all(self.row.kind(i) == "verb" for i in range(position + 1, later))
        return self.row.things_at(self.row.following[later]) if is_near else []

    def _referents(self, word: str, k: int, figure: Sequence[int]) -> list[int]:
        """The phrases that a pronoun means which stands at, or is the landmark of, position k."""
        row = self.row
        topic, nearest = row.topic(k, figure), row.things_before(k)
        about_topic = row.kind(k) == "pronoun" or word in POSSESSIVES or row.is_in_with(k)
        start = row.sentence_start(k)
        marks = [] if about_topic else row.things_before(k, (i for i in row.landmarks if i >= start))
        candidates = [things for things in marks[:1] + [topic] + nearest if things and not set(things) & set(figure)]
        if word in PERSON_PRONOUNS:
            return next(filter(self._are_persons, candidates), [])
        if word in GROUP_PRONOUNS:
            return self._group(word, candidates, k, figure)
        return next((things for things in candidates if not self._are_persons(things)), [])

    def _group(self, word: str, candidates: list[list[int]], k: int, figure: Sequence[int]) -> list[int]:
        """What "them" means: a person, a plural, things named together, or the last two things; "their": the last."""
        row = self.row
        is_between = row.kind(k) == "cue" and row.elements[k].cue.relation == "between"
        for fits in () if is_between else (self._are_persons, self._are_plural):
            if found := next(filter(fits, candidates), None):
                return found
        lists = [row.things_at(row.following[cue]) for cue in reversed(row.cues) if cue < k]
        for together in candidates[:1] + lists:
            if len(together) > 1 and not set(together) & set(figure):
                return together
        single = list(dict.fromkeys(index for things in candidates for index in things))
        return single[1::-1] if is_between or word == "them" else single[:1]

    def _are_persons(self, things: Sequence[int]) -> bool:
        return all(self.phrases[index].is_person for index in things)

    def _are_plural(self, things: Sequence[int]) -> bool:
        return len(things) > 1 or self.phrases[things[0]].plural


def _owner_in(text: str) -> str:
    """The possessive in "to its left"."""
    return next((word for word in text.split() if word in POSSESSIVES), "its")


def _implied_by_places(relations: Sequence[Relation]) -> list[Relation]:
    """What is at the left of the picture is left of what is at its right, and so on; unless something is stated."""
    places = [(r.subject, *PICTURE_PLACES[r.relation]) for r in relations if r.object is None]
    stated = {frozenset((r.subject, r.object)) for r in relations if r.object is not None}
    implied = []
    for n, (first, x0, y0) in enumerate(places):
        for second, x1, y1 in places[n + 1 :]:
            if first == second or frozenset((first, second)) in stated:
                continue
            if x0 != x1 and abs(x0 - x1) >= abs(y0 - y1):
                implied.append(Relation(first, "left of" if x0 < x1 else "right of", second))
            elif y0 != y1:
                implied.append(Relation(first, "above" if y0 < y1 else "below", second))
    return implied
