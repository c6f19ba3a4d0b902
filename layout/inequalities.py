"""What stated relations ask of boxes: linear inequalities of centres and edges, often in one of several ways."""

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from .holding import CENTRE_REACH, FAR, NEAR
from .regions import Relation, grouped, reached
from .vocabulary import AXES, PLACES


_LEAST_GAP = 5e-4  # more than what rounding takes
_CLEARLY = 0.02  # by how much an order of centres or edges shows
_TO_A_SIDE = 0.1  # how far from the middle of the picture its left begins to look like it
_IN_THE_MIDDLE = 0.08  # and how far at most what is in the centre looks like it
_WIDEST_GAP = 0.2  # between the boxes of things next to each other, at most
_CORE = 0.72  # of each side: a box whose core lies in another shares more than half of its area with it
_HEART = 0.05  # the same, for a centre
_COVERED = 0.1  # part of its support that a thing may cover; a larger one stands on the upper edge
_OVERLAP = 0.18  # shared area by the geometric mean of both; an IoU below 0.1
OVERLAP_IN_DEPTH = 0.6  # the same, of things in front of others
_SMALL_SCALE, _SMALLEST_SCALE = 0.3, 0.005  # rather than the first, boxes overlap; never smaller than the second
_SMALLEST_SIDE = 0.0005  # of a box, however it has to shrink
MOST_PARTED = 16  # more boxes than this are not parted, for the time it takes
PARTING, _AIM, DUTY, _FRAME = range(4)  # what an inequality is for; the first give way first


class Inequalities(NamedTuple):
    """Inequalities `coefficients @ state >= least`, and what each is for."""

    coefficients: np.ndarray  # (inequalities, 3 * objects)
    least: np.ndarray
    purpose: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[tuple[np.ndarray, float, int]]) -> "Inequalities":
        return cls(*map(np.array, zip(*rows)))

    def shortfall(self, state: np.ndarray) -> np.ndarray:
        """By how much each is not fulfilled, at least 0."""
        return np.maximum(self.least - self.coefficients @ state, 0)

    def where(self, chosen: np.ndarray) -> "Inequalities":
        """Some of them: a mask or indices."""
        return Inequalities(*(part[chosen] for part in self))


