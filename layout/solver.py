"""From relations to places on a lattice, where the energy of all relations is lowest: `place_on_lattice`."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .regions import Relation, grouped, reached
from .vocabulary import AXES, DIRECTED, PLACES


LEVEL = "level with"  # side by side in one row, rather in order; for the solver only, no text states it
_READING_ORDER = np.array([-0.001, -0.0007])  # of two places alike, the one further right, then further down
_SWEEPS = 4
_MOST_RETRIED = 12  # more objects than this are placed in one order only, for the time it takes


def consistent_relations(relations: Sequence[Relation]) -> list[Relation]:
    """Relations in order, less those that contradict earlier ones (also through others): the first stated wins."""
    kept: list[Relation] = []
    before: dict[int, set[tuple[int, int]]] = {0: set(), 1: set()}  # axis -> (a, b): a has the smaller coordinate
    for relation in relations:
        if relation.relation in DIRECTED:
            low, high, axis = relation.directed
            if low in reached(high, grouped(before[axis])):
                continue
            before[axis].add((low, high))
        kept.append(relation)
    return kept


def place_on_lattice(count: int, relations: Sequence[Relation], aspect_ratio: float) -> np.ndarray:
    """
    Columns and rows of the objects, shape (count, 2), whole numbers from 0 without gaps.

    Descends to low energy from several orders of placing the objects, and keeps the result in which most relations
    show: the asked axis dominates once the columns and rows are spread over the picture.
    """
    related = _placing_order(count, relations)
    orders = [related, list(range(count)), related[::-1]] if count <= _MOST_RETRIED else [related]
    asked = [relation for relation in relations if relation.relation in AXES]
    best, most = None, -1
    for order in orders:
        places = _descend(order, relations, aspect_ratio)
        places = np.stack([np.unique(places[:, axis], return_inverse=True)[1] for axis in (0, 1)], 1)
        showing = _count_showing(places, asked)
        if showing > most:
            best, most = places, showing
        if most == len(asked):
            break
    return best


def _descend(order: Sequence[int], relations: Sequence[Relation], aspect_ratio: float) -> np.ndarray:
    """Each object in turn takes the free place of lowest energy; some sweeps then let each move again."""
    grid = _lattice(len(order) + 1)
    places = np.zeros((len(order), 2), dtype=int)
    placed = [order[0]]  # in the middle of the lattice, unless there are many
    if len(order) > _MOST_RETRIED:
        places[order[0]] = _room_around(order[0], len(order), relations)
    for sweep in range(_SWEEPS):
        before = places.copy()
        for index in order if sweep else order[1:]:
            others = [other for other in placed if other != index]
            energy = _energy(grid, index, others, places, relations, aspect_ratio)
            places[index] = grid.reshape(-1, 2)[int(np.argmin(energy))]
            if index not in placed:
                placed.append(index)
        if sweep and np.array_equal(before, places):
            break
    return places


def _room_around(index: int, count: int, relations: Sequence[Relation]) -> tuple[int, int]:
    """The place for one thing from which a chain of others fits on the lattice: the leftmost of many far left."""
    shift, directed = [], [r.directed for r in relations if r.relation in DIRECTED]
    for axis in (0, 1):
        after = [(low, high) for low, high, along in directed if along == axis]
        ahead, behind = (_longest_path(index, edges) for edges in (after, [edge[::-1] for edge in after]))
        shift.append(min(max(behind - ahead, -count), count))
    return shift[0], shift[1]


def _longest_path(start: int, edges: Sequence[tuple[int, int]]) -> int:
    """How many edges lead on from a node, one after the other, at most."""
    following = grouped(edges)
    length, front = 0, set(following.get(start, ()))
    while front and length < len(following):
        length, front = length + 1, {later for node in front for later in following.get(node, ())}
    return length


def _count_showing(places: np.ndarray, asked: Sequence[Relation]) -> int:
    """How many relations have their axis dominate, the columns and rows being spread over the unit square."""
    spread = places / (places.max(0) + 1)
    offsets = ((spread[r.subject] - spread[r.object], np.array(AXES[r.relation])) for r in asked)
    return sum(offset @ axis > np.abs(offset @ axis[::-1]) for offset, axis in offsets)


def _placing_order(count: int, relations: Sequence[Relation]) -> list[int]:
    """First the object with most relations, then always one that is related to those before."""
    links = [(r.subject, landmark) for r in relations for landmark in r.ends[1:]]
    degree = [sum(index in link for link in links) for index in range(count)]
    order: list[int] = []
    while len(order) < count:
        near = {index for link in links for index in link if set(link) & set(order)} - set(order)
        choice = near or set(range(count)) - set(order)
        order.append(max(choice, key=lambda index: (degree[index], -index)))
    return order


@lru_cache(maxsize=32)
def _lattice(reach: int) -> np.ndarray:
    """The places of the lattice, (2 reach + 1, 2 reach + 1, 2)."""
    axis = np.arange(-reach, reach + 1)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)


def _around(table: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Of a table over all offsets, those of the lattice's places from one of them."""
    reach = len(table) // 4
    column, row = reach - place
    return table[column : column + 2 * reach + 1, row : row + 2 * reach + 1]


