"""
Stated relations enforced on boxes that come from elsewhere: `repair_layout`, `broken_relations`.

Every relation, and every two boxes that overlap too much, ask for linear inequalities between centres and edges,
often in one of several ways ("next to" is beside or above). The least move that fulfils them all is a small quadratic
programme, solved exactly; where there is none, its multipliers name the inequalities that contradict each other.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from .regions import Layout, Relation
from .relations import PICTURE_PLACES
from .solver import AXES, DEPTHS


RELATIONS_OF_TWO = (*AXES, *DEPTHS, "inside", "next to", "far from")
NEAR, FAR = 150 / 512, 0.4  # between centres; near as in T2I-CompBench (arXiv:2307.06350), 150 pixels of 512
_CENTRE_REACH = 1 / 6  # what is in the centre is in the middle third
_MOSTLY = 0.5  # part of a thing within what it is on; IoU that things next to each other do not reach
_CLEARLY = 0.02  # by how much an order of centres or edges shows
_TO_A_SIDE = 0.1  # how far from the middle of the picture its left begins to look like it
_GAP = 0.2  # between the boxes of things next to each other, at most
_CORE = 0.72  # of each side: a box whose core lies in another shares more than half of its area with it
_HEART = 0.05  # the same, for a centre
_OVERLAP, _OVERLAP_IN_DEPTH = 0.18, 0.6  # shared area by the geometric mean of both; 0.18 is an IoU below 0.1
_SMALL_SCALE, _SMALLEST_SCALE = 0.3, 0.05  # rather than the first, boxes overlap; never smaller than the second
_THINNEST, _SMALLEST_SIDE = 0.01, 0.001  # side of a box at the start, and however it has to shrink
_STIFFNESS = 10.0  # by how much rather a box moves than shrinks, if it may
_TOLERANCE = 3e-4  # of what holds: boxes are rounded to 4 decimals
_MOST_TRIES, _MOST_SWITCHES = 60, 16  # other ways that relations, and boxes side by side, are given
_MOST_PARTED, _MOST_MOVED = 16, 64  # more boxes than this are not parted, and not moved, for the time it takes
_CONTRADICTION, _ACCURACY, _ROUNDING = 1e-5, 1e-6, 1e-12  # of the solver
_PARTING, _AIM, _DUTY, _FRAME = range(4)  # what an inequality is for; the first give way first
_repair_logger = logging.getLogger(__name__)


def broken_relations(layout: Layout) -> list[Relation]:
    """
    The stated relations of a layout that do not hold, in order.

    Left of, right of, above, below and (along either axis) "between" compare the boxes' centres, "in front of" and
    "behind" their lower edges. What is "inside" has its centre in the other's box and is smaller; what is "on"
    something is higher, or for the better part within its box. "next to" is nearer than 150 of 512 pixels along one
    axis, "far from" at least 0.4 away. "left" is left of the picture's middle, "centre" in its middle third.

    Raises:
        ValueError: A relation that is none of these, or lacks an object that it needs.
    """
    _check_relations(layout)
    bounds = [region.bounds for region in layout.regions]
    centres = [region.centre for region in layout.regions]
    return [relation for relation in layout.relations if not _holds(relation, bounds, centres)]


def repair_layout(layout: Layout) -> Layout:
    """
    A layout with its boxes moved as little as possible, so that

    - every stated relation holds, and shows (what is left of something is so by more than it is above or below),
    - what is not on, in, behind or in front of something hardly overlaps it,
    - and everything lies inside the picture.

    Boxes keep their proportions, and shrink only where moving cannot do it. If relations contradict each other, those
    stated first win, and the others are named in a warning. What need not change is returned as it is; the rest is
    rounded to 4 decimals. Sides below 0.01 count as 0.01. From 17 boxes on only the relations count, and from 65 on
    nothing is moved.

    Args:
        layout (`Layout`): Of boxes only.

    Raises:
        ValueError: A region is no box; or a relation is unknown, or lacks an object that it needs.
    """
    _check_relations(layout)
    for region in layout.regions:
        if region.box is None:
            raise ValueError(
                f"Only boxes can be moved, but {region.phrase!r} has none: give it its `bounds` as `box`."
            )
    result = layout
    if 0 < len(layout) <= _MOST_MOVED:
        before = np.array([region.box for region in layout.regions])
        sound = np.array([inside_picture(region.box, _THINNEST) for region in layout.regions])
        after = _Repair(sound, layout.relations).run()
        moved = np.abs(after - before).max(1) > _ACCURACY
        after = np.clip(np.round(after, 4), 0.0, 1.0) + 0.0  # no -0.0
        regions = [
            replace(region, box=box) if is_moved else region
            for region, box, is_moved in zip(layout.regions, after.tolist(), moved)
        ]
        result = replace(layout, regions=regions) if moved.any() else layout
    if broken := broken_relations(result):
        given_up = "; ".join(layout.describe(relation) for relation in broken)
        _repair_logger.warning("Not all relations of the layout can hold at once. Given up: %s.", given_up)
    return result


def inside_picture(box: Sequence[float], smallest: float = 0.02) -> tuple[float, float, float, float]:
    """A box cut off at the picture's edges, its sides at least `smallest` long."""
    low = [min(max(value, 0.0), 1 - smallest) for value in box[:2]]
    high = [min(max(value, start + smallest), 1.0) for value, start in zip(box[2:], low)]
    return (*low, *high)


