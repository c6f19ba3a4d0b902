"""Who is in front: the order in depth, in layouts, masks, drawings, predictors and pictures."""

import json
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from spacetime_attn import (
    Layout,
    LLMLayoutPredictor,
    Region,
    Relation,
    RuleLayoutPredictor,
    draw_layout,
    spacetime_attention,
)
from spacetime_attn.cli import main
from spacetime_attn.layout.draw import region_colour
from spacetime_attn.layout.holding import broken_relations
from spacetime_attn.layout.implied import with_stated_depth
from spacetime_attn.layout.language import read_prompt
from spacetime_attn.layout.learned import TransformerLayoutPredictor
from spacetime_attn.layout.objects import held_beside, held_pairs, objects_of


LEFT, RIGHT = (0.0, 0.0, 0.6, 1.0), (0.5, 0.0, 1.0, 1.0)  # the right one is smaller
SHAPES = {
    "a box": {"box": (0.3, 0.3, 0.9, 0.6)},
    "a soft box": {"box": (0.3, 0.4, 0.9, 0.6), "softness": 0.2},
    "a disc": {"disc": (0.4, 0.5, 0.25)},
    "a polygon": {"polygon": ((0.1, 0.9), (0.5, 0.2), (0.9, 0.9))},
    "a mask": {"mask": np.tri(64, dtype=np.float32) / 2},
}


def layout_of(*regions, relations=()) -> Layout:
    """Of `(box, order)` each, or boxes alone."""
    pairs = ((item, None) if len(item) == 4 else item for item in regions)
    return Layout([Region(f"object {i}", box=box, order=order) for i, (box, order) in enumerate(pairs)], relations)


def front_to_back(layout: Layout) -> str:
    return "".join(layout.phrases[index][-1] for index in reversed(layout.back_to_front()))


# --- the order ---------------------------------------------------------------------------------------------------
def test_the_smaller_is_in_front_and_of_two_alike_the_later():
    assert front_to_back(layout_of(LEFT, RIGHT)) == "10"
    assert front_to_back(layout_of(RIGHT, LEFT)) == "01"
    assert front_to_back(layout_of(LEFT, LEFT, LEFT)) == "210"


def test_sizes_that_differ_by_rounding_alone_are_alike():
    discs = [Region("a ball", disc=(x, 0.5, 0.2)) for x in np.linspace(0.2, 0.8, 9)]
    assert Layout(discs).back_to_front() == list(range(9))


def test_an_order_comes_before_sizes_and_none_is_zero():
    assert front_to_back(layout_of((LEFT, 1), RIGHT)) == "01"
    assert front_to_back(layout_of(LEFT, (RIGHT, -1))) == "01"
    assert front_to_back(layout_of((LEFT, 0), RIGHT)) == "10"
    assert front_to_back(layout_of((LEFT, 5), (LEFT, 7), (LEFT, -2))) == "102"


def test_any_order_can_be_given_and_what_is_added_later_is_in_front():
    layout = layout_of(LEFT, RIGHT, LEFT).ordered([1, 2, 0])
    assert layout.back_to_front() == [1, 2, 0] and layout.regions[0].order == 0
    assert Layout([*layout, Region("a fly", box=(0, 0, 0.1, 0.1))]).back_to_front() == [1, 2, 0, 3]


@pytest.mark.parametrize("order", [[0], [0, 0], [0, 2], [0, 1, 2]])
def test_an_order_has_to_be_of_all_objects(order):
    with pytest.raises(ValueError, match="`back_to_front` has to be the indices of all 2 objects"):
        layout_of(LEFT, RIGHT).ordered(order)


def test_a_part_of_the_picture_has_the_order_of_the_whole():
    layout = layout_of((0, 0, 0.5, 0.5), (0.4, 0, 1, 1))
    part = layout.cropped((0.3, 0, 0.45, 1))
    assert part.regions[0].area > part.regions[1].area
    assert front_to_back(part) == front_to_back(layout) == "01"
    assert layout.cropped((0, 0, 1, 1)) == layout


