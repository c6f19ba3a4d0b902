"""What a prompt says about where its objects are: `find_relations`."""

from collections.abc import Sequence

from spacy.tokens import Doc

from .arrangements import LINES, ArrangementReader
from .clauses import ClauseRow
from .contents import contained
from .elements import read_elements
from .ellipsis import carried_landmark, parallel_landmark, shared_landmark, twin_landmark
from .figures import FigureReader
from .implied import implied_by_between, implied_by_places
from .lexicon import GROUP_PRONOUNS
from .phrase import Phrase, owners_of
from .plurals import singular
from .pronouns import PronounReader, owner_in
from .regions import Relation
from .sides import LATERAL_SIDES, PLACES_OF_CORNERS
from .statements import Statements
from .things import BODY_PARTS, PICTURE_WORDS, SURROUNDINGS


_PLACES_IN_PICTURE = {
    "left of": "left", "right of": "right", "above": "top", "on": "top", "below": "bottom", "between": "centre",
}  # fmt: skip
_PICTURE_SIDES = ("left of", "right of", "left", "right", "both sides")
_WHOLE_PICTURE = SURROUNDINGS | PICTURE_WORDS


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
    relations = [Relation(part, "inside", owner) for part, owner in owners_of(phrases).items()] + contained(phrases)
    relations += _RelationReader(ClauseRow(read_elements(doc, phrases)), phrases).read()
    relations = [r for r in dict.fromkeys(relations) if r.subject != r.object]
    relations += implied_by_places(relations)
    return relations + implied_by_between(relations)


class _RelationReader:
    """
    Reads the clauses from left to right. Each spatial expression (cue) has a landmark, usually what follows it, and
    a figure, usually the nearest thing before it that is no landmark itself.
    """

    def __init__(self, row: ClauseRow, phrases: Sequence[Phrase]):
        self.row = row
        self.stated = Statements(phrases)
        self.owners = owners_of(phrases)
        self.pronouns = PronounReader(row, phrases)
        self.figures = FigureReader(row, phrases, self.pronouns)
        self.arrangements = ArrangementReader(row, phrases, self.stated)

    def read(self) -> list[Relation]:
        for k, element in enumerate(self.row.elements):
            if element.kind == "order" or any(element.shape):
                self.arrangements.read(k)
            elif element.cue and not self.row.is_void(k):
                self._read_cue(k)
        self.arrangements.finish()
        return list(dict.fromkeys(self.stated.certain + self.stated.held))

    def _read_cue(self, k: int) -> None:
        cue, figure = self.row.elements[k].cue, self.figures.figure(k)
        if self._points_back(k):  # "three cars, a bus behind them"
            figure = self.row.last_of(figure, k) or figure
        if cue.relation in PLACES_OF_CORNERS and (cue.landmark == "picture" or self._is_about_picture(k)):
            self.arrangements.place_in_corners(k, figure)
        elif cue.landmark in LINES:
            self.arrangements.add_to_line(cue.landmark, cue.relation, figure)
        elif cue.relation == "opposite" and cue.landmark == "none":
            self.stated.oppose(figure)
        elif cue.landmark == "picture" or self._is_of_picture(k):
            self._place(k, figure)
        elif holder := self.row.parallel_holder(k):
            self._place(k, holder)
        elif landmark := self._landmark(k, figure):
            self.stated.add(figure, LATERAL_SIDES.get(cue.relation, cue.relation), landmark, cue.landmark)
        elif owner := self._landmark(k, last := self.row.last_of(figure, k)):  # "a bus, a car to its left"
            self.stated.add(last, cue.relation, owner, cue.landmark)
        elif not self.row.following[k] and cue.landmark in ("none", "maybe"):
            self._place(k, figure)

    def _points_back(self, k: int) -> bool:
        """Whether a cue places the last of several things beside those before it: ", a bus behind them"."""
        words = [self.row.text(i) for i in self.row.following[k]]
        return self.row.is_thing(k - 1) and self.row.text(k - 2) == "," and not GROUP_PRONOUNS.isdisjoint(words)

    # --- the picture as the landmark ------------------------------------------------------------------------------
    def _place(self, k: int, figure: Sequence[int]) -> None:
        """Puts a figure at a place of the picture; one that has another already leaves it to the thing just before."""
        row, relation = self.row, self.row.elements[k].cue.relation
        if k - 1 in row.landmarks and self.stated.have_place(figure):  # "a cat on the left beside a dog on the right"
            figure = row.elements[k - 1].things
        self.stated.add(figure, _PLACES_IN_PICTURE.get(relation, relation))

    def _is_of_picture(self, k: int) -> bool:
        """ "On the left side of the kitchen", "in the middle of the drawing"."""
        element = self.row.elements[k]
        is_middle = element.cue.relation == "between" and element.text.endswith(" of")
        return (is_middle or element.cue.relation in _PICTURE_SIDES) and self._is_about_picture(k)

    def _is_about_picture(self, k: int) -> bool:
        """Whether the landmark of a cue is the whole picture: "... of the kitchen", "... of the drawing"."""
        row = self.row
        nouns = [singular(row.elements[i].text) for i in row.following[k] if row.kind(i) == "other"]
        return len(nouns) == len(row.following[k]) == 1 and nouns[0] in _WHOLE_PICTURE

    # --- things as the landmark -----------------------------------------------------------------------------------
    def _landmark(self, k: int, figure: Sequence[int]) -> list[int]:
        """The phrases that a cue's landmark means: what stands with it, else what the text around it suggests."""
        row, element = self.row, self.row.elements[k]
        if row.following[k]:
            return [index for i in row.following[k] for index in self._meant_at(i, k, figure)]
        if element.cue.landmark in ("owner", "held"):
            return self.pronouns.referents(owner_in(element.text), k, figure)
        if shared := twin_landmark(row, k) or parallel_landmark(row, k):
            return shared
        if element.cue.relation == "between" and not row.is_noun(k + 1):  # "and a bowl in between"
            return self.pronouns.referents("them", k, figure)
        if element.cue.landmark in ("after", "reversed", "list"):
            return []
        if earlier := carried_landmark(row, k, figure):
            return earlier
        topic = row.topic(k, figure)
        is_aside = row.is_in_with(k) and (k not in row.fronted or row.kind(k + 1) == "agent")
        if not is_aside and (element.cue.relation in LATERAL_SIDES or self.stated.have_place(topic)):
            topic = []  # "on the left": of the picture
        return topic or shared_landmark(row, k)

    def _meant_at(self, i: int, k: int, figure: Sequence[int]) -> list[int]:
        """The phrases that the noun or pronoun at a position means, as the landmark of the cue at k."""
        element = self.row.elements[i]
        if element.kind == "each other":
            return list(figure)
        if element.kind != "pronoun":
            return list(element.things)
        if element.is_part and (self.row.elements[k].cue.relation == "inside" or self._is_of_part(k, element.text)):
            return []  # "in their hands", "a hand on his chest"
        owners = [self.owners[index] for index in figure if index in self.owners]  # "his hand on it": not on him
        return self.pronouns.referents(element.text, k, [*figure, *owners])

    def _is_of_part(self, k: int, owner: str) -> bool:
        """Whether a cue tells where a part of the same one is: "a hand | resting on his chest", "his hands behind"."""
        before = k - 1
        while self.row.kind(before) == "verb":
            before -= 1
        text = self.row.text(before)
        return text == owner or self.row.kind(before) == "other" and singular(text) in BODY_PARTS