def is_complete(relation: Relation) -> bool:
    """Whether a relation has a known name, and the objects that it needs and no other."""
    if relation.relation == "between":
        return relation.object is not None and relation.second_object is not None
    known = PICTURE_PLACES if relation.object is None else RELATIONS_OF_TWO
    return relation.relation in known and relation.second_object is None


def _check_relations(layout: Layout) -> None:
    for relation in layout.relations:
        if not is_complete(relation):
            raise ValueError(
                f"The relation {relation.to_dict()} is none of {', '.join(RELATIONS_OF_TWO)} (with `object`), between"
                f" (with `object` and `second_object`), {', '.join(PICTURE_PLACES)} (without)."
            )


def _holds(relation: Relation, bounds: Sequence, centres: Sequence) -> bool:
    name, first = relation.relation, relation.subject
    (x, y), (x0, y0, x1, y1) = centres[first], bounds[first]
    if name == "centre":
        return max(abs(x - 0.5), abs(y - 0.5)) <= _CENTRE_REACH
    if relation.object is None:
        return all((value - 0.5) * side > 0 for value, side in zip((x, y), PICTURE_PLACES[name]) if side)
    (u, v), (u0, v0, u1, v1) = centres[relation.object], bounds[relation.object]
    if name in AXES:
        column, row = AXES[name]
        return (x - u) * column + (y - v) * row > 0
    if name in ("in front of", "behind"):
        return y1 > v1 if name == "in front of" else y1 < v1
    if name == "between":
        s, t = centres[relation.second_object]
        return min(u, s) < x < max(u, s) or min(v, t) < y < max(v, t)
    if name == "far from":
        return (x - u) ** 2 + (y - v) ** 2 >= FAR**2
    area, other_area = (x1 - x0) * (y1 - y0), (u1 - u0) * (v1 - v0)
    if name == "inside":
        return u0 <= x <= u1 and v0 <= y <= v1 and area < other_area
    shared = max(min(x1, u1) - max(x0, u0), 0) * max(min(y1, v1) - max(y0, v0), 0)
    if name == "on":
        return y < v or shared > _MOSTLY * area
    return min(abs(x - u), abs(y - v)) < NEAR and shared < _MOSTLY * (area + other_area - shared)  # next to


# --- what relations ask for -----------------------------------------------------------------------------------------
class _Rows(NamedTuple):
    """Inequalities `coefficients @ state >= least`, and what each is for."""

    coefficients: np.ndarray  # (inequalities, 3 * objects)
    least: np.ndarray
    purpose: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[tuple[np.ndarray, float, int]]) -> "_Rows":
        return cls(*map(np.array, zip(*rows)))

    def shortfall(self, state: np.ndarray) -> np.ndarray:
        """By how much each is not fulfilled, at least 0."""
        return np.maximum(self.least - self.coefficients @ state, 0)

    def where(self, chosen: np.ndarray) -> "_Rows":
        """Some of them: a mask or indices."""
        return _Rows(*(part[chosen] for part in self))


