"""What a prompt says about where its objects are: `find_relations`."""

import re
from collections.abc import Iterable, Sequence
from itertools import combinations
from math import prod

from spacy.tokens import Doc

from .clauses import ClauseRow
from .elements import read_elements
from .grids import grid_relations, ring_places
from .lexicon import GROUP_PRONOUNS, NEGATING_WORDS, PERSON_PRONOUNS, POINTING_PRONOUNS
from .phrases import Phrase
from .plurals import singular
from .regions import Relation
from .things import CLOTHES, HYPERNYMS, PICTURE_WORDS, SURROUNDINGS
from .words import ORDINALS, PLACES_IN_COLUMN, PLACES_IN_ROW, POSSESSIVES


# Sides and corners of the picture as (column, row); they hold without a landmark.
PICTURE_PLACES: dict[str, tuple[int, int]] = {
    "left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "centre": (0, 0),
    "top left": (-1, -1), "top right": (1, -1), "bottom left": (-1, 1), "bottom right": (1, 1),
}  # fmt: skip
_CORNERS = {
    "each corner": ("top left", "top right", "bottom left", "bottom right"),
    "four corners": ("top left", "top right", "bottom left", "bottom right"),
    "opposite corners": ("top left", "bottom right"),
}
_PLACES_IN_PICTURE = {
    "left of": "left", "right of": "right", "above": "top", "on": "top", "below": "bottom", "between": "centre",
}  # fmt: skip
_PICTURE_SIDES = ("left of", "right of", "left", "right", "both sides")
_SIDES_IN_ROW = {
    word: 0.5 if place is None else abs(place) for word, place in PLACES_IN_ROW.items() if word not in ORDINALS
}
# Where things stand "around" another, one after the other.
_PLACES_AROUND = (
    ("left of",), ("right of",), ("above",), ("below",),
    ("left of", "above"), ("right of", "above"), ("left of", "below"), ("right of", "below"),
)  # fmt: skip
_RELATION_TO_SIDE = {"left": "left of", "right": "right of"}
_PLACE_TO_SIDE = _RELATION_TO_SIDE | {"top": "above", "bottom": "below"}
_HOLDING = ("on", "inside")
_PRONOUN_CLASS = {word: kind for kind in ("he him his", "she her hers", "it its it's") for word in kind.split()}
_OPPOSITES = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
_OTHER_SIDES = _OPPOSITES | {"left": "right", "right": "left", "top": "bottom", "bottom": "top", "next to": "next to"}
# Rows, columns and depths: which come first, how one stands to the next, and how the things in one stand to another.
_LINES = {
    "row": (("top", "centre", "bottom"), "above", "left of"),
    "column": (("left", "centre", "right"), "left of", "above"),
    "depth": (("behind", "in front of"), "behind", ""),
}
_BARE_ROW = re.compile(r"in (?:a|one) (?:\w+ )?(?:row|line|column)")  # without "from left to right"
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
    relations = _RelationReader(ClauseRow(read_elements(doc, phrases)), phrases).read()
    relations += _implied_by_places(relations)
    return relations + _implied_by_between(relations)


