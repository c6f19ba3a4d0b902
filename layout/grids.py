"""Grids and rings: how things stand that are "two rows of three cups" or named "clockwise from the top left"."""

import re
from collections.abc import Sequence
from itertools import pairwise

from .regions import Relation
from .words import number_of


_LINE = re.compile(r"\b(?:row|line|column)s?\b")
_CORNERS_OF_RING = ("top left", "top right", "bottom right", "bottom left")
_SIDES_OF_RING = ("top", "right", "bottom", "left")
_EDGE_WORDS = {"upper": "top", "lower": "bottom"}


def grid_shape(expression: str) -> tuple[int, int]:
    """Rows and columns of "two rows of three", "a column of four" or "a 2x3 grid"; 0 for what it leaves open."""
    line = _LINE.search(expression)
    if line is None:
        rows, columns = _numbers_in(expression)
        return rows, columns
    if re.match(r"(?:zero|no)\b", expression):
        return 0, 0
    lines, length = _numbers_in(expression[: line.start()]) or [1], _numbers_in(expression[line.end() :]) or [0]
    return (length[0], lines[0]) if line.group().startswith("column") else (lines[0], length[0])


def _numbers_in(text: str) -> list[int]:
    words = re.findall(r"\d+|[a-z]+", text)
    return [number_of(word) for word in words if word in ("1", "one") or number_of(word) > 1]


def chain_relations(relation: str, things: Sequence[int]) -> list[Relation]:
    """Each stands in the relation to the next."""
    return [Relation(a, relation, b) for a, b in pairwise(things)]


def grid_relations(things: Sequence[int], shape: tuple[int, int]) -> list[Relation]:
    """Each left of the next one in its row and above the one below it; none if the things do not fill the grid."""
    rows, columns = shape
    rows = rows or len(things) // columns
    columns = columns or len(things) // rows
    if not things or rows * columns != len(things):
        return []
    lines = [things[start : start + columns] for start in range(0, len(things), columns)]
    along = [relation for line in lines for relation in chain_relations("left of", line)]
    return along + [Relation(a, "above", b) for upper, lower in pairwise(lines) for a, b in zip(upper, lower)]


def ring_places(expression: str) -> list[str]:
    """The places of the picture in the order of "clockwise from the top left" (corners) or "from the top" (sides)."""
    words = [_EDGE_WORDS.get(word, word) for word in re.findall("[a-z]+", expression)]
    start = " ".join(word for word in words if word in _SIDES_OF_RING) or _CORNERS_OF_RING[0]
    ring = list(_CORNERS_OF_RING if start in _CORNERS_OF_RING else _SIDES_OF_RING)
    if re.search("counter|anti", expression):
        ring.reverse()
    first = ring.index(start)
    return ring[first:] + ring[:first]