class _Geometry:
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

    def frame(self) -> _Rows:
        """Every box lies in the picture and has a scale that it may have."""
        rows = []
        for index in range(self.count):
            smallest = max(_SMALLEST_SCALE, _SMALLEST_SIDE / (2 * self.halves[:, index].min()))
            rows += [(self.scale(index), min(smallest, 1.0), _FRAME), (-self.scale(index), -1.0, _FRAME)]
            rows.append((self.scale(index), _SMALL_SCALE, _PARTING))
            for axis in (0, 1):
                rows += [(self.point(index, axis, -1), 0.0, _FRAME), (-self.point(index, axis, 1), -1.0, _FRAME)]
        return _Rows.of(rows)

    def parting(self, low: int, high: int, axis: int, overlap: float, purpose: int = _PARTING) -> list:
        """One box before another along an axis, with such a part of each in common at most."""
        gap = self.point(high, axis, -1) - self.point(low, axis, 1)
        sides = [self.point(index, axis, 1) - self.point(index, axis, -1) for index in (low, high)]
        return [(gap + overlap * side, 0.0, purpose) for side in (sides if overlap else sides[:1])]

    def options(self, relation: Relation) -> list[_Rows]:
        """The ways in which a relation may hold."""
        name, first, second, third = relation.relation, relation.subject, relation.object, relation.second_object
        if second is None:
            ways = [self._at_place(first, PICTURE_PLACES[name])]
        elif name in AXES:
            ways = [self._in_order(*directed(first, name, second))]
        elif name == "between":
            orders = product(((second, third), (third, second)), (0, 1))
            ways = [self._in_order(a, first, axis) + self._in_order(first, b, axis) for (a, b), axis in orders]
        elif name == "on":
            ways = [self._standing(first, second), self._within(first, second, _CORE, _DUTY)]
        elif name == "inside":
            ways = [self._inside(first, second)]
        elif name == "next to":
            orders = product(((first, second), (second, first)), (0, 1))
            ways = [self._beside(low, high, axis) for (low, high), axis in orders]
        elif name == "far from":
            ways = [self._apart(first, second, direction) for direction in self._directions(first, second)]
        else:
            ways = [self._in_depth(*((first, second) if name == "in front of" else (second, first)))]
        return [_Rows.of(rows) for rows in ways]

    def _at_place(self, index: int, place: tuple[int, int]) -> list:
        rows = []
        for axis, side in enumerate(place):
            centre = self.point(index, axis)
            if place == PICTURE_PLACES["centre"]:
                rows += [(sign * centre, sign * 0.5 - _CENTRE_REACH + _CLEARLY, _DUTY) for sign in (-1, 1)]
            elif side:
                rows.append((side * centre, side * 0.5 + _CLEARLY, _DUTY))
                rows.append((side * centre, side * 0.5 + _TO_A_SIDE, _AIM))
        return rows

    def _in_order(self, low: int, high: int, axis: int) -> list:
        """One centre before another along an axis, and farther so than along the other axis."""
        along, across = (self.point(high, a) - self.point(low, a) for a in (axis, 1 - axis))
        return [(along, _CLEARLY, _DUTY)] + [(along + sign * across, _CLEARLY, _AIM) for sign in (-1, 1)]

    def _in_depth(self, front: int, back: int) -> list:
        """The nearer one ends lower; some columns of the picture show both."""
        return [
            (self.point(front, 1, 1) - self.point(back, 1, 1), _CLEARLY, _DUTY),
            (self.point(front, 0, 1) - self.point(back, 0, -1), 0.0, _AIM),
            (self.point(back, 0, 1) - self.point(front, 0, -1), 0.0, _AIM),
        ]

    def _standing(self, index: int, support: int) -> list:
        """Higher than its support, its middle over it and its lower edge on it."""
        foot, middle = self.point(index, 1, 1), self.point(index, 0)
        return [
            (self.point(support, 1) - self.point(index, 1), _CLEARLY, _DUTY),
            (foot - self.point(support, 1, -1), 0.0, _AIM),
            (self.point(support, 1, 1) - foot, 0.0, _AIM),
            (middle - self.point(support, 0, -1), 0.0, _AIM),
            (self.point(support, 0, 1) - middle, 0.0, _AIM),
        ]

    def _within(self, index: int, outer: int, core: float, purpose: int) -> list:
        """Such a part of each side of a box, around its centre, within another box."""
        rows = []
        for axis in (0, 1):
            rows.append((self.point(index, axis, -core) - self.point(outer, axis, -1), 0.0, purpose))
            rows.append((self.point(outer, axis, 1) - self.point(index, axis, core), 0.0, purpose))
        return rows

    def _inside(self, index: int, outer: int) -> list:
        side, outer_side = np.sqrt(self.halves[:, [index, outer]].prod(0))
        smaller = (1 - _CLEARLY) * outer_side * self.scale(outer) - side * self.scale(index)
        within = self._within(index, outer, _HEART, _DUTY) + self._within(index, outer, 1.0, _AIM)
        return [(smaller, 0.0, _DUTY), *within]

    def _beside(self, low: int, high: int, axis: int) -> list:
        """One before the other along an axis, with a small gap, and near each other along the other axis."""
        across = self.point(high, 1 - axis) - self.point(low, 1 - axis)
        return [
            (across, _CLEARLY - NEAR, _DUTY),
            (-across, _CLEARLY - NEAR, _DUTY),
            *self.parting(low, high, axis, _OVERLAP_IN_DEPTH, _DUTY),
            (self.point(low, axis, 1) - self.point(high, axis, -1), -_GAP, _AIM),
        ]

    def _directions(self, a: int, b: int) -> list[tuple[float, float]]:
        """From b to a, as they are; and all of the compass."""
        x, y = ((self.point(a, axis) - self.point(b, axis)) @ self.start for axis in (0, 1))
        compass = [place for place in product((-1, 0, 1), repeat=2) if place != (0, 0)]
        return [(x, y), *compass] if (x, y) != (0, 0) else compass

    def _apart(self, a: int, b: int, direction: tuple[float, float]) -> list:
        along = sum(part * (self.point(a, axis) - self.point(b, axis)) for axis, part in enumerate(direction))
        return [(along / np.hypot(*direction), FAR + _CLEARLY, _DUTY)]


