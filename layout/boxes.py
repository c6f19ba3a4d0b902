"""Boxes for objects and their relations, around places that are spread over the picture: `arrange_boxes`."""

import logging
from collections.abc import Collection, Sequence
from itertools import permutations

import numpy as np

from .implied import between_in_order
from .regions import Layout, Region, Relation, grouped
from .repair import repair_layout
from .shapes import Box
from .solver import LEVEL, consistent_relations, place_on_lattice
from .things import TALL_THINGS, WIDE_THINGS, steps_of_size
from .vocabulary import AXES, PLACES


_LARGEST_OF_FEW = {1: 0.7, 2: 0.46, 3: 0.44, 4: 0.42}  # longest side of a box where there are so many objects
_LARGEST_OF_MANY, _LARGEST_INSIDE = 0.36, 0.9
_RIM = 0.1  # of a box, around what is inside it
_TALL, _WIDE = (0.72, 1.0), (1.0, 0.72)
_STRETCH = 1.35  # how far a box squeezed along one side may keep the other
_SIZE_STEP = 1.3  # from one size of things to the next
_ROW_ON_SUPPORT = 5  # more things than this on one support stand in several rows
_FILLED = 0.92  # part of its cell that a box may fill
_CROWDED = range(4, 9)  # so many things, of which only sides are said, move apart; with more it would take too long
_STRIDES = (1 / 12, 1 / 24, 1 / 48)  # by which they do, in units of the picture's height
_DIRECTIONS = np.array([(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)])
_SLANT = 0.9  # "left of" may be so many times farther up or down than to the left
_SMALLEST = 0.001  # side of a box, however deep it lies inside others
_MOST_SOLVED = 40  # more objects than this go to a plain grid, relations or not, for the time it takes
_boxes_logger = logging.getLogger(__name__)


def arrange_boxes(
    nouns: Sequence[str],
    relations: Sequence[Relation],
    aspect_ratio: float = 1.0,
    modifiers: Sequence[Collection[str]] | None = None,
    held: Sequence[Relation] = (),
) -> list[Box]:
    """
    One box `(x0, y0, x1, y1)` in 0..1 for each object, such that the relations hold; the first stated wins.

    Of more than 40 objects a warning tells that their relations count for nothing.

    Args:
        nouns (`Sequence[str]`): What the objects are (their shape and size may depend on it).
        relations (`Sequence[Relation]`): Indices into `nouns`.
        aspect_ratio (`float`): Width of the picture divided by its height.
        modifiers (`Sequence[Collection[str]]`, *optional*): The adjectives of each object ("huge" makes it larger).
        held (`Sequence[Relation]`): Others, which need not hold: where what is held is at its holder.
    """
    if relations and len(nouns) > _MOST_SOLVED:
        _boxes_logger.warning(
            "Relations are left out for %d objects; only up to %d can be arranged.", len(nouns), _MOST_SOLVED
        )
        relations, held = [], []
    stated, relations = relations, consistent_relations(_decomposed([*relations, *held]))
    container = _containers(len(nouns), relations)
    relations = relations + _levels(relations)
    boxes = np.zeros((len(nouns), 4))
    things = list(zip(nouns, modifiers or [()] * len(nouns), strict=True))
    _fill(boxes, None, (0.0, 0.0, 1.0, 1.0), things, container, relations, aspect_ratio)
    boxes[:, :2] = np.minimum(boxes[:, :2], 1 - _SMALLEST)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + _SMALLEST)
    return _brought_together(nouns, list(map(tuple, np.round(boxes, 4).tolist())), stated)


def _brought_together(nouns: Sequence[str], boxes: Sequence[Box], relations: Sequence[Relation]) -> list[Box]:
    """Boxes moved as little as possible until those of things that touch do so, too: cells leave a gap."""
    if all(relation.relation != "touching" for relation in relations):
        return list(boxes)
    layout = Layout([Region(noun, box=box) for noun, box in zip(nouns, boxes)], relations)
    return [region.box for region in repair_layout(layout).regions]


def _fill(boxes, parent, canvas, things, container, relations, aspect_ratio) -> None:
    """Arranges what lies directly in `parent` (None: the picture) within `canvas`, then what lies in those."""
    members = [index for index in range(len(boxes)) if container[index] == parent]
    if not members:
        return
    x0, y0, x1, y1 = canvas
    scale = np.array([x1 - x0, y1 - y0] * 2)
    inner = _relations_among(members, relations, container)
    ratio = aspect_ratio * scale[0] / scale[1]
    largest = _LARGEST_OF_FEW.get(len(members), _LARGEST_OF_MANY) if parent is None else _LARGEST_INSIDE
    placed = _boxes_in_unit_square([things[index] for index in members], inner, ratio, largest)
    for index, box in zip(members, placed):
        boxes[index] = np.array([x0, y0] * 2) + box * scale
        margin = _RIM * (boxes[index, 2:] - boxes[index, :2])
        room = (*(boxes[index, :2] + margin), *(boxes[index, 2:] - margin))
        _fill(boxes, index, room, things, container, relations, aspect_ratio)