# --- masks -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [(64, 64), (16, 16), (7, 13), (1, 1)], ids=str)
def test_what_is_covered_is_weakened_by_what_covers_it(size):
    layout = Layout([Region(name, **shape) for name, shape in SHAPES.items()]).ordered([3, 0, 4, 1, 2])
    plain, covered = layout.masks(*size), layout.masks(*size, depth_order=True)
    for place, index in enumerate([3, 0, 4, 1, 2]):
        in_front = [3, 0, 4, 1, 2][place + 1 :]
        np.testing.assert_allclose(covered[index], plain[index] * np.prod(1 - plain[in_front], axis=0), atol=1e-6)
    assert covered.dtype == np.float32 and covered.sum(0).max() <= 1 + 1e-6
    assert plain.sum(0).max() > 1


@pytest.mark.parametrize("shape", SHAPES)
def test_where_nothing_overlaps_nothing_changes(shape):
    lower_half = [Region("a part", **SHAPES[shape]).cropped((0, -1, 1, 1))]  # drawn in the lower half
    layout = Layout([*lower_half, Region("a box", box=(0, 0, 0.4, 0.5)), Region("another", box=(0.4, 0, 1, 0.5))])
    for size in ((64, 64), (16, 16), (8, 12)):
        assert layout.masks(*size).sum(0).max() <= 1
        np.testing.assert_array_equal(layout.masks(*size, depth_order=True), layout.masks(*size))


def test_an_empty_layout_has_an_order_and_masks():
    assert Layout().back_to_front() == [] and Layout().masks(8, 8, depth_order=True).shape == (0, 8, 8)


# --- drawings ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("front", [0, 1])
def test_what_is_in_front_is_drawn_over_the_outlines_of_what_is_behind(front):
    layout = layout_of((0.1, 0.2, 0.6, 0.8), (0.4, 0.3, 0.9, 0.9)).ordered([1 - front, front])
    image = draw_layout(layout, Image.new("RGB", (400, 400), (255, 255, 255)))
    outlines = [image.getpixel((239, 200)), image.getpixel((160, 200))]  # each within the other
    assert outlines[front] == region_colour(front) and outlines[1 - front] != region_colour(1 - front)


# --- what is stated ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("relation, front", [("in front of", 0), ("on", 0), ("inside", 0), ("behind", 1)])
def test_stated_depth_comes_before_sizes(relation, front):
    for boxes in ((LEFT, RIGHT), (RIGHT, LEFT)):
        layout = with_stated_depth(layout_of(*boxes, relations=[Relation(0, relation, 1)]))
        assert layout.back_to_front() == [1 - front, front]


@pytest.mark.parametrize("relation", ["left of", "right of", "above", "below", "next to", "touching", "far from"])
def test_other_relations_say_nothing_of_depth(relation):
    layout = layout_of(LEFT, RIGHT, relations=[Relation(0, relation, 1), Relation(1, "left")])
    assert with_stated_depth(layout) is layout


def test_the_foreground_is_in_front_of_the_background():
    relations = [Relation(0, "foreground"), Relation(1, "background")]
    assert front_to_back(with_stated_depth(layout_of(LEFT, RIGHT, relations=relations))) == "01"


def test_what_is_in_front_is_so_through_others_and_the_rest_goes_by_size():
    relations = [Relation(0, "behind", 1), Relation(2, "on", 1)]
    boxes = (0, 0, 0.1, 0.1), (0, 0, 0.5, 0.5), (0, 0, 1, 0.9), (0, 0, 0.2, 0.2), (0, 0, 1, 1)
    assert front_to_back(with_stated_depth(layout_of(*boxes, relations=relations))) == "32104"


def test_what_contradicts_itself_goes_by_size():
    circle = [Relation(0, "in front of", 1), Relation(1, "in front of", 2), Relation(2, "in front of", 0)]
    boxes = [(0, 0, 0.1, 0.1), (0, 0, 0.5, 0.5), (0, 0, 1, 1), (0, 0, 0.9, 0.9)]
    assert front_to_back(with_stated_depth(layout_of(*boxes[:3], relations=circle))) == "012"
    held = with_stated_depth(layout_of(*boxes, relations=[*circle, Relation(3, "on", 0)]))
    assert front_to_back(held) == "3012"