def directed(first: int, relation: str, second: int) -> tuple[int, int, int]:
    """Of "left of" and the like: which of two has the smaller coordinate, which the larger, and along which axis."""
    column, row = AXES[relation]
    low, high = (first, second) if column + row < 0 else (second, first)
    return low, high, 0 if column else 1


def _allowed_overlaps(count: int, relations: Sequence[Relation]) -> np.ndarray:
    """How much each two boxes may share, (objects, objects), upper triangle; anything if one holds the other."""
    if count > _MOST_PARTED:
        return np.full((count, count), np.inf)
    allowed = np.full((count, count), _OVERLAP)
    holders = [_holders(index, relations) for index in range(count)]
    in_depth = {frozenset((r.subject, r.object)) for r in relations if r.relation in ("in front of", "behind")}
    for a, b in combinations(range(count), 2):
        if a in holders[b] or b in holders[a]:
            allowed[a, b] = np.inf
        elif any({c, d} in in_depth for c, d in product(holders[a] - holders[b], holders[b] - holders[a])):
            allowed[a, b] = _OVERLAP_IN_DEPTH
    return allowed


def _holders(index: int, relations: Sequence[Relation]) -> set[int]:
    """A thing, what it is on or in, what that is on or in, and so on."""
    found = {index}
    while more := {r.object for r in relations if r.relation in ("on", "inside") and r.subject in found} - found:
        found |= more
    return found


# --- the search -----------------------------------------------------------------------------------------------------
class _Demand:
    """What one relation, or one pair of boxes, asks for, in one of several ways."""

    def __init__(self, options: Sequence[_Rows], state: np.ndarray):
        self.options = sorted(options, key=lambda rows: (rows.shortfall(state) ** 2).sum())
        self.take(0)

    def take(self, number: int) -> None:
        """Chooses an option; 0 is the one that was nearest to being fulfilled."""
        self.number, self.rows = number, self.options[number]
        self.multipliers = np.zeros(len(self.rows.least))  # of the last solution: where the next one starts from

    def is_met(self, state: np.ndarray) -> bool:
        return bool((self.rows.shortfall(state) <= _TOLERANCE).all())

    def duties(self) -> _Rows:
        return self.rows.where(self.rows.purpose >= _DUTY)

    def give_way(self, row: int) -> None:
        """Goes on without one inequality."""
        kept = np.arange(len(self.rows.least)) != row
        self.rows, self.multipliers = self.rows.where(kept), self.multipliers[kept]


