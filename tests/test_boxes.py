"""Boxes: what stands on what, what lies in what, and how large things are."""

from itertools import combinations, pairwise, product

import numpy as np
import pytest

from spacetime_attn.layout import solver
from spacetime_attn.layout.boxes import arrange_boxes
from spacetime_attn.layout.holding import broken_relations
from spacetime_attn.layout.regions import Layout, Region, Relation
from spacetime_attn.layout.rules import RuleLayoutPredictor
from spacetime_attn.layout.things import LARGE_THINGS, SMALL_THINGS


def placed(nouns, *relations):
    """The boxes of some things, of which the relations are told as (subject, relation, object)."""
    return arrange_boxes(nouns.split(), [Relation(*relation) for relation in relations])


def all_pairs(subjects, relation, objects):
    return [(subject, relation, thing) for subject, thing in product(subjects, objects)]


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def overlaps(a, b):
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def is_inside(inner, outer):
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


# --- rows -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [17, 20, 30, 40])
@pytest.mark.parametrize("relation, axis", [("left of", 0), ("above", 1)])
def test_rows_of_many_things_keep_their_order(count, relation, axis):
    boxes = arrange_boxes(["apple"] * count, [Relation(i, relation, i + 1) for i in range(count - 1)])
    centres = [box[axis] + box[axis + 2] for box in boxes]
    assert all(first < second for first, second in pairwise(centres))
    assert not any(overlaps(a, b) for a, b in combinations(boxes, 2))


def test_relations_of_many_things_count():
    eggs, cups = range(12), range(13, 18)
    relations = all_pairs(eggs, "left of", [12]) + all_pairs(cups, "right of", [12])
    boxes = placed("egg " * 12 + "pan " + "cup " * 5, *relations)
    assert max(x0 + x1 for x0, _, x1, _ in boxes[:12]) < min(x0 + x1 for x0, _, x1, _ in boxes[12:])
    assert max(x0 + x1 for x0, _, x1, _ in boxes[:13]) < min(x0 + x1 for x0, _, x1, _ in boxes[13:])


def test_relations_between_many_things_and_as_many_others_count():
    boxes = placed("balloon " * 20, *all_pairs(range(10), "left of", range(10, 20)))
    assert max(x0 + x1 for x0, _, x1, _ in boxes[:10]) < min(x0 + x1 for x0, _, x1, _ in boxes[10:])


def test_relations_of_too_many_things_are_left_out_with_a_warning(caplog):
    assert len(arrange_boxes(["apple"] * 41, [Relation(0, "left of", 1)])) == 41
    assert "left out for 41 objects" in caplog.text