def test_long_chains_are_ordered():
    boxes = [(0, 0, 0.1 + 0.0008 * number, 0.5) for number in range(1000)]
    chain = [Relation(number, "behind", number + 1) for number in range(999)]
    assert with_stated_depth(layout_of(*boxes, relations=chain)).back_to_front() == list(range(1000))


@pytest.mark.parametrize("boxes", [(LEFT, RIGHT), (RIGHT, LEFT)], ids=["larger", "smaller"])
def test_what_is_held_covers_its_holder_unless_a_relation_tells_otherwise(boxes):
    assert with_stated_depth(layout_of(*boxes), [(0, 1)]).back_to_front() == [1, 0]
    for stated in ([Relation(1, "in front of", 0)], [Relation(0, "behind", 1)], [Relation(1, "on", 0)]):
        layout = layout_of(*boxes, relations=stated)
        assert with_stated_depth(layout, [(0, 1)]).back_to_front() == [0, 1]
    between = layout_of(*boxes, LEFT, relations=[Relation(1, "in front of", 2), Relation(2, "in front of", 0)])
    assert with_stated_depth(between, [(0, 1)]).back_to_front() == [0, 2, 1]


# --- what is held ------------------------------------------------------------------------------------------------
def told_held(prompt: str) -> list[tuple[str, str]]:
    things, _ = objects_of(read_prompt(prompt))
    return [(things[held].phrase.lower(), things[holder].phrase.lower()) for held, holder in held_pairs(things)]


@pytest.mark.parametrize(
    "prompt",
    [
        "a man holding a cup",
        "A man grips a cup, near a house.",
        "a man, holding up a cup",
        "a cup being held by a man",
        "a man with a cup in his hand",
        "a man, a cup in hand, facing a dragon",
        "a cup in the hands of a man",
        "There is a cup. A man is holding it.",
        "A man stands beside a car. He is carrying a cup.",
        "a man in a red coat and with a long beard, holding a cup",
        "a man in the kitchen holding a cup",
        "a man on a bench holding a cup",
        "A man rides a horse and holds a cup.",
        "a shelf that holds two vases, below a man holding a cup",
    ],
)
def test_texts_tell_who_holds_what(prompt):
    assert ("a cup", "a man") in told_held(prompt)
    assert {holder for held, holder in told_held(prompt) if held == "a cup"} == {"a man"}


@pytest.mark.parametrize("words", ["carrying", "hugs", "is clutching", "wielding", "cradles", "that embraces"])
def test_other_words_for_holding(words):
    assert told_held(f"a robot {words} a doll") == [("a doll", "a robot")]


@pytest.mark.parametrize(
    "prompt, expected",
    {
        "a man holding a cup and a spoon": {"a cup": "a man", "a spoon": "a man"},
        "a knight wielding a sword and holding a shield": {"a sword": "a knight", "a shield": "a knight"},
        "a man with a cup in his left hand and a spoon in his right hand": {"a cup": "a man", "a spoon": "a man"},
        "a woman holding a dog holding a bone": {"a dog": "a woman", "a bone": "a dog"},
        "a robot holding a cup and an alien holding a plate": {"a cup": "a robot", "a plate": "an alien"},
        "a man holding a cup and a dog": {"a cup": "a man"},
        "a man holding a cup, a car, a house": {"a cup": "a man"},
    }.items(),
)
def test_of_several_things_each_has_its_holder(prompt, expected):
    assert sorted(told_held(prompt)) == sorted(expected.items())


def test_of_groups_each_holds_its_own_or_all_hold_one():
    things, _ = objects_of(read_prompt("two girls holding two balloons"))
    assert [thing.holders for thing in things] == [(), (), (0,), (1,)]
    things, _ = objects_of(read_prompt("two men carrying a large sofa"))
    assert [thing.holders for thing in things] == [(), (), (0, 1)]
    things, _ = objects_of(read_prompt("a man holding three cups"))
    assert [thing.holders for thing in things] == [(), (0,), (0,), (0,)]


@pytest.mark.parametrize(
    "prompt",
    [
        "a man next to a cup",
        "a man and a cup",
        "a man in a cart",
        "a man is holding on to a pole",
        "A car race is held near a castle.",
        "A man stands by a car. Holding hands, children run past a dog.",
        "a woman holding her hair, a dog",
        "a man near a bridge carried away by water",
    ],
)
def test_where_no_thing_is_said_to_be_held_none_is(prompt):
    assert told_held(prompt) == []


