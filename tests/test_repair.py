"""Boxes moved until the stated relations hold."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetime_attn.layout.boxes import arrange_boxes
from spacetime_attn.layout.holding import broken_relations, is_complete
from spacetime_attn.layout.least_squares import least_move
from spacetime_attn.layout.regions import Layout, Region, Relation
from spacetime_attn.layout.repair import inside_picture, repair_layout
from spacetime_attn.layout.vocabulary import PLACES, RELATIONS_OF_TWO


def layout_of(boxes, relations=()):
    return Layout([Region(f"thing {n}", box=box) for n, box in enumerate(boxes)], relations)


def boxes_of(layout):
    return [region.box for region in layout.regions]


def repaired(boxes, *relations):
    return boxes_of(repair_layout(layout_of(boxes, relations)))


def center(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def size(box):
    return box[2] - box[0], box[3] - box[1]


def overlap(a, b):
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (np.prod(size(a)) + np.prod(size(b)) - common)


def is_in(inner, outer):
    return all(inner[axis] >= outer[axis] - 1e-3 and inner[axis + 2] <= outer[axis + 2] + 1e-3 for axis in (0, 1))


# --- what holds -----------------------------------------------------------------------------------------------------
LOW_LEFT, HIGH_RIGHT, LARGE = (0.05, 0.6, 0.35, 0.9), (0.6, 0.1, 0.9, 0.5), (0.5, 0.0, 1.0, 0.7)


@pytest.mark.parametrize(
    "first, relation, second",
    [
        (LOW_LEFT, "left of", HIGH_RIGHT),
        (HIGH_RIGHT, "right of", LOW_LEFT),
        (HIGH_RIGHT, "above", LOW_LEFT),
        (LOW_LEFT, "below", HIGH_RIGHT),
        (HIGH_RIGHT, "on", LOW_LEFT),
        (LOW_LEFT, "in front of", HIGH_RIGHT),
        (HIGH_RIGHT, "behind", LOW_LEFT),
        (HIGH_RIGHT, "inside", LARGE),
        (LOW_LEFT, "far from", HIGH_RIGHT),
        ((0.3, 0.1, 0.5, 0.3), "next to", (0.6, 0.1, 0.9, 0.4)),
        ((0.3, 0.1, 0.5, 0.3), "touching", (0.5, 0.3, 0.9, 0.6)),
    ],
)
def test_a_relation_of_two_holds_one_way_round(first, relation, second):
    assert broken_relations(layout_of([first, second], [Relation(0, relation, 1)])) == []
    if relation not in ("next to", "touching", "far from"):
        assert broken_relations(layout_of([second, first], [Relation(0, relation, 1)]))


@pytest.mark.parametrize(
    "first, relation, second",
    [
        (LOW_LEFT, "next to", HIGH_RIGHT),
        (HIGH_RIGHT, "next to", HIGH_RIGHT),
        ((0.3, 0.1, 0.5, 0.3), "touching", (0.53, 0.1, 0.9, 0.4)),
        ((0.3, 0.1, 0.5, 0.3), "touching", (0.3, 0.33, 0.5, 0.6)),
        (HIGH_RIGHT, "touching", HIGH_RIGHT),
        ((0.3, 0.1, 0.5, 0.3), "far from", (0.6, 0.1, 0.9, 0.4)),
        (LOW_LEFT, "inside", LARGE),
        (HIGH_RIGHT, "left of", HIGH_RIGHT),
    ],
)
def test_a_relation_of_two_may_not_hold(first, relation, second):
    stated = Relation(0, relation, 1)
    assert broken_relations(layout_of([first, second], [stated])) == [stated]


def test_what_is_on_something_may_lie_within_it():
    carpet, cat = (0.1, 0.5, 0.9, 0.9), (0.4, 0.75, 0.6, 0.88)
    assert broken_relations(layout_of([cat, carpet], [Relation(0, "on", 1)])) == []
    assert broken_relations(layout_of([(0.4, 0.8, 0.6, 1.0), (0.1, 0.5, 0.9, 0.85)], [Relation(0, "on", 1)]))


def test_between_needs_one_on_each_side():
    boxes = [(0.4, 0.4, 0.6, 0.6), (0.0, 0.4, 0.2, 0.6), (0.8, 0.4, 1.0, 0.6)]
    between = Relation(0, "between", 1, 2)
    assert broken_relations(layout_of(boxes, [between])) == []
    assert broken_relations(layout_of(boxes[1:] + boxes[:1], [between])) == [between]


@pytest.mark.parametrize("place", PLACES)
def test_places_of_the_picture(place):
    column, row = PLACES[place]
    box = (0.4 + 0.3 * column, 0.4 + 0.3 * row, 0.6 + 0.3 * column, 0.6 + 0.3 * row)
    holding = {name for name in PLACES if not broken_relations(layout_of([box], [Relation(0, name)]))}
    expected = {name for name, (x, y) in PLACES.items() if x in (0, column) and y in (0, row) and (x, y) != (0, 0)}
    assert holding == (expected or {"centre"})


def test_discs_and_masks_count_too():
    layout = Layout([Region("a", disc=(0.2, 0.5, 0.1)), Region("b", mask=np.eye(4))], [Relation(1, "left of", 0)])
    assert broken_relations(layout) == list(layout.relations)


def test_broken_relations_keep_their_order():
    relations = [Relation(0, "right of", 1), Relation(0, "left of", 1), Relation(0, "above", 1)]
    assert broken_relations(layout_of([LOW_LEFT, HIGH_RIGHT], relations)) == [relations[0], relations[2]]


@pytest.mark.parametrize(
    "relation", [Relation(0, "left-of", 1), Relation(0, "left of"), Relation(0, "between", 1), Relation(0, "top", 1)]
)
@pytest.mark.parametrize("function", [broken_relations, repair_layout])
def test_a_relation_that_is_none_is_refused(function, relation):
    assert not is_complete(relation)
    with pytest.raises(ValueError, match=f"{relation.relation}.*left of.*between.*top left"):
        function(layout_of([LOW_LEFT, HIGH_RIGHT], [relation]))


# --- repaired -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", RELATIONS_OF_TWO)
@pytest.mark.parametrize(
    "boxes", [(LOW_LEFT, HIGH_RIGHT), (HIGH_RIGHT, LOW_LEFT), (LARGE, LARGE), (LARGE, HIGH_RIGHT)]
)
def test_every_relation_of_two_can_be_brought_about(name, boxes, caplog):
    relation = Relation(0, name, 1)
    assert broken_relations(repair_layout(layout_of(boxes, [relation]))) == []
    assert not caplog.records


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("box", [LOW_LEFT, HIGH_RIGHT, LARGE, (0.0, 0.0, 1.0, 1.0)])
def test_every_place_can_be_reached(name, box):
    assert broken_relations(repair_layout(layout_of([box], [Relation(0, name)]))) == []


def test_between_can_be_brought_about():
    boxes = [LOW_LEFT, HIGH_RIGHT, (0.5, 0.6, 0.8, 0.9)]
    assert broken_relations(repair_layout(layout_of(boxes, [Relation(0, "between", 1, 2)]))) == []


def test_what_is_right_is_returned_as_it_is():
    layout = layout_of([LOW_LEFT, (0.61234567, 0.6, 0.9, 0.9)], [Relation(0, "left of", 1)])
    assert repair_layout(layout) is layout


@pytest.mark.parametrize(
    "name", ["left of", "right of", "above", "below", "on", "inside", "touching", "in front of", "behind"]
)
def test_what_the_rules_arrange_is_right(name):
    layout = layout_of(arrange_boxes(["jug", "pan"], [Relation(0, name, 1)]), [Relation(0, name, 1)])
    assert repair_layout(layout) is layout


def test_an_empty_layout_stays_empty():
    assert len(repair_layout(Layout(prompt="fog"))) == 0


def test_what_has_nothing_to_do_with_it_stays_where_it_is():
    bystander = (0.0123456, 0.7, 0.2, 0.99)
    *_, stayed = repaired([(0.6, 0.1, 0.8, 0.3), (0.3, 0.1, 0.5, 0.3), bystander], Relation(0, "left of", 1))
    assert stayed == bystander


@pytest.mark.parametrize("box", [(0.0, 0.0, 0.2, 0.2), (0.26, 0.3, 0.46, 0.7), (0.45, 0.8, 0.65, 1.0)])
def test_what_is_in_the_centre_is_near_it(box):
    ((x0, y0, x1, y1),) = repaired([box], Relation(0, "centre"))
    assert abs((x0 + x1) / 2 - 0.5) < 0.1 and abs((y0 + y1) / 2 - 0.5) < 0.1


@pytest.mark.parametrize("relation, order", [("touching", [0, 1]), ("left of", [0, 1]), ("right of", [1, 0])])
def test_what_is_held_is_at_a_side_of_its_holder(relation, order):
    cup, man = layout_of([(0.1, 0.0, 0.2, 0.1), (0.4, 0.2, 0.6, 0.9)]).regions
    result = repair_layout(Layout([cup, man]), [Relation(0, relation, 1)])
    cup, man = (region.box for region in result.regions)
    assert sorted((0, 1), key=lambda index: (cup, man)[index][0] + (cup, man)[index][2]) == order
    assert cup[0] <= man[2] + 1e-3 and man[0] <= cup[2] + 1e-3  # no gap
    assert man[1] <= (cup[1] + cup[3]) / 2 <= man[3] and result.relations == ()


def test_what_is_held_yields_to_what_is_stated(caplog):
    boxes = [(0.1, 0.0, 0.2, 0.1), (0.4, 0.4, 0.6, 0.9)]
    layout = repair_layout(layout_of(boxes, [Relation(0, "far from", 1)]), [Relation(0, "touching", 1)])
    assert not broken_relations(layout) and not caplog.records


def test_boxes_move_no_farther_than_they_must():
    first, second = repaired([(0.5, 0.4, 0.7, 0.6), (0.4, 0.4, 0.6, 0.6)], Relation(0, "left of", 1))
    assert first == pytest.approx((0.35, 0.4, 0.55, 0.6)) and second == pytest.approx((0.55, 0.4, 0.75, 0.6))


def test_the_stated_direction_is_that_of_the_larger_distance():
    first, second = map(center, repaired([(0.3, 0.1, 0.4, 0.2), (0.45, 0.7, 0.55, 0.8)], Relation(0, "left of", 1)))
    assert second[0] - first[0] > abs(second[1] - first[1])


def test_above_and_to_the_left_is_both():
    boxes = [(0.5, 0.5, 0.8, 0.8), (0.2, 0.2, 0.5, 0.5)]
    layout = layout_of(boxes, [Relation(0, "above", 1), Relation(0, "left of", 1)])
    assert broken_relations(repair_layout(layout)) == []


@pytest.mark.parametrize("place, side", [("foreground", "bottom"), ("background", "top")])
@pytest.mark.parametrize("box", [LOW_LEFT, HIGH_RIGHT, LARGE])
def test_the_foreground_is_the_lower_edge_of_the_picture_and_the_background_the_upper_one(box, place, side):
    assert repaired([box], Relation(0, place)) == repaired([box], Relation(0, side))


def test_things_that_touch_meet_at_their_edges():
    first, second = repaired([LOW_LEFT, HIGH_RIGHT], Relation(0, "touching", 1))
    gaps = [max(first[axis] - second[axis + 2], second[axis] - first[axis + 2]) for axis in (0, 1)]
    assert max(gaps) == pytest.approx(0, abs=1e-3)
    assert size(first) == pytest.approx(size(LOW_LEFT)) and size(second) == pytest.approx(size(HIGH_RIGHT))
    apart = repaired([LARGE, LARGE], Relation(0, "touching", 1))
    assert overlap(*apart) < 0.1


def test_what_is_on_something_stands_on_it():
    lamp, table = repaired([(0.0, 0.0, 0.1, 0.2), (0.4, 0.5, 0.9, 0.9)], Relation(0, "on", 1))
    assert table[1] - 1e-3 <= lamp[3] <= table[3] and table[0] <= center(lamp)[0] <= table[2]


@pytest.mark.parametrize("support", [(0.4, 0.4, 0.6, 0.6), (0.2, 0.2, 0.8, 0.8)])
def test_what_would_hide_much_of_its_support_stands_on_the_upper_edge(support):
    tractor, below = repaired([(0.3, 0.3, 0.7, 0.7), support], Relation(0, "on", 1))
    assert overlap(tractor, below) < 0.1 and below[1] - 1e-3 <= tractor[3] < center(below)[1]


def test_what_is_inside_lies_wholly_inside_and_shrinks_for_it():
    fish, bowl = repaired([(0.1, 0.1, 0.5, 0.4), (0.5, 0.5, 0.7, 0.7)], Relation(0, "inside", 1))
    assert is_in(fish, bowl)
    assert size(fish)[0] / size(fish)[1] == pytest.approx(4 / 3, rel=1e-2)


def test_boxes_shrink_only_where_they_have_no_room():
    chain = [Relation(0, "left of", 1), Relation(1, "left of", 2)]
    roomy = repaired([(0.3, 0.3, 0.6, 0.6)] * 3, *chain)
    assert all(size(box) == pytest.approx((0.3, 0.3), abs=2e-4) for box in roomy)
    crowded = repaired([(0.3, 0.3, 0.7, 0.6)] * 3, *chain)
    assert all(
        0.3 < size(box)[0] < 0.35 and size(box)[0] / size(box)[1] == pytest.approx(4 / 3, rel=1e-2) for box in crowded
    )
    assert not any(overlap(a, b) > 1e-3 for a, b in zip(crowded, crowded[1:]))


def test_what_is_not_related_hardly_overlaps():
    first, second = repaired([(0.2, 0.2, 0.6, 0.6), (0.3, 0.25, 0.7, 0.65)])
    assert overlap(first, second) < 0.1
    nudged = [(0.1, 0.1, 0.5, 0.5), (0.47, 0.1, 0.8, 0.5)]
    assert repaired(nudged) == nudged


@pytest.mark.parametrize("name", ["on", "inside", "in front of", "behind"])
def test_what_is_on_in_or_in_front_of_something_may_overlap_it(name):
    boxes = [(0.45, 0.45, 0.55, 0.65), (0.3, 0.3, 0.7, {"in front of": 0.6, "on": 0.85}.get(name, 0.7))]
    assert repaired(boxes, Relation(0, name, 1)) == boxes


def test_what_is_on_something_is_higher_though_it_may_lie_within_it():
    book, bed = repaired([(0.4, 0.5, 0.6, 0.6), (0.2, 0.2, 0.8, 0.7)], Relation(0, "on", 1))
    assert center(book)[1] < center(bed)[1] and size(book) == pytest.approx((0.2, 0.1))
    assert bed[1] < book[1] < book[3] < bed[3]


def test_what_lies_in_something_on_a_table_may_overlap_the_table():
    frog, box, table = (0.45, 0.5, 0.55, 0.6), (0.42, 0.48, 0.57, 0.68), (0.1, 0.5, 0.9, 0.9)
    relations = [Relation(0, "inside", 1), Relation(1, "on", 2)]
    assert repaired([frog, box, table], *relations) == [frog, box, table]
    moved = repaired([frog, frog, box], Relation(0, "inside", 2), Relation(1, "inside", 2))
    assert overlap(*moved[:2]) < 0.1


def test_values_are_rounded_to_four_decimals_and_minus_zero_is_none():
    boxes = repaired([(0.0, 0.1234567, 0.77, 0.5), (0.0, 0.2, 0.6, 0.7)], Relation(0, "right of", 1))
    assert all(value == round(value, 4) and np.signbit(value) == 0 for box in boxes for value in box)


def test_the_same_layout_is_repaired_in_the_same_way():
    layout = layout_of([LARGE, LARGE, LOW_LEFT, HIGH_RIGHT], [Relation(0, "left of", 3), Relation(2, "next to", 1)])
    assert repair_layout(layout) == repair_layout(layout)


def test_prompt_phrases_and_relations_are_kept():
    layout = Layout(
        [Region("a", box=LARGE, softness=0.1), Region("b", box=LARGE)], [Relation(0, "above", 1)], "a on b"
    )
    result = repair_layout(layout)
    assert (result.prompt, result.phrases, result.relations) == (layout.prompt, layout.phrases, layout.relations)
    assert result.regions[0].softness == 0.1


def test_boxes_as_thin_as_a_hair_survive():
    hair = (0.5, 0.1, 0.50001, 0.9)
    layout = layout_of([hair, hair], [Relation(0, "left of", 1)])
    result = repair_layout(layout)
    assert broken_relations(result) == [] and all(min(size(box)) >= 0.009 for box in boxes_of(result))


def test_only_boxes_can_be_moved():
    with pytest.raises(ValueError, match="'a bun'.*`bounds`"):
        repair_layout(Layout([Region("a bun", disc=(0.5, 0.5, 0.2))]))


def test_a_box_is_cut_off_at_the_edges_of_the_picture():
    assert inside_picture((-0.5, 0.2, 0.5, 1.5)) == (0.0, 0.2, 0.5, 1.0)
    assert inside_picture((2.0, 0.5, 3.0, 0.5), 0.1) == pytest.approx((0.9, 0.5, 1.0, 0.6))


# --- contradictions -------------------------------------------------------------------------------------------------
def test_of_contradicting_relations_the_first_wins_and_the_others_are_named(caplog):
    relations = [Relation(0, "left of", 1), Relation(0, "right of", 1), Relation(0, "above", 1)]
    with caplog.at_level(logging.WARNING):
        result = repair_layout(layout_of([HIGH_RIGHT, LOW_LEFT], relations))
    assert broken_relations(result) == [relations[1]]
    assert "thing 0 right of thing 1" in caplog.text and "above" not in caplog.text


def test_of_a_circle_one_relation_is_given_up():
    circle = [Relation(0, "above", 1), Relation(1, "above", 2), Relation(2, "above", 0)]
    assert broken_relations(repair_layout(layout_of([LARGE] * 3, circle))) == circle[2:]


def test_a_thing_beside_itself_ends_well():
    layout = layout_of([LARGE], [Relation(0, name, 0) for name in RELATIONS_OF_TWO] + [Relation(0, "between", 0, 0)])
    assert all(0 <= value <= 1 for value in boxes_of(repair_layout(layout))[0])


def test_many_containers_part_with_what_is_in_them():
    cups, tea = [(0.4, 0.4, 0.6, 0.6)] * 12, [(0.45, 0.45, 0.55, 0.55)] * 12
    boxes = repaired(cups + tea, *(Relation(12 + n, "inside", n) for n in range(12)))
    assert max(overlap(a, b) for n, a in enumerate(boxes[:12]) for b in boxes[:n]) < 0.1


def test_nothing_is_parted_in_a_crowd_but_relations_hold(caplog):
    crowd = layout_of([LARGE] * 30, [Relation(n, "left of", n + 1) for n in range(10)])
    assert broken_relations(repair_layout(crowd)) == []
    many = layout_of([LARGE] * 100, [Relation(0, "left of", 1)])
    assert repair_layout(many) is many
    assert "thing 0 left of thing 1" in caplog.text


# --- whatever the boxes ---------------------------------------------------------------------------------------------
@st.composite
def places(draw, sizes):
    """Boxes of these sizes, in twentieths of the picture."""
    boxes = []
    for sides in sizes:
        low = [draw(st.integers(0, 20 - side)) for side in sides]
        boxes.append(tuple(value / 20 for value in (*low, low[0] + sides[0], low[1] + sides[1])))
    return boxes


def every_relation(count):
    indices = range(count)
    found = [Relation(a, name) for a in indices for name in PLACES]
    found += [Relation(a, name, b) for a in indices for b in indices if a != b for name in RELATIONS_OF_TWO]
    found += [Relation(a, "between", b, c) for a in indices for b in indices for c in indices if len({a, b, c}) == 3]
    return found


@st.composite
def layouts_with_consistent_relations(draw):
    """Boxes anywhere, with relations that other boxes of the same sizes fulfil."""
    side = st.integers(1, 5).map(lambda n: 2 * n)
    sizes = draw(st.lists(st.tuples(side, side), min_size=1, max_size=6))
    example = layout_of(draw(places(sizes)), every_relation(len(sizes)))
    holding = set(example.relations) - set(broken_relations(example))
    choice = draw(st.lists(st.sampled_from(sorted(holding, key=str)), max_size=8)) if holding else []
    relations = {(r.object is None or frozenset((r.subject, r.object)), r.subject, r.object): r for r in choice}
    one_of_each_pair = {(frozenset((r.subject, r.object)), r.second_object): r for r in relations.values()}
    return layout_of(draw(places(sizes)), one_of_each_pair.values())


@settings(max_examples=250, deadline=None, derandomize=True)
@given(layouts_with_consistent_relations())
def test_relations_that_can_hold_do_hold_afterwards(layout):
    result = repair_layout(layout)
    assert broken_relations(result) == []
    assert all(0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1 for box in boxes_of(result))


@pytest.mark.parametrize("side", [0.001, 0.01, 0.02, 0.05])
def test_of_two_thin_boxes_in_one_place_one_gets_inside_the_other(side):
    relation = Relation(0, "inside", 1)
    assert broken_relations(repair_layout(layout_of([(0.5, 0.5, 0.5 + side, 0.5 + side)] * 2, [relation]))) == []


@pytest.mark.parametrize("width", [0.001, 1.0])
def test_the_largest_box_gets_inside_the_smallest(width):
    boxes = [(0.0, 0.0, width, 1.0), (0.0, 0.0, 0.001, 0.001)]
    assert broken_relations(repair_layout(layout_of(boxes, [Relation(0, "inside", 1)]))) == []


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_relations_come_to_an_end(data):
    count = data.draw(st.integers(1, 6))
    side = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)
    sides = data.draw(st.lists(st.tuples(side, side), min_size=count, max_size=count))
    boxes = [inside_picture((x0, y0, x1, y1), 1e-3) for (x0, x1), (y0, y1) in sides]
    relations = data.draw(st.lists(st.sampled_from(every_relation(count)), max_size=12))
    result = repair_layout(layout_of(boxes, relations))
    assert all(0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1 for box in boxes_of(result))
    assert not relations or relations[0] not in broken_relations(result)


# --- least moves ----------------------------------------------------------------------------------------------------
def test_the_least_move_reaches_the_nearest_point():
    move, multipliers = least_move(np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([2.0, -5.0]))
    assert move == pytest.approx([1, 1]) and multipliers[0] > 0 == multipliers[1]
    corner, _ = least_move(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 3.0, 2.0]))
    assert corner == pytest.approx([1, 3])


def test_nothing_moves_where_nothing_is_missing():
    move, multipliers = least_move(np.array([[1.0, 1.0]]), np.array([-1.0]))
    assert not move.any() and not multipliers.any()


def test_contradicting_inequalities_are_told():
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    move, multipliers = least_move(rows, np.array([1.0, 1.0, 0.0, -3.0]))
    assert move is None and np.flatnonzero(multipliers).tolist() == [0, 2]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10_000))
def test_a_guess_does_not_change_the_least_move(seed):
    random = np.random.default_rng(seed)
    rows, least = random.normal(size=(12, 6)), random.normal(size=12) - 0.5
    move, _ = least_move(rows, least)
    again, _ = least_move(rows, least, random.random(12) * (random.random(12) < 0.4))
    assert (move is None and again is None) or np.allclose(move, again, atol=1e-7)
