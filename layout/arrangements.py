"""Arrangements: how things stand in rows, columns, grids, rings and corners, and in the order of a text."""

import re
from collections.abc import Iterable, Sequence
from math import prod

from .clauses import ClauseRow
from .grids import chain_relations, grid_relations, ring_places
from .phrase import Phrase
from .regions import Relation
from .sides import PLACES_OF_CORNERS
from .statements import Statements
from .words import ORDINALS, PLACES_IN_COLUMN, PLACES_IN_ROW


# Rows, columns and depths: which come first, how one stands to the next, and how the things in one stand to another.
LINES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "row": (("top", "centre", "bottom"), "above", "left of"),
    "column": (("left", "centre", "right"), "left of", "above"),
    "depth": (("behind", "in front of"), "behind", ""),
}
_BARE_ROW = re.compile(r"in (?:a|one) (?:\w+ )?(?:row|line|column)")  # without "from left to right"
_SIDES_IN_ROW = {
    word: 0.5 if place is None else abs(place) for word, place in PLACES_IN_ROW.items() if word not in ORDINALS
}


class ArrangementReader:
    """
    Reads how things are arranged. An order, a ring or corners are stated at once; what stands in lines and grids is
    kept until the whole text is read, as the text may arrange those things otherwise: `finish` states the rest.
    """

    def __init__(self, row: ClauseRow, phrases: Sequence[Phrase], stated: Statements):
        self.row = row
        self.phrases = phrases
        self.stated = stated
        self.lines: dict[str, list[tuple[str, list[int]]]] = {kind: [] for kind in LINES}  # (place, things) of each
        self.rows: list[tuple[list[int], list[Relation]]] = []  # things in a row or grid, and how those stand

    def read(self, k: int) -> None:
        """Reads the order at position k, or the things there that stand in a grid."""
        element = self.row.elements[k]
        if element.things:
            self._add_grid(element.things, element.shape)
        elif any(element.shape):
            self._read_grid(k)
        elif element.relation == "ring":
            self._read_ring(k)
        else:
            self._read_order(k)

    def place_in_corners(self, k: int, figure: Sequence[int]) -> None:
        """ "Four birds, one in each corner": of as many things as there are corners each has one."""
        places = PLACES_OF_CORNERS[self.row.elements[k].cue.relation]
        for things in (figure, self.row.last_of(figure, k)):
            if len(things) == len(places):
                self._place_each(things, places)
                return

    def add_to_line(self, kind: str, place: str, things: Sequence[int]) -> None:
        """Keeps what a row holds: "the top row" is always the same one, "the second row", "the next row" are not."""
        same = next((held for name, held in self.lines[kind] if name == place != "centre"), None)
        if same is not None:
            same.extend(things)
        elif things:
            self.lines[kind].append((place, list(things)))

    def finish(self) -> None:
        """States how the lines stand and, unless the text arranges them, how the things in a line or grid do."""
        for kind in LINES:
            self._relate_lines(kind)
        for things, relations in self.rows + self._named_rows() + self._placed_namesakes():
            if not self.stated.are_arranged(things):
                self.stated.certain += relations

    def _read_order(self, k: int) -> None:
        """ "From left to right: a cup, a plate and a jug", or "A cup, a plate and a jug from left to right"."""
        row = self.row
        start, end = row.sentence_start(k), row.sentence_end(k)
        is_row = _BARE_ROW.fullmatch(row.text(k)) is not None
        for positions in (self._joined_last(k) if is_row else (), range(k, end), () if is_row else range(start, k)):
            things = self._free_things(positions)
            if len(things) > 1:
                chain = chain_relations(row.elements[k].relation, things)
                if is_row:
                    self.rows.append((things, chain))
                else:
                    self.stated.certain += chain
                return

    def _read_grid(self, k: int) -> None:
        """ "A 2x2 grid: a cup, a plate, a jug and a fork", or "Four cups in two rows of two"."""
        shape, before = self.row.elements[k].shape, self._free_things(self._joined_last(k))
        after = self._free_things(range(k, self.row.sentence_end(k)))[: prod(shape) or None]
        are_named = bool(before) and (not after or "in" in self.row.text(k).split())
        self._add_grid(before if are_named else after, shape)

    def _add_grid(self, things: Sequence[int], shape: tuple[int, int]) -> None:
        self.rows.append((list(things), grid_relations(things, shape)))

    def _read_ring(self, k: int) -> None:
        """ "Clockwise from the top left: a cup, a plate, a jug and a fork"."""
        for positions in (range(k, self.row.sentence_end(k)), self._joined_last(k)):
            if len(things := self._free_things(positions)) > 1:
                self._place_each(things, ring_places(self.row.text(k)))
                return

    def _place_each(self, things: Sequence[int], places: Sequence[str]) -> None:
        self.stated.certain += [Relation(thing, place) for thing, place in zip(things, places)]

    def _free_things(self, positions: Iterable[int]) -> list[int]:
        """What stands at some positions and is no landmark."""
        return list(dict.fromkeys(self.row.things_at(i for i in positions if i not in self.row.landmarks)))

    def _joined_last(self, k: int) -> list[int]:
        """Positions of the last things named before one: the cups of "a table with three cups in a row"."""
        row = self.row
        nearest = next((i for i in reversed(range(row.sentence_start(k), k)) if row.is_thing(i)), None)
        return [] if nearest is None else row.joined_before(nearest, has_singular_verb=False)

    def _relate_lines(self, kind: str) -> None:
        """Rows stand above one another, their things in reading order unless the text arranges them; so do columns."""
        places, across, along = LINES[kind]
        lines = sorted(self.lines[kind], key=lambda line: places.index(line[0]))
        if len(lines) == 1:
            self.stated.add(lines[0][1], lines[0][0])
        for (_, first), (_, second) in zip(lines, lines[1:]):
            self.stated.certain += [Relation(a, across, b) for a, b in _aligned(first, second)]
        for _, things in lines:
            if along and not self.stated.are_arranged(things):
                self.stated.certain += chain_relations(along, things)

    def _named_rows(self) -> list[tuple[list[int], list[Relation]]]:
        """Those that were counted together of which one is called "the middle one" or "the left cup"."""
        rows = []
        for element in self.row.elements:
            words = [word for word in element.text.split() if word in PLACES_IN_ROW]
            if len(element.things) == 1 and words:
                first_mention = self.phrases[element.things[0]].mentions[0]
                things = [i for i, phrase in enumerate(self.phrases) if phrase.mentions[0] == first_mention]
                if words[0] in ORDINALS and any(r.subject in things for r in self.stated.certain):
                    continue  # "the first is above a sofa, the second below it"
                rows.append((things, chain_relations(_along_row(words[0]), things)))
        return rows

    def _placed_namesakes(self) -> list[tuple[list[int], list[Relation]]]:
        """Those that nobody counted but a text calls "the left cup" and "the right cup"."""
        named: dict[tuple[str, str], dict[float, int]] = {}  # (noun, relation of each to the next) -> by their ranks
        for index, phrase in enumerate(self.phrases):
            for word in filter(phrase.modifiers.__contains__, _SIDES_IN_ROW):
                named.setdefault((phrase.head, _along_row(word)), {})[_SIDES_IN_ROW[word]] = index
        rows = [(relation, [places[rank] for rank in sorted(places)]) for (_, relation), places in named.items()]
        return [(things, chain_relations(relation, things)) for relation, things in rows if len(things) > 1]


def _along_row(place: str) -> str:
    """How each stands to the next in a row of which one is "the left cup" or "the top cup"."""
    return "above" if place in PLACES_IN_COLUMN else "left of"


def _aligned(first: list[int], second: list[int]) -> list[tuple[int, int]]:
    """Each of a row with the one below; where a row is shorter its last with several."""
    length = max(len(first), len(second))
    return list(zip(*(things + things[-1:] * (length - len(things)) for things in (first, second))))