class _RelationReader:
    """
    Reads the clauses from left to right. Each spatial expression (cue) has a landmark, usually what follows it, and
    a figure, usually the nearest thing before it that is no landmark itself.
    """

    def __init__(self, row: ClauseRow, phrases: Sequence[Phrase]):
        self.row = row
        self.phrases = phrases
        self.certain: list[Relation] = []
        self.meant: dict[tuple[int, str | None], list[int]] = {}  # (start of a sentence, class of pronouns) -> phrases
        self.pairs: dict[int, list[list[int]]] = {}  # start of a sentence -> its latter and its former
        self.held: list[Relation] = []  # "in the left hand": what is said elsewhere counts more
        self.lines: dict[str, list[tuple[str, list[int]]]] = {kind: [] for kind in _LINES}  # (place, things) of each
        self.rows: list[tuple[list[int], list[Relation]]] = []  # things in a row or grid, and how those stand
        self.fronted: set[int] = set()  # cues that open their clause: "above the bed hangs a lamp"
        self.placed: dict[int, set[int]] = {}  # start of a sentence -> things that follow such cues: "a lamp, and ..."

    def read(self) -> list[Relation]:
        for k, element in enumerate(self.row.elements):
            if element.things and any(element.shape):
                self._add_grid(element.things, element.shape)
            elif any(element.shape):
                self._read_grid(k)
            elif element.relation == "ring":
                self._read_ring(k)
            elif element.kind == "order":
                self._read_order(k)
            elif k in self.row.following and not self._is_void(k):
                self._read_cue(k)
        for kind in _LINES:
            self._relate_lines(kind)
        self._order_rows()
        return list(dict.fromkeys(self.certain + self.held))

    def _read_cue(self, k: int) -> None:
        cue = self.row.elements[k].cue
        if cue.relation == "both sides" and self._is_flanked(k):
            return
        placed = self.placed.setdefault(self.row.sentence_start(k), set())
        if figure := self._inverted_figure(k):
            self.fronted.add(k)
            placed.update(figure)
        else:
            figure = self._figure_before(k)
            figure = [thing for thing in figure if thing not in placed] or figure
        if cue.relation in _CORNERS and (cue.landmark == "picture" or self._is_about_picture(k)):
            self._place_in_corners(k, figure)
        elif cue.landmark in _LINES:
            self._add_to_line(cue.landmark, cue.relation, figure)
        elif cue.relation == "opposite" and cue.landmark == "none":
            self._oppose(figure)
        elif cue.landmark == "picture" or self._is_of_picture(k):
            self._place(k, figure)
        elif landmark := self._landmark(k, figure):
            self._state(figure, _RELATION_TO_SIDE.get(cue.relation, cue.relation), landmark, cue.landmark)
        elif owner := self._landmark(k, last := self._last_of(figure, k)):  # "a bus, a car to its left"
            self._state(last, cue.relation, owner, cue.landmark)
        elif not self.row.following[k] and cue.landmark in ("none", "maybe"):
            self._place(k, figure)

    def _is_flanked(self, k: int) -> bool:
        """ "Flanked by a guard on each side"."""
        row = self.row
        return any(k - 1 in row.following[cue] and row.elements[cue].cue.landmark == "list" for cue in row.cues)

    def _place(self, k: int, figure: Sequence[int]) -> None:
        """Puts a figure at a place of the picture; one that has another already leaves it to the thing just before."""
        relation = self.row.elements[k].cue.relation
        relation = _PLACES_IN_PICTURE.get(relation, relation)
        if k - 1 in self.row.landmarks and self._has_place(figure):  # "a cat on the left beside a dog on the right"
            figure = self.row.elements[k - 1].things
        self._state(figure, relation)

    def _place_in_corners(self, k: int, figure: Sequence[int]) -> None:
        """ "Four birds, one in each corner": of as many things as there are corners each has one."""
        places = _CORNERS[self.row.elements[k].cue.relation]
        for things in (figure, self._last_of(figure, k)):
            if len(things) == len(places):
                self.certain += [Relation(thing, place) for thing, place in zip(things, places)]
                return

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

    def _last_of(self, figure: Sequence[int], k: int) -> list[int]:
        """Of things joined before a cue the one right before it."""
        mentions = (things for things in self.row.things_before(k) if set(things) <= set(figure))
        return next(mentions, []) if len(figure) > 1 else []

    def _read_order(self, k: int) -> None:
        """ "From left to right: a cup, a plate and a jug", or "A cup, a plate and a jug from left to right"."""
        row = self.row
        start, end = row.sentence_start(k), self._sentence_end(k)
        is_row = _BARE_ROW.fullmatch(row.text(k)) is not None
        for positions in (self._joined_last(k) if is_row else (), range(k, end), () if is_row else range(start, k)):
            things = self._free_things(positions)
            if len(things) > 1:
                chain = _chain(row.elements[k].relation, things)
                if is_row:
                    self.rows.append((things, chain))
                else:
                    self.certain += chain
                return

    def _read_grid(self, k: int) -> None:
        """ "A 2x2 grid: a cup, a plate, a jug and a fork", or "Four cups in two rows of two"."""
        shape, before = self.row.elements[k].shape, self._free_things(self._joined_last(k))
        after = self._free_things(range(k, self._sentence_end(k)))[: prod(shape) or None]
        are_named = bool(before) and (not after or "in" in self.row.text(k).split())
        self._add_grid(before if are_named else after, shape)

    def _add_grid(self, things: Sequence[int], shape: tuple[int, int]) -> None:
        self.rows.append((list(things), grid_relations(things, shape)))

    def _read_ring(self, k: int) -> None:
        """ "Clockwise from the top left: a cup, a plate, a jug and a fork"."""
        places = ring_places(self.row.text(k))
        for positions in (range(k, self._sentence_end(k)), self._joined_last(k)):
            if len(things := self._free_things(positions)) > 1:
                self.certain += [Relation(thing, place) for thing, place in zip(things, places)]
                return

    def _free_things(self, positions: Iterable[int]) -> list[int]:
        """What stands at some positions and is no landmark."""
        return list(dict.fromkeys(self.row.things_at(i for i in positions if i not in self.row.landmarks)))

    def _sentence_end(self, k: int) -> int:
        row = self.row
        return next((i for i in range(k, len(row.elements)) if row.is_sentence_end(i)), len(row.elements))

    def _joined_last(self, k: int) -> list[int]:
        """Positions of the last things named before one: the cups of "a table with three cups in a row"."""
        row = self.row
        nearest = next((i for i in reversed(range(row.sentence_start(k), k)) if row.is_thing(i)), None)
        return [] if nearest is None else row.joined_before(nearest, has_singular_verb=False)

    def _add_to_line(self, kind: str, place: str, things: Sequence[int]) -> None:
        """Keeps what a row holds: "the top row" is always the same one, "the second row", "the next row" are not."""
        same = next((held for name, held in self.lines[kind] if name == place != "centre"), None)
        if same is not None:
            same.extend(things)
        elif things:
            self.lines[kind].append((place, list(things)))

    def _relate_lines(self, kind: str) -> None:
        """Rows stand above one another, their things in reading order unless the text arranges them; so do columns."""
        places, across, along = _LINES[kind]
        lines = sorted(self.lines[kind], key=lambda line: places.index(line[0]))
        if len(lines) == 1:
            self._state(lines[0][1], lines[0][0])
        for (_, first), (_, second) in zip(lines, lines[1:]):
            self.certain += [Relation(a, across, b) for a, b in _aligned(first, second)]
        for _, things in lines:
            if along and not self._are_arranged(things):
                self.certain += _chain(along, things)

    def _order_rows(self) -> None:
        """Things in a row stand in the order of the text unless it arranges them."""
        for things, relations in self.rows + self._named_rows() + self._placed_namesakes():
            if not self._are_arranged(things):
                self.certain += relations

    def _named_rows(self) -> list[tuple[list[int], list[Relation]]]:
        """Those that were counted together of which one is called "the middle one" or "the left cup"."""
        rows = []
        for element in self.row.elements:
            words = [word for word in element.text.split() if word in PLACES_IN_ROW]
            if len(element.things) == 1 and words:
                first_mention = self.phrases[element.things[0]].mentions[0]
                things = [i for i, phrase in enumerate(self.phrases) if phrase.mentions[0] == first_mention]
                if words[0] in ORDINALS and any(r.subject in things for r in self.certain):
                    continue  # "the first is above a sofa, the second below it"
                rows.append((things, _chain("above" if words[0] in PLACES_IN_COLUMN else "left of", things)))
        return rows

    def _placed_namesakes(self) -> list[tuple[list[int], list[Relation]]]:
        """Those that nobody counted but a text calls "the left cup" and "the right cup"."""
        named: dict[tuple[str, str], dict[float, int]] = {}  # (noun, relation of each to the next) -> by their ranks
        for index, phrase in enumerate(self.phrases):
            for word in filter(phrase.modifiers.__contains__, _SIDES_IN_ROW):
                relation = "above" if word in PLACES_IN_COLUMN else "left of"
                named.setdefault((phrase.head, relation), {})[_SIDES_IN_ROW[word]] = index
        rows = [(relation, [places[rank] for rank in sorted(places)]) for (_, relation), places in named.items()]
        return [(things, _chain(relation, things)) for relation, things in rows if len(things) > 1]

    def _are_arranged(self, things: Sequence[int]) -> bool:
        """Whether it is said how some things stand to each other, or at which side of the picture one of them is."""
        told = (r for r in self.certain if r.subject in things)
        return any(r.object in things or r.relation in _PLACE_TO_SIDE for r in told)

    def _is_void(self, k: int) -> bool:
        """ "is not above", "neither above nor below", "surveying the scene below"."""
        row = self.row
        if row.kind(k - 1) == "join" and row.elements[k - 1].text == "nor":
            return True
        if row.kind(k - 1) == "other" and row.kind(k - 2) == "verb" and not row.elements[k - 2].is_finite:
            return not row.following[k] and row.elements[k].cue.landmark == "maybe"
        return row.kind(k - 1) == "verb" and row.elements[k - 1].text in NEGATING_WORDS

    def _state(self, figure: Sequence[int], relation: str, landmark: Sequence[int] = (), kind: str = "") -> None:
        """Adds a relation of each figure to each landmark; without landmarks, to the picture."""
        if relation == "both sides" and len(figure) % 2 == 0:
            half = len(figure) // 2
            self._state(figure[:half], "left of" if landmark else "left", landmark)
            self._state(figure[half:], "right of" if landmark else "right", landmark)
            return
        if relation in PICTURE_PLACES or not landmark:
            self.certain += [Relation(subject, relation) for subject in figure if relation in PICTURE_PLACES]
            return
        if relation == "around":
            self._surround(figure, landmark, kind)
            return
        if relation == "between" and len(landmark) > 2 and len(landmark) % 2 == 0:  # "flanked by four guards"
            self._state(landmark, "both sides", figure)
            return
        if relation == "between" and len(landmark) > 1:
            self.certain += [Relation(a, relation, *landmark[:2]) for a in figure if a not in landmark[:2]]
            return
        if relation == "opposite":
            relation = self._opposite_side(landmark)
        relation = "next to" if relation in ("between", "both sides", *_CORNERS) else relation
        if kind == "reversed" or relation == "inside" and self._are_worn(figure, landmark):
            figure, landmark = landmark, figure
        stated = [Relation(a, relation, b) for a in figure for b in landmark if a != b]
        (self.held if kind == "held" else self.certain).extend(stated)

    def _surround(self, figure: Sequence[int], landmark: Sequence[int], kind: str) -> None:
        """Several things at all sides of another: of "a table surrounded by stools", or "stools around a table"."""
        outer, inner = (landmark, figure) if kind == "list" else (figure, landmark)
        if len(outer) < 3:
            self._state(figure, "between" if kind == "list" else "next to", landmark)
            return
        for thing, places in zip(outer, _PLACES_AROUND):
            for place in places:
                self._state([thing], place, inner)

    def _oppose(self, figure: Sequence[int]) -> None:
        """ "On the other side": of what something has a side already, be it the picture."""
        sided = next((r for r in reversed(self.certain) if r.relation in _OTHER_SIDES), None)
        if sided is not None:
            landmark = [] if sided.object is None else [sided.object]
            self._state(figure, _OTHER_SIDES[sided.relation], landmark)

    def _opposite_side(self, landmark: Sequence[int]) -> str:
        """ "On the other side of the fence": of the side that something is said to be on."""
        sides = [_OPPOSITES.get(r.relation) for r in self.certain if r.object in landmark]
        return next(filter(None, reversed(sides)), "next to")

    def _are_worn(self, figure: Sequence[int], landmark: Sequence[int]) -> bool:
        """ "A man in a coat"."""
        return bool(figure) and self.phrases[landmark[0]].head in CLOTHES and self._are_persons(figure)

    # --- figures --------------------------------------------------------------------------------------------------
    def _figure_before(self, k: int) -> list[int]:
        """The nearest thing before a cue that is no landmark, with those joined to it; of a relative, its noun."""
        row, only_subjects = self.row, False
        if k - 1 in row.landmarks and self._describes_nearest(k):
            return list(row.elements[k - 1].things)
        for i in range(k - 1, row.sentence_start(k) - 1, -1):
            element = row.elements[i]
            if element.kind == "relative":
                return self._antecedent(i)
            if element.kind == "pronoun" and row.kind(i - 1) in ("", "stop", "join", "clause"):
                return self._referents(element.text, i, ())
            if element.kind == "verb" and self._is_resumed(i):
                only_subjects = True
            if element.kind == "thing" and not row.is_aside(i, k) and self._may_be_figure(i, k, only_subjects):
                has_singular_verb = any(e.kind == "verb" and e.is_singular for e in row.elements[i:k])
                joined = row.joined_before(i, has_singular_verb)
                return self._owner_of(joined[0], k) + row.things_at(joined) + self._shared_support(k)
        return []

    def _antecedent(self, i: int) -> list[int]:
        """What a relative pronoun means: the thing before it, with those joined to it in "..., which are above"."""
        row = self.row
        position = next((j for j in reversed(range(i)) if row.is_thing(j)), None)
        if position is None:
            return []
        is_plural = row.kind(i + 1) == "verb" and row.elements[i + 1].text in ("are", "were")
        return row.things_at(row.joined_before(position, has_singular_verb=not is_plural))

    def _describes_nearest(self, k: int) -> bool:
        """ "... a man in a coat", "... a woman riding a horse", "a man walks past a dog on his left"."""
        row, element = self.row, self.row.elements[k]
        if not row.is_thing(k - 1):
            return False
        is_person = self._are_persons(row.elements[k - 1].things)
        if element.cue.landmark == "owner":
            return not is_person and _owner_in(element.text) != "its"
        if self._holds_clothes(k):
            persons = filter(self._are_persons, row.things_before(k, range(row.sentence_start(k), k)))
            return is_person or not any(persons)
        return element.text.startswith("riding")

    def _is_resumed(self, i: int) -> bool:
        """Whether a verb goes back to a subject: "X holds Y and stands", "X with Y below stands"."""
        before = self.row.kind(i - 1)
        return before == "join" or self.row.elements[i].is_finite and before in ("cue", "pronoun", "other")

    def _may_be_figure(self, i: int, k: int, only_subjects: bool) -> bool:
        row = self.row
        if i in row.landmarks:  # "an owl above a fox above a mouse", "a cat in a box on a mat": the fox, the box
            cue = next(cue for cue in row.cues if i in row.following[cue])
            relations = {row.elements[cue].cue.relation, row.elements[k].cue.relation}
            is_next = cue < i and all(row.kind(j) == "verb" and not row.elements[j].is_finite for j in range(i + 1, k))
            is_held = relations == set(_HOLDING) and not self._holds_clothes(k)
            return is_next and row.elements[cue].cue.landmark != "reversed" and (len(relations) == 1 or is_held)
        return not only_subjects or i in row.subjects or row.kind(i + 1) == "verb"

    def _owner_of(self, i: int, k: int) -> list[int]:
        """ "A vase with flowers on a table": the vase is on the table, too."""
        row = self.row
        cue, following = row.elements[k].cue, row.things_at(row.following[k])
        is_held = cue.relation in _HOLDING and cue.landmark != "reversed" and following
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
        if row.kind(k + 1) == "relative":  # "the bridge, on which a car drives", "the barn, behind which stands a cow"
            return self._list_at(row.past_predicate(k + 2))
        if row.text(k).split()[1:2] == ["whose"]:  # "a bed to whose left stands a lamp"
            return self._list_at(row.past_predicate(k + 1))
        if row.kind(k + 1) == "agent":  # "flanked on the left by a guard"
            return self._list_at(k + 2)
        opener = opener or row.opener(k)
        if not opener:
            return []
        if labelled := row.labelled(k):
            return labelled
        joint, position = row.joint_after(max([k] + row.following[k]))
        if joint in ("and", ",", ", and") and row.kind(position) == "cue":
            return self._inverted_figure(position, opener)
        if joint and (joint != "," or opener not in ("stop", "clause", "order")):
            return []
        return self._list_at(row.past_predicate(position))

    def _list_at(self, position: int) -> list[int]:
        """The things of the list that begins at a position; none where no thing stands."""
        return self.row.things_at(self.row.list_from(position)) if self.row.is_thing(position) else []

    # --- landmarks ------------------------------------------------------------------------------------------------
    def _landmark(self, k: int, figure: Sequence[int]) -> list[int]:
        """The phrases that a cue's landmark means: what stands with it, else what the text around it suggests."""
        row, element = self.row, self.row.elements[k]
        if row.following[k]:
            return [index for i in row.following[k] for index in self._meant_at(i, k, figure)]
        if element.cue.landmark in ("owner", "held"):
            return self._referents(_owner_in(element.text), k, figure)
        if shared := self._twin_landmark(k) or self._parallel_landmark(k):
            return shared
        if element.cue.relation == "between" and not row.is_noun(k + 1):  # "and a bowl in between"
            return self._referents("them", k, figure)
        if element.cue.landmark in ("after", "reversed", "list"):
            return []
        if earlier := self._carried_landmark(k, figure):
            return earlier
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

    def _twin_landmark(self, k: int) -> list[int]:
        """The book in "above and to the left of the book"."""
        joint, position = self.row.joint_after(k)
        is_side = self.row.elements[k].cue.relation not in PICTURE_PLACES
        return self.row.things_at(self.row.following.get(position, ())) if joint == "and" and is_side else []

    def _parallel_landmark(self, k: int) -> list[int]:
        """The bed in "To the left of the bed is a lamp, to the right (or: to its right) a chair"."""
        row, cue = self.row, self.row.elements[k].cue
        if cue is None:
            return []
        start = 0 if cue.landmark == "none" and cue.relation in _OPPOSITES else row.sentence_start(k)
        earlier = max((other for other in row.cues if start <= other < k and self._are_parallel(other, k)), default=k)
        relations = {_PLACE_TO_SIDE.get(name, name) for name in (cue.relation, row.elements[earlier].cue.relation)}
        return row.things_at(row.following[earlier]) if len(relations & _OPPOSITES.keys()) == 2 else []

    def _are_parallel(self, first: int, second: int) -> bool:
        """Whether both cues open their clauses or have an owner: "at the king's right and a page at his left"."""
        row, cues = self.row, {first, second}
        are_owned = all(row.elements[k].cue.landmark == "owner" for k in cues) and not row.is_in_with(second)
        return bool(row.following[first]) and (cues <= self.fronted or are_owned)

    def _carried_landmark(self, k: int, figure: Sequence[int]) -> list[int]:
        """The plate in "the fork is to the left of the plate, the knife is to the right"."""
        row, relation = self.row, self.row.elements[k].cue.relation
        if row.is_in_with(k) or _RELATION_TO_SIDE.get(relation, relation) not in _OPPOSITES:
            return []
        for cue in reversed([cue for cue in row.cues if cue < k]):
            landmark = row.things_at(row.following[cue])
            if landmark and row.elements[cue].cue.relation in _OPPOSITES:
                is_new = any(set(things) <= set(figure) for things in row.things_before(k, range(cue + 2, k)))
                is_other = any(row.kind(i) == "pronoun" for i in range(cue + 1, k))  # "and a cup faces it from below"
                return landmark if is_new and not is_other and set(landmark).isdisjoint(figure) else []
        return []

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
        if word in POINTING_PRONOUNS:
            return self._pointed_at(word, k, figure)
        if announced := row.announced_subject(k):
            return announced
        topic, nearest = row.topic(k, figure), row.things_before(k)
        start = row.sentence_start(k)
        known = self.meant.get((start, _PRONOUN_CLASS.get(word)), [])
        if known and set(known).isdisjoint(figure):  # "in front of her, and ... to her right"
            return known
        is_opposite = row.kind(k) == "cue" and row.elements[k].cue.relation == "opposite"  # of what has sides already
        about_topic = row.kind(k) == "pronoun" or word in POSSESSIVES or row.is_in_with(k) and not is_opposite
        marks = [] if about_topic else row.things_before(k, (i for i in row.landmarks if i >= start))
        marks = [self._parallel_landmark(k)] + marks[:1] + [topic]
        candidates = [things for things in marks + nearest if things and not set(things) & set(figure)]
        if word in GROUP_PRONOUNS or word == "both":
            return self._group(word, candidates, k, figure)
        found = self._single(word, candidates)
        self.meant[start, _PRONOUN_CLASS.get(word)] = found
        return found

    def _pointed_at(self, word: str, k: int, figure: Sequence[int]) -> list[int]:
        """What "above that" means, the last thing named, or "the former" and "the latter", two named together."""
        row, start = self.row, self.row.sentence_start(k)
        near = [things for things in row.things_before(k, range(start, k)) if not set(things) & set(figure)]
        earlier = row.things_before(start)
        if word == "that":
            return (near + earlier + [[]])[0]
        pair = self.pairs.setdefault(start, (near if len(near) > 1 else earlier or near)[:2])
        return pair[min(POINTING_PRONOUNS[word], len(pair) - 1)] if pair else []

    def _single(self, word: str, candidates: list[list[int]]) -> list[int]:
        """What "her" means: a person, else an animal, else any single thing; "it": no person."""
        if word not in PERSON_PRONOUNS:
            return next((things for things in candidates if not self._are_persons(things)), [])
        kinds = (self._are_persons, self._are_animals, lambda things: not self._are_plural(things))
        return next((found for fits in kinds if (found := next(filter(fits, candidates), []))), [])

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
        return single[1::-1] if is_between or word in ("them", "both") else single[:1]

    def _are_persons(self, things: Sequence[int]) -> bool:
        return all(self.phrases[index].is_person for index in things)

    def _holds_clothes(self, k: int) -> bool:
        return any(self.phrases[index].head in CLOTHES for index in self.row.things_at(self.row.following[k]))

    def _are_animals(self, things: Sequence[int]) -> bool:
        return all(self.phrases[index].head in HYPERNYMS["animal"] for index in things)

    def _are_plural(self, things: Sequence[int]) -> bool:
        return len(things) > 1 or self.phrases[things[0]].plural