class _Repair:
    """Finds the boxes: first how the relations can hold together; then adds what is amiss, solves, and looks again."""

    def __init__(self, boxes: np.ndarray, relations: Sequence[Relation]):
        self.relations = relations
        self.geometry = _Geometry(boxes)
        self.overlap = _allowed_overlaps(len(boxes), relations)
        self.frame = _Demand([self.geometry.frame()], self.geometry.start)
        self.shrinking: set[int] = set()  # boxes that cannot be brought in order by moving alone
        self.tries = 0

    def run(self) -> np.ndarray:
        """The boxes (objects, 4)."""
        state = self.geometry.start
        waiting = self._consistent([_Demand(self.geometry.options(relation), state) for relation in self.relations])
        active, parted = [self.frame], set()
        self.tries = _MOST_SWITCHES
        while True:
            new = [demand for demand in waiting if not demand.is_met(state)]
            waiting = [demand for demand in waiting if demand not in new]
            pairs = [pair for pair in self._overlapping(state) if pair not in parted]
            if not new and not pairs:
                return self.geometry.boxes(state)
            parted.update(pairs)
            active += new + [_Demand(self._partings(*pair), state) for pair in pairs]
            state = self._solve(active)

    def _overlapping(self, state: np.ndarray) -> list[tuple[int, int]]:
        """Pairs of boxes that share more than they may."""
        low, high = np.split(self.geometry.boxes(state), 2, axis=1)
        shared = (np.minimum(high[:, None], high) - np.maximum(low[:, None], low)).clip(0).prod(2)
        areas = (high - low).prod(1)
        too_much = np.triu(shared > self.overlap * np.sqrt(np.outer(areas, areas)) + _TOLERANCE, 1)
        return [(int(a), int(b)) for a, b in np.argwhere(too_much)]

    def _partings(self, a: int, b: int) -> list[_Rows]:
        """As the relations of the two say, else side by side in any order along any axis."""
        ways = [
            directed(relation.subject, relation.relation, relation.object)
            for relation in self.relations
            if relation.relation in AXES and {relation.subject, relation.object} == {a, b}
        ]
        ways = ways or [(low, high, axis) for axis in (0, 1) for low, high in ((a, b), (b, a))]
        overlap = _OVERLAP_IN_DEPTH if self.overlap[a, b] == _OVERLAP_IN_DEPTH else 0.0
        return [_Rows.of(self.geometry.parting(*way, overlap)) for way in ways]

    def _consistent(self, demands: list[_Demand]) -> list[_Demand]:
        """Lets the relations hold in ways that go together; leaves out those that contradict earlier ones."""
        everything = set(range(self.geometry.count))
        while demands:
            for shrinking in (set(), everything):
                self.tries = _MOST_TRIES
                blamed = self._search(demands, frozenset(), shrinking)
                if not blamed:
                    return demands
            last = max(blamed, key=demands.index)
            demands = [demand for demand in demands if demand is not last]
        return demands

    def _search(self, demands: list[_Demand], fixed: frozenset[_Demand], shrinking: Collection[int]) -> set[_Demand]:
        """Takes other options of what is not fixed, until all duties go together; else tells what is to blame."""
        self.tries -= 1
        parts = [self.frame.duties(), *(demand.duties() for demand in demands)]
        state, multipliers = self._nearest(parts, shrinking)
        if state is not None:
            scales = state[2 * self.geometry.count :]
            self.shrinking = set(np.flatnonzero(scales < 1 - _ACCURACY).tolist())
            return set()
        owners = np.repeat(np.arange(len(parts)) - 1, [len(part.least) for part in parts])
        involved = sorted(set(owners[multipliers > 0].tolist()) - {-1}, reverse=True)
        blamed = {demands[number] for number in involved}
        for demand in [demands[number] for number in involved if demands[number] not in fixed]:
            fixed, chosen = fixed | {demand}, demand.number
            for number in range(len(demand.options)):
                if number != chosen and self.tries > 0:
                    demand.take(number)
                    more = self._search(demands, fixed, shrinking)
                    if not more:
                        return set()
                    blamed |= more
            demand.take(chosen)
        return blamed

    def _solve(self, active: Sequence[_Demand]) -> np.ndarray:
        """The state nearest to the start in which all is fulfilled; of what contradicts itself, something yields."""
        while True:
            guess = np.concatenate([demand.multipliers for demand in active])
            state, multipliers = self._nearest([demand.rows for demand in active], self.shrinking, guess)
            conflict, first = [], 0
            for demand in active:
                demand.multipliers = multipliers[first : first + len(demand.multipliers)]
                first += len(demand.multipliers)
                conflict += [(demand, row) for row in demand.multipliers.nonzero()[0]]
            if state is not None:
                return state
            conflict.sort(key=lambda item: (item[0].rows.purpose[item[1]], -active.index(item[0])))
            self._settle(conflict)

    def _settle(self, conflict: Sequence[tuple[_Demand, int]]) -> None:
        """Two boxes part in another way; or boxes shrink, if that helps; or the least important inequality goes."""
        for demand, row in conflict:
            is_parting = demand.rows.purpose[row] == _PARTING
            if is_parting and demand.number + 1 < len(demand.options) and self.tries > 0:
                self.tries -= 1
                demand.take(demand.number + 1)
                return
        parts = [demand.rows.where([row]) for demand, row in conflict]
        places = np.concatenate([part.coefficients.nonzero()[1] for part in parts])
        involved = set((places % self.geometry.count).tolist()) | self.shrinking
        if involved != self.shrinking and self._nearest(parts, involved)[0] is not None:
            self.shrinking = involved
        else:
            demand, row = conflict[0]
            demand.give_way(row)

    def _nearest(
        self, parts: Sequence[_Rows], shrinking: Collection[int], multipliers: np.ndarray | None = None
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """The state nearest to the start that fulfils all inequalities, None if there is none; and multipliers."""
        rows = _Rows(*(np.concatenate(columns) for columns in zip(*parts)))
        start, centres = self.geometry.start, 2 * self.geometry.count
        free = [*range(centres), *(centres + index for index in sorted(shrinking))]
        ease = np.where(np.array(free) < centres, 1.0, 1 / _STIFFNESS)
        missing = rows.least - rows.coefficients @ start
        move, multipliers = least_move(rows.coefficients[:, free] * ease, missing, multipliers)
        if move is None:
            return None, multipliers
        state = start.copy()
        state[free] += move * ease
        return state, multipliers


# --- least squares --------------------------------------------------------------------------------------------------
def least_move(
    rows: np.ndarray, least: np.ndarray, multipliers: np.ndarray | None = None
) -> tuple[np.ndarray | None, np.ndarray]:
    """
    The shortest vector x with `rows @ x >= least`: problem LDP of Lawson and Hanson, Solving Least Squares Problems
    (1974), chapter 23.

    Args:
        rows (`np.ndarray` of shape (inequalities, variables)), least (`np.ndarray` of shape (inequalities,)):
            The inequalities.
        multipliers (`np.ndarray` of shape (inequalities,), *optional*): A guess, not negative.

    Returns:
        x and the multipliers of the inequalities; without any such x None, and what is not 0 in the multipliers marks
        inequalities that contradict each other.
    """
    gram = rows @ rows.T + np.outer(least, least) + _ROUNDING * np.eye(len(least))
    multipliers = _nonnegative_minimum(gram, least, np.zeros(len(least)) if multipliers is None else multipliers)
    move = rows.T @ multipliers / max(1 - least @ multipliers, _CONTRADICTION)
    if (rows @ move >= least - _ACCURACY).all():
        return move, multipliers
    return None, np.where(multipliers > _ACCURACY * multipliers.max(), multipliers, 0.0)


def _nonnegative_minimum(gram: np.ndarray, linear: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """The u >= 0 of lowest `u @ gram @ u / 2 - linear @ u`, by the same book's algorithm NNLS."""

    def minimum(active: np.ndarray) -> np.ndarray:
        chosen = np.flatnonzero(active)
        result = np.zeros(len(linear))
        result[chosen] = np.linalg.solve(gram[chosen][:, chosen], linear[chosen])
        return result

    active, barred = guess > 0, np.zeros(len(linear), dtype=bool)  # barred: cannot enter, for rounding alone
    while (solution := minimum(active))[active].min(initial=1) <= 0:
        active &= solution > 0
    for _ in range(3 * len(linear)):
        gradient = np.where(active | barred, 0.0, linear - gram @ solution)
        entering = int(gradient.argmax())
        if gradient[entering] <= _ROUNDING or 1 - linear @ solution <= _CONTRADICTION:
            break
        active[entering] = True
        trial = minimum(active)
        if trial[entering] <= 0:
            active[entering], barred[entering] = False, True
            continue
        barred[:] = False
        while trial[active].min() <= 0:
            blocking = np.flatnonzero(active & (trial <= 0))
            steps = solution[blocking] / np.maximum(solution[blocking] - trial[blocking], _ROUNDING)
            solution += steps.min() * (trial - solution)
            active[blocking[steps.argmin()]] = False
            solution[~active] = 0.0
            trial = minimum(active)
        solution = trial
    return solution