def _boxes_in_unit_square(things, relations: Sequence[Relation], aspect_ratio: float, largest: float) -> np.ndarray:
    """Boxes (objects, 4) of objects that lie side by side, with sides up to `largest`."""
    if len(things) > _MOST_SOLVED:
        places = _plain_grid(len(things), aspect_ratio)
    else:
        places = place_on_lattice(len(things), relations, aspect_ratio)
    centers, steps = zip(*(_spread(places[:, axis], relations, axis) for axis in (0, 1)))
    centers, room = np.stack(centers, 1), np.array(steps)
    is_full_grid = len(things) == np.prod(places.max(0) + 1) and places.max(0).all()
    if len(things) in _CROWDED and not is_full_grid and all(relation.relation in AXES for relation in relations):
        centers, room = _moved_apart(centers, relations, aspect_ratio)
    wanted = largest * _shapes([noun for noun, _ in things], aspect_ratio) * _size_factors(things)[:, None]
    sizes = np.minimum(wanted, _FILLED * room)
    shrunk = (sizes / wanted).min(1, keepdims=True)
    sizes = np.minimum(sizes, _STRETCH * shrunk * wanted)
    boxes = np.concatenate([centers - sizes / 2, centers + sizes / 2], 1)
    _put_on_supports(boxes, places, relations)
    return np.clip(boxes, 0.0, 1.0)


def _moved_apart(
    centers: np.ndarray, relations: Sequence[Relation], aspect_ratio: float
) -> tuple[np.ndarray, np.ndarray]:
    """Centres moved away from each other and from the picture's edges as the relations allow, and their room."""
    scale = np.array([aspect_ratio, 1.0])
    points = centers * scale
    limits = [_hidden(points[r.subject], r.relation, points[r.object]) + 1e-9 for r in relations]
    for stride in _STRIDES:
        moved = True
        while moved:
            moved = False
            for index in range(len(points)):
                choices = points[index] + stride * _DIRECTIONS
                shows = _relations_show(choices, index, points, relations, limits)
                cost = np.where(shows, _crowding(choices, index, points, scale), np.inf)
                best = cost[1:].argmin() + 1
                if cost[best] < cost[0]:
                    points[index], moved = choices[best], True
    apart = np.abs(points[:, None] - points).max(2) + np.diag(np.full(len(points), np.inf))
    edges = 2 * np.minimum(points, scale - points).min(1)
    return points / scale, np.minimum(apart.min(1), edges)[:, None] / scale