def _chain(relation: str, things: Sequence[int]) -> list[Relation]:
    """Each stands in the relation to the next."""
    return [Relation(a, relation, b) for a, b in zip(things, things[1:])]


def _aligned(first: list[int], second: list[int]) -> list[tuple[int, int]]:
    """Each of a row with the one below; where a row is shorter its last with several."""
    length = max(len(first), len(second))
    return list(zip(*(things + things[-1:] * (length - len(things)) for things in (first, second))))


def _owner_in(text: str) -> str:
    """The possessive in "to its left"."""
    return next((word for word in text.split() if word in POSSESSIVES), "its")


def _implied_by_places(relations: Sequence[Relation]) -> list[Relation]:
    """What is at the left of the picture is left of what is at its right, and so on; unless something is stated."""
    places: dict[int, tuple[int, int]] = {}
    for r in relations:
        if r.object is None:  # "top row: a kite on the left": both count
            x, y = places.get(r.subject, (0, 0))
            column, row = PICTURE_PLACES[r.relation]
            places[r.subject] = x or column, y or row
    stated = {frozenset((r.subject, r.object)) for r in relations if r.relation in _OPPOSITES}
    implied = []
    for (first, (x0, y0)), (second, (x1, y1)) in combinations(places.items(), 2):
        if frozenset((first, second)) in stated:
            continue
        if x0 != x1 and abs(x0 - x1) >= abs(y0 - y1):
            implied.append(Relation(first, "left of" if x0 < x1 else "right of", second))
        if y0 != y1 and abs(y0 - y1) >= abs(x0 - x1):
            implied.append(Relation(first, "above" if y0 < y1 else "below", second))
    return implied


