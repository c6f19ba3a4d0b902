"""What follows from the relations that a text states: from places in the picture, from "between", and for depth."""

from collections.abc import Iterable, Sequence
from itertools import combinations, product

from .regions import Layout, Relation, grouped, reached
from .vocabulary import AXES, OPPOSITES, PLACES


_IN_FRONT = ("in front of", "on", "inside")  # a thing in a box is seen, so nothing of the box covers it
SIDE_RELATIONS = {"left": "left of", "right": "right of", "top": "above", "bottom": "below"}


def implied_by_places(relations: Sequence[Relation]) -> list[Relation]:
    """What is at the left of the picture is left of what is at its right, and so on; unless something is stated."""
    places: dict[int, tuple[int, int]] = {}
    for r in relations:
        if r.object is None:  # "top row: a kite on the left": both count
            x, y = places.get(r.subject, (0, 0))
            column, row = PLACES[r.relation]
            places[r.subject] = x or column, y or row
    stated = {frozenset((r.subject, r.object)) for r in relations if r.relation in AXES}
    implied = []
    for (first, (x0, y0)), (second, (x1, y1)) in combinations(places.items(), 2):
        if frozenset((first, second)) in stated:
            continue
        if x0 != x1 and abs(x0 - x1) >= abs(y0 - y1):
            implied.append(Relation(first, "left of" if x0 < x1 else "right of", second))
        if y0 != y1 and abs(y0 - y1) >= abs(x0 - x1):
            implied.append(Relation(first, "above" if y0 < y1 else "below", second))
    return implied


def between_in_order(between: Relation, relations: Sequence[Relation]) -> list[Relation]:
    """
    A "between" told as two: that one landmark is left of, or above, what is between them, and this so of the other.
    Empty if nothing tells which: neither the place of a landmark in the picture nor how two of the three stand.
    """
    subject, *ends = between.ends
    for first, second in (ends, ends[::-1]):
        pairs = ((first, second), (first, subject), (subject, second))
        for r in relations:
            is_placed = r.relation in SIDE_RELATIONS and r.subject == first
            side = SIDE_RELATIONS[r.relation] if is_placed else r.relation if (r.subject, r.object) in pairs else ""
            if side in ("left of", "above"):
                return [Relation(first, side, subject), Relation(subject, side, second)]
            if side in AXES:
                return [Relation(second, OPPOSITES[side], subject), Relation(subject, OPPOSITES[side], first)]
    return []


def with_between_in_order(relations: Sequence[Relation]) -> list[Relation]:
    """Relations in which each "between" whose landmarks have an order is told as two: left of the one, and so on."""
    told = ((r, between_in_order(r, relations) if r.relation == "between" else []) for r in relations)
    result = [relation for r, two in told for relation in two or [r]]
    stated = {(r.object, OPPOSITES.get(r.relation), r.subject) for r in relations}
    return [r for r in dict.fromkeys(result) if (r.subject, r.relation, r.object) not in stated or r in relations]


def with_stated_depth(layout: Layout, held: Iterable[tuple[int, int]] = ()) -> Layout:
    """
    A layout in whose order what is stated holds: what is on, inside or in front of something covers it, what is in the
    foreground what is in the background, and what is held its holder, if no relation tells otherwise. What has to be
    behind something goes there, all else stays in order; so does what is said to be both behind and in front. Where
    nothing is stated, the layout stays as it is.

    Args:
        held: Indices of what is held, each with that of a holder, see `held_pairs`.
    """
    pairs = _stated_depths(layout.relations)
    related = grouped(pairs)
    behind = grouped([*pairs, *((thing, holder) for thing, holder in held if thing not in reached(holder, related))])
    if not behind:
        return layout
    order = layout.back_to_front()
    following = {index: reached(index, behind) for index in order}
    behind_all = {index: [i for i in order if i in following[index] and index not in following[i]] for index in order}
    stated: dict[int, None] = {}
    for index in order:  # what has fewer behind it cannot be in front of what has more
        stated |= dict.fromkeys([*sorted(behind_all[index], key=lambda i: len(behind_all[i])), index])
    return layout.ordered(list(stated))


def _stated_depths(relations: Iterable[Relation]) -> list[tuple[int, int]]:
    """Pairs of which the first is in front of the second."""
    pairs = [(r.subject, r.object) for r in relations if r.relation in _IN_FRONT]
    pairs += [(r.object, r.subject) for r in relations if r.relation == "behind"]
    near, far = ([r.subject for r in relations if r.relation == place] for place in ("foreground", "background"))
    return pairs + list(product(near, far))
