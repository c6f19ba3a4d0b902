"""Ellipsis: landmarks that a cue shares with another one, "a lamp to the left and a plant to the right of a desk"."""

from collections.abc import Sequence

from .clauses import ClauseRow
from .sides import LATERAL_SIDES, OPPOSITES, PICTURE_PLACES, SIDES_OF_PLACES


def twin_landmark(row: ClauseRow, k: int) -> list[int]:
    """The book in "above and to the left of the book"."""
    joint, position = row.joint_after(k)
    is_side = row.elements[k].cue.relation not in PICTURE_PLACES
    return row.things_at(row.following.get(position, ())) if joint == "and" and is_side else []


def parallel_landmark(row: ClauseRow, k: int) -> list[int]:
    """The bed in "To the left of the bed is a lamp, to the right (or: to its right) a chair"."""
    cue = row.elements[k].cue
    if cue is None or k not in row.fronted and cue.landmark != "owner":
        return []
    start = 0 if cue.landmark == "none" and cue.relation in OPPOSITES else row.sentence_start(k)
    before = (other for other in reversed(row.cues) if start <= other < k)
    earlier = next((other for other in before if _are_parallel(row, other, k)), k)
    relations = {SIDES_OF_PLACES.get(name, name) for name in (cue.relation, row.elements[earlier].cue.relation)}
    return row.things_at(row.following[earlier]) if len(relations & OPPOSITES.keys()) == 2 else []


def _are_parallel(row: ClauseRow, first: int, second: int) -> bool:
    """Whether both cues open their clauses or have an owner: "at the king's right and a page at his left"."""
    cues = {first, second}
    are_owned = all(row.elements[k].cue.landmark == "owner" for k in cues) and not row.is_in_with(second)
    return bool(row.following[first]) and (cues <= row.fronted.keys() or are_owned)


def carried_landmark(row: ClauseRow, k: int, figure: Sequence[int]) -> list[int]:
    """The plate in "the fork is to the left of the plate, the knife is to the right"."""
    relation = row.elements[k].cue.relation
    if row.is_in_with(k) or LATERAL_SIDES.get(relation, relation) not in OPPOSITES:
        return []
    for cue in reversed([cue for cue in row.cues if cue < k]):
        landmark = row.things_at(row.following[cue])
        if landmark and row.elements[cue].cue.relation in OPPOSITES:
            is_new = any(set(things) <= set(figure) for things in row.things_before(k, range(cue + 2, k)))
            is_other = any(row.kind(i) == "pronoun" for i in range(cue + 1, k))  # "and a cup faces it from below"
            return landmark if is_new and not is_other and set(landmark).isdisjoint(figure) else []
    return []


def shared_landmark(row: ClauseRow, k: int) -> list[int]:
    """The desk in "a lamp to the left and a plant to the right of the desk"."""
    joint, position = row.joint_after(k)
    if joint != "and" or not row.is_thing(position):
        return []
    later = next((cue for cue in row.cues if cue > position), None)
    is_near = later is not None and all(row.kind(i) == "verb" for i in range(position + 1, later))
    return row.things_at(row.following[later]) if is_near else []