def _crowding(choices: np.ndarray, index: int, points: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """How close one thing would be to others and to edges at each of some places."""
    others = np.delete(points, index, axis=0)
    distances = ((choices[:, None] - others) ** 2).sum(2)
    edges = 4 * np.concatenate([choices, scale - choices], 1).clip(min=1e-3) ** 2  # as far as its mirror image
    return (np.concatenate([distances, edges], 1).clip(min=1e-6) ** -8).sum(1)


def _relations_show(
    choices: np.ndarray, index: int, points: np.ndarray, relations: Sequence[Relation], limits: Sequence[float]
) -> np.ndarray:
    """At which of some places of one thing its relations lack no more than so much to be seen."""
    shows = np.ones(len(choices), dtype=bool)
    for r, limit in zip(relations, limits):
        if index in (r.subject, r.object):
            subject, landmark = (choices if place == index else points[place] for place in (r.subject, r.object))
            shows &= _hidden(subject, r.relation, landmark) <= limit
    return shows


def _hidden(subject: np.ndarray, relation: str, landmark: np.ndarray) -> np.ndarray:
    """How much relations between places (..., 2) lack to be seen, 0 for nothing."""
    apart = subject - landmark
    along = apart @ np.array(AXES[relation])
    across = np.abs(apart).sum(-1) - np.abs(along)
    return (across - _SLANT * along).clip(min=0)


def _plain_grid(count: int, aspect_ratio: float) -> np.ndarray:
    """Columns and rows in reading order."""
    columns = min(max(round(np.sqrt(count * aspect_ratio)), 1), count)
    return np.array([(index % columns, index // columns) for index in range(count)])


def _shapes(nouns: Sequence[str], aspect_ratio: float) -> np.ndarray:
    """Widths and heights (objects, 2) up to 1: about square on the picture, or tall or wide by nature."""
    square = np.maximum(np.array([1.0, aspect_ratio]) / max(1.0, aspect_ratio), 0.6)
    shapes = [_TALL if noun in TALL_THINGS else _WIDE if noun in WIDE_THINGS else (1.0, 1.0) for noun in nouns]
    return square * np.array(shapes)


def _size_factors(things: Sequence[tuple[str, Collection[str]]]) -> np.ndarray:
    """Factors (objects,) for their sides. Kinds count beside other kinds only: an apple alone may fill the picture."""
    kinds, said = np.array([steps_of_size(noun, modifiers) for noun, modifiers in things]).T
    kinds = kinds - np.clip(0, kinds.min(), kinds.max())
    return _SIZE_STEP ** np.clip(kinds + said, -2, 2)


def _spread(values: np.ndarray, relations: Sequence[Relation], axis: int) -> tuple[np.ndarray, float]:
    """Columns or rows, spread evenly over 0..1, and the step between two of them."""
    last = values.max()
    before = after = 0  # free ranks: what is at the left, or in the centre, leaves room at its right
    for relation in relations:
        if relation.object is None:
            side, rank = PLACES[relation.relation][axis], values[relation.subject]
            if relation.relation == "centre":
                before, after = max(before, last - 2 * rank), max(after, 2 * rank - last)
            elif side and last == 0:
                before, after = int(side > 0), int(side < 0)
    step = 1 / (last + 1 + before + after)
    return (values + before + 0.5) * step, step


def _put_on_supports(boxes: np.ndarray, places: np.ndarray, relations: Sequence[Relation]) -> None:
    """Lets what is on something touch it, and a support reach below all that is on it, where nothing is between."""
    carried = _carried(relations)
    settled: set[int] = set()  # what stands on something already stays there
    for support in sorted(carried, key=lambda index: -places[index, 1]):
        row = places[support, 1]
        right_above = [thing for thing in carried[support] if places[thing, 1] == row - 1]
        if not right_above:
            continue
        level = boxes[support, 1] if support in settled else (boxes[right_above, 3].max() + boxes[support, 1]) / 2
        boxes[right_above] += (level - boxes[right_above, 3:]) * (0, 1, 0, 1)
        boxes[support, [1, 3]] += level - boxes[support, 1]
        settled.update(right_above)
        alone = (places[:, 1] == row).sum() == 1
        if alone:
            boxes[support, 0] = min(boxes[support, 0], boxes[right_above, 0].min())
            boxes[support, 2] = max(boxes[support, 2], boxes[right_above, 2].max())


def _carried(relations: Sequence[Relation]) -> dict[int, list[int]]:
    """What stands on each support."""
    return grouped((relation.object, relation.subject) for relation in relations if relation.relation == "on")


def _levels(relations: Sequence[Relation]) -> list[Relation]:
    """Things on one support stand side by side, in as few rows as can be, unless something else is stated."""
    levels = []
    stacked = {(r.subject, r.object) for r in relations if r.relation in ("above", "below")}
    for things in _carried(relations).values():
        if any(pair in stacked for pair in permutations(things, 2)):
            continue
        rows = -(-len(things) // _ROW_ON_SUPPORT)
        length = -(-len(things) // rows)
        for start in range(0, len(things), length):
            row = things[start : start + length]
            levels += [Relation(a, LEVEL, b) for a, b in zip(row, row[1:]) if a != b]
    apart = (r for r in relations if r.object is not None and r.relation not in ("next to", "touching"))
    related = {frozenset((r.subject, r.object)) for r in apart}
    return [level for level in levels if frozenset((level.subject, level.object)) not in related]


def _decomposed(relations: Sequence[Relation]) -> list[Relation]:
    """ "Between" as two relations: one landmark on one side of the subject, the other on the other."""
    result = []
    for r in relations:
        in_row = [Relation(r.object, "left of", r.subject), Relation(r.subject, "left of", r.second_object)]
        result += between_in_order(r, relations) or in_row if r.relation == "between" else [r]
    return result


def _containers(count: int, relations: Sequence[Relation]) -> dict[int, int | None]:
    """What each object is inside of, if anything; never in a circle."""
    container: dict[int, int | None] = {index: None for index in range(count)}

    def put(inner: int, outer: int | None) -> None:
        around = outer
        while around is not None and around != inner:
            around = container[around]
        if around is None:
            container[inner] = outer

    for relation in relations:
        if relation.relation == "inside":
            inner = relation.subject
            while container[inner] is not None:  # a frog in a box and in a crate: with its box
                inner = container[inner]
            put(inner, relation.object)
    for relation in relations:
        if relation.relation == "on" and container[relation.subject] is None:  # "a cat on a mat in a box"
            put(relation.subject, container[relation.object])
    return container


def _relations_among(members, relations, container) -> list[Relation]:
    """Relations between members, in their numbering; those of what lies inside a member count for the member."""
    number = {index: n for n, index in enumerate(members)}

    def owner(index: int | None) -> int | None:
        while index is not None and index not in number:
            index = container[index]
        return number.get(index)

    result = []
    for relation in relations:
        subject, landmark = owner(relation.subject), owner(relation.object)
        if relation.relation == "inside" or subject is None or subject == landmark:
            continue
        if (landmark is None) == (relation.object is None):
            result.append(Relation(subject, relation.relation, landmark))
    return result