class BoxGeometry:
    """
    Writes down the inequalities. They are about a state: all centres' x, all centres' y, and for each box a scale,
    1 at the start.
    """

    def __init__(self, boxes: np.ndarray):
        self.count = len(boxes)
        self.halves = (boxes[:, 2:] - boxes[:, :2]).T / 2  # (2, objects)
        self.start = np.concatenate([*(boxes[:, :2] + boxes[:, 2:]).T / 2, np.ones(self.count)])
        self._units = np.eye(3 * self.count)

    def boxes(self, state: np.ndarray) -> np.ndarray:
        """(objects, 4)"""
        x, y, scales = state.reshape(3, -1)
        centres, halves = np.stack([x, y]), self.halves * scales
        return np.concatenate([centres - halves, centres + halves]).T

    def point(self, index: int, axis: int, part: float = 0) -> np.ndarray:
        """Where a box is along an axis: its centre (0), its lower (-1) or upper (1) edge, or between these."""
        return self._units[axis * self.count + index] + part * self.halves[axis, index] * self.scale(index)

    def scale(self, index: int) -> np.ndarray:
        return self._units[2 * self.count + index]

    def frame(self) -> Inequalities:
        """Every box lies in the picture and has a scale that it may have."""
        rows = []
        for index in range(self.count):
            smallest = max(_SMALLEST_SCALE, _SMALLEST_SIDE / (2 * self.halves[:, index].min()))
            rows += [(self.scale(index), min(smallest, 1.0), _FRAME), (-self.scale(index), -1.0, _FRAME)]
            rows.append((self.scale(index), _SMALL_SCALE, PARTING))
            for axis in (0, 1):
                rows += [(self.point(index, axis, -1), 0.0, _FRAME), (-self.point(index, axis, 1), -1.0, _FRAME)]
        return Inequalities.of(rows)

    def parting(self, low: int, high: int, axis: int, overlap: float, purpose: int = PARTING) -> list:
        """One box before another along an axis, with such a part of each in common at most."""
        gap = self.point(high, axis, -1) - self.point(low, axis, 1)
        sides = [self.point(index, axis, 1) - self.point(index, axis, -1) for index in (low, high)]
        return [(gap + overlap * side, 0.0, purpose) for side in (sides if overlap else sides[:1])]

    def options(self, relation: Relation) -> list[Inequalities]:
        """The ways in which a relation may hold."""
        name, first, second, third = relation.relation, relation.subject, relation.object, relation.second_object
        if second is None:
            ways = [self._at_place(first, PLACES[name])]
        elif name in AXES:
            ways = [self._in_order(*relation.directed)]
        elif name == "between":
            orders = product(((second, third), (third, second)), (0, 1))
            ways = [self._in_order(a, first, axis) + self._in_order(first, b, axis) for (a, b), axis in orders]
        elif name == "on":
            ways = [self._standing(first, second)]
            if self.halves[:, first].prod() <= _COVERED * self.halves[:, second].prod():
                ways.append(self._lying(first, second))
        elif name == "inside":
            ways = [self._inside(first, second)]
        elif name in ("next to", "touching"):
            way = self._beside if name == "next to" else self._touching
            ways = [way(*order, axis) for order, axis in product(((first, second), (second, first)), (0, 1))]
        elif name == "far from":
            ways = [self._apart(first, second, direction) for direction in self._directions(first, second)]
        else:
            ways = [self._in_depth(*((first, second) if name == "in front of" else (second, first)))]
        return [Inequalities.of(rows) for rows in ways]

    def at_holder(self, held: Relation) -> list[Inequalities]:
        """The ways in which a thing may be at a side of what holds it: its middle level with it, without a gap."""
        level = self._within(*held.ends, 0, DUTY, axes=[1])
        orders = [held.directed[:2]] if held.relation in AXES else [held.ends, held.ends[::-1]]
        return [Inequalities.of(self._touching(*order, 0, OVERLAP_IN_DEPTH) + level) for order in orders]

    def _at_place(self, index: int, place: tuple[int, int]) -> list:
        rows = []
        for axis, side in enumerate(place):
            centre = self.point(index, axis)
            if place == PLACES["centre"]:
                rows += [(sign * centre, sign * 0.5 - CENTRE_REACH + _CLEARLY, DUTY) for sign in (-1, 1)]
                rows += [(sign * centre, sign * 0.5 - _IN_THE_MIDDLE, _AIM) for sign in (-1, 1)]
            elif side:
                rows.append((side * centre, side * 0.5 + _CLEARLY, DUTY))
                rows.append((side * centre, side * 0.5 + _TO_A_SIDE, _AIM))
        return rows

    def _in_order(self, low: int, high: int, axis: int) -> list:
        """One centre before another along an axis, and farther so than along the other axis."""
        along, across = (self.point(high, a) - self.point(low, a) for a in (axis, 1 - axis))
        return [(along, _CLEARLY, DUTY)] + [(along + sign * across, _CLEARLY, _AIM) for sign in (-1, 1)]

    def _in_depth(self, front: int, back: int) -> list:
        """The nearer one ends lower; some columns of the picture show both."""
        return [
            (self.point(front, 1, 1) - self.point(back, 1, 1), _CLEARLY, DUTY),
            (self.point(front, 0, 1) - self.point(back, 0, -1), 0.0, _AIM),
            (self.point(back, 0, 1) - self.point(front, 0, -1), 0.0, _AIM),
        ]

    def _standing(self, index: int, support: int) -> list:
        """Higher than its support, its middle over it and its lower edge on the support's upper one."""
        return [
            (self.point(support, 1) - self.point(index, 1), _CLEARLY, DUTY),
            (self.point(index, 1, 1) - self.point(support, 1, -1), 0.0, _AIM),
            *self.parting(index, support, 1, _OVERLAP, _AIM),
            *self._within(index, support, 0, _AIM, axes=[0]),
        ]

    def _lying(self, index: int, support: int) -> list:
        """For the better part before its support, its middle higher than that one's."""
        higher = (self.point(support, 1) - self.point(index, 1), _CLEARLY, _AIM)
        return [*self._within(index, support, _CORE, DUTY), higher]

    def _within(self, index: int, outer: int, core: float, purpose: int, axes: Sequence[int] = (0, 1)) -> list:
        """Such a part of each side of a box, around its centre, within another box."""
        rows = []
        for axis in axes:
            rows.append((self.point(index, axis, -core) - self.point(outer, axis, -1), 0.0, purpose))
            rows.append((self.point(outer, axis, 1) - self.point(index, axis, core), 0.0, purpose))
        return rows

    def _inside(self, index: int, outer: int) -> list:
        side, outer_side = np.sqrt(self.halves[:, [index, outer]].prod(0))
        smaller = (1 - _CLEARLY) * outer_side * self.scale(outer) - side * self.scale(index)
        least = max(_LEAST_GAP - _CLEARLY * outer_side, 0.0)  # so that it shows between thin boxes, too
        within = self._within(index, outer, _HEART, DUTY) + self._within(index, outer, 1.0, _AIM)
        return [(smaller, least, DUTY), *within]

    def _beside(self, low: int, high: int, axis: int) -> list:
        """One before the other along an axis, with a small gap, and near each other along the other axis."""
        across = self.point(high, 1 - axis) - self.point(low, 1 - axis)
        return [
            (across, _CLEARLY - NEAR, DUTY),
            (-across, _CLEARLY - NEAR, DUTY),
            *self.parting(low, high, axis, OVERLAP_IN_DEPTH, DUTY),
            (self.point(low, axis, 1) - self.point(high, axis, -1), -_WIDEST_GAP, _AIM),
        ]

    def _touching(self, low: int, high: int, axis: int, overlap: float = _OVERLAP) -> list:
        """One before the other along an axis with no gap, and level with a part of it along the other axis."""
        return [
            (self.point(low, axis, 1) - self.point(high, axis, -1), 0.0, DUTY),
            (self.point(low, 1 - axis, 1) - self.point(high, 1 - axis, -1), 0.0, DUTY),
            (self.point(high, 1 - axis, 1) - self.point(low, 1 - axis, -1), 0.0, DUTY),
            *self.parting(low, high, axis, overlap, DUTY),
        ]

    def _directions(self, a: int, b: int) -> list[tuple[float, float]]:
        """From b to a, as they are; and all of the compass."""
        x, y = ((self.point(a, axis) - self.point(b, axis)) @ self.start for axis in (0, 1))
        compass = [place for place in product((-1, 0, 1), repeat=2) if place != (0, 0)]
        return [(x, y), *compass] if (x, y) != (0, 0) else compass

    def _apart(self, a: int, b: int, direction: tuple[float, float]) -> list:
        along = sum(part * (self.point(a, axis) - self.point(b, axis)) for axis, part in enumerate(direction))
        return [(along / np.hypot(*direction), FAR + _CLEARLY, DUTY)]


