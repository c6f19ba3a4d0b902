"""Whether the stated relations of a layout hold: `broken_relations`."""

from collections.abc import Sequence

from .regions import Layout, Relation
from .vocabulary import AXES, PLACES, RELATIONS_OF_TWO


NEAR, FAR = 150 / 512, 0.4  # between centres; near as in T2I-CompBench (arXiv:2307.06350), 150 pixels of 512
TOUCHING = 0.001  # between edges, at most: boxes are rounded
CENTRE_REACH = 1 / 6  # what is in the centre is in the middle third
_MOSTLY = 0.5  # part of a thing within what it is on; IoU that things next to each other do not reach


def broken_relations(layout: Layout) -> list[Relation]:
    """
    The stated relations of a layout that do not hold, in order.

    Left of, right of, above, below and (along either axis) "between" compare the boxes' centres, "in front of" and
    "behind" their lower edges. What is "inside" has its centre in the other's box and is smaller; what is "on"
    something is higher, or for the better part within its box. "next to" is nearer than 150 of 512 pixels along one
    axis, "far from" at least 0.4 away; what is "touching" has nothing between the boxes. In the picture, "left"
    is left of the middle, "centre" in the middle third, "foreground" in the lower half, "background" in the upper one.

    Raises:
        ValueError: A relation that is none of these, or lacks an object that it needs.
    """
    check_relations(layout)
    bounds = [region.bounds for region in layout.regions]
    centres = [region.centre for region in layout.regions]
    return [relation for relation in layout.relations if not _holds(relation, bounds, centres)]


def is_complete(relation: Relation) -> bool:
    """Whether a relation has a known name, and the objects that it needs and no other."""
    if relation.relation == "between":
        return relation.object is not None and relation.second_object is not None
    known = PLACES if relation.object is None else RELATIONS_OF_TWO
    return relation.relation in known and relation.second_object is None


def check_relations(layout: Layout) -> None:
    """Raises a ValueError for a relation that is not complete."""
    for relation in layout.relations:
        if not is_complete(relation):
            raise ValueError(
                f"The relation {relation.to_dict()} is none of {', '.join(RELATIONS_OF_TWO)} (with `object`), between"
                f" (with `object` and `second_object`), {', '.join(PLACES)} (without)."
            )


def _holds(relation: Relation, bounds: Sequence, centres: Sequence) -> bool:
    name, first = relation.relation, relation.subject
    (x, y), (x0, y0, x1, y1) = centres[first], bounds[first]
    if name == "centre":
        return max(abs(x - 0.5), abs(y - 0.5)) <= CENTRE_REACH
    if relation.object is None:
        return all((value - 0.5) * side > 0 for value, side in zip((x, y), PLACES[name]) if side)
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
    if name == "touching" and max(x0 - u1, u0 - x1, y0 - v1, v0 - y1) > TOUCHING:
        return False
    near = name == "touching" or min(abs(x - u), abs(y - v)) < NEAR
    return near and shared < _MOSTLY * (area + other_area - shared)  # next to