# --- predictors --------------------------------------------------------------------------------------------------
def answer(prompt: str) -> str:
    """A language model that knows where a cat, a mat and a wall are, and nothing of how they stand to each other."""
    boxes = {"a cat": [0.3, 0.3, 0.7, 0.6], "a mat": [0.2, 0.5, 0.8, 0.8], "a wall": [0, 0, 1, 0.7]}
    return json.dumps({"objects": [{"phrase": phrase, "box": box} for phrase, box in boxes.items()], "relations": []})


PREDICTORS = {
    "rules": RuleLayoutPredictor(),
    "transformer": TransformerLayoutPredictor(),
    "llm": LLMLayoutPredictor(answer),
    "llm without an answer": LLMLayoutPredictor(lambda prompt: ""),
}


@pytest.mark.parametrize("predictor", PREDICTORS.values(), ids=PREDICTORS)
def test_predictors_set_the_order_that_the_prompt_states(predictor):
    layout = predictor("a cat on a mat, and behind the mat a wall")
    cat, mat, wall = map(layout.phrases.index, ("a cat", "a mat", "a wall"))
    assert layout.back_to_front() == [wall, mat, cat]
    assert [layout.regions[index].order for index in (cat, mat, wall)] == [0, -1, -2]


@pytest.mark.parametrize("predictor", PREDICTORS.values(), ids=PREDICTORS)
def test_a_small_thing_behind_a_large_one_is_behind_it(predictor):
    layout = predictor("a cat behind a mat, and a wall")
    cat, mat = (layout.back_to_front().index(layout.phrases.index(phrase)) for phrase in ("a cat", "a mat"))
    assert cat < mat


@pytest.mark.parametrize("predictor", PREDICTORS.values(), ids=PREDICTORS)
def test_where_no_depth_is_stated_predictors_set_no_order(predictor):
    layout = predictor("a cat to the left of a mat")
    assert len(layout) == 2 and all(region.order is None for region in layout)


def large_kite(prompt: str) -> str:
    """A language model for which a kite is larger than the boy with it."""
    boxes = {"a huge kite": [0.3, 0.0, 1.0, 0.7], "a boy": [0.2, 0.5, 0.5, 1.0]}
    return json.dumps({"objects": [{"phrase": phrase, "box": box} for phrase, box in boxes.items()], "relations": []})


@pytest.mark.parametrize("predictor", (PREDICTORS | {"llm": LLMLayoutPredictor(large_kite)}).values(), ids=PREDICTORS)
@pytest.mark.parametrize(
    "prompt", ["a boy holding a huge kite", "a huge kite being held by a boy", "a boy with a huge kite in his hand"]
)
def test_what_is_held_is_in_front_whatever_its_size(predictor, prompt):
    layout = predictor(prompt)
    assert {region.phrase: region.order for region in layout} == {"a boy": -1, "a huge kite": 0}
    assert layout.relations == ()


# --- pictures ----------------------------------------------------------------------------------------------------
OVERLAPPING = layout_of(LEFT, RIGHT)
VISIBLE = layout_of((0.0, 0.0, 0.5, 1.0), RIGHT)


def run(pipe, layout: Layout, **options) -> torch.Tensor:
    options = {"num_inference_steps": 2, "output_type": "pt", "generator": torch.manual_seed(0)} | options
    return pipe("a cat and a dog", layout=layout, **options).images


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_with_it_a_region_acts_where_nothing_covers_it(pipes, blend):
    pipe, _ = pipes
    overlapping, visible = (run(pipe, layout, blend=blend, weights=1.0) for layout in (OVERLAPPING, VISIBLE))
    assert not torch.equal(overlapping, visible)
    pipe.depth_order = True
    assert torch.equal(run(pipe, OVERLAPPING, blend=blend, weights=1.0), visible)
    assert torch.equal(run(pipe, VISIBLE, blend=blend, weights=1.0), visible)


