"""Boxes: what stands on what, what lies in what, and how large things are."""

import time
from itertools import combinations, pairwise

import numpy as np
import pytest

from spacetime_attn.layout.boxes import arrange_boxes, with_contents, with_small_parts
from spacetime_attn.layout.lexicon import LARGE_THINGS, SMALL_THINGS
from spacetime_attn.layout.regions import Relation
from spacetime_attn.layout.rules import RuleLayoutPredictor


@pytest.fixture(scope="module")
def predictor():
    return RuleLayoutPredictor()


def boxes_of(predictor, prompt):
    return [region.box for region in predictor(prompt).regions]


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


@pytest.mark.parametrize(
    "prompt, left, right",
    [
        ("Twelve eggs to the left of a pan and five cups to the right of the pan.", slice(0, 12), slice(12, None)),
        ("Ten red balloons to the left of ten blue balloons.", slice(0, 10), slice(10, None)),
    ],
)
def test_relations_of_many_things_count(predictor, prompt, left, right):
    boxes = boxes_of(predictor, prompt)
    assert len(boxes) > 16
    assert max(x0 + x1 for x0, _, x1, _ in boxes[left]) < min(x0 + x1 for x0, _, x1, _ in boxes[right])


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


@pytest.mark.parametrize("prompt", ["a jug left of a pan left of a drum", "four cups next to each other"])
def test_short_rows_and_neighbours_stand_in_line(predictor, prompt):
    assert len({round(box[1] + box[3], 2) for box in boxes_of(predictor, prompt)}) == 1


# --- on -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "prompt", ["four lanterns on a bench", "two frogs and three owls on a log", "a jug and a drum on a table"]
)
def test_things_on_one_support_stand_in_one_row_and_touch_it(predictor, prompt):
    *things, support = boxes_of(predictor, prompt)
    assert all(thing[3] == pytest.approx(support[1], abs=1e-3) for thing in things)
    assert support[0] <= min(thing[0] for thing in things) and support[2] >= max(thing[2] for thing in things)
    assert not any(overlaps(a, b) for n, a in enumerate(things) for b in things[:n])


def test_many_things_on_one_support_take_several_rows(predictor):
    *things, _ = boxes_of(predictor, "eight melons on a table")
    assert len({thing[1] for thing in things}) == 2


def test_what_is_said_of_things_on_one_support_counts_more_than_their_row(predictor):
    jug, drum, _ = boxes_of(predictor, "A jug and a drum are on a table. The jug is above the drum.")
    assert jug[3] <= drum[1] + 1e-3


def test_rows_on_one_support_stay_rows(predictor):
    *jugs, table = boxes_of(predictor, "two rows of three jugs on a table")
    assert [len({jug[3] for jug in row}) for row in (jugs[:3], jugs[3:])] == [1, 1]
    assert max(jug[3] for jug in jugs) <= table[1] + 1e-3


def test_a_stack_touches_all_the_way(predictor):
    hat, book, stool = boxes_of(predictor, "a hat on a book on a stool")
    assert hat[3] == pytest.approx(book[1], abs=1e-3) and book[3] == pytest.approx(stool[1], abs=1e-3)


def test_what_stands_on_something_inside_is_inside_too(predictor):
    frog, mat, box, table = boxes_of(predictor, "a frog on a mat in a box on a table")
    assert is_inside(frog, box) and is_inside(mat, box)
    assert frog[3] == pytest.approx(mat[1], abs=1e-3) and box[3] == pytest.approx(table[1], abs=1e-3)


def test_a_container_stands_on_its_support(predictor):
    frog, box, table = boxes_of(predictor, "A frog inside a box on top of a table")
    assert is_inside(frog, box) and box[3] == pytest.approx(table[1], abs=1e-3)


def test_what_holds_only_a_part_of_something_holds_it_all(predictor):
    cat, head, box = boxes_of(predictor, "a cat with its head in a box")
    assert is_inside(head, cat) and is_inside(cat, box)


# --- sizes ----------------------------------------------------------------------------------------------------------
def test_large_things_are_larger_than_small_ones_beside_them():
    thimble, elephant = arrange_boxes(["thimble", "elephant"], [Relation(0, "left of", 1)])
    assert 1.5 < area(elephant) / area(thimble) < 8
    assert not overlaps(thimble, elephant)


def test_parts_are_much_smaller_than_their_owners(predictor):
    man, hand, _ = boxes_of(predictor, "a man with his hand on a horse")
    assert is_inside(hand, man) and area(hand) < 0.17 * area(man)
    assert with_small_parts([(0, 0, 1, 1), (0.4, 0.4, 0.5, 0.5)], {1: 0})[1] == (0.4, 0.4, 0.5, 0.5)


def test_contents_are_side_by_side_in_the_middle_of_their_container():
    boxes = [(0.2, 0.2, 0.8, 0.6), (0.0, 0.0, 0.1, 0.1), (0.0, 0.0, 1.0, 1.0), (0.9, 0.9, 1.0, 1.0)]
    tray, cup, plate, lamp = with_contents(boxes, {1: 0, 2: 0})
    assert (tray, lamp) == (boxes[0], boxes[3])
    assert cup == (0.3, 0.35, 0.4, 0.45) and plate == (0.515, 0.265, 0.785, 0.535)


def test_adjectives_of_size_count():
    relation = [Relation(0, "left of", 1)]
    plain = arrange_boxes(["drum", "drum"], relation)
    sized = arrange_boxes(["drum", "drum"], relation, modifiers=[{"tiny", "red"}, {"huge"}])
    assert area(plain[0]) == pytest.approx(area(plain[1]))
    assert area(sized[0]) < 0.6 * area(plain[0]) and area(sized[1]) >= area(plain[1])


def test_adjectives_of_size_are_read_from_the_prompt(predictor):
    small, large = boxes_of(predictor, "a tiny drum to the left of an enormous drum")
    assert area(small) < 0.6 * area(large)


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
def test_above_and_to_the_left_is_both(predictor):
    jug, pan = boxes_of(predictor, "The jug is above and to the left of the pan.")
    assert jug[2] <= pan[0] and jug[3] <= pan[1]


# --- time -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "prompt",
    [
        "eight goats to the left of eight mules",
        "A jug, a fork, a pan, a spoon, a tray, a lamp, a stool, a desk, a goat, a mule, an owl, a horse, a cart, "
        "a tram, a drum and a raft",
    ],
)
def test_sixteen_objects_take_few_milliseconds(predictor, prompt):
    assert len(predictor(prompt)) == 16
    times = []
    for _ in range(5):
        start = time.process_time()
        predictor(prompt)
        times.append(time.process_time() - start)
    assert min(times) < 0.05


def test_things_in_a_circle_are_placed_all_the_same():
    relations = [Relation(0, "on", 1), Relation(2, "inside", 0), Relation(1, "inside", 2)]
    assert len(arrange_boxes(["jug"] * 3, relations)) == 3