def between_in_order(between: Relation, relations: Sequence[Relation]) -> tuple[int, str, int] | None:
    """
    The two landmarks of a "between", in order: (first, "left of" or "above", second). None if nothing tells it:
    neither the place of one of them in the picture nor how any two of the three stand to each other.
    """
    ends = between.object, between.second_object
    for first, second in (ends, ends[::-1]):
        pairs = ((first, second), (first, between.subject), (between.subject, second))
        for r in relations:
            is_placed = r.relation in _PLACE_TO_SIDE and r.subject == first
            side = _PLACE_TO_SIDE[r.relation] if is_placed else r.relation if (r.subject, r.object) in pairs else ""
            if side in ("left of", "above"):
                return first, side, second
            if side in _OPPOSITES:
                return second, _OPPOSITES[side], first
    return None


def _implied_by_between(relations: Sequence[Relation]) -> list[Relation]:
    """What is between two things of which one is left of (above, ...) the other."""
    implied = []
    for r in relations:
        if r.relation == "between" and (order := between_in_order(r, relations)):
            first, relation, second = order
            implied += [Relation(first, relation, r.subject), Relation(r.subject, relation, second)]
    stated = {(r.subject, r.relation, r.object) for r in relations}
    stated |= {(r.object, _OPPOSITES.get(r.relation), r.subject) for r in relations}
    return [r for r in implied if (r.subject, r.relation, r.object) not in stated]