def allowed_overlaps(count: int, relations: Sequence[Relation]) -> np.ndarray:
    """
    How much each two boxes may share, (objects, objects), upper triangle; anything if one holds the other, or not both
    are in the same thing (those that hold them part).
    """
    outer = {r.subject: r.object for r in reversed(relations) if r.relation == "inside"}  # what is said first counts
    if count - len(outer) > MOST_PARTED:
        return np.full((count, count), np.inf)
    allowed = np.full((count, count), _OVERLAP)
    held_by = grouped((r.subject, r.object) for r in relations if r.relation in ("on", "inside"))
    holders = [reached(index, held_by) for index in range(count)]  # a thing, what it is on or in, and so on
    in_depth = {frozenset((r.subject, r.object)) for r in relations if r.relation in ("in front of", "behind")}
    for a, b in combinations(range(count), 2):
        if a in holders[b] or b in holders[a] or outer.get(a) != outer.get(b):
            allowed[a, b] = np.inf
        elif any({a, b} <= held and outer.get(i) in (a, b) for i, held in enumerate(holders)):  # "his hand on a horse"
            allowed[a, b] = OVERLAP_IN_DEPTH
        elif any({c, d} in in_depth for c, d in product(holders[a] - holders[b], holders[b] - holders[a])):
            allowed[a, b] = OVERLAP_IN_DEPTH
    return allowed