@pytest.mark.parametrize("relation", ["left of", "above"])
@pytest.mark.parametrize("count", [4, 5, 7])
def test_long_rows_zigzag_so_that_things_have_room(relation, count):
    relations = [Relation(index, relation, index + 1) for index in range(count - 1)]
    boxes = arrange_boxes(["apple"] * count, relations)
    axis = ("left of", "above").index(relation)
    assert not any(overlaps(a, b) for n, a in enumerate(boxes) for b in boxes[:n])
    assert all(a[axis] + a[axis + 2] < b[axis] + b[axis + 2] for a, b in zip(boxes, boxes[1:]))
    centres = np.array([((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes])
    assert np.linalg.norm(centres[1:] - centres[:-1], axis=1).min() > 1.05 / count
    across, along = (
        [abs(a[side] + a[side + 2] - b[side] - b[side + 2]) / 2 for a, b in zip(boxes, boxes[1:])]
        for side in (1 - axis, axis)
    )
    assert min(across) > 0.1 and all(a > 0.65 * b for a, b in zip(along, across))


@pytest.mark.parametrize("aspect_ratio", [0.2, 0.5, 4])
@pytest.mark.parametrize("relation", ["left of", "above"])
def test_long_rows_keep_their_order_in_narrow_pictures(relation, aspect_ratio):
    boxes = arrange_boxes(["apple"] * 8, [Relation(index, relation, index + 1) for index in range(7)], aspect_ratio)
    axis = ("left of", "above").index(relation)
    assert all(a[axis] + a[axis + 2] < b[axis] + b[axis + 2] for a, b in zip(boxes, boxes[1:]))


def test_things_that_move_apart_stay_where_relations_show():
    relations = [Relation(0, "above", 1), Relation(2, "below", 1), Relation(3, "right of", 1)]
    boxes = arrange_boxes(["apple"] * 4, relations)
    centres = [np.array([x0 + x1, y0 + y1]) / 2 for x0, y0, x1, y1 in boxes]
    for a, b, axis in ((0, 1, 1), (1, 2, 1), (1, 3, 0)):
        apart = centres[b] - centres[a]
        assert apart[axis] > abs(apart[1 - axis])
    closest = min(np.linalg.norm(a - b) for n, a in enumerate(centres) for b in centres[:n])
    assert closest > 0.36  # on the lattice a third


def test_what_contradicts_itself_does_not_collapse():
    relations = [Relation(0, "above", 1), Relation(0, "right of", 1), Relation(2, "above", 1)]
    boxes = arrange_boxes(["apple"] * 4, relations)
    assert not any(overlaps(a, b) for n, a in enumerate(boxes) for b in boxes[:n])


@pytest.mark.parametrize(
    "relations",
    [
        [(0, "left of", 1), (1, "left of", 2)],
        [(0, "next to", 1), (0, "next to", 2), (1, "next to", 2)],
        [(0, "touching", 1), (1, "touching", 2)],
    ],
)
def test_short_rows_and_neighbours_stand_in_line(relations):
    assert len({round(box[1] + box[3], 2) for box in placed("jug pan drum", *relations)}) == 1


# --- on -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "things, relations", [("lantern " * 4, []), ("frog frog owl owl owl", []), ("jug drum", [(0, "next to", 1)])]
)
def test_things_on_one_support_stand_in_one_row_and_touch_it(things, relations):
    count = len(things.split())
    *boxes, support = placed(f"{things} bench", *all_pairs(range(count), "on", [count]), *relations)
    assert all(box[3] == pytest.approx(support[1], abs=1e-3) for box in boxes)
    assert support[0] <= min(box[0] for box in boxes) and support[2] >= max(box[2] for box in boxes)
    assert not any(overlaps(a, b) for n, a in enumerate(boxes) for b in boxes[:n])


def test_many_things_on_one_support_take_several_rows():
    *things, _ = placed("melon " * 8 + "table", *all_pairs(range(8), "on", [8]))
    assert len({thing[1] for thing in things}) == 2


def test_what_is_said_of_things_on_one_support_counts_more_than_their_row():
    jug, drum, _ = placed("jug drum table", (0, "on", 2), (1, "on", 2), (0, "above", 1))
    assert jug[3] <= drum[1] + 1e-3


def test_rows_on_one_support_stay_rows():
    rows = [(0, "left of", 1), (1, "left of", 2), (3, "left of", 4), (4, "left of", 5)]
    columns = [(upper, "above", upper + 3) for upper in range(3)]
    *jugs, table = placed("jug " * 6 + "table", *rows, *columns, *all_pairs(range(6), "on", [6]))
    assert [len({jug[3] for jug in row}) for row in (jugs[:3], jugs[3:])] == [1, 1]
    assert max(jug[3] for jug in jugs) <= table[1] + 1e-3


def test_a_stack_touches_all_the_way():
    hat, book, stool = placed("hat book stool", (0, "on", 1), (1, "on", 2))
    assert hat[3] == pytest.approx(book[1], abs=1e-3) and book[3] == pytest.approx(stool[1], abs=1e-3)


def test_what_stands_on_something_inside_is_inside_too():
    frog, mat, box, table = placed("frog mat box table", (0, "on", 1), (1, "inside", 2), (2, "on", 3))
    assert is_inside(frog, box) and is_inside(mat, box)
    assert frog[3] == pytest.approx(mat[1], abs=1e-3) and box[3] == pytest.approx(table[1], abs=1e-3)


def test_a_container_stands_on_its_support():
    frog, box, table = placed("frog box table", (0, "inside", 1), (1, "on", 2))
    assert is_inside(frog, box) and box[3] == pytest.approx(table[1], abs=1e-3)


def test_of_two_containers_of_one_thing_the_second_holds_the_first():
    frog, box, crate = placed("frog box crate", (0, "inside", 1), (0, "inside", 2))
    assert is_inside(frog, box) and is_inside(box, crate)


# --- touching -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("aspect_ratio", [0.5, 1, 2])
@pytest.mark.parametrize(
    "relations",
    [
        [(0, "touching", 1)],
        [(0, "touching", 1), (0, "above", 1)],
        [(0, "touching", 1), (1, "touching", 2), (0, "touching", 2)],
        [(thing, "touching", 0) for thing in range(1, 6)],
        [(thing, "touching", thing + 1) for thing in range(11)],
        [(0, "touching", 1), (0, "on", 2), (1, "on", 2)],
        [(0, "touching", 1), (0, "inside", 2)],
        [(0, "touching", 1), (0, "top left"), (1, "bottom right")],
    ],
)
def test_the_boxes_of_things_that_touch_do_so_wherever_they_are(relations, aspect_ratio):
    stated = [Relation(*relation) for relation in relations]
    nouns = ["jug", "elephant", "cup"] * 4
    boxes = arrange_boxes(nouns, stated, aspect_ratio)
    layout = Layout([Region(noun, box=box) for noun, box in zip(nouns, boxes)], stated)
    assert broken_relations(layout) == []


def test_things_that_touch_are_as_large_as_things_beside_each_other():
    beside, touching = (placed("jug pan", (0, relation, 1)) for relation in ("next to", "touching"))
    assert list(map(area, touching)) == pytest.approx(list(map(area, beside)), rel=1e-3)
    assert beside[1][0] - beside[0][2] > 0.02
    assert touching[1][0] - touching[0][2] == pytest.approx(0, abs=1e-3)


# --- places in the picture ------------------------------------------------------------------------------------------
def test_the_foreground_is_at_the_lower_edge_of_the_picture_and_the_background_at_the_upper_one():
    dog, barn, cow = placed("dog barn cow", (0, "foreground"), (1, "background"))
    assert barn[3] <= cow[1] and cow[3] <= dog[1]
    assert placed("dog", (0, "foreground")) == placed("dog", (0, "bottom"))
    assert placed("dog", (0, "background")) == placed("dog", (0, "top"))


# --- sizes ----------------------------------------------------------------------------------------------------------
def test_large_things_are_larger_than_small_ones_beside_them():
    thimble, elephant = arrange_boxes(["thimble", "elephant"], [Relation(0, "left of", 1)])
    assert 1.5 < area(elephant) / area(thimble) < 8
    assert not overlaps(thimble, elephant)


def test_adjectives_of_size_count():
    relation = [Relation(0, "left of", 1)]
    plain = arrange_boxes(["drum", "drum"], relation)
    sized = arrange_boxes(["drum", "drum"], relation, modifiers=[{"tiny", "red"}, {"huge"}])
    assert area(plain[0]) == pytest.approx(area(plain[1]))
    assert area(sized[0]) < 0.6 * area(plain[0]) and area(sized[1]) >= area(plain[1])


def test_adjectives_of_size_are_read_from_the_prompt():
    small, large = RuleLayoutPredictor()("a tiny drum to the left of an enormous drum").regions
    assert area(small.box) < 0.6 * area(large.box)


def test_things_of_one_size_are_not_made_smaller():
    alone, other = arrange_boxes(["lemon"], []), arrange_boxes(["barrel"], [])
    assert area(alone[0]) == area(other[0])
    pair = arrange_boxes(["lemon", "plum"], [Relation(0, "left of", 1)])
    assert pair == arrange_boxes(["barrel", "stool"], [Relation(0, "left of", 1)])


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_large_things_keep_within_their_cells(count):
    boxes = arrange_boxes(["whale", "pea"] * count, [], modifiers=[{"giant"}, {"tiny"}] * count)
    assert not any(overlaps(a, b) for n, a in enumerate(boxes) for b in boxes[:n])
    assert all(0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1 for box in boxes)


def test_nothing_is_both_small_and_large():
    assert SMALL_THINGS.isdisjoint(LARGE_THINGS)


def test_there_are_modifiers_for_each_noun_or_none():
    with pytest.raises(ValueError):
        arrange_boxes(["jug", "pan"], [], modifiers=[{"small"}])


# --- several relations ----------------------------------------------------------------------------------------------
def test_above_and_to_the_left_is_both():
    jug, pan = placed("jug pan", (0, "above", 1), (0, "left of", 1))
    assert jug[2] <= pan[0] and jug[3] <= pan[1]


# --- work -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("relations", [[], all_pairs(range(8), "left of", range(8, 16))])
def test_each_of_many_things_is_placed_four_times_at_most(monkeypatch, relations):
    tried, energy = [], solver._energy
    monkeypatch.setattr(
        solver, "_energy", lambda grid, index, *rest: tried.append(index) or energy(grid, index, *rest)
    )
    placed("goat mule " * 8, *relations)
    assert set(tried) <= set(range(16)) and max(map(tried.count, range(16))) <= 4


def test_things_in_a_circle_are_placed_all_the_same():
    relations = [Relation(0, "on", 1), Relation(2, "inside", 0), Relation(1, "inside", 2)]
    assert len(arrange_boxes(["jug"] * 3, relations)) == 3
