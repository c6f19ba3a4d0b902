"""
Stated relations enforced on boxes that come from elsewhere: `repair_layout`.

Every relation, and every two boxes that overlap too much, ask for linear inequalities. The least move that fulfils
them all is a small quadratic programme, solved exactly; where there is none, its multipliers name the inequalities
that contradict each other.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from .holding import broken_relations, check_relations
from .inequalities import DUTY, MOST_PARTED, OVERLAP_IN_DEPTH, PARTING, BoxGeometry, Inequalities, allowed_overlaps
from .least_squares import ACCURACY, least_move
from .regions import Layout, Relation
from .shapes import Box
from .vocabulary import AXES


_THINNEST = 0.01  # side of a box at the start
_STIFFNESS = 10.0  # by how much rather a box moves than shrinks, if it may
_TOLERANCE = 3e-4  # of what holds: boxes are rounded to 4 decimals
_MOST_TRIES, _MOST_SWITCHES = 60, 16  # other ways that relations, and boxes side by side, are given
_MOST_MOVED = 64  # more boxes than this are not moved, for the time it takes
_repair_logger = logging.getLogger(__name__)


def repair_layout(layout: Layout, held: Sequence[Relation] = ()) -> Layout:
    """
    A layout with its boxes moved as little as possible, so that

    - every stated relation holds, and shows (what is left of something is so by more than it is above or below, what
      is on something is higher, what is in the centre is less than a tenth of the picture off),
    - what is not on, in, behind or in front of something hardly overlaps it,
    - and everything lies inside the picture.

    Boxes keep their proportions, and shrink only where moving cannot do it. If relations contradict each other, those
    stated first win, and the others are named in a warning. What need not change is returned as it is; the rest is
    rounded to 4 decimals. Sides below 0.01 count as 0.01. From 17 boxes on, less those inside others, only the
    relations count, and from 65 boxes on nothing is moved.

    Args:
        layout (`Layout`): Of boxes only.
        held (`Sequence[Relation]`): Where regions are at others that hold them: "left of", "right of", or "touching"
            for either side. As far as the relations let it, the first touches the other there, and may cover much of
            it. Of more than 16 boxes this counts for nothing.

    Raises:
        ValueError: A region is no box; or a relation is unknown, or lacks an object that it needs.
    """
    check_relations(layout)
    for region in layout.regions:
        if region.box is None:
            raise ValueError(
                f"Only boxes can be moved, but {region.phrase!r} has none: give it its `bounds` as `box`."
            )
    result = layout
    if 0 < len(layout) <= _MOST_MOVED:
        before = np.array([region.box for region in layout.regions])
        sound = np.array([inside_picture(region.box, _THINNEST) for region in layout.regions])
        after = _Repair(sound, layout.relations, held).run()
        moved = np.abs(after - before).max(1) > ACCURACY
        after = np.clip(np.round(after, 4), 0.0, 1.0) + 0.0  # no -0.0
        changes = zip(layout.regions, after.tolist(), moved)
        regions = [replace(region, box=box) if is_moved else region for region, box, is_moved in changes]
        result = replace(layout, regions=regions) if moved.any() else layout
    if broken := broken_relations(result):
        given_up = "; ".join(layout.describe(relation) for relation in broken)
        _repair_logger.warning("Not all relations of the layout can hold at once. Given up: %s.", given_up)
    return result


def inside_picture(box: Sequence[float], smallest: float = 0.02) -> Box:
    """A box cut off at the picture's edges, its sides at least `smallest` long."""
    low = [min(max(value, 0.0), 1 - smallest) for value in box[:2]]
    high = [min(max(value, start + smallest), 1.0) for value, start in zip(box[2:], low)]
    return (*low, *high)


class _Demand:
    """What one relation, or one pair of boxes, asks for, in one of several ways."""

    def __init__(self, options: Sequence[Inequalities], state: np.ndarray):
        self.options = sorted(options, key=lambda rows: (rows.shortfall(state) ** 2).sum())
        self.take(0)

    def take(self, number: int) -> None:
        """Chooses an option; 0 is the one that was nearest to being fulfilled."""
        self.number, self.rows = number, self.options[number]
        self.multipliers = np.zeros(len(self.rows.least))  # of the last solution: where the next one starts from

    def is_met(self, state: np.ndarray) -> bool:
        return bool((self.rows.shortfall(state) <= _TOLERANCE).all())

    def duties(self) -> Inequalities:
        return self.rows.where(self.rows.purpose >= DUTY)

    def give_way(self, row: int) -> None:
        """Goes on without one inequality."""
        kept = np.arange(len(self.rows.least)) != row
        self.rows, self.multipliers = self.rows.where(kept), self.multipliers[kept]


class _Repair:
    """Finds the boxes: first how the relations can hold together; then adds what is amiss, solves, and looks again."""

    def __init__(self, boxes: np.ndarray, relations: Sequence[Relation], held: Sequence[Relation]):
        self.relations = relations
        self.geometry = BoxGeometry(boxes)
        self.overlap = allowed_overlaps(len(boxes), relations)
        self.held = held if len(boxes) <= MOST_PARTED else ()
        for first, second in (sorted(relation.ends) for relation in self.held):
            self.overlap[first, second] = max(self.overlap[first, second], OVERLAP_IN_DEPTH)
        self.frame = _Demand([self.geometry.frame()], self.geometry.start)
        self.shrinking: set[int] = set()  # boxes that cannot be brought in order by moving alone
        self.tries = 0

    def run(self) -> np.ndarray:
        """The boxes (objects, 4)."""
        state = self.geometry.start
        waiting = self._consistent([_Demand(self.geometry.options(relation), state) for relation in self.relations])
        held = [_Demand(self.geometry.at_holder(relation), state) for relation in self.held]
        waiting = self._consistent([*waiting, *held]) if held else waiting
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

    def _partings(self, a: int, b: int) -> list[Inequalities]:
        """As the relations of the two say, else side by side in any order along any axis."""
        ways = [r.directed for r in self.relations if r.relation in AXES and {r.subject, r.object} == {a, b}]
        ways = ways or [(low, high, axis) for axis in (0, 1) for low, high in ((a, b), (b, a))]
        overlap = OVERLAP_IN_DEPTH if self.overlap[a, b] == OVERLAP_IN_DEPTH else 0.0
        return [Inequalities.of(self.geometry.parting(*way, overlap)) for way in ways]

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
            self.shrinking = set(np.flatnonzero(scales < 1 - ACCURACY).tolist())
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
            is_parting = demand.rows.purpose[row] == PARTING
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
        self, parts: Sequence[Inequalities], shrinking: Collection[int], multipliers: np.ndarray | None = None
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """The state nearest to the start that fulfils all inequalities, None if there is none; and multipliers."""
        rows = Inequalities(*(np.concatenate(columns) for columns in zip(*parts)))
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