def _energy(grid, index, others, places, relations, aspect_ratio) -> np.ndarray:
    """Energy of placing an object at each place of the grid, (columns, rows)."""
    reach = len(grid) // 2
    energy = grid @ _READING_ORDER + 0.02 * np.abs(grid).sum(-1)
    if not others:
        return energy
    energy += _spacing_energy(grid, places[others], aspect_ratio)
    placed = set(others)
    for rank, relation in enumerate(relations):
        weight = 1 / (1 + 0.02 * rank)  # what is said first counts a little more
        if relation.object is None:
            place = PLACES[relation.relation]
            if relation.subject == index:
                energy += weight * _place_energy(grid, places[others], place)
            elif relation.subject in placed:
                energy += weight * _beyond_energy(grid, places[relation.subject], place)
        elif relation.subject == index and relation.object in placed:
            energy += weight * _around(_pair_table(relation.relation, reach), places[relation.object])
        elif relation.object == index and relation.subject in placed:
            mirrored = _pair_table(relation.relation, reach)[::-1, ::-1]
            energy += weight * _around(mirrored, places[relation.subject])
    return energy


def _spacing_energy(grid: np.ndarray, taken: np.ndarray, aspect_ratio: float) -> np.ndarray:
    """No two at one place, rather two steps apart than one, near the others, in as few columns and rows as can be."""
    table = _spacing_table(len(grid) // 2, len(taken))
    wide = np.clip(aspect_ratio, 0.5, 2.0)  # a wide picture has room for more columns
    new_columns, new_rows = (~np.isin(grid[0, :, 1], taken[:, axis]) for axis in (0, 1))
    energy = sum(_around(table, place) for place in taken)
    return energy + 0.60 / wide * new_columns[:, None] + 0.66 * wide * new_rows


@lru_cache(maxsize=64)
def _spacing_table(reach: int, count: int) -> np.ndarray:
    """What one of so many others adds to the energy at each offset from it."""
    distance = np.abs(_lattice(2 * reach))
    gap = distance.max(-1)
    return 1000.0 * (gap == 0) + 4.0 * (gap == 1) + 0.05 * distance.sum(-1) / count


@lru_cache(maxsize=256)
def _pair_table(relation: str, reach: int) -> np.ndarray:
    """Energy of the subject standing at each offset from the object; lowest two steps away."""
    offset = _lattice(2 * reach)
    if relation in DIRECTED:
        column, row = DIRECTED[relation]
        along = offset @ np.array([column, row])
        across = np.abs(offset @ np.array([row, column]))
        wrong = np.where(along <= 0, 100 + 10 * (1 - along), 0)
        if relation in AXES:  # the asked axis has to dominate
            wrong = wrong + 12.0 * np.maximum(0, across - along + 1)
        return wrong + (0.7 if relation in ("behind", "in front of") else 2.0) * across + 0.4 * np.abs(along - 2)
    distance = np.abs(offset).max(-1)
    if relation == LEVEL:
        return 8.0 * np.abs(offset[..., 1]) + 0.5 * np.abs(distance - 1) + 1.0 * (offset[..., 0] > 0)
    if relation == "far from":
        return 3.0 * np.maximum(0, 4 - distance)
    return 0.8 * np.abs(offset[..., 1]) + 0.5 * np.abs(distance - 2)  # next to, touching


def _place_energy(grid: np.ndarray, taken: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    """An object at a side of the picture has no other beyond it; in the centre, others are around it."""
    if place == (0, 0):
        return np.abs(grid - (taken.max(0) + taken.min(0)) / 2).sum(-1)
    return sum(_beyond_energy(2 * other - grid, other, place) for other in taken)


def _beyond_energy(grid: np.ndarray, outermost: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    """Places of the grid that lie beyond, or level with, an object that is at a side of the picture."""
    beyond = (grid - outermost) * np.array(place) > 0
    level = (grid == outermost) & (np.array(place) != 0)
    return 20.0 * beyond.sum(-1) + 1.5 * level.sum(-1)