def test_a_stock_pipeline_has_that_of_its_checkpoint(pipe):
    for depth_order in (False, True):
        pipe.depth_order = depth_order
        with spacetime_attention(StableDiffusionPipeline.from_pipe(pipe), OVERLAPPING) as control:
            np.testing.assert_array_equal(control.masks(8, 8), OVERLAPPING.masks(8, 8, depth_order))


def test_the_command_line_turns_it_on_and_off(tmp_path):
    pictures = {}
    for layout in (OVERLAPPING, VISIBLE):
        layout.save(tmp_path / "layout.json")
        for option in ("--depth-order", "--no-depth-order"):
            arguments = ["--layout", str(tmp_path / "layout.json"), "-o", str(tmp_path / "a.png"), "--steps", "2"]
            assert main(["generate", "a cat and a dog", *arguments, option]) == 0
            with Image.open(tmp_path / "a.png") as picture:
                pictures[layout, option] = picture.tobytes()
    assert pictures[OVERLAPPING, "--depth-order"] == pictures[VISIBLE, "--depth-order"]
    assert pictures[OVERLAPPING, "--no-depth-order"] != pictures[VISIBLE, "--no-depth-order"]
    assert pictures[VISIBLE, "--no-depth-order"] == pictures[VISIBLE, "--depth-order"]


@pytest.mark.parametrize("name", ["rules", "transformer"])
@pytest.mark.parametrize(
    "prompt",
    [
        "a woman holding an umbrella",
        "a knight with a sword in his hand and a shield on the left",
        "a wizard holding a staff stands left of a witch holding a broom",
        "a bear hugging a doll, a tree on the right",
        "two men carrying a sofa",
    ],
)
def test_what_is_held_is_at_its_holder_without_being_stated(name, prompt):
    layout = PREDICTORS[name](prompt)
    held = held_pairs(objects_of(read_prompt(prompt))[0])
    beside = {"rules": "next to", "transformer": "touching"}[name]
    placed = replace(layout, relations=[Relation(thing, beside, holder) for thing, holder in held])
    assert held and not broken_relations(placed) and not broken_relations(layout)
    assert layout.relations == tuple(objects_of(read_prompt(prompt))[1])


@pytest.mark.parametrize("name", ["rules", "transformer"])
def test_what_is_in_a_hand_is_on_its_side(name):
    layout = PREDICTORS[name]("a knight with a sword in his right hand and a shield in his left hand")
    centres = {region.phrase: region.centre[0] for region in layout}
    assert centres["a shield"] < centres["a knight"] < centres["a sword"] and layout.relations == ()


@pytest.mark.parametrize(
    "name, prompt",
    [
        *product(
            ["rules", "transformer"],
            [
                "four men on the left holding torches, four women on the right holding candles",
                "a clown holding ten balloons",
                "a man and a dog in a car, the man is holding a cup",
            ],
        ),
        ("rules", "seven books on a shelf, a man holding a cup"),
        ("rules", "ten men holding twelve flags"),
    ],
)
def test_nothing_else_is_hidden_for_it(name, prompt):
    layout = PREDICTORS[name](prompt)
    things, relations = objects_of(read_prompt(prompt))
    free = [set(relation.ends) for relation in (*relations, *held_beside(things, relations))]
    for a, b in combinations(range(len(layout)), 2):
        (x0, y0, x1, y1), (u0, v0, u1, v1) = layout.regions[a].bounds, layout.regions[b].bounds
        shared = max(min(x1, u1) - max(x0, u0), 0) * max(min(y1, v1) - max(y0, v0), 0)
        assert {a, b} in free or shared <= 0.5 * min((x1 - x0) * (y1 - y0), (u1 - u0) * (v1 - v0))


def test_the_hand_is_that_of_a_part():
    things, _ = objects_of(read_prompt("two women, the left woman holds a lamp and the right woman carries a basket"))
    assert {thing.hand for thing in things} == {""} and len(held_pairs(things)) == 2


def test_what_is_held_may_be_said_to_be_elsewhere():
    things, _ = objects_of(read_prompt("A man holds a cup, a dog holds a bone."))
    assert held_pairs(things) == [(1, 0), (3, 2)]
    assert held_beside(things, [Relation(0, "far from", 1)]) == [Relation(3, "touching", 2)]
    assert held_beside(things, [Relation(0, "inside", 2)]) == [Relation(3, "touching", 2)]
